"""A version is written once, predicts as it did, and is loaded whole or not at all."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.registry.fitted import FRAME, NAMES, TELLTALE, TEXT_LABELS, TEXTS, Telltale, fitted, package, reseal
from tiltyard.errors import ArtifactError, UsageError
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.registry import read_package
from tiltyard.registry.package.manifest import MANIFEST


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a text classifier; tests copy it."""
    folder = tmp_path_factory.mktemp("package") / "model"
    package(folder, fitted("logistic regression").model)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of the package that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.mark.requirement("R-ART-01")
@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_model_predicts_the_same(name: str, tmp_path: Path) -> None:
    """A model that was packaged and read again gives the same probabilities, bit for bit."""
    given = fitted(name)
    written = package(tmp_path / "model", given.model, given.inputs)
    read = read_package(tmp_path / "model")
    assert np.array_equal(read.pipeline.predict_proba(given.inputs), given.model.predict_proba(given.inputs))
    assert read.manifest == written
    assert read.training_keys.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.requirement("R-ART-05")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself_loads_a_package(name: str, tmp_path: Path) -> None:
    """MLflow itself loads a package, as a scikit-learn model and as a Python function, and predicts the same."""
    import mlflow.pyfunc
    import mlflow.sklearn

    given = fitted(name)
    package(tmp_path / "model", given.model, given.inputs)
    expected = given.model.predict(given.inputs)
    assert np.array_equal(mlflow.sklearn.load_model(str(tmp_path / "model")).predict(given.inputs), expected)
    assert {"MLmodel", "requirements.txt"} <= {file.name for file in (tmp_path / "model").iterdir()}
    assert "scikit-learn==" in (tmp_path / "model" / "requirements.txt").read_text("utf-8")
    function = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert np.array_equal(function.predict(given.inputs), expected)
    assert function.metadata.signature is not None
    if given.is_text:
        one_column = given.inputs.astype(object).reshape(-1, 1)
        assert np.array_equal(function.predict(__import__("pandas").DataFrame(one_column)), expected)


def test_the_manifest_names_every_file(whole: Path) -> None:
    """The manifest names the digest of every other file, the libraries, and the predictions made at training."""
    manifest = read_package(whole).manifest
    files = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert set(manifest.files) == files - {MANIFEST}
    assert {"python", "tiltyard", "scikit-learn", "numpy", "skops"} <= set(manifest.libraries)
    assert [row["text"] for row in manifest.samples.inputs] == TEXTS[:3].tolist()
    expected = fitted("logistic regression").model.predict_proba(TEXTS[:3])
    assert np.array_equal(np.asarray(manifest.samples.probabilities), expected)


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_changed_byte_is_noticed(whole: Path, tmp_path: Path, place: str) -> None:
    """One changed byte in any file but the manifest is noticed, and the refusal names the file."""
    for name in read_package(whole).manifest.files:
        folder = Path(shutil.copytree(whole, tmp_path / "copy", dirs_exist_ok=True))
        content = bytearray((folder / name).read_bytes())
        position = {"first": 0, "middle": len(content) // 2, "last": len(content) - 1}[place]
        content[position] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(ArtifactError) as refusal:
            read_package(folder)
        assert refusal.value.fields["file"] == name
        assert name in refusal.value.message


def test_nothing_is_constructed_from_a_changed_file(tmp_path: Path) -> None:
    """A model whose file was changed is not constructed, not even in part."""
    mark = tmp_path / "constructed"
    folder = tmp_path / "model"
    package(folder, Telltale(str(mark)), trusted_types=(TELLTALE,))
    read_package(folder, (TELLTALE,))
    assert mark.exists()
    mark.unlink()
    with (folder / "model.skops").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ArtifactError, match=r"model\.skops"):
        read_package(folder, (TELLTALE,))
    assert not mark.exists()


