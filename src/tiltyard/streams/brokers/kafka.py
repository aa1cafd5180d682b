"""Kafka: a consumer group that commits offsets by itself only where we say so; results with all replicas' word."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tiltyard.errors import MissingExtraError, UnavailableError, UsageError
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.ports import Message, Outgoing

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

RESPONSE_SECONDS = 30.0
CLOSE_SECONDS = 5.0
LEAST_SESSION_SECONDS = 6.0
MESSAGE_ID = "Idempotency-Key"
MECHANISMS = {"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"}

log = logging.getLogger(__name__)


class _Kafka:
    """What both sides need to know of a topic's servers."""

    def __init__(self, address: StreamAddress) -> None:
        self.address = address

    def away(self, why: object) -> UnavailableError:
        return UnavailableError(
            f"Kafka at {self.address.shown} does not respond: {why}.",
            next_step="Check that it runs, and its address.",
            code="stream.away",
        )

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Make errors of the library the ones that the port names."""
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        try:
            yield
        except (
            errors.AuthenticationFailedError,
            errors.SaslAuthenticationFailed,
            errors.TopicAuthorizationFailedError,
            errors.GroupAuthorizationFailedError,
        ) as error:
            raise UsageError(
                f"Kafka at {self.address.shown} refuses the user: {type(error).__name__}.",
                next_step="Write kafka://USER:${PASSWORD}@HOST:9092/TOPIC, and set PASSWORD in the environment.",
                code="stream.refused",
            ) from None
        except (errors.KafkaError, OSError, TimeoutError) as error:
            raise self.away(str(error).strip() or type(error).__name__) from None

    def options(self) -> dict[str, Any]:
        """The options of a client."""
        address = self.address
        options: dict[str, Any] = {
            "bootstrap_servers": [f"{host}:{port}" for host, port in address.servers],
            "client_id": "tiltyard",
            "security_protocol": ("SASL_" if address.user else "") + ("SSL" if address.kind.tls else "PLAINTEXT"),
        }
        if address.kind.tls:
            options["ssl_context"] = ssl.create_default_context()
        if address.user:
            mechanism = address.options.get("sasl", "plain")
            if mechanism.lower() not in MECHANISMS:
                raise UsageError(
                    f"The address {address.shown} has sasl={mechanism!r:.80}.",
                    next_step=f"Write one of: {', '.join(MECHANISMS)}.",
                    code="stream.address",
                )
            options |= {
                "sasl_mechanism": MECHANISMS[mechanism.lower()],
                "sasl_plain_username": address.user,
                "sasl_plain_password": address.password,
            }
        return options

    def missing(self) -> UsageError:
        return UsageError(
            f"Kafka at {self.address.shown} has no topic '{self.address.name}'.",
            next_step=f"Make it: kafka-topics --create --topic {self.address.name} --bootstrap-server HOST:9092",
            code="stream.missing",
        )


class KafkaSource:
    """A topic of Kafka, read as a member of a consumer group.

    Args:
        address: the topic.
        group: the group of consumers.
        hold_seconds: after so long without a heartbeat, a member is out of the group; Kafka takes no less than six.
    """

    def __init__(self, address: StreamAddress, group: str, hold_seconds: float) -> None:
        self._kafka, self._group = _Kafka(address), group
        self._session_ms = int(max(LEAST_SESSION_SECONDS, hold_seconds) * 1000)
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """See ``Source.open``."""
        try:
            from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - part of an extra
        except ModuleNotFoundError:
            raise MissingExtraError("Reading and writing topics of Kafka", "streams") from None
        self._consumer = AIOKafkaConsumer(
            self._kafka.address.name,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 3,
            **self._kafka.options(),
        )
        with self._kafka.errors():
            await self._consumer.start()
            if self._kafka.address.name not in await self._consumer.topics():
                raise self._kafka.missing()

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise self._kafka.away("the connection is closed")
        return self._consumer

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        """See ``Source.take``."""
        with self._kafka.errors():
            found = await self._open.getmany(timeout_ms=int(seconds * 1000), max_records=most)
        return [self._read(record) for records in found.values() for record in records]

    def _read(self, record: Any) -> Message:
        # A topic that was deleted and made again counts from 0 again.
        return Message(
            record.value or b"",
            datetime.fromtimestamp(record.timestamp / 1000, UTC) if record.timestamp > 0 else datetime.now(UTC),
            f"{record.partition}/{record.offset}@{record.timestamp}",
            key=record.key or b"",
            headers={name: (value or b"").decode("utf-8", "replace") for name, value in record.headers},
            receipt=(record.partition, record.offset),
        )

    async def hold(self, messages: Sequence[Message]) -> None:
        """See ``Source.hold``: the client's own heartbeats do it."""

    async def confirm(self, messages: Sequence[Message]) -> None:
        """See ``Source.confirm``; the offset of a partition that went to another member is left to that one."""
        from aiokafka import TopicPartition, errors  # noqa: PLC0415 - part of an extra

        consumer, topic = self._open, self._kafka.address.name
        offsets: dict[TopicPartition, int] = {}
        assigned = consumer.assignment()
        for message in messages:
            partition, offset = message.receipt
            place = TopicPartition(topic, partition)
            if place in assigned:
                offsets[place] = max(offset + 1, offsets.get(place, 0))
        if not offsets:
            return
        with self._kafka.errors():
            try:
                await consumer.commit(offsets)
            except (errors.CommitFailedError, errors.IllegalStateError) as error:
                # Messages that another member gets again are recognised there.
                log.warning("The group divided its partitions anew before an offset was committed: %s", error)

    async def lag(self) -> int | None:
        """See ``Source.lag``: of the partitions that this member reads."""
        consumer, behind = self._open, 0
        with self._kafka.errors():
            async with asyncio.timeout(RESPONSE_SECONDS):
                for place in consumer.assignment():
                    end = consumer.highwater(place)
                    if end is None:  # nothing was fetched from it yet
                        end = (await consumer.end_offsets([place]))[place]
                    done = await consumer.committed(place)
                    if done is None:
                        done = (await consumer.beginning_offsets([place]))[place]
                    behind += max(0, end - done)
        return behind

    async def close(self) -> None:
        """See ``Source.close``."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(consumer.stop(), CLOSE_SECONDS)


class KafkaTarget:
    """A topic of Kafka that is written to; every message is in all replicas that are in sync before it counts.

    Args:
        address: the topic.
    """

    def __init__(self, address: StreamAddress) -> None:
        self._kafka = _Kafka(address)
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """See ``ResultTarget.open``."""
        try:
            from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - part of an extra
        except ModuleNotFoundError:
            raise MissingExtraError("Reading and writing topics of Kafka", "streams") from None
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        # Idempotence would spare readers repeated results in a few cases of many, and not all servers know it.
        self._producer = AIOKafkaProducer(acks="all", **self._kafka.options())
        with self._kafka.errors():
            await self._producer.start()
            try:
                await self._producer.partitions_for(self._kafka.address.name)
            except errors.UnknownTopicOrPartitionError:
                raise self._kafka.missing() from None

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """See ``ResultTarget.publish``."""
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        producer, refused = self._producer, {}
        if producer is None:
            raise self._kafka.away("the connection is closed")
        waiting = []
        with self._kafka.errors():
            async with asyncio.timeout(RESPONSE_SECONDS):
                for place, message in enumerate(messages):
                    headers = {MESSAGE_ID: message.id} | dict(message.headers)
                    try:
                        sent = await producer.send(
                            self._kafka.address.name,
                            message.body,
                            key=message.key or None,
                            headers=[(name, value.encode()) for name, value in headers.items()],
                        )
                    except errors.MessageSizeTooLargeError as error:
                        refused[place] = str(error)
                    else:
                        waiting.append((place, sent))
                done = await asyncio.gather(*(sent for _, sent in waiting), return_exceptions=True)
            for (place, _), outcome in zip(waiting, done, strict=True):
                if isinstance(outcome, errors.MessageSizeTooLargeError):
                    refused[place] = str(outcome)
                elif isinstance(outcome, BaseException):
                    raise outcome
        return refused

    async def close(self) -> None:
        """See ``ResultTarget.close``."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
