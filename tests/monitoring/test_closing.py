"""``ModelMonitor`` and ``PredictionCollector`` close the ledger that they open, and no other."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tiltyard.ledger import SqlLedger
from tiltyard.monitoring import ModelMonitor, PredictionCollector
from tiltyard.monitoring.ledger_client import LedgerClient

FEATURES = {"age": 4}


def log_to_monitor(client: LedgerClient) -> None:
    assert isinstance(client, ModelMonitor)
    client.log_prediction("a", FEATURES, 0.6)


def log_to_collector(client: LedgerClient) -> None:
    assert isinstance(client, PredictionCollector)
    client.log_prediction(FEATURES, "a", 0.6)


BOTH = pytest.mark.parametrize(
    ("make", "log"),
    [(ModelMonitor, log_to_monitor), (PredictionCollector, log_to_collector)],
    ids=["monitor", "collector"],
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with nothing in the environment."""
    for name in ("TILTYARD_LEDGER", "TILTYARD_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def open_files(folder: Path) -> list[str]:
    """The files of the folder that this process holds open."""
    return [file.path for file in psutil.Process().open_files() if Path(file.path).is_relative_to(folder.resolve())]


@BOTH
def test_a_with_block_closes_the_ledger_it_opened(
    folder: Path, make: Callable[[str], LedgerClient], log: Callable[[LedgerClient], None]
) -> None:
    """In the block the ledger's file is open; after it no file of the state folder is."""
    with make("films") as client:
        log(client)
        assert open_files(folder)
    assert open_files(folder) == []


@BOTH
def test_close_closes_and_the_next_use_opens_again(
    folder: Path, make: Callable[[str], LedgerClient], log: Callable[[LedgerClient], None]
) -> None:
    """``close`` may come first, and twice; a closed object that is used again opens its ledger again."""
    client = make("films")
    client.close()
    log(client)
    client.close()
    client.close()
    assert open_files(folder) == []
    log(client)
    assert client.ledger.prediction_stats("films").total == 2
    client.close()
    assert open_files(folder) == []


@BOTH
def test_an_object_that_is_gone_leaves_nothing_open(
    folder: Path, make: Callable[[str], LedgerClient], log: Callable[[LedgerClient], None]
) -> None:
    """Without ``close``, the ledger is closed with the object."""
    log(make("films"))
    gc.collect()
    assert open_files(folder) == []


@BOTH
def test_a_ledger_that_was_passed_in_stays_open(
    tmp_path: Path, make: Callable[..., LedgerClient], log: Callable[[LedgerClient], None]
) -> None:
    """The caller's own ledger is not closed."""
    with SqlLedger.open(f"sqlite:///{tmp_path}/own.db") as ledger:
        with make("films", ledger=ledger) as client:
            log(client)
        client.close()
        assert ledger.prediction_stats("films").total == 1
