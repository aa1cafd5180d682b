"""Compiled scorers of pipelines that end in a booster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor
from tiltyard.models.recipes.boosting import boost_classes
from tiltyard.scoring.explanations import explain
from tiltyard.scoring.scorer import NotCompilableError, Scorer
from tiltyard.scoring.stored_scorer import read_scorer, write_scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.trees.compile_booster import compile_booster_scorer

LIBRARIES = ["lightgbm", "xgboost", "catboost"]
ONE_HOT: dict[str, dict[str, Any]] = {"lightgbm": {}, "xgboost": {}, "catboost": {"one_hot_max_size": 20}}


def table(rows: int = 400) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, rows),
            "income": np.where(random.random(rows) < 0.1, np.nan, random.normal(40, 9, rows)),
            "plan": pd.Series(random.choice(["basic", "pro", "none", "old"], rows), dtype="str"),
        }
    )
    score = frame["age"] / 20 + frame["income"].fillna(30) / 15 + 2 * (frame["plan"] == "pro")
    return frame, np.where(score + random.normal(0, 0.5, rows) > 5.6, "yes", "no")


def compile_pipeline(pipeline: Pipeline, frame: pd.DataFrame) -> tuple[Scorer, InputColumns]:
    columns = InputColumns({name: str(frame[name].dtype) for name in frame.columns})
    scorer = compile_booster_scorer(pipeline, columns)
    assert scorer is not None
    return scorer, columns


def read_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict(orient="records")
    ]


def make_odd(frame: pd.DataFrame) -> pd.DataFrame:
    """Some rows with gaps and categories that training did not know."""
    rows = frame.iloc[:60].copy()
    rows.loc[rows.index[:10], "plan"] = None
    rows.loc[rows.index[10:20], "plan"] = "unheard"
    rows["age"] = rows["age"].astype("float64")
    rows.loc[rows.index[20:30], ["age", "income"]] = np.nan
    return rows


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "recipe"])
def test_rows_are_predicted_as_the_pipeline_does(library: str, alone: bool, tmp_path: Path) -> None:
    """From rows with gaps and unknown words on, the compiled scorer gives the pipeline's probabilities; stored too."""
    frame, labels = table()
    step = BoosterClassifier(library, max_iter=30, early_stopping=False, random_state=0, **ONE_HOT[library])
    pipeline = Pipeline([("classifier", step)]) if alone else boost_classes(library, 0)
    pipeline.fit(frame, labels)
    scorer, columns = compile_pipeline(pipeline, frame)
    rows = make_odd(frame)
    expected = pipeline.predict_proba(rows)
    found = scorer.score(read_records(rows))
    np.testing.assert_allclose(found.probabilities, expected, rtol=0, atol=1e-12)
    assert scorer.kind == f"compiled table, boosting by {library}"
    write_scorer(tmp_path / "scorer", scorer)
    stored = read_scorer(tmp_path / "scorer", columns)
    assert np.array_equal(stored.score(read_records(rows)).probabilities, found.probabilities)
    parts = explain(scorer, read_records(rows)[:1], label="yes")[0]
    log_odds = np.log(found.probabilities[0, 1] / found.probabilities[0, 0])
    assert parts.total == pytest.approx(log_odds, abs=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_are_predicted_as_the_pipeline_does(library: str) -> None:
    """The compiled scorer of a regressor gives the pipeline's numbers."""
    frame, _ = table()
    step = BoosterRegressor(library, max_iter=30, early_stopping=False, random_state=0, **ONE_HOT[library])
    pipeline = Pipeline([("regressor", step)])
    pipeline.fit(frame, frame["age"] * 1.5 + frame["income"].fillna(0))
    scorer, _ = compile_pipeline(pipeline, frame)
    found = scorer.score(read_records(frame.iloc[:50])).numbers
    np.testing.assert_allclose(np.asarray(found), pipeline.predict(frame.iloc[:50]), rtol=1e-12)


def test_target_statistics_are_left_to_the_library() -> None:
    """CatBoost's target statistics have no compiled form, and the reason says so."""
    frame, labels = table()
    step = BoosterClassifier("catboost", max_iter=20, early_stopping=False, one_hot_max_size=2, random_state=0)
    pipeline = Pipeline([("classifier", step)]).fit(frame, labels)
    with pytest.raises(NotCompilableError, match="target statistics"):
        compile_pipeline(pipeline, frame)
