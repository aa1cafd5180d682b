"""Requests for predictions are counted once, by version and by what became of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger, WordScorer
from tests.serving.scraping import value
from tiltyard.errors import UnavailableError
from tiltyard.processes.model_calls import ModelCalls
from tiltyard.scoring import Scores
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batching.batcher import Batcher, BatchLimits
from tiltyard.serving.telemetry import Metrics, MultiprocessMetrics


class FragileScorer(WordScorer):
    """Fails on texts that begin with ``broken``."""

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        if any(item["text"].startswith("broken") for item in inputs):
            raise RuntimeError("a bug of the model")
        return super().score(inputs)


class Stand:
    """A batcher whose outcomes are counted."""

    def __init__(self, challenger: Any = None, **limits: Any) -> None:
        self.scorer, self.ledger, self.metrics = FragileScorer(), TestLedger(), Metrics(server="s1")
        self.batcher = Batcher(
            lambda: make_version(self.scorer),
            self.ledger,
            BatchLimits(**limits),
            challenger=lambda: challenger and make_version(challenger, "2", "challenger"),
            outcomes=self.metrics,
        )

    async def send(self, *texts: str, **named: Any) -> Any:
        return await self.batcher.submit([{"text": text} for text in texts], **named).result()

    def counts(self, version: str = "1") -> Counter[str]:
        return Counter({outcome: n for (v, _, outcome), n in self.metrics._outcomes.items() if v == version})


def make_version(scorer: Any, version: str = "1", alias: str = "champion") -> ServedVersion:
    info = cast(Any, SimpleNamespace(name="films", version=version))
    return ServedVersion(scorer, info, cast(Any, None), alias, Path(), datetime.now(UTC))


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def test_only_what_the_model_does_wrong_counts_as_its_error() -> None:
    """Errors of the model, refused inputs, a full disk and a client that left have different causes."""

    async def story() -> None:
        stand = Stand()
        await stand.send("good")
        for text in ("broken 1", "bad input"):
            with pytest.raises(Exception, match=r"bug|refused"):
                await stand.send(text)
        stand.ledger.away = True
        with pytest.raises(UnavailableError):
            await stand.send("good")
        stand.ledger.away = False
        stand.scorer.gate.clear()
        first = stand.batcher.submit([{"text": "held"}])
        waiting = stand.batcher.submit([{"text": "never scored"}])
        first.withdraw()
        waiting.withdraw()
        stand.scorer.gate.set()
        await stand.batcher.close()
        assert stand.counts() + stand.counts("") == Counter(
            {"predicted": 1, "model-error": 1, "refused": 1, "storage": 1, "client-gone": 2}
        )

    run(story)


def test_one_input_is_evidence_once_and_a_request_counts_once() -> None:
    """The same failing input sent again and again is one error; a request of many batches is one request."""

    async def story() -> None:
        stand = Stand(max_batch=2)
        for text in ("broken", "broken", "broken", "broken other"):
            with pytest.raises(RuntimeError):
                await stand.send(text)
        await stand.send(*["good"] * 7)
        with pytest.raises(RuntimeError):
            await stand.send("a", "b", "broken third", "c", "d")
        await stand.batcher.close()
        assert stand.counts() == Counter({"model-error": 3, "model-error-repeated": 2, "predicted": 1})
        assert len(stand.metrics._failed_inputs) == 3

    run(story)


def test_a_failing_challenger_is_counted_though_the_champion_predicts() -> None:
    """The challenger's error counts against the challenger, the prediction for the champion."""

    async def story() -> None:
        stand = Stand(challenger=FragileScorer())
        stand.scorer = WordScorer()  # type: ignore[assignment]
        assert (await stand.send("broken", share=1.0, unit="ada"))[0].version == "1"
        assert (await stand.send("good", share=1.0, unit="ada"))[0].version == "2"
        assert stand.counts("1") == Counter({"predicted": 1})
        assert stand.counts("2") == Counter({"predicted": 1, "model-error": 1})
        await stand.batcher.close()

    run(story)


def test_model_time_leaves_out_the_queue_and_calls_with_errors() -> None:
    """A call is counted by its size; one that failed, and was repeated one by one, is not."""

    async def story() -> None:
        stand = Stand()
        await stand.send("good")
        await stand.send("good", "bad")
        with pytest.raises(RuntimeError):
            await stand.send("broken")
        await stand.batcher.close()
        text = MultiprocessMetrics(stand.metrics.registry).exposition()[0].decode()
        assert value(text, "tiltyard_model_seconds_count", version="1", inputs="1") == 1
        assert value(text, "tiltyard_model_seconds_count", version="1", inputs="2-8") == 1
        assert value(text, "tiltyard_model_seconds_count") == 2
        assert value(text, "tiltyard_worker_started_seconds", server="s1") > 1e9

    run(story)


@pytest.mark.requirement("R-MON-21")
def test_a_wrong_request_and_a_full_disk_are_not_the_models_errors(
    start: Start, registry: FakeRegistry, ledger: TestLedger, text_package: Path
) -> None:
    """A real server counts by cause: what the disk refuses, or the request is wrong about, is counted as that."""
    registry.point_alias("champion", registry.add(text_package))
    server = start()
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/predict", json={"text": "a warm film"}).status_code == 200
        assert client.post("/predict", json={"no": "text"}).status_code == 422
        ledger.away = True
        assert client.post("/predict", json={"text": "a warm film"}).status_code == 503
        text = client.get("/metrics").text
    for outcome in ("predicted", "refused", "storage"):
        assert value(text, "tiltyard_outcomes_total", version="1", decision="champion", outcome=outcome) == 1, outcome
    assert value(text, "tiltyard_outcomes_total", outcome="model-error") == 0


def test_without_a_model_every_route_counts_the_request(start: Start) -> None:
    """Where no version is loaded, a request is counted as that, whichever protocol it speaks."""
    server = start()
    bodies: dict[str, Any] = {
        "/predict": {"text": "a warm film"},
        "/invocations": {"inputs": ["a warm film"]},
        f"/v2/models/{MODEL}/infer": {
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a warm film"]}]
        },
    }
    with httpx.Client(base_url=server.url) as client:
        for count, (path, body) in enumerate(bodies.items(), 1):
            assert client.post(path, json=body).status_code == 503, path
            text = client.get("/metrics").text
            assert value(text, "tiltyard_outcomes_total", outcome="no-model") == count, path


class HangingScorer(WordScorer):
    """Does not return from texts that are held, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.calls = {"first": Event(), "second": Event()}, 0

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        self.calls += 1
        for item in inputs:
            if item["text"] in self.held:
                self.held[item["text"]].wait(30)
        return super().score(inputs)


def test_a_call_that_hangs_names_the_version_that_it_asks() -> None:
    """In a batch that champion and challenger share, the champion's call under way is the champion's."""

    async def story() -> None:
        stand, calls = Stand(challenger=WordScorer()), ModelCalls()
        stand.batcher.calls = calls.slot("batch")
        stand.scorer = hanging = HangingScorer()  # type: ignore[assignment]
        tickets = [
            stand.batcher.submit([{"text": text}], share=share, unit="ada")
            for text, share in (("first", None), ("good", 1.0), ("second", None))
        ]
        hanging.held["first"].set()
        while hanging.calls < 2:
            await asyncio.sleep(0.01)
        call = calls.under_way()["batch"]
        assert (call.version, call.requests) == ("1", 1)
        hanging.held["second"].set()
        assert [(await ticket.result())[0].version for ticket in tickets] == ["1", "2", "1"]
        await stand.batcher.close()
        assert calls.under_way() == {}

    run(story)
