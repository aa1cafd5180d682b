"""All connections of one process: how many there are, what they keep, and which of them goes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from tiltyard.serving.connections.limits import ConnectionLimits

if TYPE_CHECKING:
    from uvicorn.server import ServerState

SWEEP_SECONDS = 1.0
# Found by one pass over all connections, so that a flood of them does not cost such a pass for each.
_CANDIDATES = 256


class OpenConnection(Protocol):
    """What is known of one connection."""

    @property
    def is_waiting(self) -> bool:
        """Whether it has no whole request that awaits its response."""

    @property
    def waits_since(self) -> float:
        """When it began to wait, by the loop's clock."""

    @property
    def kept_bytes(self) -> int:
        """How many bytes of requests it keeps that are not whole, or wait."""

    def drop(self) -> None:
        """End it now, without a word."""

    def check_time(self, now: float) -> None:
        """End it if its client is too slow."""


class OpenConnections:
    """Keeps the connections of one process within their limits. Used by one event loop.

    Args:
        connections: those that are open; uvicorn's own set.
        limits: their limits.
        loop: the event loop, which looks for those that are too slow.
    """

    def __init__(
        self, connections: Collection[OpenConnection], limits: ConnectionLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.limits = limits
        self.kept_bytes = 0
        self._connections = connections
        self._loop = loop
        self._armed = False
        self._oldest: deque[tuple[float, OpenConnection]] = deque()
        self._oldest_keeping: deque[tuple[float, OpenConnection]] = deque()

    def admit(self, newcomer: OpenConnection) -> bool:
        """Take one more connection, in the place of another if need be; whether there is room for it."""
        if not self._armed:
            self._armed = True
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
        surplus = len(self._connections) - self.limits.connections
        return surplus <= 0 or self._drop_oldest(newcomer, self._oldest) or surplus <= self.limits.probes

    def keep(self, difference: int, connection: OpenConnection) -> None:
        """Note that a connection keeps more bytes than before, or fewer; over the limit, the oldest ones go."""
        self.kept_bytes += difference
        while difference > 0 and self.kept_bytes > self.limits.kept_bytes:
            if not self._drop_oldest(connection, self._oldest_keeping, keeping=True):
                connection.drop()
                return

    def _drop_oldest(
        self, spared: OpenConnection, oldest: deque[tuple[float, OpenConnection]], *, keeping: bool = False
    ) -> bool:
        """Close the connection that has waited for longest without a whole request; whether there was one.

        Args:
            spared: not this one.
            oldest: those that were found by the last pass over all connections.
            keeping: whether only those count that keep bytes.
        """
        for _ in range(2):
            while oldest:
                since, connection = oldest.popleft()
                if connection is not spared and connection.waits_since == since and connection.is_waiting:
                    connection.drop()
                    return True
            waiting = [item for item in self._connections if item.is_waiting and (item.kept_bytes or not keeping)]
            found = sorted((item.waits_since, id(item), item) for item in waiting)[:_CANDIDATES]
            oldest.extend((since, item) for since, _, item in found)
        return False

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in list(self._connections):
            connection.check_time(now)
        self._armed = bool(self._connections)
        if self._armed:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)


_OF_SERVER: WeakKeyDictionary[ServerState, OpenConnections] = WeakKeyDictionary()


def connections_of(
    state: ServerState, limits: ConnectionLimits | None, loop: asyncio.AbstractEventLoop
) -> OpenConnections:
    """The connections of the server that this state belongs to.

    Args:
        state: uvicorn's state of a running server.
        limits: their limits, which the first connection of a server decides; default: those of this process.
        loop: the server's event loop.
    """
    found = _OF_SERVER.get(state)
    if found is None:
        found = _OF_SERVER[state] = OpenConnections(state.connections, limits or ConnectionLimits(), loop)  # type: ignore[arg-type]
    return found
