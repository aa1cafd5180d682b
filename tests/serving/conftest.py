from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline

from tests.scoring.conftest import table, table_pipeline, text_pipeline
from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry, package
from tests.serving.fakes import TestLedger
from tests.serving.interfaces import Running, ServerUnderTest, run_server
from tiltyard.ledger import Ledger
from tiltyard.project import ServingSection
from tiltyard.serving.server import ModelServer, ServerBackends

__all__ = ["table_pipeline", "text_pipeline"]

TEXTS = pd.Series(["a warm and funny film", "dull, slow and far too long", "I loved every minute", "a waste of time"])


@pytest.fixture(scope="session")
def text_package(tmp_path_factory: pytest.TempPathFactory, text_pipeline: Pipeline) -> Path:
    return package(tmp_path_factory.mktemp("text") / "package", text_pipeline, "text-classification", TEXTS)


@pytest.fixture(scope="session")
def other_text_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pipeline = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(TEXTS, ["good", "bad", "good", "bad"])
    return package(tmp_path_factory.mktemp("other") / "package", pipeline, "text-classification", TEXTS)


@pytest.fixture(scope="session")
def table_package(tmp_path_factory: pytest.TempPathFactory, table_pipeline: Pipeline) -> Path:
    frame, _ = table()
    return package(tmp_path_factory.mktemp("table") / "package", table_pipeline, "tabular-classification", frame)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("films"), text_package) as running:
        yield running


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, table_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("towns"), table_package) as running:
        yield running


@pytest.fixture
def registry(tmp_path: Path) -> FakeRegistry:
    return FakeRegistry(tmp_path / "registry")


@pytest.fixture
def ledger() -> TestLedger:
    return TestLedger()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, registry: FakeRegistry, ledger: TestLedger) -> Iterator[Start]:
    """Starts servers on the registry and the ledger, with options of ``[serving]``; they are stopped at the end."""
    running: list[Running] = []

    def begin(
        *,
        ledger: Ledger = ledger,
        api_keys: Path | None = None,
        api_keys_mark: Path | None = None,
        policy: str = "durable",
        **options: object,
    ) -> Running:
        cache = tmp_path / "cache"
        backends = ServerBackends(registry, ledger, cache, TRUSTED, api_keys=api_keys, api_keys_mark=api_keys_mark)
        serving = ServingSection.model_validate({"port": 0, "reload_seconds": 0.05, "ledger": policy, **options})
        running.append(Running(ModelServer(MODEL, options=serving, backends=backends)))
        return running[-1]

    yield begin
    for server in running:
        server.stop()
