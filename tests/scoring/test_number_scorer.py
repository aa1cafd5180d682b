"""Compiled scorers of regressors: the numbers of scikit-learn, with intervals and explanations."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeRegressor

from tests.scoring.test_table_scorer import UNHURRIED, rows, table
from tiltyard.errors import InputError, UsageError
from tiltyard.evaluation import IntervalCalibration, calibrate_intervals, pair_numbers
from tiltyard.models import CANDIDATES, get_candidate
from tiltyard.registry.package.manifest import Samples
from tiltyard.scoring import SklearnNumberScorer, compile_scorer, explain
from tiltyard.scoring.factory import choose_scorer
from tiltyard.scoring.scorer import NotCompilableError, Scorer
from tiltyard.scoring.stored_scorer import read_scorer, write_scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.table_scorer import TableNumberScorer
from tiltyard.tasks import TASKS, find_task, reads_text

TASK = find_task("table", "number")
RECIPES = [name for name, one in CANDIDATES.items() if TASKS[one.task].target == "number" and not reads_text(one.task)]
SCIKIT_LEARN = [name for name in RECIPES if name in ("gradient-boosting-regressor", "ridge", "random-forest-regressor")]


def truth(frame: Any) -> np.ndarray[Any, Any]:
    income = frame["income"].fillna(40.0).to_numpy()
    noise = np.random.default_rng(1).exponential(3.0, len(frame))
    return np.asarray(200 + 3 * frame["age"] + 2 * income + 50 * (frame["town"] == "York") + noise, dtype=np.float64)


def fit(name: str) -> Pipeline:
    frame, _ = table()
    return get_candidate(name, TASK).build(0).fit(frame, truth(frame))


def columns() -> InputColumns:
    frame, _ = table()
    return InputColumns(name_kinds(frame))


def name_kinds(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def make_calibration() -> IntervalCalibration:
    random = np.random.default_rng(2)
    predicted = random.uniform(200, 600, 600)
    return calibrate_intervals(pair_numbers(predicted + random.normal(0, 9, 600), predicted), 0.9, "cross-conformal")


@functools.cache
def make_scorers(name: str) -> tuple[TableNumberScorer, SklearnNumberScorer]:
    """A recipe compiled, and scored by scikit-learn."""
    pipeline = fit(name)
    compiled = compile_scorer(pipeline, TASK, columns())
    assert isinstance(compiled, TableNumberScorer)
    made = TableNumberScorer(compiled.columns, compiled.prepared, compiled.model, make_calibration())
    return made, SklearnNumberScorer(pipeline, TASK, columns(), make_calibration())


@pytest.fixture(scope="module", params=SCIKIT_LEARN)
def scorers(request: pytest.FixtureRequest) -> tuple[TableNumberScorer, SklearnNumberScorer]:
    """Each recipe, compiled and not."""
    return make_scorers(request.param)


def plain_rows() -> list[dict[str, Any]]:
    frame, _ = table()
    plain = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in plain]


def test_numbers_and_intervals_are_those_of_scikit_learn(
    scorers: tuple[TableNumberScorer, SklearnNumberScorer],
) -> None:
    """On the rows of the training both give the same numbers, to the last few bits, and the same intervals."""
    compiled, plain = scorers
    sent = plain_rows()
    one, other = compiled.score(sent), plain.score(sent)
    assert one.numbers is not None
    assert other.numbers is not None
    assert one.intervals is not None
    assert other.intervals is not None
    np.testing.assert_allclose(one.numbers, other.numbers, rtol=1e-13)
    np.testing.assert_allclose(one.intervals, other.intervals, rtol=1e-12)
    assert [float(label) for label in one.labels] == one.numbers.tolist()
    assert one.probabilities.shape == (len(sent), 0)
    assert compiled.classes == ()


def outcome(scorer: Scorer, row: Mapping[str, Any]) -> float | str:
    try:
        numbers = scorer.score([row]).numbers
    except InputError as error:
        return error.code
    assert numbers is not None
    return float(numbers[0])


@UNHURRIED
@given(row=rows)
def test_odd_rows_have_the_number_of_scikit_learn_or_its_refusal(
    scorers: tuple[TableNumberScorer, SklearnNumberScorer], row: dict[str, Any]
) -> None:
    """Whatever a row holds, both predict the same number, or both refuse it."""
    found, expected = (outcome(scorer, row) for scorer in scorers)
    if isinstance(expected, str):
        assert found == expected
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_batch_gets_the_numbers_of_its_rows(scorers: tuple[TableNumberScorer, SklearnNumberScorer]) -> None:
    """A row has the same number alone and among others, to the bit."""
    compiled, _ = scorers
    sent = plain_rows()[:30]
    together = compiled.score(sent).numbers
    assert together is not None
    assert [outcome(compiled, row) for row in sent] == together.tolist()


def test_an_explanation_of_a_number_adds_up(scorers: tuple[TableNumberScorer, SklearnNumberScorer]) -> None:
    """Baseline and contributions are the number; occlusion by scikit-learn names the same columns."""
    compiled, plain = scorers
    row = plain_rows()[0]
    [exact], [occluded] = explain(compiled, [row]), explain(plain, [row])
    assert (exact.scale, exact.probability, exact.exact) == ("number", None, True)
    assert exact.total == pytest.approx(float(exact.label), rel=1e-12)
    assert exact.baseline + exact.rest + sum(part.weight for part in exact.contributions) == pytest.approx(exact.total)
    assert (occluded.method, occluded.scale, occluded.probability) == ("occlusion", "number", None)
    assert occluded.total == pytest.approx(float(occluded.label))
    assert {part.name for part in occluded.contributions} <= {part.name for part in exact.contributions}
    with pytest.raises(UsageError, match="predicts numbers"):
        explain(compiled, [row], label="good")


READ = """
import json, sys
from pathlib import Path
from tiltyard.scoring.stored_scorer import read_scorer
from tiltyard.scoring.table.columns import InputColumns

