"""Predictions of a stored version for rows as they are today."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tiltyard.data import load_dataset
from tiltyard.evaluation import LabelledPredictions
from tiltyard.project import Project
from tiltyard.promotion.offline_predictions import PredictedRows, compare_with_labels, predict_with_version
from tiltyard.registry import Manifest, Package, VersionInfo


@pytest.mark.parametrize(
    ("then", "now", "positive"),
    [
        (("False", "True"), ("FALSE", "TRUE"), "true"),
        (("0.0", "1.0"), ("0", "1"), "1.0"),
        (("0", "1"), ("false", "true"), "1"),
    ],
)
def test_a_version_meets_rows_that_spell_classes_otherwise(
    then: tuple[str, str], now: tuple[str, str], positive: str, tmp_path: Path
) -> None:
    """A version whose classes are spelt otherwise than the rows' labels is right where it means the same."""
    frame = pd.DataFrame({"x": [float(n % 2) for n in range(40)], "label": [now[n % 2] for n in range(40)]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    project = Project.model_validate(
        {
            "project": {"name": "p", "task": "tabular-classification"},
            "data": {"source": "rows.csv", "positive": positive},
            "root": tmp_path,
        }
    )
    rows = load_dataset(project)
    pipeline = make_pipeline(LogisticRegression(C=1e6)).fit(frame[["x"]], np.array(then)[frame["x"].astype(int)])
    manifest = Manifest(
        model_name="p",
        task="tabular-classification",
        candidate="c",
        classes=then,
        columns={"x": "float64"},
        metrics={},
        data_fingerprint="f",
        train_rows=1,
        created_at=datetime.now(UTC),
        files={},
        libraries={},
    )
    info = VersionInfo("p", "1", (), None, datetime.now(UTC))
    predictions = predict_with_version(Package(pipeline, manifest, Path()), info, rows)
    facts = compare_with_labels(predictions, rows, project)
    assert isinstance(facts, LabelledPredictions)
    assert (facts.classes, facts.unknown, facts.positive) == (now, (), now[1])
    assert np.array_equal(facts.truth, facts.predicted_codes)


def test_a_version_from_before_dates_were_read_reads_them_as_words(tmp_path: Path) -> None:
    """A champion that learned dates as categories meets today's rows as it met those of its training."""
    days = ["2024-01-01", "2024-01-02"]
    frame = pd.DataFrame({"day": [days[n % 2] for n in range(40)], "label": ["ab"[n % 2] for n in range(40)]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    project = Project.model_validate(
        {
            "project": {"name": "p", "task": "tabular-classification"},
            "data": {"source": "rows.csv"},
            "root": tmp_path,
        }
    )
    rows = load_dataset(project)
    assert isinstance(rows.inputs, pd.DataFrame)
    assert str(rows.inputs["day"].dtype) == "datetime64[us]"
    words = frame[["day"]].astype("str")
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(words, frame["label"])
    manifest = Manifest(
        model_name="p",
        task="tabular-classification",
        candidate="c",
        classes=("a", "b"),
        columns={"day": "str"},
        metrics={},
        data_fingerprint="f",
        train_rows=1,
        created_at=datetime.now(UTC),
        files={},
        libraries={},
    )
    info = VersionInfo("p", "1", (), None, datetime.now(UTC))
    predictions = predict_with_version(Package(pipeline, manifest, Path()), info, rows)
    assert isinstance(predictions, PredictedRows)
    assert predictions.labels.tolist() == frame["label"].tolist()
