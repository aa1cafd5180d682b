"""The command ``tiltyard stream`` in processes that are killed and stopped, with a real broker, ledger and registry."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import fork_server
from tests.films import Films, environment, make_films
from tests.seaweed import Seaweed, seaweed_server
from tests.streams.brokers import Broker, KeptKafka
from tiltyard.ledger import SqlLedger
from tiltyard.settings import Settings
from tiltyard.streams.ports import Message, Outgoing

__all__ = ["seaweed_server"]

pytestmark = pytest.mark.journey

COUNT = 1500
MODEL = "films-classifier"


@pytest.fixture
def films(tmp_path: Path, fresh_store: Path) -> Films:
    made = make_films(tmp_path / "films", rows=300, store=fresh_store)
    made.call("train", "--candidate", "tfidf-logreg", "--champion")
    return made


@contextlib.contextmanager
def streaming(films: Films, *words: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The command in a new process: what it announces, and the process, which is killed at the end if it lives."""
    process = fork_server.popen(
        [sys.executable, "-m", "tiltyard", "stream", "--hold", "1", "--json", *words],
        cwd=films.root,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        assert "error" not in announced, announced
        yield announced, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def read_metric(announced: dict[str, Any], name: str) -> float:
    """The sum of a metric's samples."""
    lines = httpx.get(announced["metrics"], timeout=30).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def read_recorded(films: Films) -> list[Any]:
    with SqlLedger.open(Settings.load(films.root).ledger_url) as ledger:
        return list(ledger.predictions(project=MODEL))


@pytest.mark.requirement("R-SERVE-24")
def test_a_killed_consumer_loses_no_message_and_records_none_twice(
    films: Films, start_broker: Callable[[str], Broker]
) -> None:
    """Killed consumers leave each message with one record and its result to the next; SIGTERM ends that in order."""
    broker = start_broker("nats")
    words = ("--from", broker.url("killed"), "--to", broker.url("killed.results"), "--batch", "50", "--group", "group")

    texts = [Outgoing(json.dumps({"text": f"film {n} was fine"}).encode(), f"film-{n}") for n in range(COUNT)]

    async def send(first: int, last: int) -> None:
        await broker.publish("killed", texts[first:last])

    async def make() -> None:
        for name in ("killed", "killed.results", "killed.dead-letters"):
            await broker.make(name)
        await send(0, COUNT - 300)

    asyncio.run(make())
    for least in (100, 500):
        with streaming(films, *words) as (_, process):
            deadline = time.monotonic() + 120
            while len(read_recorded(films)) < least and time.monotonic() < deadline:
                time.sleep(0.01)
            process.kill()
            assert process.wait(timeout=60) == -signal.SIGKILL
    asyncio.run(send(COUNT - 300, COUNT))
    asyncio.run(broker.publish("killed", [Outgoing(b"[]", "wrong")]))
    with streaming(films, *words) as (announced, process):
        deadline = time.monotonic() + 120
        # NATS waits a second for what the killed ones had in hand.
        while read_metric(announced, "tiltyard_stream_lag_messages") != 0 and time.monotonic() < deadline:
            time.sleep(0.2)
        health = httpx.get(announced["health"], timeout=30).json()
        assert (health["status"], health["streams"][0]["ok"]) == ("healthy", True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0

    async def read() -> tuple[list[Message], list[Message]]:
        return await broker.read("killed.results", COUNT), await broker.read("killed.dead-letters", 1)

    results, dead = asyncio.run(read())
    recorded = read_recorded(films)
    assert sorted(str(one.key) for one in recorded) == sorted(f"film-{n}" for n in range(COUNT))
    assert {json.loads(one.body)["prediction_id"] for one in results} == {one.id for one in recorded}
    assert {one.body for one in dead} == {b"[]"}


@pytest.mark.requirement("R-SERVE-24")
def test_neither_a_killed_consumer_nor_a_killed_broker_of_kafka_loses_or_repeats_a_message(
    films: Films, seaweed_server: Seaweed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A consumer and then the broker are killed at work: each message has one record, and its result is published."""
    count, broker = 600, KeptKafka(tmp_path_factory.mktemp("kafka"), seaweed_server)
    words = ("--from", broker.url("killed"), "--to", broker.url("killed.results"), "--batch", "20", "--group", "group")
    texts = [Outgoing(json.dumps({"text": f"film {n} was fine"}).encode(), f"film-{n}") for n in range(count)]

    async def make() -> None:
        for name in ("killed", "killed.results", "killed.dead-letters"):
            await broker.make(name)
        await broker.publish("killed", texts[:400])

    try:
        asyncio.run(make())
        with streaming(films, *words) as (_, process):
            _wait_for_records(films, 60)
            process.kill()
            assert process.wait(timeout=60) == -signal.SIGKILL
        with streaming(films, *words) as (announced, process):
            _wait_for_records(films, 160)
            broker.kill()
            assert process.poll() is None
            left = len(read_recorded(films))
            broker.start()
            asyncio.run(broker.publish("killed", texts[400:]))
            _wait_for_records(films, count)
            deadline = time.monotonic() + 120
            while read_lag(announced) != 0 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert read_lag(announced) == 0
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        results = asyncio.run(broker.read("killed.results", count))
        dead = asyncio.run(broker.read("killed.dead-letters", 1, seconds=2))
    finally:
        broker.kill()
    recorded = read_recorded(films)
    assert left < count, "the broker was killed after the last message"
    assert sorted(str(one.key) for one in recorded) == sorted(f"film-{n}" for n in range(count))
    assert {json.loads(one.body)["prediction_id"] for one in results} == {one.id for one in recorded}
    assert dead == []


def read_lag(announced: dict[str, Any]) -> float | None:
    """The messages that are not confirmed; None while that is not known."""
    lines = httpx.get(announced["metrics"], timeout=30).text.splitlines()
    found = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("tiltyard_stream_lag_messages{")]
    return sum(found) if found else None


def _wait_for_records(films: Films, least: int) -> None:
    deadline = time.monotonic() + 120
    while len(read_recorded(films)) < least and time.monotonic() < deadline:
        time.sleep(0.01)
