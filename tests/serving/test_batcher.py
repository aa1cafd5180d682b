from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from tests.serving.fakes import TestLedger, WordScorer
from tiltyard.errors import InputError, UnavailableError
from tiltyard.ledger.records import Prediction
from tiltyard.scoring import Scorer, SklearnScorer, list_problems
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batching import batcher, ledger_writer
from tiltyard.serving.predict.batching.batcher import Batcher, BatchLimits


@pytest.fixture(scope="module", autouse=True, params=["many cores", "one core"])
def one_core(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the batcher takes its process to have a single core: it is to be right either way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batcher, "has_one_core", lambda: request.param == "one core")
        yield request.param == "one core"


def served(scorer: Scorer, version: str = "1") -> ServedVersion:
    info = cast(Any, SimpleNamespace(name="films", version=version))
    return ServedVersion(scorer, info, cast(Any, None), "champion", Path(), datetime.now(UTC))


def texts(*items: str) -> list[dict[str, str]]:
    return [{"text": item} for item in items]


class Stand:
    """A batcher over a word scorer and a ledger whose gates the test holds."""

    def __init__(self, **limits: Any) -> None:
        self.scorer = WordScorer()
        self.ledger = TestLedger()
        self.batcher = Batcher(lambda: served(self.scorer), self.ledger, BatchLimits(**limits))

    def ask(self, *items: str) -> asyncio.Task[list[Prediction]]:
        return asyncio.ensure_future(self.batcher.predict(texts(*items)))


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def settled(*tasks: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.requirement("R-SERVE-21")
def test_batch_gathers_while_another_is_scored() -> None:
    """An idle batcher predicts at once; what gathers while it is busy is the next batch, one transaction each."""

    async def story() -> None:
        stand = Stand()
        stand.scorer.gate.clear()
        requests = [stand.ask("first")]
        await until(lambda: stand.batcher.figures.batches == 1)
        requests += [stand.ask(f"text {number}") for number in range(5)]
        await until(lambda: stand.batcher.figures.waiting == 5)
        stand.scorer.gate.set()
        await settled(*requests)
        assert [len(batch) for batch in stand.scorer.batches] == [1, 5]
        assert stand.ledger.transactions == [1, 5]
        assert stand.batcher.figures.largest_batch == 5
        await stand.batcher.close()

    run(story)


def test_on_one_core_requests_that_follow_responses_are_one_batch(one_core: bool) -> None:
    """Callers who send again as soon as they get their predictions are one batch; no commit goes to a part of them."""

    async def story() -> None:
        stand = Stand()

        async def ask_again_and_again() -> None:
            for _ in range(20):
                await stand.batcher.predict(texts("good"))

        await asyncio.gather(*(ask_again_and_again() for _ in range(6)))
        if one_core:
            assert stand.ledger.transactions.count(6) >= 18
        assert sum(stand.ledger.transactions) == 120
        await stand.batcher.close()

    run(story)


@pytest.mark.requirement("R-SERVE-21")
def test_batch_is_no_larger_than_its_limit() -> None:
    """No model call gets more than max_batch inputs, and a request's predictions keep its order."""

    async def story() -> None:
        stand = Stand(max_batch=4)
        items = [f"{'good' if number % 3 else 'poor'} {number}" for number in range(11)]
        several = await asyncio.gather(stand.ask(*items), stand.ask("good"), stand.ask("poor", "good"))
        assert [len(batch) for batch in stand.scorer.batches] == [4, 4, 4, 2]
        assert [row.input["text"] for row in several[0]] == items
        assert [row.label for row in several[2]] == ["bad", "good"]
        await stand.batcher.close()

    run(story)


@settings(deadline=None, max_examples=25)
@given(requests=st.lists(st.lists(st.text(max_size=20), min_size=1, max_size=6), min_size=1, max_size=8))
def test_batched_equals_unbatched(text_pipeline: Pipeline, requests: list[list[str]]) -> None:
    """However requests are gathered, each input gets the prediction that it gets alone."""
    scorer = SklearnScorer(text_pipeline, "text-classification", {})
    alone = {item: scorer.score(texts(item)) for request in requests for item in request}

    async def story() -> None:
        batcher = Batcher(lambda: served(scorer), TestLedger(), BatchLimits(max_batch=5))
        results = await asyncio.gather(*(batcher.predict(texts(*request)) for request in requests))
        for request, rows in zip(requests, results, strict=True):
            for item, row in zip(request, rows, strict=True):
                assert row.label == alone[item].labels[0]
                np.testing.assert_allclose(
                    list(row.probabilities.values()), alone[item].probabilities[0], rtol=0, atol=1e-12
                )
        await batcher.close()

    run(story)


def test_bad_input_fails_its_own_request() -> None:
    """A bad input fails its own request, and no other one of the same batch."""

    async def story() -> None:
        stand = Stand(max_batch=8)
        stand.scorer.gate.clear()
        requests = [stand.ask("first"), stand.ask("good"), stand.ask("fine", "bad input"), stand.ask("poor")]
        await until(lambda: stand.batcher.figures.waiting == 4)
        stand.scorer.gate.set()
        first, good, mixed, poor = await settled(*requests)
        assert [rows[0].label for rows in (first, good, poor)] == ["bad", "good", "bad"]
        assert isinstance(mixed, InputError)
        assert [problem.position for problem in list_problems(mixed)] == [1]
        assert sorted(stand.ledger.inputs) == ["first", "good", "poor"]
        await stand.batcher.close()

    run(story)


def test_position_counts_within_the_request() -> None:
    """An error names the position in the request, also when the request was divided into batches."""

    async def story() -> None:
        stand = Stand(max_batch=2)
        [error] = await settled(stand.ask("a", "b", "c", "bad input", "e"))
        assert isinstance(error, InputError)
        assert [problem.position for problem in list_problems(error)] == [3]
        await stand.batcher.close()

    run(story)


def test_a_full_queue_refuses_and_keeps_what_it_accepted() -> None:
    """Beyond max_queue waiting inputs a request is refused at once; those accepted before get their predictions."""

    async def story() -> None:
        stand = Stand(max_queue=3)
        stand.scorer.gate.clear()
        accepted = [stand.ask("first"), stand.ask("a", "b"), stand.ask("c")]
        await until(lambda: stand.batcher.figures.waiting == 3)
        with pytest.raises(UnavailableError) as caught:
            await stand.batcher.predict(texts("d"))
        assert caught.value.code == "queue.full"
        assert caught.value.fields["retry_after"] == 1
        stand.scorer.gate.set()
        assert [len(rows) for rows in await settled(*accepted)] == [1, 2, 1]
        assert len(await stand.batcher.predict(texts("d"))) == 1
        await stand.batcher.close()

    run(story)


def test_cancelled_request_costs_nothing_further() -> None:
    """A request that is cancelled while it waits is neither scored nor recorded, and gives its room back."""

    async def story() -> None:
        stand = Stand(max_queue=4)
        stand.scorer.gate.clear()
        requests = [stand.ask("first"), stand.ask("gone", "gone too", "gone three"), stand.ask("stays")]
        await until(lambda: stand.batcher.figures.waiting == 4)
        requests[1].cancel()
        await until(lambda: stand.batcher.figures.waiting == 1)
        requests.append(stand.ask("takes the room"))
        await asyncio.sleep(0)
        stand.scorer.gate.set()
        outcomes = await settled(*requests)
        assert isinstance(outcomes[1], asyncio.CancelledError)
        assert stand.scorer.batches == [["first"], ["stays", "takes the room"]]
        assert sorted(stand.ledger.inputs) == ["first", "stays", "takes the room"]
        await stand.batcher.close()

    run(story)


def test_no_prediction_is_returned_before_it_is_recorded() -> None:
    """A prediction is returned only after the ledger has recorded it."""

    async def story() -> None:
        stand = Stand()
        stand.ledger.gate.clear()
        requests = stand.ask("good")
        await until(lambda: len(stand.scorer.batches) == 1)
        await asyncio.sleep(0.02)
        assert not requests.done()
        stand.ledger.gate.set()
        [row] = await requests
        assert stand.ledger.prediction(row.id) == row
        assert (row.project, row.version, row.route, row.label) == ("films", "1", "champion", "good")
        assert row.confidence == row.probabilities["good"] == 0.9
        await stand.batcher.close()

    run(story)


def test_an_unrecorded_prediction_is_not_returned() -> None:
    """While the ledger is away requests fail and get no prediction; when it is back, they succeed again."""

    async def story() -> None:
        stand = Stand()
        stand.ledger.away = True
        outcomes = await settled(stand.ask("a"), stand.ask("b", "c"))
        assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 2
        assert outcomes[0].code == "ledger.unavailable"
        assert outcomes[0].next_step == "Make room."
        assert stand.batcher.figures.ledger_error == "The disk is full."
        stand.ledger.away = False
        assert len(await stand.ask("d")) == 1
        assert stand.batcher.figures.ledger_error == ""
        assert stand.ledger.inputs == ["d"]
        await stand.batcher.close()

    run(story)


def test_a_ledger_that_is_back_is_found_without_a_request() -> None:
    """A server that recorded nothing lately finds by itself that it can again, and records nothing by that."""

    async def story() -> None:
        stand = Stand()
        stand.ledger.away = True
        await settled(stand.ask("a"))
        assert stand.batcher.figures.ledger_error
        stand.ledger.away = False
        while stand.batcher.figures.ledger_error:
            await asyncio.sleep(0.01)
        assert stand.ledger.inputs == []
        await stand.batcher.close()

    run(story)


def test_a_failure_that_continues_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch that cannot be recorded for the same reason adds no line, and the end of it is one."""
    monkeypatch.setattr(ledger_writer, "LOG_SECONDS", float("inf"))

    async def story() -> None:
        stand = Stand()
        for _ in range(2):
            stand.ledger.away = True
            for number in range(20):
                await settled(stand.ask(f"text {number}"))
            stand.ledger.away = False
            await stand.ask("again")
        await stand.batcher.close()

    run(story)
    assert caplog.messages == ["Predictions cannot be recorded: The disk is full.", "Predictions are recorded again."]


def test_input_that_cannot_be_stored_fails_its_own_request() -> None:
    """A text that no ledger can hold fails its own request, not the batch that it came with."""

    async def story() -> None:
        stand = Stand()
        stand.scorer.gate.clear()
        requests = [stand.ask("first"), stand.ask("good"), stand.ask("half a \ud83d"), stand.ask("poor")]
        await until(lambda: stand.batcher.figures.waiting == 3)
        stand.scorer.gate.set()
        first, good, half, poor = await settled(*requests)
        assert [len(rows) for rows in (first, good, poor)] == [1, 1, 1]
        assert isinstance(half, InputError)
        await stand.batcher.close()

    run(story)


def test_every_batch_is_predicted_by_one_version() -> None:
    """A version that takes over predicts from the next batch on, and every prediction names its version."""

    async def story() -> None:
        stand = Stand()
        versions = [served(stand.scorer, "1")]
        batcher = Batcher(lambda: versions[-1], stand.ledger)
        [before] = await batcher.predict(texts("good"))
        versions.append(served(stand.scorer, "2"))
        [after] = await batcher.predict(texts("good"))
        assert (before.version, after.version) == ("1", "2")
        await batcher.close()

    run(story)


def test_closing_finishes_what_was_accepted() -> None:
    """Closing accepts no more and finishes all that was accepted; closing again does nothing."""

    async def story() -> None:
        stand = Stand(max_batch=2)
        stand.scorer.gate.clear()
        requests = [stand.ask(f"text {number}") for number in range(7)]
        await until(lambda: stand.batcher.figures.waiting == 6)
        closing = asyncio.ensure_future(stand.batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="shutting down"):
            await stand.batcher.predict(texts("late"))
        stand.scorer.gate.set()
        await closing
        assert [len(rows) for rows in await settled(*requests)] == [1] * 7
        assert len(stand.ledger.inputs) == 7
        await stand.batcher.close()

    run(story)


def test_closing_an_idle_batcher_does_nothing() -> None:
    """A batcher without any request closes at once."""
    run(Stand().batcher.close)
