"""Loading versions from MLflow, and a registry that is away."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tiltyard.errors import ArtifactError, NotFoundError, UnavailableError, UsageError
from tiltyard.registry import MlflowRegistry, VersionInfo, read_package
from tiltyard.registry.mlflow_backend.mlflow_client import mlflow_errors
from tiltyard.registry.mlflow_backend.mlflow_registry import METRIC_TAG
from tiltyard.registry.version_cache import LOCK
from tiltyard.testing.registry import write_example_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("package") / "model"
    write_example_package(folder)
    return str(folder)


@pytest.fixture(scope="module")
def three_versions(fresh_store: Path, package: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store with three versions of the model films."""
    store = tmp_path_factory.mktemp("three_versions") / "mlflow.db"
    shutil.copyfile(fresh_store, store)
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{store}")
    for _ in range(3):
        registry.register_model(package, "films")
    return store


@pytest.fixture
def registry(three_versions: Path, tmp_path: Path) -> MlflowRegistry:
    """Three versions of the model films, in a copy of the store."""
    return MlflowRegistry(tracking_uri=f"sqlite:///{shutil.copyfile(three_versions, tmp_path / 'mlflow.db')}")


def test_a_metric_tag_that_is_no_number_stays_a_tag(registry: MlflowRegistry) -> None:
    """A tag of a metric that somebody set to no number is a tag like others; the version and its model stay usable."""
    for key, value in (("accuracy", "abc"), ("f1", "nan"), ("recall", "0.5")):
        registry.set_tag("films", "1", f"{METRIC_TAG}{key}", value)
    read = registry.get_version("films", version="1")
    assert read.metrics["recall"] == 0.5
    assert not {"accuracy", "f1"} & set(read.metrics)
    assert read.tags[f"{METRIC_TAG}accuracy"] == "abc"
    assert registry.list_versions("films")


def test_without_a_champion_loading_says_how_to_get_one(registry: MlflowRegistry) -> None:
    """Without a champion there is an error that says how to get one."""
    with pytest.raises(NotFoundError, match="No champion yet") as missing:
        registry.load_model("films")
    assert missing.value.next_step == "Run: tiltyard train --champion"


@pytest.mark.requirement("R-REG-07")
def test_a_version_is_loaded_by_stage_alias_number_or_as_champion(registry: MlflowRegistry) -> None:
    """A version is loaded by stage, by alias, by number, or as the champion."""
    registry.set_alias("films", "champion", "2")
    loaded = [
        registry.load_model("films"),
        registry.load_model("films", stage="Production"),
        registry.load_model("films", alias="champion"),
        registry.load_model("films", version="1"),
    ]
    for model in loaded:
        assert model.predict(["a warm and funny film"]).tolist() == ["good"]


def test_two_ways_to_name_a_version_are_refused(registry: MlflowRegistry) -> None:
    """What is requested in two ways, or by a stage that names no version, is refused."""
    with pytest.raises(UsageError):
        registry.load_model("films", stage="Production", version="1")
    with pytest.raises(UsageError):
        registry.load_model("films", stage="Archived")
    with pytest.raises(UsageError):
        registry.load_model("films", alias="champion", version="1")


def test_changed_files_are_not_loaded(registry: MlflowRegistry, tmp_path: Path) -> None:
    """A version whose stored files were changed is not loaded."""
    info = registry.get_version("films", version="1")
    folder = Path(info.source.removeprefix("file://"))
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    (changed / "model.skops").write_bytes(b"changed")
    registry.register_model(str(changed), "songs")
    with pytest.raises(ArtifactError, match=r"model\.skops"):
        registry.load_model("songs", version="1")


def test_a_damaged_copy_is_fetched_anew(registry: MlflowRegistry, tmp_path: Path) -> None:
    """A copy on this host that was damaged is fetched anew."""
    info = registry.get_version("films", version="1")
    folder = registry.fetch(info, tmp_path / "cache")
    (folder / "model.skops").write_bytes(b"damaged")
    assert read_package(registry.fetch(info, tmp_path / "cache")).manifest.model_name == "films"


@pytest.mark.requirement("R-REG-24")
def test_only_fetched_copies_are_there_while_the_registry_is_away(registry: MlflowRegistry, tmp_path: Path) -> None:
    """While the registry is away, a copy that was fetched before is still there; all else is unavailable."""
    info = registry.get_version("films", version="1")
    folder = registry.fetch(info, tmp_path / "cache")
    away = MlflowRegistry(tracking_uri="http://127.0.0.1:9")
    assert away.fetch(info, tmp_path / "cache") == folder
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9") as error:
        away.get_version("films", alias="champion")
    assert error.value.next_step
    with pytest.raises(UnavailableError):
        away.fetch(registry.get_version("films", version="2"), tmp_path / "cache")
    assert list((tmp_path / "cache").rglob(".fetch-*")) == []


def test_lost_files_are_an_error_that_names_the_version(registry: MlflowRegistry, package: str, tmp_path: Path) -> None:
    """A version whose files are gone is an error that names it, and leaves no half copy."""
    gone = tmp_path / "gone"
    shutil.copytree(package, gone)
    info: VersionInfo = registry.register_model(str(gone), "songs")
    shutil.rmtree(gone)
    with pytest.raises((ArtifactError, NotFoundError, UnavailableError)):
        registry.fetch(info, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [LOCK]


def register_many(registry: MlflowRegistry, package: str) -> None:
    for _ in range(500):
        registry.register_model(package, "films")


def fail_deep(cause: Exception) -> None:
    """Fail as MLflow does, whose errors have the system's as a cause."""
    with mlflow_errors("sqlite:////films/mlflow.db"):
        raise RuntimeError("a failure of MLflow's own") from cause


def test_a_store_without_room_says_so(
    three_versions: Path, package: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """That MLflow's database finds no room is said, with what to do, and without a traceback."""
    store = shutil.copyfile(three_versions, tmp_path / "mlflow.db")
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{store}")

    def fill(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # means: those that there are

    event.listen(Engine, "connect", fill)
    try:
        with pytest.raises(UnavailableError, match=r"mlflow\.db has no room left: database or disk is full") as full:
            register_many(registry, package)
    finally:
        event.remove(Engine, "connect", fill)
    assert full.value.next_step == "Free some disk space."
    assert registry.get_version("films", version="3").version == "3"
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_without_room_says_so() -> None:
    """That files find no room or may not be written is read from the system's number, however deep it lies."""
    for number, said in ((errno.ENOSPC, "has no room left"), (errno.EROFS, "may not be written")):
        with pytest.raises(UnavailableError, match=said) as caught:
            fail_deep(OSError(number, os.strerror(number)))
        assert caught.value.code == "registry.unavailable"
