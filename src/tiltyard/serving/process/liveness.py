"""Liveness of a worker: the health checks that its supervisor makes over the channel between them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic

from tiltyard.errors import TiltyardError
from tiltyard.processes.health_checks import HealthCheck
from tiltyard.processes.ipc import IpcChannel
from tiltyard.processes.model_calls import ModelCall, ModelCalls

MISSES = 3
"""After so many pings in a row without a reply, a worker hangs."""
START_SECONDS = 900.0
"""How long a worker may take until it listens: it may have to fetch a large version first."""


class LivenessProbe:
    """Pings a worker. A worker that replies, but whose model does not return from a call, hangs as well.

    A worker is pinged once it listens: while it imports and loads a model, it may not reply for a while.

    Args:
        channel: the channel to the worker, which replies to ``ping`` with the seconds of the model call under way.
        hang_seconds: about how long it may give no reply, and a model call may take.
        is_listening: whether the worker takes requests yet.
        calls: where the worker notes its model calls: it can be read even if the worker responds to nothing.
    """

    def __init__(
        self, channel: IpcChannel, hang_seconds: float, is_listening: Callable[[], bool], calls: ModelCalls
    ) -> None:
        self._channel = channel
        self._hang_seconds = hang_seconds
        self._timeout = hang_seconds / MISSES
        self._is_listening = is_listening
        self._scoring_seconds = 0.0
        self._probed = False
        self._calls = calls
        self._silent_since: float | None = None
        self._silent_call: tuple[str, int] | None = None
        self._long_call: tuple[str, int] | None = None

    @property
    def hung_call(self) -> tuple[str, int] | None:
        """The version and the requests of the model call in which it hangs; None for none, or where it may be others.

        A worker that gives no reply at all hangs in the call that has been under way since before it fell silent: the
        call holds the interpreter. Where the challenger, too, is called in the shadow, it may be either of them.
        """
        return self._long_call or self._silent_call

    def health_checks(self) -> list[HealthCheck]:
        """The checks for the supervisor."""
        pause = self._timeout / 2
        return [
            HealthCheck(
                f"it did not listen within {START_SECONDS:g} seconds", self._is_listening, pause, MISSES, START_SECONDS
            ),
            HealthCheck(
                f"it did not respond for {self._hang_seconds:g} seconds", self._responds, pause, MISSES, START_SECONDS
            ),
            HealthCheck(
                f"its model did not return from a call for {self._hang_seconds:g} seconds",
                self._returns,
                pause,
                1,
                START_SECONDS,
            ),
        ]

    def _responds(self) -> bool:
        # Misses count once a probe has passed, and one that finds it listening knows that it has just responded: else a
        # worker that hangs before its first ping would have the time that a start may take.
        first, self._probed = not self._probed, True
        if first or not self._is_listening():
            return True
        try:
            self._scoring_seconds = float(self._channel.call("ping", seconds=self._timeout))
        except TiltyardError:
            silent_since = self._silent_since = self._silent_since or monotonic()
            since_then = [call for call in self._calls.under_way().values() if call.since <= silent_since]
            self._silent_call = _name_call(since_then)
            return False
        self._silent_since = self._silent_call = None
        return True

    def _returns(self) -> bool:
        """Decide by the latest ping: the model call under way has not taken too long."""
        if self._scoring_seconds < self._hang_seconds:
            return True
        batch = self._calls.under_way().get("batch")
        self._long_call = None if batch is None else _name_call([batch])
        return False


def _name_call(calls: Collection[ModelCall]) -> tuple[str, int] | None:
    """The one version that is called, and for how many requests; None for none or several."""
    versions = {call.version for call in calls}
    return (versions.pop(), max(call.requests for call in calls)) if len(versions) == 1 else None
