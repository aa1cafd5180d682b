"""Messages that a broker or a library cannot take: none of them holds up its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.serving.fakes import TestLedger
from tests.streams.brokers import MOST_BYTES, Nats, RabbitMq
from tests.streams.conftest import Line
from tests.streams.test_consumer import make_messages, until_done
from tiltyard.streams.brokers.open_broker import make_source, make_target
from tiltyard.streams.ports import Message, Outgoing

ODD_HEADERS = {
    "trace id": "1",
    "": "2",
    "n\xe4me": "3",
    "x" * 300: "4",
    "Good": "of\r\ntwo lines",
    "Nats-Expected-Stream": "5",
}


def test_headers_that_a_broker_cannot_hold_are_left_out(quick_line: Line) -> None:
    """A result whose headers came from another broker is published, with those that the target can hold."""
    line = quick_line

    async def story() -> list[Message]:
        await line.broker.make(line.results)
        target = make_target(line.broker.address(line.results))
        await target.open()
        assert await target.publish([Outgoing(b"{}", "odd", headers=ODD_HEADERS)]) == {}
        await target.close()
        return await line.broker.read(line.results, 1)

    [read] = asyncio.run(story())
    assert read.headers["Good"].split() == ["of", "two", "lines"]


def test_a_message_that_rabbitmq_never_takes_is_refused_alone(make_line: Callable[[str], Line]) -> None:
    """A body or headers beyond the limits of RabbitMQ are refused with the reason, and the others are published."""
    line = make_line("rabbitmq")

    async def story() -> list[Message]:
        await line.broker.make(line.results)
        target = make_target(line.broker.address(line.results))
        await target.open()
        sent = [
            Outgoing(b"first", "1"),
            Outgoing(b"x" * (MOST_BYTES + 1), "2"),
            Outgoing(b"third", "3", headers={f"h{n}": "y" * 1000 for n in range(200)}),
            Outgoing(b"fourth", "4"),
        ]
        refused = await target.publish(sent)
        assert sorted(refused) == [1, 2]
        assert f"{MOST_BYTES + 1:,} bytes" in refused[1]
        assert "headers" in refused[2]
        assert await target.publish([Outgoing(b"fifth", "5")]) == {}
        await target.close()
        return await line.broker.read(line.results, 3)

    assert {one.body for one in asyncio.run(story())} == {b"first", b"fourth", b"fifth"}


def test_a_message_whose_time_cannot_be_is_taken(make_line: Callable[[str], Line]) -> None:
    """A time far beyond the calendar, as a producer with the wrong unit writes it, counts as the present."""
    line = make_line("redis")

    async def story() -> list[Message]:
        from redis.asyncio import Redis

        async with Redis(host="127.0.0.1", port=line.broker.port) as client:
            await client.xadd(line.name, {"body": b"odd"}, id="99999999999999999-1")
        source = line.make_source()
        await source.open()
        found = await source.take(10, 5.0)
        await source.confirm(found)
        await source.close()
        return list(found)

    assert [one.body for one in asyncio.run(story())] == [b"odd"]


def test_a_record_of_kafka_whose_time_cannot_be_is_taken(make_line: Callable[[str], Line]) -> None:
    """A record with microseconds for milliseconds is taken, and does not end the process."""
    line = make_line("kafka")

    async def story() -> list[Message]:
        from aiokafka import AIOKafkaProducer

        await line.broker.make(line.name)
        producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{line.broker.port}")
        await producer.start()
        await producer.send_and_wait(line.name, b"odd", timestamp_ms=10**15)
        await producer.stop()
        source = line.make_source()
        await source.open()
        found: list[Message] = []
        async with asyncio.timeout(60):
            while not found:
                found += await source.take(10, 1.0)
        await source.close()
        return found

    assert [one.body for one in asyncio.run(story())] == [b"odd"]


def test_a_stream_that_is_deleted_and_made_again_is_read_again(quick_line: Line, ledger: TestLedger) -> None:
    """A stream that goes away under a consumer is waited for, and its messages are predicted when it is there again."""
    line = quick_line

    async def story() -> None:
        await line.make()
        await line.send(make_messages()[:5])
        async with line.consumer() as (_, figures):
            await until_done(figures, 5)
            await _delete(line)
            async with asyncio.timeout(60):
                while not figures.problem:
                    await asyncio.sleep(0.05)
                    if line.broker.kind == "redis":  # a consumer that asks again makes it anew, and misses nothing
                        break
            await line.broker.make(line.name)
            await line.send(make_messages()[5:8])
            await until_done(figures, 8)
            async with asyncio.timeout(60):
                while figures.problem or figures.lag != 0:
                    await asyncio.sleep(0.05)

    asyncio.run(story())
    assert len(list(ledger.predictions())) == 8


async def _delete(line: Line) -> None:
    if isinstance(line.broker, Nats):
        client = await line.broker.connect()
        await client.jetstream().delete_stream(line.name)
        await client.close()
    elif isinstance(line.broker, RabbitMq):
        connection = await line.broker.connect()
        channel = await connection.channel()
        await channel.queue_delete(line.name)
        await connection.close()
    else:
        from redis.asyncio import Redis

        async with Redis(host="127.0.0.1", port=line.broker.port) as database:
            await database.delete(line.name)


def test_messages_and_labels_may_be_subjects_of_one_stream(make_line: Callable[[str], Line]) -> None:
    """Two groups read two subjects of one stream of NATS; names of groups may hold what NATS does not allow in them."""
    line = make_line("nats")
    assert isinstance(line.broker, Nats)
    broker = line.broker
    subjects = [f"{line.name}.reviews", f"{line.name}.truth"]

    async def story() -> list[list[bytes]]:
        client = await broker.connect()
        await client.jetstream().add_stream(name=line.name, subjects=[f"{line.name}.>"])
        for subject in subjects:
            await client.jetstream().publish(subject, subject.encode())
        await client.close()
        taken = []
        for subject, group in zip(subjects, ("tiltyard-films.v2", "tiltyard-films.v2-labels"), strict=True):
            source = make_source(broker.address(subject), group, 10, 30.0)
            await source.open()
            taken.append([one.body for one in await source.take(10, 5.0)])
            await source.close()
        return taken

    assert asyncio.run(story()) == [[subject.encode()] for subject in subjects]
