"""What a process is doing with its model is known to another one, also when it cannot say so itself."""

from __future__ import annotations

import os
import socket
from time import monotonic

from tiltyard.processes.ipc import IpcChannel
from tiltyard.processes.model_calls import CallSlot, ModelCalls, open_shared_memory
from tiltyard.serving.process.liveness import LivenessProbe


def test_calls_are_seen_through_shared_memory() -> None:
    """Who attaches to the memory of a process sees its calls under way, each by kind, until they end."""
    memory = open_shared_memory()
    theirs, ours = ModelCalls.attach(memory), ModelCalls.attach(memory)
    os.close(memory)
    assert ours.under_way() == {}
    before = monotonic()
    theirs.slot("batch").begin("12", 3)
    with theirs.slot("shadow").call("v" * 80):
        found = ours.under_way()
        assert (found["batch"].version, found["batch"].requests) == ("12", 3)
        assert before <= found["batch"].since <= monotonic()
        assert found["shadow"].version == "v" * 52
    theirs.slot("batch").begin("7", 1)
    assert {work: (call.version, call.requests) for work, call in ours.under_way().items()} == {"batch": ("7", 1)}
    theirs.slot("batch").end()
    assert ours.under_way() == {}


class SilentWorker:
    """A worker that listens and responds to nothing, and the probe that watches it."""

    def __init__(self) -> None:
        ours, self.socket = socket.socketpair()
        self.calls = ModelCalls()
        self.channel = IpcChannel(ours, {})
        self.channel.start()
        self.probe = LivenessProbe(self.channel, 0.03, lambda: True, self.calls)
        _, self.responds, _ = self.probe.health_checks()
        assert self.responds.probe()  # the first one counts as passed

    def slot(self, work: str) -> CallSlot:
        return self.calls.slot(work)  # type: ignore[arg-type]

    def end(self) -> None:
        self.channel.close()
        self.socket.close()


def test_a_silent_worker_hangs_in_the_call_that_was_under_way() -> None:
    """A call that holds the interpreter lets nothing respond; the version that it is of is known all the same."""
    worker = SilentWorker()
    worker.slot("batch").begin("2", 4)
    assert not worker.responds.probe()
    assert not worker.responds.probe()
    assert worker.probe.hung_call == ("2", 4)
    worker.end()


def test_a_call_that_began_after_the_silence_is_not_why() -> None:
    """A worker that is silent for another cause, and goes on to predict, hangs in no call."""
    worker = SilentWorker()
    worker.slot("batch").begin("2", 4)
    assert not worker.responds.probe()
    worker.slot("batch").begin("2", 5)
    assert not worker.responds.probe()
    assert worker.probe.hung_call is None
    worker.end()


def test_of_two_versions_either_may_be_the_one_that_hangs() -> None:
    """While the challenger predicts in the shadow, either of the two may hold the interpreter."""
    worker = SilentWorker()
    worker.slot("batch").begin("2", 4)
    worker.slot("shadow").begin("3", 0)
    assert not worker.responds.probe()
    assert worker.probe.hung_call != ("2", 4)
    assert not worker.probe.hung_call
    worker.slot("batch").end()
    assert not worker.responds.probe()
    hung_call: object = worker.probe.hung_call
    assert hung_call == ("3", 0)
    worker.end()
