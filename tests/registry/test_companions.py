"""The files that travel with a model are read as carefully as the model: one that was crafted is refused in a line."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.registry.fitted import FRAME, fitted, package, reseal
from tests.registry.test_attacks import Payload
from tiltyard.errors import ArtifactError
from tiltyard.registry import HOLDOUT, MlflowRegistry, read_package
from tiltyard.registry.package.holdout_predictions import HoldoutPredictions
from tiltyard.registry.package.manifest import FOLDER, MANIFEST, TRAINING_KEYS
from tiltyard.registry.package.pickle_export import export_pickles
from tiltyard.testing.registry import write_example_package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package that a test may damage."""
    write_example_package(tmp_path / "model")
    rows = HoldoutPredictions(np.array(["good"]), np.array(["bad"]), np.array([[0.6, 0.4]]))
    (tmp_path / "model" / FOLDER / HOLDOUT).write_bytes(rows.to_bytes())
    reseal(tmp_path / "model")
    return tmp_path / "model"


def stored(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def claimed(shape: tuple[int, ...]) -> bytes:
    """An array that claims a shape and has nothing."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<u8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def columns(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def test_companions_are_whole_before_they_are_damaged(folder: Path) -> None:
    """What these tests damage is whole before."""
    read = read_package(folder)
    assert len(read.training_keys) == 6
    assert read.held_out is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", stored(np.zeros(3)), stored(np.array([["a"]])), claimed((3,)), claimed((10**12,))],
)
def test_keys_of_rows(content: bytes, folder: Path) -> None:
    """Keys that are none are refused by the name of their file."""
    (folder / TRAINING_KEYS).write_bytes(content)
    reseal(folder)
    with pytest.raises(ArtifactError, match="training_keys") as refused:
        _ = read_package(folder).training_keys
    assert refused.value.code == "artifact.unreadable"


def test_pickled_rows_are_not_run(folder: Path, tmp_path: Path) -> None:
    """Pickled keys or held-out rows are refused, and not run."""
    pickled = np.array([Payload(tmp_path / "ran")], dtype=object)
    (folder / TRAINING_KEYS).write_bytes(stored(pickled))
    content = columns(truth=pickled, predicted=np.array(["a"]), probabilities=np.zeros((1, 2)))
    (folder / FOLDER / HOLDOUT).write_bytes(content)
    reseal(folder)
    read = read_package(folder)
    with pytest.raises(ArtifactError, match="training_keys"):
        _ = read.training_keys
    with pytest.raises(ArtifactError, match="held_out"):
        _ = read.held_out
    assert not (tmp_path / "ran").exists()


def bomb() -> bytes:
    """A small archive of gigabytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("truth.npy", "w") as member:
        for _ in range(600):
            member.write(bytes(1024**2))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"PK\3\4 no",
        lambda: columns(truth=np.array(["a"])),
        lambda: columns(truth=np.array(["a"]), predicted=np.array(["a", "b"]), probabilities=np.zeros((1, 2))),
        lambda: columns(truth=np.zeros(1), predicted=np.array(["a"]), probabilities=np.zeros((1, 2))),
        bomb,
    ],
)
def test_held_out_rows(make: Callable[[], bytes], folder: Path) -> None:
    """Held-out rows that do not fit together, or would fill the memory, are refused."""
    (folder / FOLDER / HOLDOUT).write_bytes(make())
    reseal(folder)
    with pytest.raises(ArtifactError, match="held_out") as refused:
        _ = read_package(folder).held_out
    assert refused.value.code == "artifact.unreadable"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"metrics": {"accuracy": float("nan")}}, "metrics.accuracy"),
        ({"samples": {"inputs": [{"txt": 1}], "probabilities": [[0.5, 0.5]]}}, "has no text"),
        ({"samples": {"inputs": [{"text": None}], "probabilities": [[0.5, 0.5]]}}, "has no text"),
        ({"samples": {"inputs": [{"text": "a"}], "probabilities": []}}, "number of predictions"),
        ({"classes": "good"}, "classes"),
    ],
)
def test_a_manifest_of_other_kinds(change: dict[str, Any], place: str, folder: Path) -> None:
    """A manifest that is none is refused, and the message names the place."""
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | change))
    with pytest.raises(ArtifactError, match=place) as refused:
        read_package(folder)
    assert refused.value.code == "artifact.manifest-unreadable"


def test_samples_that_cannot_be_predicted(tmp_path: Path) -> None:
    """An export of a version that cannot predict its own rows says so."""
    folder = tmp_path / "model"
    package(folder, fitted("table, logistic regression").model, FRAME)
    content = json.loads((folder / MANIFEST).read_text())
    content["samples"] = {"inputs": [{"age": "old", "visits": []}], "probabilities": [[0.5, 0.5]]}
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="sample rows"):
        export_pickles(read_package(folder), tmp_path / "out", "films", {})


@pytest.mark.parametrize("kind", ["file", "folder", "nowhere", "circle", "pipe"])
def test_links_and_pipes_are_refused_by_name(kind: str, folder: Path, tmp_path: Path, tracking_uri: str) -> None:
    """A link or a pipe among a version's files is refused by its name: the version is at fault, not the registry."""
    registry = MlflowRegistry(tracking_uri=tracking_uri)
    info = registry.register_model(str(folder), "films")
    odd = folder / FOLDER / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"file": MANIFEST, "folder": "/etc", "nowhere": "/nowhere", "circle": "."}[kind])
    with pytest.raises(ArtifactError, match="tiltyard/odd") as refused:
        registry.fetch(info, tmp_path / "cache")
    assert refused.value.code == "artifact.odd-file"


def test_a_name_that_is_no_text(folder: Path) -> None:
    """A file whose name holds bytes that are not text is refused in a message that can be sent."""
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff")).touch()
    with pytest.raises(ArtifactError) as refused:
        read_package(folder)
    assert "bad\\udcff" in refused.value.message
    assert json.dumps(refused.value.to_dict(), ensure_ascii=False).encode()
