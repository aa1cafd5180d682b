"""RabbitMQ: a queue whose messages are confirmed one by one; results are persistent, and confirmed by the broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tiltyard.formatting import format_count
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.brokers.connection import BrokerConnection, Connected, Errors
from tiltyard.streams.ports import Message, Outgoing

if TYPE_CHECKING:
    from aio_pika.abc import (
        AbstractChannel,
        AbstractConnection,
        AbstractIncomingMessage,
        AbstractMessage,
        AbstractQueue,
    )

CONNECT_SECONDS = 10.0
RESPONSE_SECONDS = 30.0
MESSAGE_SECONDS = 0.05
"""More for each message that is published: a disk that syncs each of them takes its time."""
CORRELATION_ID = "Correlation-Id"
SHORT_BYTES = 255
HEADER_BYTES = 100_000
"""All headers of a message go into one frame, of 131,072 bytes unless a broker is set otherwise."""


class _Connection(BrokerConnection):
    """A connection to the RabbitMQ of a queue."""

    def __init__(self, address: StreamAddress) -> None:
        super().__init__(address)
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._queue: AbstractQueue | None = None

    @property
    def channel(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed or self._connection is None or self._connection.is_closed:
            raise self.away()
        return self._channel

    @property
    def queue(self) -> AbstractQueue:
        if self._queue is None:
            raise self.away()
        return self._queue

    def refusals(self) -> Errors:
        from aiormq import exceptions  # noqa: PLC0415 - part of an extra

        return exceptions.AuthenticationError, exceptions.ProbableAuthenticationError, exceptions.ChannelAccessRefused

    def rejections(self) -> Errors:
        from aio_pika import exceptions  # noqa: PLC0415 - part of an extra

        return (exceptions.DeliveryError,)

    def failures(self) -> Errors:
        from aio_pika import exceptions  # noqa: PLC0415 - part of an extra

        return exceptions.AMQPError, RuntimeError

    async def open(self) -> None:
        import aio_pika  # noqa: PLC0415 - part of an extra

        address = self.address
        [(host, port)] = address.servers
        with self.errors():
            self._connection = await aio_pika.connect(
                host=host,
                port=port,
                login=address.user or "guest",
                password=address.password or "guest",
                virtualhost=address.options.get("vhost", "/"),
                ssl=address.kind.tls,
                ssl_context=self.make_tls(),
                timeout=CONNECT_SECONDS,
                client_properties={"connection_name": "tiltyard"},
            )
        await self.open_channel()

    async def open_channel(self) -> None:
        """Open a channel of the connection, in place of one that the broker closed."""
        from aio_pika import exceptions  # noqa: PLC0415 - part of an extra

        with self.errors():
            if self._connection is None:
                raise self.away()
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            try:
                self._queue = await self._channel.declare_queue(
                    self.address.name, passive=True, timeout=RESPONSE_SECONDS
                )
            except exceptions.ChannelNotFoundEntity:
                raise self.missing("Make it, durable, or correct the name and the vhost.") from None

    async def count_ready(self) -> int:
        """Messages that wait in the queue."""
        with self.errors():
            found = await self.channel.declare_queue(self.address.name, passive=True, timeout=RESPONSE_SECONDS)
        return found.declaration_result.message_count or 0

    async def close(self) -> None:
        connection, self._connection, self._channel, self._queue = self._connection, None, None, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), CONNECT_SECONDS)


class RabbitSource(Connected[_Connection]):
    """A queue of RabbitMQ; all that read it share its messages, so that it needs no name of a group.

    Args:
        address: the queue.
        most: most messages that are taken at once; twice as many are fetched ahead.
    """

    def __init__(self, address: StreamAddress, most: int) -> None:
        super().__init__(_Connection(address))
        self._most = most
        self._fetched: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._in_hand = 0

    async def open(self) -> None:
        """See ``Source.open``."""
        await super().open()
        self._fetched, self._in_hand = asyncio.Queue(), 0
        with self._connection.errors():
            await self._connection.channel.set_qos(prefetch_count=min(65_535, 2 * self._most))
            await self._connection.queue.consume(self._fetched.put)

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        """See ``Source.take``."""
        _ = self._connection.channel
        try:
            found = [await asyncio.wait_for(self._fetched.get(), seconds)]
        except TimeoutError:
            return []
        while len(found) < most and not self._fetched.empty():
            found.append(self._fetched.get_nowait())
        self._in_hand += len(found)
        return [_read(one) for one in found]

    async def hold(self, messages: Sequence[Message]) -> None:
        """See ``Source.hold``: they are in hand as long as the connection lives."""

    async def confirm(self, messages: Sequence[Message]) -> None:
        """See ``Source.confirm``."""
        _ = self._connection.channel
        with self._connection.errors():
            for message in messages:
                await message.receipt.ack()
                self._in_hand -= 1

    async def lag(self) -> int | None:
        """See ``Source.lag``: what waits in the queue, and what this consumer has in hand."""
        return await self._connection.count_ready() + self._fetched.qsize() + self._in_hand


class RabbitTarget(Connected[_Connection]):
    """A queue of RabbitMQ that is written to.

    Args:
        address: the queue.
    """

    def __init__(self, address: StreamAddress) -> None:
        super().__init__(_Connection(address))

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """See ``ResultTarget.publish``."""
        from aio_pika import exceptions  # noqa: PLC0415 - part of an extra

        refused = {
            place: f"its headers have {size:,} bytes, and a frame of RabbitMQ holds {HEADER_BYTES:,}"
            for place, size in enumerate(map(_measure_headers, messages))
            if size > HEADER_BYTES
        }
        taken = [place for place in range(len(messages)) if place not in refused]
        try:
            await self._publish_all([messages[place] for place in taken])
        except exceptions.ChannelPreconditionFailed:
            # It closes the channel for one that is too large, and confirms none that is under way.
            await self._connection.open_channel()
            for place in taken:
                try:
                    await self._publish_all([messages[place]])
                except exceptions.ChannelPreconditionFailed as error:
                    refused[place] = (
                        f"it has {format_count(len(messages[place].body), 'byte')}, and RabbitMQ says: {error}"
                    )
                    await self._connection.open_channel()
        return refused

    async def _publish_all(self, messages: Sequence[Outgoing]) -> None:
        from aio_pika import exceptions  # noqa: PLC0415 - part of an extra

        closed: exceptions.ChannelPreconditionFailed | None = None
        with self._connection.errors():
            exchange, name = self._connection.channel.default_exchange, self._connection.address.name
            async with asyncio.timeout(RESPONSE_SECONDS + MESSAGE_SECONDS * len(messages)):
                try:
                    await asyncio.gather(
                        *(exchange.publish(_write(message), routing_key=name, mandatory=True) for message in messages)
                    )
                except exceptions.ChannelPreconditionFailed as error:
                    closed = error
        if closed is not None:
            raise closed


def _measure_headers(message: Outgoing) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in message.headers.items())


def _write(message: Outgoing) -> AbstractMessage:
    import aio_pika  # noqa: PLC0415 - part of an extra

    # Names of headers, and a correlation id, are short strings of the protocol.
    headers = {name: value for name, value in message.headers.items() if len(name.encode()) <= SHORT_BYTES}
    correlation = message.headers.get(CORRELATION_ID, "")
    return aio_pika.Message(
        message.body,
        headers=dict(headers),
        message_id=message.id,
        correlation_id=correlation if 0 < len(correlation.encode()) <= SHORT_BYTES else None,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _read(received: AbstractIncomingMessage) -> Message:
    headers = {name: str(value) for name, value in (received.headers or {}).items()}
    if received.correlation_id is not None:
        headers[CORRELATION_ID] = str(received.correlation_id)
    return Message(
        received.body,
        datetime.now(UTC) if received.timestamp is None else received.timestamp.astimezone(UTC),
        own_id=received.message_id or "",
        headers=headers,
        receipt=received,
    )
