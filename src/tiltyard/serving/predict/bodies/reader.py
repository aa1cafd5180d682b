"""Reads the body of a request, for every route: within its limit and the process's budget, large ones in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from tiltyard.serving.predict.bodies.budget import ALWAYS_TAKEN, BodyBudget, HeldBody
from tiltyard.serving.predict.bodies.content_encoding import BodyDecoder, body_decoder
from tiltyard.serving.predict.requests import RequestHead
from tiltyard.serving.problem_details import RequestError

Body = bytes | bytearray
Decoded = TypeVar("Decoded")

# Decoding holds Python's lock much of the time: more threads would not be faster, and would take more memory.
_THREADS = 2


class BodyReader:
    """Receives, unpacks and decodes bodies.

    A plain body of up to ``ALWAYS_TAKEN`` bytes is decoded at once. A larger or packed one, whose cost its caller
    chooses, is unpacked and decoded in one of a few threads, so that the event loop continues with other requests.

    Args:
        most: how many bytes of bodies there may be at once; see ``BodyBudget``.
    """

    def __init__(self, most: int) -> None:
        self.budget = BodyBudget(most)
        self._threads = ThreadPoolExecutor(_THREADS, "tiltyard-body")

    def hold(self) -> HeldBody:
        """What one request holds of the budget: a ``with`` block around its reading and predicting."""
        return self.budget.hold()

    async def read(
        self,
        held: HeldBody,
        head: RequestHead,
        receive: Receive,
        limit: int,
        decode: Callable[[Body], Decoded],
        *,
        in_thread: bool = False,
    ) -> Decoded:
        """Receive a whole body and decode it.

        Args:
            held: what the request holds of the budget.
            head: its headers.
            receive: its ASGI channel.
            limit: most bytes of the body, packed or unpacked.
            decode: makes values of the unpacked body, and raises a ``RequestError`` where it is wrong; may be called in
                another thread.
            in_thread: whether a small body, too, is costly to decode.

        Raises:
            RequestError: it is larger than ``limit``, its encoding is unknown or broken, or ``decode`` refuses it.
            UnavailableError: the process holds as many bytes of bodies as it may.
            starlette.requests.ClientDisconnect: the client went away.
        """
        decoder = body_decoder(head.content_encoding)
        body = await _receive_body(held, head, receive, limit)
        if decoder is None and len(body) <= ALWAYS_TAKEN and not in_thread:
            return decode(body)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _unpack_and_decode, held, body, decoder, limit, decode
        )

    def close(self) -> None:
        """End the threads, once what they do is done."""
        self._threads.shutdown()


def too_large(limit: int) -> RequestError:
    """The error for a body of more bytes than the route takes, plain or unpacked."""
    return RequestError(
        f"The body is larger than {limit} bytes.",
        status=413,
        code="request.too-large",
        next_step="Send less at once.",
    )


async def _receive_body(held: HeldBody, head: RequestHead, receive: Receive, limit: int) -> Body:
    if head.length is not None and head.length.isdigit():
        if int(head.length) > limit:
            raise too_large(limit)
        # All of it now: of bodies that were taken in part, none might find room for its rest.
        held.reserve(int(head.length))
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        size = len(body) + len(piece)
        if size > limit:
            raise too_large(limit)
        held.reserve(size)
        if not message.get("more_body", False):
            if not body:
                return piece
            body += piece
            return body
        body += piece


def _unpack_and_decode(
    held: HeldBody, body: Body, decoder: BodyDecoder | None, limit: int, decode: Callable[[Body], Decoded]
) -> Decoded:
    return decode(body if decoder is None else _unpack(held, body, decoder, limit))


def _unpack(held: HeldBody, packed: Body, decoder: BodyDecoder, limit: int) -> Body:
    body = bytearray()
    for start in range(0, len(packed), ALWAYS_TAKEN):
        body += decoder.decode(packed[start : start + ALWAYS_TAKEN], limit - len(body))
        if len(body) > limit:
            raise too_large(limit)
        held.reserve(len(packed) + len(body))
    decoder.finish()
    return body
