"""A stored model that somebody made to do harm is refused before it can.

Whoever can write a model's file can write its manifest too, so each of these is resealed: digests alone stop nobody.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from tests.registry.fitted import FRAME, fitted, package, reseal
from tiltyard.errors import ArtifactError
from tiltyard.registry import read_package
from tiltyard.registry.packaging import MODEL_FILE
from tiltyard.registry.skops_file import SCHEMA, read_model, write_model
from tiltyard.registry.trust import trusted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package that a test may damage."""
    package(tmp_path / "model", fitted("naive Bayes").model)
    return tmp_path / "model"


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


def test_payload_works(tmp_path: Path) -> None:
    """The payload of these tests does run where it is unpickled."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_pickle_instead(folder: Path, tmp_path: Path) -> None:
    """A version that holds a pickle in place of its model is refused, and the pickle is not run."""
    (folder / MODEL_FILE).unlink()
    (folder / "model.pkl").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    reseal(folder)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.not-skops"
    assert not (tmp_path / "ran").exists()


def test_disguised_pickle(folder: Path, tmp_path: Path) -> None:
    """A pickle under the name of a skops file is refused, and not run."""
    (folder / MODEL_FILE).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    reseal(folder)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.not-skops"
    assert not (tmp_path / "ran").exists()


def test_pickle_inside(folder: Path, tmp_path: Path) -> None:
    """An array of pickled objects inside a skops file is refused, and not run."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(tmp_path / "ran")], dtype=object), allow_pickle=True)
    rewrite(folder / MODEL_FILE, {name: buffer.getvalue() for name in names(folder / MODEL_FILE) if ".npy" in name})
    reseal(folder)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.unreadable"
    assert not (tmp_path / "ran").exists()


def test_function_that_runs_commands(folder: Path) -> None:
    """A model that would call a function of the operating system is refused by the function's name."""
    skops.io.dump(FunctionTransformer(os.system), folder / MODEL_FILE)
    reseal(folder)
    with pytest.raises(ArtifactError, match=r"posix\.system|nt\.system") as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.untrusted-type"


def test_types_of_its_own_choice(folder: Path) -> None:
    """A model's own list of trusted types is not asked."""
    skops.io.dump(FunctionTransformer(os.system), folder / MODEL_FILE)
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(
        described.replace("skops_trusted_types: null", "skops_trusted_types: [posix.system, nt.system]")
    )
    reseal(folder)
    with pytest.raises(ArtifactError, match="does not allow"):
        read_package(folder)


def test_partial_of_a_foreign_function(tmp_path: Path) -> None:
    """That a partial is trusted does not make the function in it trusted."""
    import functools

    skops.io.dump(FunctionTransformer(functools.partial(os.system, "true")), tmp_path / "m.skops")
    with pytest.raises(ArtifactError, match=r"posix\.system|nt\.system"):
        read_model(tmp_path / "m.skops", trusted())


def test_archive_that_unpacks_to_far_more(tmp_path: Path) -> None:
    """An archive that would unpack to far more than it takes on the disk is refused without being unpacked."""
    with zipfile.ZipFile(tmp_path / "m.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(60_000_000))
        archive.writestr(SCHEMA, "{}")
    with pytest.raises(ArtifactError, match="would unpack to 60 MB") as refusal:
        read_model(tmp_path / "m.skops")
    assert refusal.value.code == "artifact.too-large"


@pytest.mark.parametrize("schema", ["", "{", "[]", "{}", '{"protocol": 2}', '{"protocol": 99}', "[" * 100_000])
def test_damaged_schema(tmp_path: Path, schema: str) -> None:
    """A skops file whose description makes no sense is refused in one line."""
    write_model(fitted("naive Bayes").model, tmp_path / "m.skops")
    rewrite(tmp_path / "m.skops", {SCHEMA: schema.encode()})
    with pytest.raises(ArtifactError) as refusal:
        read_model(tmp_path / "m.skops")
    assert "\n" not in refusal.value.message


def test_missing_array(tmp_path: Path) -> None:
    """A skops file without one of its arrays is refused."""
    write_model(fitted("naive Bayes").model, tmp_path / "m.skops")
    rewrite(tmp_path / "m.skops", {name: None for name in names(tmp_path / "m.skops") if ".npy" in name})
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_model(tmp_path / "m.skops")


@pytest.mark.parametrize(
    ("field", "number"),
    [(field, number) for field in ("left_child", "right_child", "feature") for number in (10**6, -7, 0)][:-1],
)
@pytest.mark.parametrize("name", ["random forest", "extra trees", "gradient boosting"])
def test_tree_that_points_outside_itself(name: str, field: str, number: int, tmp_path: Path) -> None:
    """A forest that would send scikit-learn out of its arrays, or in circles, is refused."""
    tree = copied(fitted(name).model, tmp_path)
    owner = tree[-1].estimators_[0] if name != "gradient boosting" else tree[-1].estimators_[0, 0]
    state = owner.tree_.__getstate__()
    state["nodes"][field][0] = number
    owner.tree_.__setstate__(state)
    write_model(tree, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError) as refusal:
        read_model(tmp_path / "bad.skops", trusted())
    assert refusal.value.code == "artifact.unsound-tree"


@pytest.mark.parametrize(
    ("field", "number"),
    [("left", 10**6), ("right", 0), ("feature_idx", 999), ("feature_idx", -1), ("bitset_idx", 10**6)],
)
def test_boosting_tree_that_points_outside_itself(field: str, number: int, tmp_path: Path) -> None:
    """So is a histogram boosting model."""
    model = copied(fitted("histogram boosting").model, tmp_path)
    trees = [tree for stage in model[-1]._predictors for tree in stage]
    for tree in trees:
        tree.nodes["is_categorical"][:] = 1
        tree.nodes[field][tree.nodes["is_leaf"] == 0] = number
    write_model(model, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError) as refusal:
        read_model(tmp_path / "bad.skops", trusted())
    assert refusal.value.code == "artifact.unsound-tree"


def test_forest_for_fewer_columns_than_its_trees(tmp_path: Path) -> None:
    """A forest that claims fewer columns than its trees look at is refused."""
    model = copied(fitted("random forest").model, tmp_path)
    model[-1].n_features_in_ = 1
    write_model(model, tmp_path / "bad.skops")
    with pytest.raises(ArtifactError, match="RandomForestClassifier"):
        read_model(tmp_path / "bad.skops", trusted())


def copied(model: Any, folder: Path) -> Any:
    """A model of the test's own."""
    write_model(model, folder / "sound.skops")
    own = read_model(folder / "sound.skops", trusted())
    assert np.array_equal(own.predict_proba(FRAME), model.predict_proba(FRAME))
    return own


def names(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def rewrite(file: Path, changes: dict[str, bytes | None]) -> None:
    """Replace members of an archive, or take them out."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def test_rewriting_alone_changes_nothing(folder: Path) -> None:
    """A file that was taken apart and put together again is read: the tests above prove what they say."""
    rewrite(folder / MODEL_FILE, {})
    reseal(folder)
    read_package(folder)
    with zipfile.ZipFile(folder / MODEL_FILE) as archive:
        assert json.loads(archive.read(SCHEMA))["protocol"] >= 0
