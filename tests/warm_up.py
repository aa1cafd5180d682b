"""Compile the kernels once before the tests.

In a fresh checkout the cache of numba is empty. Without this, each process that the tests start at once would compile
the same kernels, and a command that takes a second would take half a minute. The work is cut in two, since compiling
takes longer than all else before the first test.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.drift.profiles import Rows, build_reference
from tiltyard.models import CANDIDATES
from tiltyard.models.tfidf import vectoriser
from tiltyard.scoring.explanations import explain
from tiltyard.scoring.factory import compile_scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.tasks import Task

# Where numba keeps the compiled kernels of one package; those of the others are made with them.
_CACHE = Path(__file__).parents[1] / "src" / "tiltyard" / "scoring" / "table" / "__pycache__"

_TEXTS = ["a warm and funny film", "dull, slow and far too long", "I loved every minute of it", "what a wäste of time"]


def start_compiling() -> list[int]:
    """Compile in one process for each half where numba's cache is empty; returns the ids of these children."""
    if any(_CACHE.glob("*.nbi")):
        return []
    return [_fork(half) for half in (compile_models_of_texts, compile_profiles_and_tables)]


def wait_until_compiled(children: list[int]) -> None:
    """Wait for the processes that compile.

    Raises:
        RuntimeError: one has failed; the tests would only fail later, and less clearly.
    """
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        raise RuntimeError("the kernels cannot be compiled; the reason is above")


def compile_models_of_texts() -> None:
    """Fit and score each kind of text model that has kernels."""
    vectoriser.warm_up()
    for name in ("tfidf-logreg", "nb-cnn"):
        _score(name, pd.Series(_TEXTS * 3), InputColumns({"text": "str"}), [{"text": text} for text in _TEXTS])


def compile_profiles_and_tables() -> None:
    """Profile texts and columns, and score each kind of table model."""
    random = np.random.default_rng(0)
    numbers = {"age": random.integers(18, 80, 60), "income": random.normal(40.0, 9.0, 60)}
    frame = pd.DataFrame({**numbers, "plan": pd.Series(["basic", "pro", "none"] * 20, dtype="str")})
    for inputs in (frame, pd.Series(_TEXTS * 15)):
        build_reference(Rows(inputs, np.array(["no", "yes"] * 30, object), random.random(60)))
    columns = InputColumns({name: str(frame[name].dtype) for name in ("age", "income", "plan")})
    rows: list[dict[str, Any]] = [
        {"age": 40, "income": 31.5, "plan": "pro"},
        {"age": 18, "income": None, "plan": "other"},
    ]
    for name, candidate in CANDIDATES.items():
        if candidate.task == "tabular-classification":
            _score(name, frame, columns, rows)


def _score(
    name: str, inputs: pd.DataFrame | pd.Series, columns: InputColumns, rows: Sequence[Mapping[str, Any]]
) -> None:
    task: Task = CANDIDATES[name].task
    pipeline = CANDIDATES[name].build(0).fit(inputs, ["good", "bad"] * (len(inputs) // 2))
    scorer = compile_scorer(pipeline, task, columns)
    scorer.score(rows)
    explain(scorer, rows)


def _fork(half: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            half()
            code = 0
        except Exception:  # noqa: BLE001 - the process that waits raises
            traceback.print_exc()
        finally:
            os._exit(code)  # not the exit of the process that it is a copy of
    return child
