"""A version as pickles: equal predictions, and scikit-learn alone is enough to open them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from tests.registry.fitted import FRAME, TEXT_LABELS, TEXTS, THREE, fitted, package
from tiltyard.errors import UsageError
from tiltyard.models import get_candidate
from tiltyard.models.recipes.text import TEXT
from tiltyard.registry import read_package
from tiltyard.registry.package.pickle_export import WARNING, export_pickles

# Opens the files in a process that has no Tiltyard, and predicts with them.
OPEN = """
import json, pickle, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tiltyard":
            raise ImportError("there is no tiltyard here")
sys.meta_path.insert(0, Nothing())
texts = json.load(open("texts.json"))
answers = {}
for name in sys.argv[1:]:
    model = pickle.load(open(f"{name}/films_model.pkl", "rb"))
    vectoriser = pickle.load(open(f"{name}/films_model_vectorizer.pkl", "rb"))
    rows = vectoriser.transform(texts)
    answers[name] = [model.predict_proba(rows).tolist(), model.predict(rows).tolist()]
assert not [name for name in sys.modules if name.startswith("tiltyard")]
print(json.dumps(answers))
"""


@pytest.mark.requirement("R-ART-02")
def test_every_linear_text_recipe_opens_without_tiltyard(tmp_path: Path) -> None:
    """Each of them, with two and three labels, predicts equally from its pickles, in a process without Tiltyard."""
    expected: dict[str, Any] = {}
    three = np.array([["good", "bad", "so-so"][row % 3] for row in range(len(TEXTS))])
    for name, (_, build, _) in TEXT.items():
        if name == "nb-cnn":
            continue
        for kind, labels in (("two", TEXT_LABELS), ("three", three)):
            model: Pipeline = build(0).fit(TEXTS, labels)
            folder = tmp_path / f"{name}-{kind}"
            package(tmp_path / f"{name}-{kind} version", model)
            written = export_pickles(
                read_package(tmp_path / f"{name}-{kind} version"), folder, "films_model", {"accuracy": 0.5}
            )
            assert [file.name for file in written.files] == [
                "films_model.pkl",
                "films_model_vectorizer.pkl",
                "metrics.json",
                "films_model_requirements.txt",
            ]
            assert (written.needs, written.rows) == ({}, 3)
            assert "# Tiltyard is not needed.\n" in (folder / "films_model_requirements.txt").read_text()
            assert json.loads((folder / "metrics.json").read_text()) == {"accuracy": 0.5}
            expected[folder.name] = model
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS.tolist()))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OPEN, *expected],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)
    for name, model in expected.items():
        probabilities, labels = predictions[name]
        np.testing.assert_allclose(probabilities, model.predict_proba(TEXTS), rtol=0, atol=1e-12, err_msg=name)
        assert labels == model.predict(TEXTS).tolist(), name


def test_a_recipe_without_an_equal_in_scikit_learn_says_what_it_needs(tmp_path: Path) -> None:
    """The convolution is one file, which says that it needs Tiltyard."""
    _, build, _ = TEXT["nb-cnn"]
    package(tmp_path / "version", build(0).fit(TEXTS, TEXT_LABELS))
    written = export_pickles(read_package(tmp_path / "version"), tmp_path / "out", "films_model", {})
    assert [file.name for file in written.files] == ["films_model.pkl", "metrics.json", "films_model_requirements.txt"]
    assert (list(written.needs), written.largest_difference) == (["tiltyard"], 0.0)


@pytest.mark.parametrize("name", ["table, logistic regression", "random forest", "histogram boosting"])
def test_a_table_is_one_file(name: str, tmp_path: Path) -> None:
    """What prepares a table stays with the model, in one file."""
    import pickle

    package(tmp_path / "version", fitted(name).model, FRAME)
    written = export_pickles(read_package(tmp_path / "version"), tmp_path / "out", "loans_model", {})
    assert [file.name for file in written.files] == ["loans_model.pkl", "metrics.json", "loans_model_requirements.txt"]
    assert written.needs == {}
    assert written.largest_difference is not None
    again = pickle.loads((tmp_path / "out" / "loans_model.pkl").read_bytes())
    assert np.array_equal(again.predict_proba(FRAME), fitted(name).model.predict_proba(FRAME))
    assert len(THREE) == len(FRAME)


def test_a_table_with_dates_says_that_it_needs_tiltyard(tmp_path: Path) -> None:
    """Features of dates are a part of Tiltyard: the files name it with the part, and predict as the version does."""
    import pickle

    days = pd.Series(pd.date_range("2024-01-01", periods=60, freq="D", unit="us"))
    frame = pd.DataFrame({"signed": days, "fee": np.arange(60.0)})
    model = (
        get_candidate("logreg", "tabular-classification")
        .build(0)
        .fit(frame, np.where(days.dt.day_of_week < 3, "a", "b"))
    )
    package(tmp_path / "version", model, frame)
    written = export_pickles(read_package(tmp_path / "version"), tmp_path / "out", "loans_model", {})
    assert written.needs == {"tiltyard": ("DateFeatures",)}
    said = (tmp_path / "out" / "loans_model_requirements.txt").read_text()
    for line in (
        "# Tiltyard is needed for DateFeatures.",
        "columns signed, fee; dates as datetime64 or ISO 8601.",
        "pandas==",
    ):
        assert line in said
    again = pickle.loads((tmp_path / "out" / "loans_model.pkl").read_bytes())
    texts = frame.assign(signed=days.dt.strftime("%Y-%m-%d"))
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(frame))


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    """A folder that cannot be is refused, and the warning says what a pickle can do."""
    package(tmp_path / "version", fitted("naive Bayes").model)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written to"):
        export_pickles(read_package(tmp_path / "version"), tmp_path / "file" / "x", "m", {})
    assert "runs the code" in WARNING
