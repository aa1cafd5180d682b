"""Compiled scorers as files of arrays that processes share."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from tests.scoring.conftest import COLUMNS, table
from tiltyard.models import get_candidate
from tiltyard.models.recipes.tabular import TABULAR
from tiltyard.scoring import Scorer, SklearnScorer, compile_scorer, explain
from tiltyard.scoring.stored_scorer import read_scorer, write_scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.text_inputs import ScorerOfTexts
from tiltyard.tasks import Task

TEXTS = ["a warm and funny film", "dull, slow and far too long", "I loved every minute", "what a waste of time"]
ODD = [{"text": text} for text in (*TEXTS, "", "Wärm", "nothing known here")]
LABELS = ["good", "bad", "good", "bad"]
# Numba imports scipy.linalg.
NOT_TO_PREDICT = "{'sklearn', 'pandas', 'scipy.sparse', 'scipy.special', 'scipy.stats', 'pyarrow', 'mlflow', 'joblib'}"
# A process from scratch that maps a scorer and predicts with it: the probabilities, and what it has imported.
READER = f"""
import json, sys
from pathlib import Path
from tiltyard.scoring.explanations import explain
from tiltyard.scoring.stored_scorer import read_scorer
from tiltyard.scoring.table.columns import InputColumns

scorer = read_scorer(Path(sys.argv[1]), InputColumns(json.loads(sys.argv[2])))
rows = json.loads(sys.argv[3])
found = scorer.score(rows).probabilities.tolist()
explain(scorer, rows[:1])
print(json.dumps([found, sorted({NOT_TO_PREDICT} & set(sys.modules))]))
"""


@pytest.fixture(
    scope="module", params=["tfidf-logreg", "linear-svm", "nbsvm", "tfidf-naive-bayes", "nb-logreg", "nb-cnn"]
)
def of_texts(request: pytest.FixtureRequest) -> Scorer:
    model = get_candidate(request.param, "text-classification").build(0).fit(TEXTS * 8, LABELS * 8)
    return compile_scorer(model, "text-classification", InputColumns({}))


@pytest.fixture(scope="module", params=list(TABULAR))
def of_rows(request: pytest.FixtureRequest) -> Scorer:
    frame, labels = table()
    model = get_candidate(request.param, "tabular-classification").build(0).fit(frame, labels)
    return compile_scorer(model, "tabular-classification", InputColumns(COLUMNS))


def test_a_stored_scorer_of_texts_predicts_to_the_bit(of_texts: Scorer, tmp_path: Path) -> None:
    """What was written and mapped predicts and explains as what was compiled, bit for bit."""
    read = _pass_through_file(of_texts, tmp_path / "scorer", InputColumns({}))
    assert (read.kind, read.classes) == (of_texts.kind, of_texts.classes)
    np.testing.assert_array_equal(read.score(ODD).probabilities, of_texts.score(ODD).probabilities)
    assert read.score(ODD).warnings == of_texts.score(ODD).warnings
    assert explain(read, ODD[:2]) == explain(of_texts, ODD[:2])


def test_a_stored_scorer_of_rows_predicts_to_the_bit(of_rows: Scorer, tmp_path: Path) -> None:
    """The same for tables, with gaps, unknown words and warnings."""
    frame, _ = table()
    rows: list[dict[str, Any]] = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]
    rows.append({**rows[0], "town": "Paris"})
    read = _pass_through_file(of_rows, tmp_path / "scorer", InputColumns(COLUMNS))
    assert (read.kind, read.classes) == (of_rows.kind, of_rows.classes)
    np.testing.assert_array_equal(read.score(rows).probabilities, of_rows.score(rows).probabilities)
    assert read.score(rows).warnings == of_rows.score(rows).warnings
    assert explain(read, rows[:2]) == explain(of_rows, rows[:2])


def test_mapped_arrays_are_of_the_same_kind(of_texts: Scorer, tmp_path: Path) -> None:
    """Each array is as wide, as ordered and as writable as the compiled one: kernels are not compiled anew for it."""
    read = _pass_through_file(of_texts, tmp_path / "scorer", InputColumns({}))
    compiled, mapped = _list_arrays(of_texts), _list_arrays(read)
    assert len(compiled) > 5
    for one, other in zip(compiled, mapped, strict=True):
        np.testing.assert_array_equal(one, other)
        assert (one.dtype, one.flags.c_contiguous) == (other.dtype, other.flags.c_contiguous)
        assert (one.flags.writeable, other.flags.aligned) == (other.flags.writeable, True)


def test_writing_to_a_mapped_array_does_not_change_the_file(of_texts: Scorer, tmp_path: Path) -> None:
    """Processes that map one file cannot change each other's arrays."""
    columns = InputColumns({})
    read = _pass_through_file(of_texts, tmp_path / "scorer", columns)
    for array in _list_arrays(read):
        array.fill(0)
    again = read_scorer(tmp_path / "scorer", columns)
    np.testing.assert_array_equal(again.score(ODD).probabilities, of_texts.score(ODD).probabilities)


@pytest.mark.parametrize("task", ["text-classification", "tabular-classification"])
def test_a_mapped_scorer_predicts_without_libraries_of_models(
    task: Task, text_pipeline: Pipeline, table_pipeline: Pipeline, tmp_path: Path
) -> None:
    """A process that maps a scorer predicts and explains without importing scikit-learn, SciPy or pandas."""
    of_text = task == "text-classification"
    pipeline, columns = (text_pipeline, {}) if of_text else (table_pipeline, COLUMNS)
    rows: Any = ODD if of_text else [{"age": 40, "income": None, "town": "York", "member": True}]
    scorer = compile_scorer(pipeline, task, InputColumns(columns))
    write_scorer(tmp_path / "scorer", scorer)
    words = [sys.executable, "-c", READER, str(tmp_path / "scorer"), json.dumps(columns), json.dumps(rows)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=240)
    assert json.loads(done.stdout) == [scorer.score(rows).probabilities.tolist(), []]


def test_scikit_learn_itself_is_not_stored(text_pipeline: Pipeline, tmp_path: Path) -> None:
    """Only what is compiled has a place in a file."""
    with pytest.raises(TypeError, match="SklearnScorer"):
        write_scorer(tmp_path / "scorer", SklearnScorer(text_pipeline, "text-classification", {}))


def _pass_through_file(scorer: Scorer, file: Path, columns: InputColumns) -> Scorer:
    write_scorer(file, scorer)
    return read_scorer(file, columns)


def _list_arrays(value: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple):
        return [array for item in value for array in _list_arrays(item)]
    if is_dataclass(value):
        return [array for field in fields(value) for array in _list_arrays(getattr(value, field.name))]
    if isinstance(value, ScorerOfTexts):
        return [array for item in vars(value).values() for array in _list_arrays(item)]
    return []