def test_a_missing_file_is_named(folder: Path) -> None:
    """A missing file is named."""
    (folder / "requirements.txt").unlink()
    with pytest.raises(ArtifactError, match=r"requirements\.txt .*is missing"):
        read_package(folder)


def test_an_added_file_is_refused(folder: Path) -> None:
    """A file that the manifest does not name is refused."""
    (folder / "code.py").write_text("import os")
    with pytest.raises(ArtifactError, match=r"code\.py .*not in the manifest"):
        read_package(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", '{"format": 1}'])
def test_a_damaged_manifest_is_refused(folder: Path, content: str) -> None:
    """A manifest that cannot be read is refused in one line."""
    (folder / MANIFEST).write_text(content)
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert "\n" not in refusal.value.message


def test_a_later_format_is_refused(folder: Path) -> None:
    """A manifest of a later format is refused, with what to do."""
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(ArtifactError, match="format 99") as refusal:
        read_package(folder)
    assert "Upgrade" in refusal.value.next_step


def test_a_model_without_a_manifest_is_refused(folder: Path) -> None:
    """A plain MLflow model, without a manifest, is not loaded."""
    (folder / MANIFEST).unlink()
    with pytest.raises(ArtifactError) as refusal:
        read_package(folder)
    assert refusal.value.code == "artifact.no-manifest"


def test_untrusted_types_are_not_packaged(tmp_path: Path) -> None:
    """A model that this host would refuse to load is not packaged either, and the type is named."""
    with pytest.raises(UsageError, match=TELLTALE):
        package(tmp_path / "model", Telltale())


def test_trust_comes_from_the_host(tmp_path: Path) -> None:
    """A type that one host trusts is refused by a host that does not, whatever the model's own metadata says."""
    mark = tmp_path / "constructed"
    folder = tmp_path / "model"
    package(folder, Telltale(str(mark)), trusted_types=(TELLTALE,))
    assert TELLTALE in (folder / "MLmodel").read_text()
    with pytest.raises(ArtifactError, match=TELLTALE) as refusal:
        read_package(folder)
    assert refusal.value.fields["types"] == [TELLTALE]
    assert not mark.exists()


def test_tables_keep_their_columns(tmp_path: Path) -> None:
    """The manifest of a table model names its columns in order, with their kinds."""
    given = fitted("table, logistic regression")
    manifest = package(tmp_path / "model", given.model, FRAME)
    assert list(manifest.columns) == ["age", "visits", "town", "member"]
    assert manifest.columns["age"] == "float64"


def test_a_version_requires_tiltyard_where_mlflow_needs_it(tmp_path: Path) -> None:
    """A model of scikit-learn alone requires no Tiltyard; one with parts of Tiltyard, or with a schema, requires it."""
    package(tmp_path / "plain", fitted("naive Bayes").model)
    assert "tiltyard" not in (tmp_path / "plain" / "requirements.txt").read_text()
    ours = make_pipeline(FastTfidfVectorizer(), LogisticRegression()).fit(TEXTS, TEXT_LABELS)
    package(tmp_path / "ours", ours)
    assert f"tiltyard=={version('tiltyard')}" in (tmp_path / "ours" / "requirements.txt").read_text()


def test_a_package_is_written_without_a_list_of_all_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow does not list the files of every installed package to write one; when somebody needs it, it does."""
    from mlflow.utils import requirements_utils

    monkeypatch.setattr(requirements_utils, "_MODULES_TO_PACKAGES", None)
    package(tmp_path / "model", fitted("naive Bayes").model)
    assert requirements_utils._MODULES_TO_PACKAGES is None
    requirements_utils._init_packages_to_modules_map()
    assert requirements_utils._PACKAGES_TO_MODULES["scikit-learn"] == "sklearn"


def test_a_resealed_package_is_read(folder: Path) -> None:
    """A package whose manifest fits its files again is read: the tests that reseal prove what they say."""
    (folder / "requirements.txt").write_text("numpy")
    reseal(folder)
    read_package(folder)
