"""NATS JetStream: a durable pull consumer, which all members of the group share; results with the id that NATS knows.

Nothing but our own count of tries gives a message up: a consumer with ``max_deliver`` stops delivering a message and
counts it as nobody's, while the stream keeps it (it is then neither pending nor waiting for its confirmation).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from tiltyard.errors import TiltyardError, UsageError
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.brokers.connection import BrokerConnection, Connected, Errors
from tiltyard.streams.ports import Message, Outgoing

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

CONNECT_SECONDS = 5
RESPONSE_SECONDS = 10.0
CHECK_SECONDS = 0.25
MESSAGE_ID = "Nats-Msg-Id"
NOT_IN_A_NAME = re.compile(r"[\s.*>/\\]")
REFUSAL = "authorization violation"
HEADER_NAME = re.compile(r"(?!nats-)[!-9;-~]+", re.IGNORECASE)
"""Names of headers that NATS takes, and gives no meaning."""


class _Connection(BrokerConnection):
    """A connection to NATS."""

    check = "Check that it runs with JetStream (nats-server -js), and its address."

    def __init__(self, address: StreamAddress) -> None:
        super().__init__(address)
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._noted: Exception | None = None

    @property
    def is_up(self) -> bool:
        """Whether the connection was not lost."""
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise self.away()
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        if self._jetstream is None:
            self._jetstream = self.client.jetstream(timeout=RESPONSE_SECONDS)
        return self._jetstream

    def refusals(self) -> Errors:
        from nats.errors import AuthorizationError  # noqa: PLC0415 - part of an extra

        return (AuthorizationError,)

    def rejections(self) -> Errors:
        from nats.js.errors import APIError  # noqa: PLC0415 - part of an extra

        return (APIError,)

    def failures(self) -> Errors:
        from nats.errors import Error  # noqa: PLC0415 - part of an extra

        return (Error,)

    def explain(self, error: Exception) -> TiltyardError:
        # What a user may not do is a separate message, and the request waits in vain.
        noted, self._noted = self._noted, None
        return super().explain(noted if noted is not None and isinstance(error, TimeoutError) else error)

    async def open(self) -> None:
        from nats.aio.client import Client  # noqa: PLC0415 - part of an extra
        from nats.errors import Error, NoServersError  # noqa: PLC0415 - likewise

        address = self.address
        scheme = "tls" if address.kind.tls else "nats"
        self._noted = None

        async def note(error: Exception) -> None:
            self._noted = error

        # It is kept before it is connected: a connection that broke off in its greeting is closed by ``close`` alone.
        self._client = Client()
        with self.errors():
            try:
                await self._client.connect(
                    [f"{scheme}://{host}" for host in address.hosts],
                    user=address.user or None,
                    password=address.password or None,
                    tls=self.make_tls(),
                    connect_timeout=CONNECT_SECONDS,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,  # else the first connection is tried for two minutes, whatever is stopped
                    reconnect_time_wait=0,
                    name="tiltyard",
                    error_cb=note,
                )
            except Error as error:
                noted = self._noted if isinstance(error, NoServersError) else None
                raise _name_refusal(noted or error) from None
        with self.errors():
            await self._require_stream()

    async def _require_stream(self) -> None:
        """Make sure that a stream keeps what is published to the subject."""
        import nats.js.errors  # noqa: PLC0415 - part of an extra

        try:
            await self.jetstream.find_stream_name_by_subject(self.address.name)
        except nats.js.errors.ServiceUnavailableError:
            raise UsageError(
                f"NATS at {self.address.shown} runs without JetStream, and keeps no messages.",
                next_step="Start it with: nats-server -js",
                code="stream.missing",
            ) from None
        except nats.js.errors.NotFoundError:
            raise UsageError(
                f"No stream of NATS at {self.address.shown} keeps the subject '{self.address.name}'.",
                next_step=f"Make one: nats stream add NAME --subjects '{self.address.name}'",
                code="stream.missing",
            ) from None

    async def close(self) -> None:
        client, self._client, self._jetstream = self._client, None, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), CONNECT_SECONDS)


class NatsSource(Connected[_Connection]):
    """A subject of NATS JetStream, read through a durable consumer that has the group's name.

    Args:
        address: the subject.
        group: the group of consumers.
        most: most messages that are taken at once.
        hold_seconds: so long NATS waits for the confirmation of a message, or for word that it is still in hand.
    """

    def __init__(self, address: StreamAddress, group: str, most: int, hold_seconds: float) -> None:
        super().__init__(_Connection(address))
        self._address, self._most, self._hold_seconds = address, most, hold_seconds
        self._group = NOT_IN_A_NAME.sub("_", group)
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._stream = ""

    async def open(self) -> None:
        """See ``Source.open``."""
        await super().open()
        with self._connection.errors():
            jetstream = self._connection.jetstream
            self._stream = await jetstream.find_stream_name_by_subject(self._address.name)
            await self._require_consumer(jetstream)
            self._subscription = await jetstream.pull_subscribe_bind(consumer=self._group, stream=self._stream)

    async def _require_consumer(self, jetstream: JetStreamContext) -> None:
        """Make the durable consumer, or check the one that is there."""
        import nats.js.errors  # noqa: PLC0415 - part of an extra
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - likewise

        try:
            config = (await jetstream.consumer_info(self._stream, self._group)).config
        except nats.js.errors.NotFoundError:
            config = ConsumerConfig(
                name=self._group,
                durable_name=self._group,
                filter_subject=self._address.name,
                ack_policy=AckPolicy.EXPLICIT,
                deliver_policy=DeliverPolicy.ALL,
                ack_wait=self._hold_seconds,
                max_deliver=-1,
                max_ack_pending=max(1000, 4 * self._most),
            )
            await jetstream.add_consumer(self._stream, config=config)
            return
        wrong = ""
        if config.ack_policy != AckPolicy.EXPLICIT:
            wrong = f"confirms by the policy '{config.ack_policy and config.ack_policy.value}'"
        elif config.deliver_subject:
            wrong = "pushes its messages"
        elif (config.max_deliver or -1) > 0:
            wrong = f"gives a message up after {config.max_deliver} deliveries"
        elif config.filter_subject != self._address.name:
            wrong = f"reads the subject '{config.filter_subject or ', '.join(config.filter_subjects or [])}'"
        if wrong:
            raise UsageError(
                f"The consumer '{self._group}' of the stream '{self._stream}' {wrong}; messages would be lost.",
                next_step="Name another group with --group: its consumer is made as it has to be.",
                code="stream.consumer",
            )
        if config.ack_wait != self._hold_seconds:
            await jetstream.add_consumer(self._stream, config=config.evolve(ack_wait=self._hold_seconds))

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        """See ``Source.take``."""
        assert self._subscription is not None  # noqa: S101 - for the type checker: it is open
        _ = self._connection.client
        with self._connection.errors():
            try:
                found = await self._subscription.fetch(max(2, most), seconds)
            except TimeoutError:  # the library's own is one, and it raises plain ones as well
                return []
        return [self._read(one) for one in found]

    def _read(self, received: Any) -> Message:
        headers = dict(received.headers or {})
        kept = received.metadata
        sent_us = int(kept.timestamp.timestamp() * 1_000_000)
        return Message(
            received.data,
            kept.timestamp,
            f"{self._stream}/{kept.sequence.stream}@{sent_us}",
            headers.get(MESSAGE_ID, ""),
            headers={name: value for name, value in headers.items() if not name.startswith("Nats-")},
            receipt=received,
        )

    async def hold(self, messages: Sequence[Message]) -> None:
        """See ``Source.hold``."""
        with self._connection.errors():
            for message in messages:
                await message.receipt.in_progress()

    async def confirm(self, messages: Sequence[Message]) -> None:
        """See ``Source.confirm``."""
        client = self._connection.client
        with self._connection.errors():
            for message in messages[:-1]:
                await client.publish(message.receipt.reply)
            # NATS reads a connection in order: the response to the last one is a response to all.
            await client.request(messages[-1].receipt.reply, timeout=RESPONSE_SECONDS)

    async def lag(self) -> int | None:
        """See ``Source.lag``."""
        with self._connection.errors():
            info = await self._connection.jetstream.consumer_info(self._stream, self._group)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def close(self) -> None:
        """See ``Source.close``."""
        self._subscription = None
        await super().close()


class NatsTarget(Connected[_Connection]):
    """A subject of NATS JetStream that is written to.

    Args:
        address: the subject.
    """

    def __init__(self, address: StreamAddress) -> None:
        super().__init__(_Connection(address))

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """See ``ResultTarget.publish``; a message whose id the stream had lately is kept once."""
        client, refused = self._connection.client, {}
        waiting = []
        with self._connection.errors():
            jetstream = self._connection.jetstream
            for place, message in enumerate(messages):
                headers = _fit_headers(message.headers) | {MESSAGE_ID: message.id}
                size = len(message.body) + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
                if size + 64 > client.max_payload:
                    refused[place] = f"it has {size:,} bytes, and NATS takes at most {client.max_payload:,}"
                    continue
                waiting.append(
                    await jetstream.publish_async(self._connection.address.name, message.body, headers=headers)
                )
            await self._wait_for(waiting)
        return refused

    async def _wait_for(self, confirmations: Sequence[asyncio.Future[Any]]) -> None:
        """Wait for confirmations; the library leaves those of a lost connection open for ever."""
        pending, ends = set(confirmations), monotonic() + RESPONSE_SECONDS
        while pending:
            done, pending = await asyncio.wait(pending, timeout=CHECK_SECONDS)
            for one in done:
                one.result()
            if done:  # a disk that syncs each message takes its time; it is silence that counts
                ends = monotonic() + RESPONSE_SECONDS
            if pending and (not self._connection.is_up or monotonic() > ends):
                for one in pending:
                    one.cancel()
                raise self._connection.away("no confirmation came")


def _name_refusal(error: Exception) -> Exception:
    """The error of a user who is refused, for which the library raises its most general one in the greeting."""
    from nats.errors import AuthorizationError, Error  # noqa: PLC0415 - part of an extra

    return AuthorizationError() if type(error) is Error and REFUSAL in str(error).lower() else error


def _fit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as NATS can hold them: other brokers let names and values be any text."""
    return {name: " ".join(value.split()) for name, value in headers.items() if HEADER_NAME.fullmatch(name)}
