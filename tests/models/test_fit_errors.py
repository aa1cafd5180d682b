"""Rows that a candidate cannot learn from are an error that names the cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tiltyard.data.loading import build_dataset
from tiltyard.errors import DataError
from tiltyard.models.candidates import get_candidate
from tiltyard.pipeline.training.steps import train_model
from tiltyard.project import Project

RANDOM = np.random.default_rng(5)
ROWS = pd.DataFrame({"size": RANDOM.normal(size=80), "floor": RANDOM.normal(size=80)}).assign(
    rent=lambda rows: rows["size"] + RANDOM.normal(size=80)
)
TASK = "tabular-regression"


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("names", [["random-forest-regressor"], ["random-forest-regressor", "ridge"]])
def test_a_cell_that_few_models_can_read_is_named(tmp_path: Path, names: list[str]) -> None:
    """A forest reads single precision: the error names the number, and its column, that is beyond."""
    made = {"project": {"name": "rents", "task": TASK}, "data": {"source": "rents.csv", "label": "rent"}}
    project = Project.model_validate({**made, "root": tmp_path})
    train = build_dataset(project, ROWS.assign(size=[*ROWS["size"][:-1], 1e39]), [])
    candidates = [get_candidate(name, TASK) for name in names]
    with pytest.raises(DataError, match="cannot learn from these rows: Input X contains infinity") as refused:
        train_model(candidates, train, project, lambda _text: None)
    assert (refused.value.code, refused.value.fields["column"]) == ("training.fit-failed", "size")
    assert "1e+39 in column 'size'" in refused.value.next_step
    assert ("'random-forest-regressor'" in refused.value.message) == (len(names) == 1)
    ridge = train_model([get_candidate("ridge", TASK)], train, project, lambda _text: None)
    assert ridge.candidate.name == "ridge"
