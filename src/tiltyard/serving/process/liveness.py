"""Liveness of a worker: the health checks that its supervisor makes over the channel between them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from tiltyard.errors import TiltyardError
from tiltyard.processes.health_checks import HealthCheck
from tiltyard.processes.ipc import IpcChannel

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

    Attributes:
        hung_call: the version and the requests of the model call that did not return; None where none hung.
    """

    def __init__(self, channel: IpcChannel, hang_seconds: float, is_listening: Callable[[], bool]) -> None:
        self._channel = channel
        self._hang_seconds = hang_seconds
        self._timeout = hang_seconds / MISSES
        self._is_listening = is_listening
        self._scoring_seconds = 0.0
        self._probed = False
        self.hung_call: tuple[str, int] | None = None

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
            return False
        return True

    def _returns(self) -> bool:
        """Decide by the latest ping: the model call under way has not taken too long."""
        if self._scoring_seconds < self._hang_seconds:
            return True
        with contextlib.suppress(TiltyardError):
            version, requests = self._channel.call("call_under_way", seconds=self._timeout)
            self.hung_call = (str(version), int(requests)) if version else None
        return False
