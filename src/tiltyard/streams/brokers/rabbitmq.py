"""RabbitMQ: a queue whose messages are confirmed one by one; results are persistent, and confirmed by the broker."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tiltyard.errors import MissingExtraError, UnavailableError, UsageError
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.ports import Message, Outgoing

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

CONNECT_SECONDS = 10.0
RESPONSE_SECONDS = 30.0
CORRELATION_ID = "Correlation-Id"


class _Connection:
    """A connection to the RabbitMQ of a queue, which does not reconnect by itself."""

    def __init__(self, address: StreamAddress) -> None:
        self.address = address
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    @property
    def channel(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed or self._connection is None or self._connection.is_closed:
            raise self.away("the connection is closed")
        return self._channel

    def away(self, why: object) -> UnavailableError:
        return UnavailableError(
            f"RabbitMQ at {self.address.shown} does not respond: {why}.",
            next_step="Check that it runs, and its address.",
            code="stream.away",
        )

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Make errors of the library the ones that the port names."""
        from aio_pika import exceptions  # noqa: PLC0415 - part of an extra

        try:
            yield
        except (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError) as error:
            raise UsageError(
                f"RabbitMQ at {self.address.shown} refuses the user: {type(error).__name__}.",
                next_step="Write amqp://USER:${PASSWORD}@HOST:5672/QUEUE, and set PASSWORD in the environment.",
                code="stream.refused",
            ) from None
        except exceptions.ChannelNotFoundEntity:
            raise UsageError(
                f"RabbitMQ at {self.address.shown} has no queue '{self.address.name}'.",
                next_step="Make it, durable, or correct the name and the vhost.",
                code="stream.missing",
            ) from None
        except (exceptions.AMQPError, OSError, TimeoutError, RuntimeError) as error:
            raise self.away(str(error).strip() or type(error).__name__) from None

    async def open(self) -> AbstractQueue:
        """Connect; returns the queue, which has to exist."""
        try:
            import aio_pika  # noqa: PLC0415 - part of an extra
        except ModuleNotFoundError:
            raise MissingExtraError("Reading and writing queues of RabbitMQ", "streams") from None
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
                ssl_context=ssl.create_default_context() if address.kind.tls else None,
                timeout=CONNECT_SECONDS,
                client_properties={"connection_name": "tiltyard"},
            )
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            return await self._channel.declare_queue(address.name, passive=True, timeout=RESPONSE_SECONDS)

    async def count_ready(self) -> int:
        """Messages that wait in the queue."""
        with self.errors():
            found = await self.channel.declare_queue(self.address.name, passive=True, timeout=RESPONSE_SECONDS)
        return found.declaration_result.message_count or 0

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), CONNECT_SECONDS)


class RabbitSource:
    """A queue of RabbitMQ; all that read it share its messages, so that it needs no name of a group.

    Args:
        address: the queue.
        most: most messages that are taken at once; twice as many are fetched ahead.
    """

    def __init__(self, address: StreamAddress, most: int) -> None:
        self._connection, self._most = _Connection(address), most
        self._fetched: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._in_hand = 0

    async def open(self) -> None:
        """See ``Source.open``."""
        queue = await self._connection.open()
        self._fetched, self._in_hand = asyncio.Queue(), 0
        with self._connection.errors():
            await self._connection.channel.set_qos(prefetch_count=min(65_535, 2 * self._most))
            await queue.consume(self._fetched.put)

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

    async def close(self) -> None:
        """See ``Source.close``."""
        await self._connection.close()


class RabbitTarget:
    """A queue of RabbitMQ that is written to.

    Args:
        address: the queue.
    """

    def __init__(self, address: StreamAddress) -> None:
        self._connection = _Connection(address)

    async def open(self) -> None:
        """See ``ResultTarget.open``."""
        await self._connection.open()

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """See ``ResultTarget.publish``."""
        import aio_pika  # noqa: PLC0415 - part of an extra

        exchange, name = self._connection.channel.default_exchange, self._connection.address.name
        with self._connection.errors():
            async with asyncio.timeout(RESPONSE_SECONDS):
                await asyncio.gather(
                    *(
                        exchange.publish(
                            aio_pika.Message(
                                message.body,
                                headers=dict(message.headers),
                                message_id=message.id,
                                correlation_id=message.headers.get(CORRELATION_ID),
                                content_type="application/json",
                                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                            ),
                            routing_key=name,
                            mandatory=True,
                        )
                        for message in messages
                    )
                )
        return {}

    async def close(self) -> None:
        """See ``ResultTarget.close``."""
        await self._connection.close()


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
