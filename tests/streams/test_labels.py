"""Labels on streams: they join the predictions that they name, once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from tests.serving.fakes import TestLedger
from tests.streams.conftest import Line
from tests.streams.test_consumer import until_done
from tiltyard.ledger.records import Label, Prediction
from tiltyard.streams.handling import Handled
from tiltyard.streams.labelling import StreamLabels
from tiltyard.streams.ports import Message, Outgoing


def make_prediction(number: int) -> Prediction:
    share = {"neg": 0.3, "pos": 0.7}
    return Prediction(
        id=f"prediction-{number}",
        at=datetime.now(UTC) - timedelta(hours=1),
        project="films-classifier",
        version="1",
        route="champion",
        label="pos",
        confidence=0.7,
        latency_ms=1.0,
        key=f"film-{number}",
        probabilities=share,
        input={"text": "a film"},
    )


def test_labels_join_their_predictions_and_wrong_ones_are_dead_letters(quick_line: Line, ledger: TestLedger) -> None:
    """Labels by id or by key are recorded, several in a message too; what POST /feedback refuses is a dead letter."""
    line = quick_line
    ledger.record([make_prediction(number) for number in range(5)])
    sent = [
        {"prediction_id": "prediction-0", "label": "neg"},
        {"key": "film-1", "label": "pos"},
        {"labels": [{"key": "film-2", "label": "pos"}, {"key": "film-3", "label": "neg"}]},
        {"key": "film-4", "label": "no such class"},
        {"key": "film-4"},
    ]

    async def story() -> list[Message]:
        await line.make()
        await line.send([Outgoing(json.dumps(one).encode(), f"label-{n}") for n, one in enumerate(sent)])
        async with line.labeller() as figures:
            await until_done(figures, len(sent))
            assert figures.outcomes == {"recorded": 3, "dead_letter": 2}
        return await line.read_dead(2)

    dead = asyncio.run(story())
    assert sorted(one.body for one in dead) == sorted(json.dumps(one).encode() for one in sent[3:])
    recorded = {one.prediction_id: one.label for one in ledger.labels()}
    assert recorded == {"prediction-0": "neg", "prediction-1": "pos", "prediction-2": "pos", "prediction-3": "neg"}


def test_a_label_waits_for_its_prediction_and_is_recorded_once(ledger: TestLedger, line_of_memory: Line) -> None:
    """A new label whose prediction is not there yet waits for it; one that comes again is the same label."""
    message = Message(b'{"key": "film-7", "label": "neg"}', datetime.now(UTC))

    async def story() -> list[Handled]:
        async with line_of_memory.components() as components:
            labels = StreamLabels(components, "stream")
            handling = asyncio.create_task(labels.handle([message]))
            await asyncio.sleep(0.1)
            assert not handling.done()
            ledger.record([make_prediction(7)])
            return [*await handling, *await labels.handle([message])]

    assert [one.outcome for one in asyncio.run(story())] == ["recorded", "recorded"]
    found: list[Label] = list(ledger.labels(superseded=True))
    assert [(one.prediction_id, one.label, one.at) for one in found] == [("prediction-7", "neg", message.sent_at)]


def test_an_old_label_of_an_unknown_prediction_is_a_dead_letter(line_of_memory: Line) -> None:
    """A label that is minutes old, and whose prediction the ledger does not hold, waits no longer."""
    message = Message(b'{"key": "nothing", "label": "neg"}', datetime.now(UTC) - timedelta(minutes=5))

    async def story() -> list[Handled]:
        async with line_of_memory.components() as components:
            return await StreamLabels(components, "stream").handle([message])

    [handled] = asyncio.run(story())
    assert handled.error is not None
    assert handled.error.code == "feedback.unknown"


def test_a_label_from_the_future_does_not_wait_until_then(line_of_memory: Line) -> None:
    """A label whose producer's clock is ahead waits for an unknown prediction as long as any other."""
    body = json.dumps({"key": "nothing", "label": "neg", "at": datetime.now(UTC).isoformat()}).encode()
    message = Message(body, datetime.now(UTC) + timedelta(days=1))

    async def story() -> list[Handled]:
        async with line_of_memory.components() as components, asyncio.timeout(60):
            return await StreamLabels(components, "stream", timedelta(seconds=1)).handle([message])

    [handled] = asyncio.run(story())
    assert handled.error is not None
    assert handled.error.code == "feedback.unknown"
