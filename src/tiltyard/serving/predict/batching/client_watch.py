"""Withdraws what was submitted for clients that have left."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from starlette.types import Receive

from tiltyard.serving.predict.batching.ticket import Ticket

# Watching for a client that leaves costs a task; most requests are finished sooner than this.
WATCH_SECONDS = 0.05


class ClientWatch:
    """Withdraws the tickets of clients that leave; watches only those that wait long.

    One timer serves all of them: one for each request would cost as much as reading it.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Ticket, Receive]] = deque()
        self._armed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, ticket: Ticket, receive: Receive) -> None:
        """Watch a ticket, should it wait long."""
        self._waiting.append((perf_counter() + WATCH_SECONDS, ticket, receive))
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_later(WATCH_SECONDS, self._check)

    def _check(self) -> None:
        now = perf_counter()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].done):
            _, ticket, receive = self._waiting.popleft()
            if not ticket.done:
                task = asyncio.ensure_future(_withdraw_on_disconnect(ticket, receive))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._armed = bool(self._waiting)
        if self._armed:
            asyncio.get_running_loop().call_later(WATCH_SECONDS, self._check)


async def _withdraw_on_disconnect(ticket: Ticket, receive: Receive) -> None:
    # With the body read, the next message can only be that the client has left; or, once the response is sent, an
    # end, which changes nothing.
    message: Mapping[str, Any] = await receive()
    if message["type"] == "http.disconnect" and not ticket.done:
        ticket.abandoned = True
        ticket.withdraw()
