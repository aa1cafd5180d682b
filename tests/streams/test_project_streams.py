"""Streams of the project file: by name, by ``tiltyard up``, and checked by ``tiltyard doctor``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.films import PROJECT, Films, make_films
from tests.journeys.test_up import up
from tests.streams.brokers import KINDS, Broker
from tests.streams.test_command import read_recorded, streaming
from tiltyard.errors import TiltyardError
from tiltyard.project import Project
from tiltyard.project.load import parse_project
from tiltyard.streams.ports import Outgoing
from tiltyard.streams.request import find_stream, read_stream

STREAM = '\n[stream.{name}]\nsource = "{source}"\ntarget = "{target}"\n'


def write_stream(broker: Broker, name: str, more: str = "") -> str:
    """A section about two streams of a broker."""
    return STREAM.format(name=name, source=broker.url(name), target=broker.url(f"{name}.results")) + more


def read_project(sections: str) -> Project:
    return parse_project(PROJECT + sections, Path("tiltyard.toml").resolve())


def test_a_stream_of_the_project_file_is_what_it_says() -> None:
    """A section has its own group and its own dead letters unless it names others; passwords come from variables."""
    project = read_project(
        """
[stream.one]
source = "nats://broker/reviews"
target = "redis://broker/scores"
[stream.two]
source = "nats://broker/reviews"
target = "redis://broker/scores"
group = "ours"
labels = "amqp://broker/truth"
dead_letters = "redis://broker/dead"
batch = 7
hold_seconds = 5
"""
    )
    one, two = read_stream(project, "one"), read_stream(project, "two")
    assert (one.group, one.label_group) == ("tiltyard-films-classifier-one", "tiltyard-films-classifier-one-labels")
    assert (one.dead_letters.shown, one.labels) == ("nats://broker/reviews.dead-letters", None)
    assert (two.group, two.batch, two.hold_seconds) == ("ours", 7, 5)
    assert list(two.addresses) == ["source", "target", "dead letters", "labels", "dead letters of labels"]
    assert two.addresses["dead letters of labels"].shown == "amqp://broker/truth.dead-letters"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('source = "nats://broker/reviews"', "stream.one.target"),
        ('source = "nats://broker/a"\ntarget = "nats://broker/b"\nspeed = 3', "unknown key 'stream.one.speed'"),
        ('source = "nats://broker/a"\ntarget = "nats://broker/b"\nport = 1\nprocesses = 2', "needs its own"),
        ('source = "nats://broker/a"\ntarget = "nats://broker/a"', "stream.one.target is nats://broker/a"),
        ('source = "nats://u:secret@broker/a"\ntarget = "nats://broker/b"', "stream.one.source holds a password"),
        ('source = "nats://broker/a"\ntarget = "broker/b"', "stream.one.target is 'broker/b'"),
        ('source = "rediss://broker/a?ca=none.pem"\ntarget = "nats://broker/b"', "none.pem, which cannot be used"),
    ],
)
def test_a_stream_that_cannot_be_is_an_error_that_names_its_key(section: str, said: str) -> None:
    """What a section says wrong is named by its key, and no password is shown."""
    with pytest.raises(TiltyardError) as caught:
        read_stream(read_project(f"[stream.one]\n{section}\n"), "one")
    assert said in str(caught.value)
    assert caught.value.next_step
    assert "secret" not in str(caught.value) + caught.value.next_step


def test_a_stream_is_named_unless_there_is_one_alone() -> None:
    """The only stream needs no name; among several one has to be named, and a wrong name is corrected."""
    two = 'source = "nats://broker/a"\ntarget = "nats://broker/b"\n'
    assert find_stream(read_project(f"[stream.reviews]\n{two}"), None) == "reviews"
    several = read_project(f"[stream.reviews]\n{two}[stream.films]\n{two}")
    for project, name, said in (
        (read_project(""), None, "describes none"),
        (several, None, "the streams reviews, films"),
        (several, "review", "Did you mean 'reviews'?"),
    ):
        with pytest.raises(TiltyardError, match=said.replace("?", r"\?")) as caught:
            find_stream(project, name)
        assert caught.value.code == "stream.unknown"


@pytest.fixture
def films(tmp_path: Path, fresh_store: Path) -> Films:
    made = make_films(tmp_path / "films", rows=300, store=fresh_store)
    made.call("train", "--candidate", "tfidf-logreg", "--champion")
    return made


def describe(films: Films, sections: str) -> None:
    file = films.root / "tiltyard.toml"
    file.write_text(file.read_text() + sections, encoding="utf-8")


@pytest.mark.journey
def test_the_only_stream_runs_without_its_name_and_doctor_checks_it(
    films: Films, start_broker: Callable[[str], Broker]
) -> None:
    """``tiltyard stream`` runs the only stream of the project file; doctor says what of it is missing."""
    broker = start_broker("nats")
    describe(films, write_stream(broker, "named"))

    def check() -> dict[str, Any]:
        report = json.loads(films.call("doctor", "--json", check=False).stdout)
        return next(one for one in report["checks"] if one["name"] == "stream named")

    assert check()["state"] == "wrong"
    assert "keeps the subject 'named'" in check()["found"]

    async def make() -> None:
        for name in ("named", "named.results", "named.dead-letters"):
            await broker.make(name)
        await broker.publish("named", [Outgoing(b'{"text": "fine"}', "one")])

    asyncio.run(make())
    assert check()["state"] == "ok"
    with streaming(films) as (announced, process):
        assert httpx.get(f"{announced['url']}/v2/health/live", timeout=30).json()["ready"] is True
        results = asyncio.run(broker.read("named.results", 1))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    [recorded] = read_recorded(films)
    assert json.loads(results[0].body)["prediction_id"] == recorded.id


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test alone, which stops and starts it."""
    broker = KINDS["nats"](tmp_path)
    yield broker
    broker.kill()


@pytest.mark.journey
def test_up_keeps_streams_running(films: Films, own_broker: Broker) -> None:
    """``tiltyard up`` waits for a broker that is away, starts a killed stream again, and ends it in order."""
    describe(films, write_stream(own_broker, "kept"))

    async def make() -> None:
        for name in ("kept", "kept.results", "kept.dead-letters"):
            await own_broker.make(name)

    def send(number: int) -> None:
        message = Outgoing(b'{"text": "fine"}', f"film-{number}")
        asyncio.run(own_broker.publish("kept", [message]))

    asyncio.run(make())
    own_broker.kill()
    with up(films, "--port", "0", "--no-console") as running:
        listening = running.wait_for(event="listening", part="stream kept")
        health = httpx.get(listening["health"], timeout=30).json()
        assert health["streams"][0]["ok"] is False
        own_broker.start()
        send(1)
        assert len(asyncio.run(own_broker.read("kept.results", 1))) == 1
        os.kill(listening["pid"], signal.SIGKILL)
        assert running.wait_for(event="died")["part"] == "stream kept"
        send(2)
        assert running.wait_for(event="listening", part="stream kept")["url"] == listening["url"]
        assert len(asyncio.run(own_broker.read("kept.results", 1))) == 1
        running.process.send_signal(signal.SIGTERM)
        assert running.wait_for(event="ended")
        assert running.process.wait(timeout=60) == 0
    assert sorted(str(one.key) for one in read_recorded(films)) == ["film-1", "film-2"]
