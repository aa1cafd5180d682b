"""Kafka: a consumer group that commits offsets by itself only where we say so; results with all replicas' word."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tiltyard.errors import UsageError
from tiltyard.streams.address import SASL, StreamAddress
from tiltyard.streams.brokers.connection import BrokerConnection, Connected, Errors
from tiltyard.streams.ports import Message, Outgoing, read_time

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

RESPONSE_SECONDS = 30.0
MESSAGE_SECONDS = 0.05
"""More for each message that is published."""
CLOSE_SECONDS = 5.0
LEAST_SESSION_SECONDS = 6.0
MESSAGE_ID = "Idempotency-Key"

log = logging.getLogger(__name__)


ClientT = TypeVar("ClientT", "AIOKafkaConsumer", "AIOKafkaProducer")


class _Client(BrokerConnection, Generic[ClientT]):
    """A connection to the servers of a topic: a consumer or a producer of the library."""

    def __init__(self, address: StreamAddress, make: Callable[[Mapping[str, Any]], ClientT]) -> None:
        super().__init__(address)
        self._make = make
        self._client: ClientT | None = None

    @property
    def client(self) -> ClientT:
        if self._client is None:
            raise self.away()
        return self._client

    def refusals(self) -> Errors:
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        return (
            errors.AuthenticationFailedError,
            errors.SaslAuthenticationFailed,
            errors.TopicAuthorizationFailedError,
            errors.GroupAuthorizationFailedError,
        )

    def failures(self) -> Errors:
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        return (errors.KafkaError,)

    async def open(self) -> None:
        self._client = self._make(self._options())
        with self.errors():
            await self._client.start()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.stop(), CLOSE_SECONDS)

    def no_topic(self) -> UsageError:
        """The topic does not exist."""
        return self.missing(f"Make it: kafka-topics --create --topic {self.address.name} --bootstrap-server HOST:9092")

    def _options(self) -> dict[str, Any]:
        address = self.address
        options: dict[str, Any] = {
            "bootstrap_servers": list(address.hosts),
            "client_id": "tiltyard",
            "security_protocol": ("SASL_" if address.user else "") + ("SSL" if address.kind.tls else "PLAINTEXT"),
            "ssl_context": self.make_tls(),
        }
        if address.user:
            options |= {
                "sasl_mechanism": SASL[address.options.get("sasl", "plain").lower()],
                "sasl_plain_username": address.user,
                "sasl_plain_password": address.password,
            }
        return options


class KafkaSource(Connected[_Client["AIOKafkaConsumer"]]):
    """A topic of Kafka, read as a member of a consumer group.

    Args:
        address: the topic.
        group: the group of consumers.
        hold_seconds: after so long without a heartbeat, a member is out of the group; Kafka takes no less than six.
    """

    def __init__(self, address: StreamAddress, group: str, hold_seconds: float) -> None:
        session_ms = int(max(LEAST_SESSION_SECONDS, hold_seconds) * 1000)

        def make(options: Mapping[str, Any]) -> AIOKafkaConsumer:
            from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - part of an extra

            return AIOKafkaConsumer(
                address.name,
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=session_ms // 3,
                **options,
            )

        super().__init__(_Client(address, make))

    async def open(self) -> None:
        """See ``Source.open``."""
        await super().open()
        with self._connection.errors():
            if self._connection.address.name not in await self._connection.client.topics():
                raise self._connection.no_topic()

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        """See ``Source.take``."""
        with self._connection.errors():
            found = await self._connection.client.getmany(timeout_ms=int(seconds * 1000), max_records=most)
        return [self._read(record) for records in found.values() for record in records]

    def _read(self, record: Any) -> Message:
        # A topic that was deleted and made again counts from 0 again.
        return Message(
            record.value or b"",
            read_time(record.timestamp),
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

        consumer, topic = self._connection.client, self._connection.address.name
        offsets: dict[TopicPartition, int] = {}
        assigned = consumer.assignment()
        for message in messages:
            partition, offset = message.receipt
            place = TopicPartition(topic, partition)
            if place in assigned:
                offsets[place] = max(offset + 1, offsets.get(place, 0))
        if not offsets:
            return
        with self._connection.errors():
            try:
                await consumer.commit(offsets)
            except (errors.CommitFailedError, errors.IllegalStateError) as error:
                # Messages that another member gets again are recognised there.
                log.warning("The group divided its partitions anew before an offset was committed: %s", error)

    async def lag(self) -> int | None:
        """See ``Source.lag``: of the partitions that this member reads."""
        consumer, behind = self._connection.client, 0
        with self._connection.errors():
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


class KafkaTarget(Connected[_Client["AIOKafkaProducer"]]):
    """A topic of Kafka that is written to; every message is in all replicas that are in sync before it counts.

    Args:
        address: the topic.
    """

    def __init__(self, address: StreamAddress) -> None:
        def make(options: Mapping[str, Any]) -> AIOKafkaProducer:
            from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - part of an extra

            # Idempotence would spare readers repeated results in a few cases of many, and not all servers know it.
            return AIOKafkaProducer(acks="all", **options)

        super().__init__(_Client(address, make))

    async def open(self) -> None:
        """See ``ResultTarget.open``."""
        await super().open()
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        with self._connection.errors():
            try:
                await self._connection.client.partitions_for(self._connection.address.name)
            except errors.UnknownTopicOrPartitionError:
                raise self._connection.no_topic() from None

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """See ``ResultTarget.publish``."""
        from aiokafka import errors  # noqa: PLC0415 - part of an extra

        producer, refused = self._connection.client, {}
        waiting = []
        with self._connection.errors():
            async with asyncio.timeout(RESPONSE_SECONDS + MESSAGE_SECONDS * len(messages)):
                for place, message in enumerate(messages):
                    headers = {MESSAGE_ID: message.id} | dict(message.headers)
                    try:
                        sent = await producer.send(
                            self._connection.address.name,
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
