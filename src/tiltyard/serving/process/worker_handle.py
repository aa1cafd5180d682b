"""The supervisor's side of one worker: how it is started, and the channel to it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from tiltyard.errors import TiltyardError
from tiltyard.processes.health_checks import HealthCheck
from tiltyard.processes.ipc import Handler, IpcChannel
from tiltyard.processes.model_calls import ModelCalls, open_shared_memory
from tiltyard.processes.supervisor import ManagedProcess
from tiltyard.serving.process.liveness import LivenessProbe
from tiltyard.serving.process.worker_config import WorkerConfig

REFRESH_SECONDS = 120.0
STOP_SECONDS = 40.0
# A worker that does not listen yet has accepted nothing, and may be at a step that no signal interrupts: the first
# start on a machine compiles for many seconds.
STARTING_STOP_SECONDS = 2.0


class WorkerHandle:
    """One worker, from start to start.

    Attributes:
        name: what it is, for people and events.
        listening: whether the process that runs now takes requests.

    Args:
        config: what it serves.
        handlers: gives the functions that it may call.
        knows_keys: whether the supervisor knows of API keys now.
    """

    def __init__(
        self,
        config: WorkerConfig,
        handlers: Callable[[WorkerHandle], Mapping[str, Handler]],
        knows_keys: Callable[[], bool],
    ) -> None:
        self.name = f"worker {config.number}"
        self.listening = False
        self._config = config
        self._handlers = handlers
        self._knows_keys = knows_keys
        self._channel: IpcChannel | None = None
        self._probe: LivenessProbe | None = None
        self._calls = ModelCalls()

    @property
    def hung_call(self) -> tuple[str, int] | None:
        """The version and the requests of the model call in which it hung; None where that is not known."""
        return None if self._probe is None else self._probe.hung_call

    def as_managed(self) -> ManagedProcess:
        """The worker as the supervisor of processes takes it.

        It does not lead a process group: a kill of the server's group ends its workers too.
        """
        return ManagedProcess(
            self.name,
            self._launch,
            health_checks=self._health_checks,
            on_gone=self._close_channel,
            stop_seconds=lambda: STOP_SECONDS if self.listening else STARTING_STOP_SECONDS,
        )

    def refresh(self) -> None:
        """Let the worker look its alias up; returns when it has, or cannot."""
        if self.listening and self._channel is not None:
            with contextlib.suppress(TiltyardError):
                self._channel.call("refresh", seconds=REFRESH_SECONDS)

    def _launch(self) -> subprocess.Popen[bytes]:
        ours, theirs = socket.socketpair()
        listener, memory = self._config.listener, open_shared_memory()
        passed = [theirs.fileno(), memory, *([listener] if listener is not None else [])]
        command = [sys.executable, "-P", "-m", "tiltyard.serving.process.worker", str(theirs.fileno())]
        with theirs:
            try:
                self._calls = ModelCalls.attach(memory)
                process = subprocess.Popen(command, pass_fds=passed, stdin=subprocess.DEVNULL)  # noqa: S603
            except OSError:
                ours.close()
                raise
            finally:
                os.close(memory)
        self.listening = False
        self._channel = IpcChannel(ours, self._handlers(self), peer=self.name)
        config = self._config.model_copy(update={"calls": memory, "knew_keys": self._knows_keys()})
        ours.sendall(config.model_dump_json().encode() + b"\n")
        self._channel.start()
        return process

    def _health_checks(self) -> list[HealthCheck]:
        assert self._channel is not None  # noqa: S101 - it was launched
        hang_seconds = self._config.options.hang_seconds
        self._probe = LivenessProbe(self._channel, hang_seconds, lambda: self.listening, self._calls)
        return self._probe.health_checks()

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