folder, kinds, rows = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
found = {file.name: read_scorer(file, InputColumns(kinds)).score(rows) for file in folder.iterdir()}
numbers = {name: [one.numbers.tolist(), one.intervals.tolist()] for name, one in found.items()}
print(json.dumps([numbers, "sklearn" in sys.modules]))
"""


@pytest.fixture(scope="module")
def read_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process, which imports no scikit-learn, predicts by the stored scorers of all recipes."""
    folder = tmp_path_factory.mktemp("stored")
    for name in SCIKIT_LEARN:
        write_scorer(folder / name, make_scorers(name)[0])
    kinds = json.dumps(name_kinds(table()[0]))
    command = [sys.executable, "-c", READ, str(folder), kinds, json.dumps(plain_rows()[:5])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    predicted, imported = json.loads(done.stdout)
    assert imported is False
    return dict(predicted)


@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test_a_stored_scorer_predicts_the_same_without_scikit_learn(
    name: str, read_elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    """A process that maps the file predicts the same numbers and intervals, and imports no scikit-learn."""
    compiled, _ = make_scorers(name)
    write_scorer(tmp_path / "scorer", compiled)
    again = read_scorer(tmp_path / "scorer", columns())
    assert isinstance(again, TableNumberScorer)
    assert again.intervals == compiled.intervals
    expected = compiled.score(plain_rows()[:5])
    assert expected.numbers is not None
    assert expected.intervals is not None
    assert read_elsewhere[name] == [expected.numbers.tolist(), expected.intervals.tolist()]


def frame_of_numbers() -> tuple[Any, np.ndarray[Any, Any]]:
    frame, _ = table()
    return frame[["age"]].assign(big=frame["big"] / 2.0**60), truth(frame)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        Ridge(fit_intercept=False),
        ElasticNet(),
        DecisionTreeRegressor(random_state=0),
        RandomForestRegressor(5, random_state=0),
        ExtraTreesRegressor(5, random_state=0),
        HistGradientBoostingRegressor(max_iter=5, loss="absolute_error"),
        HistGradientBoostingRegressor(max_iter=5, loss="quantile", quantile=0.9),
    ],
    ids=lambda model: f"{type(model).__name__} {getattr(model, 'loss', '')}",
)
def test_further_regressors_are_compiled(model: Any) -> None:
    """Linear models, trees, forests and boosting for other losses give scikit-learn's numbers."""
    frame, numbers = frame_of_numbers()
    pipeline = make_pipeline(model).fit(frame, numbers)
    kinds = InputColumns(name_kinds(frame))
    sent = frame.to_dict(orient="records")
    found = compile_scorer(pipeline, TASK, kinds).score(sent).numbers
    assert found is not None
    np.testing.assert_allclose(found, pipeline.predict(frame), rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (HistGradientBoostingRegressor(max_iter=5, loss="poisson"), "its loss poisson has a link"),
        (GradientBoostingRegressor(n_estimators=3), "no compiled form of a GradientBoostingRegressor"),
    ],
)
def test_what_is_not_compiled_says_why_and_is_scored_by_scikit_learn(model: Any, reason: str) -> None:
    """A regressor without a compiled form is refused with its reason, and its version names scikit-learn."""
    frame, numbers = frame_of_numbers()
    pipeline = make_pipeline(model).fit(frame, numbers)
    kinds = name_kinds(frame)
    with pytest.raises(NotCompilableError) as refused:
        compile_scorer(pipeline, TASK, InputColumns(kinds))
    assert reason in refused.value.reason
    choice = choose_scorer(pipeline, TASK, kinds, Samples())
    assert choice.name == "scikit-learn"
    assert reason in choice.reason


def test_a_compiled_form_that_differs_is_not_chosen() -> None:
    """Parity is checked on the samples: numbers that are not those of the training leave scikit-learn in charge."""
    frame, numbers = frame_of_numbers()
    pipeline = make_pipeline(LinearRegression()).fit(frame, numbers)
    kinds = name_kinds(frame)
    sent = tuple(frame.head(5).to_dict(orient="records"))
    right = pipeline.predict(frame.head(5))
    same = choose_scorer(pipeline, TASK, kinds, Samples(inputs=sent, numbers=tuple(map(float, right))))
    other = choose_scorer(pipeline, TASK, kinds, Samples(inputs=sent, numbers=tuple(map(float, right * 1.001))))
    assert (same.name, same.rows) == ("compiled table, linear", 5)
    assert other.name == "scikit-learn"
    assert "differs from scikit-learn" in other.reason
