"""Messages of real brokers: predicted once, recorded before their results are published, and confirmed after both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.serving.fake_registry import FakeRegistry
from tests.serving.fakes import TestLedger
from tests.streams.conftest import HOLD, Line
from tiltyard.errors import UsageError
from tiltyard.streams.brokers.open_broker import make_target
from tiltyard.streams.figures import StreamFigures
from tiltyard.streams.handling import Handled
from tiltyard.streams.ports import Message, Outgoing

TEXTS = [f"review {number} of a warm and funny film" for number in range(40)]


def make_messages(texts: Sequence[str] = TEXTS) -> list[Outgoing]:
    return [Outgoing(json.dumps({"text": text}).encode(), f"id-{place}") for place, text in enumerate(texts)]


def read_json(messages: Sequence[Message]) -> list[dict[str, object]]:
    return [json.loads(message.body) for message in messages]


async def until_done(figures: StreamFigures, count: int) -> None:
    async with asyncio.timeout(60):
        while figures.outcomes.total() < count:
            await asyncio.sleep(0.02)


@pytest.mark.requirement("R-SERVE-24")
def test_each_message_is_recorded_and_its_result_names_the_version(quick_line: Line, ledger: TestLedger) -> None:
    """Each message gets one record and one result, which name each other and the version."""
    line = quick_line

    async def story() -> list[Message]:
        await line.make()
        await line.send(make_messages())
        async with line.consumer() as (_, figures):
            await until_done(figures, len(TEXTS))
            assert figures.outcomes == {"predicted": len(TEXTS)}
        return await line.read_results(len(TEXTS))

    results = asyncio.run(story())
    recorded = {one.id: one for one in ledger.predictions()}
    assert sorted(one.input["text"] for one in recorded.values()) == sorted(TEXTS)
    assert len(results) == len(TEXTS)
    for result in read_json(results):
        of_ledger = recorded[str(result["prediction_id"])]
        assert (result["sentiment"], result["model_version"]) == (of_ledger.label, of_ledger.version)
        assert of_ledger.key is not None
        assert of_ledger.key.startswith("id-")


def test_a_message_that_comes_again_gets_its_first_result(
    quick_line: Line, ledger: TestLedger, other_text_package: Path
) -> None:
    """A message with the key of an earlier one gets the earlier result, also under a later champion, and no record."""
    line = quick_line

    def sent(*ids: str) -> list[Outgoing]:
        return [Outgoing(b'{"text": "dull"}', one, headers={"Idempotency-Key": "one"}) for one in ids]

    async def story() -> list[Message]:
        await line.make()
        await line.send(sent("a", "b"))
        async with line.consumer() as (_, figures):
            await until_done(figures, 2)
            assert figures.outcomes == {"predicted": 1, "repeated": 1}
        line.registry.point_alias("champion", line.registry.add(other_text_package))
        await line.send([*sent("c"), Outgoing(b'{"text": "new"}', "new")])
        async with line.consumer() as (_, figures):
            await until_done(figures, 2)
            assert figures.outcomes == {"predicted": 1, "repeated": 1}
        return await line.read_results(2)

    results = asyncio.run(story())
    recorded = {str(one.input["text"]): one for one in ledger.predictions()}
    assert {text: one.version for text, one in recorded.items()} == {"dull": "1", "new": "2"}
    assert len(list(ledger.predictions())) == 2
    again = {one.body for one in results if json.loads(one.body)["prediction_id"] == recorded["dull"].id}
    assert len(again) == 1


def test_a_message_that_cannot_be_predicted_is_a_dead_letter_with_the_reason(line: Line, ledger: TestLedger) -> None:
    """What POST /predict would refuse goes to the dead letters as it came, with the reason; the rest is predicted."""
    wrong = [b"no JSON", b'{"txet": "x"}', b'{"text": 3}', b"\xff\x00", b""]

    async def story() -> tuple[list[Message], list[Message]]:
        await line.make()
        texts = make_messages(TEXTS[:5])
        await line.send([*texts[:2], *(Outgoing(body, f"wrong-{n}") for n, body in enumerate(wrong)), *texts[2:]])
        async with line.consumer() as (_, figures):
            await until_done(figures, len(wrong) + 5)
            assert figures.outcomes == {"predicted": 5, "dead_letter": len(wrong)}
        return await line.read_results(5), await line.read_dead(len(wrong))

    results, dead = asyncio.run(story())
    assert len(results) == 5
    assert sorted(one.body for one in dead) == sorted(wrong)
    reasons = {one.body: {name.lower(): text for name, text in one.headers.items()} for one in dead}
    assert reasons[b'{"text": 3}']["tiltyard-error"] == "input.invalid"
    assert reasons[b'{"text": 3}']["tiltyard-reason"] == "'text' has to be a text, and is the number 3."
    assert "txet" in reasons[b'{"txet": "x"}']["tiltyard-reason"]
    assert all(one["idempotency-key"].startswith("wrong-") for one in reasons.values())
    assert len(list(ledger.predictions())) == 5


def test_messages_wait_while_the_ledger_is_away(quick_line: Line, ledger: TestLedger) -> None:
    """Without the ledger nothing is published or confirmed, and nothing is taken beyond what is in hand."""
    line = quick_line

    async def story() -> list[Message]:
        await line.make()
        ledger.away = True
        await line.send(make_messages())
        async with line.consumer() as (_, figures):
            async with asyncio.timeout(30):
                while "disk is full" not in figures.problem and "could not be recorded" not in figures.problem:
                    await asyncio.sleep(0.02)
            assert figures.outcomes.total() == 0
            assert await line.broker.read(line.results, 1, seconds=0.5) == []
            ledger.away = False
            await until_done(figures, len(TEXTS))
            assert figures.problem == ""
        return await line.read_results(len(TEXTS))

    results = read_json(asyncio.run(story()))
    ids = [one.id for one in ledger.predictions()]
    assert sorted(str(one["prediction_id"]) for one in results) == sorted(ids)
    assert len(ids) == len(TEXTS)


def test_what_a_consumer_left_unfinished_is_finished_by_another_one(line: Line, ledger: TestLedger) -> None:
    """Messages that were recorded, and neither published nor confirmed, get their recorded results from another."""

    async def story() -> list[Message]:
        await line.make()
        await line.send(make_messages())
        source = line.make_source()
        await source.open()
        taken: list[Message] = []
        async with line.predictor() as predictor, asyncio.timeout(30):
            while len(taken) < len(TEXTS):
                taken += (some := await source.take(50, 1.0))
                if some:
                    await predictor.handle(some)
        await source.close()
        before = {one.id for one in ledger.predictions()}
        assert len(before) == len(TEXTS)
        async with line.consumer() as (_, figures):
            await until_done(figures, len(TEXTS))
            assert figures.outcomes == {"repeated": len(TEXTS)}
        assert {one.id for one in ledger.predictions()} == before
        return await line.read_results(len(TEXTS))

    results = read_json(asyncio.run(story()))
    assert sorted(str(one["prediction_id"]) for one in results) == sorted(one.id for one in ledger.predictions())


def test_the_lag_counts_what_is_not_confirmed(line: Line) -> None:
    """The lag is the number of messages that were sent and not confirmed, and 0 after the last of them."""

    async def story() -> None:
        await line.make()
        await line.send(make_messages())
        source = line.make_source()
        await source.open()
        taken: list[Message] = []
        async with asyncio.timeout(30):
            while len(taken) < len(TEXTS):
                taken += await source.take(50, 1.0)
        assert await source.lag() == len(TEXTS)
        await source.confirm(taken)
        async with asyncio.timeout(30):
            while await source.lag() != 0:
                await asyncio.sleep(0.05)
        await source.close()

    asyncio.run(story())


def test_a_broker_that_was_killed_is_waited_for(quick_line: Line, ledger: TestLedger) -> None:
    """A broker that is killed in the middle and started again loses no message, and none is recorded twice."""
    line, broker = quick_line, quick_line.broker

    async def story() -> list[Message]:
        await line.make()
        await line.send(make_messages(TEXTS[:20]))
        async with line.consumer() as (_, figures):
            await until_done(figures, 20)
            await asyncio.to_thread(broker.kill)
            async with asyncio.timeout(60):
                while not figures.problem:
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(broker.start)
            await line.send([Outgoing(one.body, f"later-{one.id}") for one in make_messages(TEXTS[20:])])
            await until_done(figures, len(TEXTS))
            assert figures.problem == ""
        return await line.read_results(len(TEXTS))

    results = read_json(asyncio.run(story()))
    ids = [one.id for one in ledger.predictions()]
    assert len(ids) == len(TEXTS)
    assert {str(one["prediction_id"]) for one in results} == set(ids)


def test_a_new_champion_takes_over_while_messages_come(
    make_line: Callable[[str], Line], ledger: TestLedger, other_text_package: Path
) -> None:
    """After a promotion the messages of a running consumer get the new version, and their results name it."""
    line = make_line("nats")

    async def story() -> list[Message]:
        await line.make()
        async with line.consumer() as (_, figures), asyncio.timeout(60):
            sent = 0
            while "2" not in {one.version for one in ledger.predictions()}:
                await line.send([Outgoing(f'{{"text": "film {sent}"}}'.encode(), f"film-{sent}")])
                sent += 1
                await until_done(figures, sent)
                if sent == 1:
                    line.registry.point_alias("champion", line.registry.add(other_text_package))
        return await line.read_results(sent)

    results = {str(one["prediction_id"]): one["model_version"] for one in read_json(asyncio.run(story()))}
    assert results == {one.id: one.version for one in ledger.predictions()}
    assert set(results.values()) == {"1", "2"}


def test_a_message_that_cannot_be_recorded_or_recognised_is_a_dead_letter_alone(
    line_of_memory: Line, ledger: TestLedger
) -> None:
    """Messages of which the ledger can never keep one, or that reuse a key, do not keep the others from a result."""
    now = datetime.now(UTC)
    messages = [
        Message(b'{"text": "one"}', now, own_id="one"),
        Message(b'{"text": "two"}', now, own_id="one"),
        Message(b'{"text": "\\ud800"}', now, own_id="two"),
        Message(b'{"text": "four"}', now),
        Message(b'{"text": "five"}', now, "0/5@1"),
    ]

    async def story() -> list[Handled]:
        async with line_of_memory.predictor() as predictor:
            return await predictor.handle(messages)

    handled = asyncio.run(story())
    assert [one.outcome for one in handled] == ["predicted", *["dead_letter"] * 3, "predicted"]
    codes = [one.error.code for one in handled if one.error is not None]
    assert codes[0] == "idempotency.reused"
    assert codes[2] == "stream.unnamed"
    assert sorted(one.input["text"] for one in ledger.predictions()) == ["five", "one"]


def test_of_two_consumers_with_the_same_message_both_publish_the_first_record(
    line_of_memory: Line, ledger: TestLedger, text_package: Path, other_text_package: Path, tmp_path: Path
) -> None:
    """Two consumers that predict a message at the same time, with different versions, both have the recorded result."""
    other = Line(
        line_of_memory.broker, FakeRegistry(tmp_path / "other"), ledger, tmp_path / "of-other", line_of_memory.name
    )
    other.registry.add(text_package)
    other.registry.point_alias("champion", other.registry.add(other_text_package))
    message = Message(b'{"text": "a warm film"}', datetime.now(UTC), "0/1@1")

    async def story() -> list[Handled]:
        async with line_of_memory.predictor() as one, other.predictor() as two:
            ledger.gate.clear()
            both = [asyncio.create_task(predictor.handle([message])) for predictor in (one, two)]
            await asyncio.sleep(0.5)  # both have looked the message up, and wait to record it
            ledger.gate.set()
            return [handled for some in await asyncio.gather(*both) for handled in some]

    handled = asyncio.run(story())
    [recorded] = ledger.predictions()
    bodies = {one.result.body for one in handled if one.result is not None}
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["model_version"] == recorded.version
    assert sorted(one.outcome for one in handled) == ["predicted", "repeated"]


def test_a_consumer_of_nats_that_would_lose_messages_is_refused(make_line: Callable[[str], Line]) -> None:
    """A durable consumer that gives messages up is an error that names it; one that waits otherwise is corrected."""
    line = make_line("nats")

    async def story() -> None:
        import nats
        from nats.js.api import AckPolicy, ConsumerConfig

        await line.make()
        stream = line.name
        client = await nats.connect(f"nats://127.0.0.1:{line.broker.port}")
        jetstream = client.jetstream()
        config = ConsumerConfig(
            durable_name="predictors", filter_subject=stream, ack_policy=AckPolicy.EXPLICIT, ack_wait=77, max_deliver=3
        )
        await jetstream.add_consumer(stream, config=config)
        source = line.make_source()
        with pytest.raises(UsageError, match="gives a message up after 3 deliveries"):
            await source.open()
        await source.close()
        await jetstream.delete_consumer(stream, "predictors")
        await jetstream.add_consumer(stream, config=config.evolve(max_deliver=-1))
        await source.open()
        assert (await jetstream.consumer_info(stream, "predictors")).config.ack_wait == HOLD
        await source.close()
        await client.close()

    asyncio.run(story())


def test_a_stream_that_does_not_exist_is_an_error_that_names_it(quick_line: Line) -> None:
    """A missing stream ends the start, with its name and what makes it; Redis makes it."""

    async def story() -> None:
        if quick_line.broker.kind == "redis":
            return
        for place in (quick_line.make_source(), make_target(quick_line.broker.address(quick_line.results))):
            with pytest.raises(UsageError, match=quick_line.name) as caught:
                await place.open()
            assert caught.value.code == "stream.missing"
            await place.close()

    asyncio.run(story())
