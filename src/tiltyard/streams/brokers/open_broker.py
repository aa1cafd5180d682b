"""The adapter for an address."""

from __future__ import annotations

from tiltyard.streams.address import StreamAddress
from tiltyard.streams.brokers.kafka import KafkaSource, KafkaTarget
from tiltyard.streams.brokers.nats import NatsSource, NatsTarget
from tiltyard.streams.brokers.rabbitmq import RabbitSource, RabbitTarget
from tiltyard.streams.brokers.redis_streams import RedisSource, RedisTarget
from tiltyard.streams.ports import ResultTarget, Source


def make_source(address: StreamAddress, group: str, most: int, hold_seconds: float) -> Source:
    """What takes the messages of a stream; it is not open yet.

    Args:
        address: the stream.
        group: the group of consumers.
        most: most messages that are taken at once.
        hold_seconds: after so long without word from a consumer, its messages go to another one.
    """
    if address.kind.broker == "kafka":
        return KafkaSource(address, group, hold_seconds)
    if address.kind.broker == "nats":
        return NatsSource(address, group, most, hold_seconds)
    if address.kind.broker == "redis":
        return RedisSource(address, group, hold_seconds)
    return RabbitSource(address, most)


def make_target(address: StreamAddress) -> ResultTarget:
    """What publishes to a stream; it is not open yet."""
    if address.kind.broker == "kafka":
        return KafkaTarget(address)
    if address.kind.broker == "nats":
        return NatsTarget(address)
    if address.kind.broker == "redis":
        return RedisTarget(address)
    return RabbitTarget(address)
