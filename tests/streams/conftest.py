"""Brokers, and the parts of a stream process over a registry and a ledger in memory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.scoring.conftest import text_pipeline
from tests.serving.conftest import other_text_package, text_package
from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry
from tests.serving.fakes import TestLedger
from tests.streams.brokers import KINDS, QUICK, Broker
from tiltyard.ledger.ports import Ledger
from tiltyard.project import ServingSection
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.http.app import run_background_work
from tiltyard.serving.model.manager import ModelManager, ServedAlias
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.streams.brokers.open_broker import make_source, make_target
from tiltyard.streams.consumer import Consumer, Places
from tiltyard.streams.figures import StreamFigures
from tiltyard.streams.labelling import StreamLabels
from tiltyard.streams.ports import Message, Outgoing, Source
from tiltyard.streams.predicting import StreamPredictor

__all__ = ["other_text_package", "text_package", "text_pipeline"]

HOLD = 2.0
_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def running_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Broker]]:
    """The brokers of this process, each started when it is wanted first."""
    brokers: dict[str, Broker] = {}
    yield brokers
    for broker in brokers.values():
        broker.kill()


@pytest.fixture
def start_broker(
    running_brokers: dict[str, Broker], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Broker]:
    """Starts a kind of broker, or returns the one that runs."""

    def start(kind: str) -> Broker:
        if kind not in running_brokers:
            running_brokers[kind] = KINDS[kind](tmp_path_factory.mktemp(kind))
        return running_brokers[kind]

    return start


@dataclass
class Line:
    """A stream, its results and its dead letters on a broker; and the registry and the ledger of its consumers."""

    broker: Broker
    registry: FakeRegistry
    ledger: Ledger
    folder: Path
    name: str = field(default_factory=lambda: f"reviews-{next(_NUMBERS)}")

    @property
    def results(self) -> str:
        """The stream of the results."""
        return f"{self.name}.results"

    @property
    def dead(self) -> str:
        """The stream of the dead letters."""
        return f"{self.name}.dead-letters"

    async def make(self) -> None:
        """Make the three streams."""
        for name in (self.name, self.results, self.dead):
            await self.broker.make(name)

    def make_source(self) -> Source:
        """The stream, as a member of the group of consumers reads it."""
        return make_source(self.broker.address(self.name), "predictors", 50, HOLD)

    @contextlib.asynccontextmanager
    async def components(self) -> AsyncIterator[ServerComponents]:
        """The parts of a server, at work."""
        loader = VersionLoader(self.registry, self.folder / "cache", TRUSTED)
        models = ModelManager(ServedAlias(MODEL), loader)
        options = ServingSection(answer="sentiment", reload_seconds=0.05)
        components = ServerComponents.build(models, self.ledger, options)
        async with run_background_work(components):
            yield components

    @contextlib.asynccontextmanager
    async def predictor(self) -> AsyncIterator[StreamPredictor]:
        """A handler of the stream's messages."""
        async with self.components() as components:
            yield StreamPredictor(components, self.name)

    @contextlib.asynccontextmanager
    async def consumer(self) -> AsyncIterator[tuple[Consumer, StreamFigures]]:
        """A consumer at work; at the end it finishes what it has taken."""
        figures = StreamFigures("predictions", self.name)
        address = self.broker.address
        places = Places(
            self.make_source(),
            make_target(address(self.dead)),
            make_target(address(self.results)),
        )
        async with self.predictor() as predictor:
            consumer = Consumer(places, predictor, figures, most=50, hold_seconds=HOLD)
            await consumer.open()
            running = asyncio.create_task(consumer.run())
            try:
                yield consumer, figures
            finally:
                consumer.stop()
                await running

    @contextlib.asynccontextmanager
    async def labeller(self) -> AsyncIterator[StreamFigures]:
        """A consumer of the stream as one of labels."""
        figures = StreamFigures("labels", self.name)
        async with self.components() as components:
            labels = StreamLabels(components, "stream")
            places = Places(self.make_source(), make_target(self.broker.address(self.dead)))
            consumer = Consumer(places, labels, figures, most=50, hold_seconds=HOLD)
            await consumer.open()
            running = asyncio.create_task(consumer.run())
            try:
                yield figures
            finally:
                labels.stop()
                consumer.stop()
                await running

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Publish to the stream."""
        await self.broker.publish(self.name, messages)

    async def read_results(self, count: int) -> list[Message]:
        """At least so many results, and those that come with them."""
        return await self.broker.read(self.results, count)

    async def read_dead(self, count: int) -> list[Message]:
        """At least so many dead letters, and those that come with them."""
        return await self.broker.read(self.dead, count)


@pytest.fixture
def ledger() -> TestLedger:
    return TestLedger()


@pytest.fixture
def make_line(
    start_broker: Callable[[str], Broker], ledger: TestLedger, text_package: Path, tmp_path: Path
) -> Callable[[str], Line]:
    """Makes a stream on a kind of broker, with a champion."""

    def make(kind: str) -> Line:
        registry = FakeRegistry(tmp_path / "registry")
        registry.point_alias("champion", registry.add(text_package))
        return Line(start_broker(kind), registry, ledger, tmp_path)

    return make


@pytest.fixture(params=list(KINDS))
def line(request: pytest.FixtureRequest, make_line: Callable[[str], Line]) -> Line:
    """A stream on each kind of broker."""
    return make_line(request.param)


@pytest.fixture(params=QUICK)
def quick_line(request: pytest.FixtureRequest, make_line: Callable[[str], Line]) -> Line:
    """A stream on each kind of broker whose groups are joined at once."""
    return make_line(request.param)


@pytest.fixture
def line_of_memory(ledger: TestLedger, text_package: Path, tmp_path: Path) -> Line:
    """A registry with a champion and a ledger, for handlers that get their messages from the test."""
    registry = FakeRegistry(tmp_path / "registry")
    registry.point_alias("champion", registry.add(text_package))
    return Line(Broker.__new__(Broker), registry, ledger, tmp_path)
