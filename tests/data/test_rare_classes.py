"""Classes with too few rows are set aside, merged or refused, by the project's rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.data.rare_classes import explain_rare
from tiltyard.errors import DataError
from tiltyard.project import Project

COMMON = "".join(f"{place},{('yes', 'no')[place % 2]}\n" for place in range(300))


def make_project(root: Path, extra: str, split: dict[str, Any] | None = None, **data: object) -> Project:
    (root / "rows.csv").write_text("a,y\n" + COMMON + extra, encoding="utf-8")
    content = {
        "project": {"name": "rows", "task": "tabular-classification"},
        "data": {"source": "rows.csv", "label": "y", **data},
        "split": split or {},
        "root": root,
    }
    return Project.model_validate(content)


def rare_of(dataset: Dataset) -> dict[str, Any]:
    """The classes that the findings name as rare."""
    found = [one for one in dataset.findings if one.code == "data.rare-classes"]
    return {name: sides for one in found for name, sides in one.evidence["classes"].items()}


@pytest.mark.parametrize(
    "extra",
    [
        "301,maybe\n",
        "301,maybe\n302,maybe\n",
        "301,maybe\n302,never\n303,never\n",
        "Total,Total\n",
        "true,y\nopen,maybe\n",
    ],
)
def test_rare_classes_are_set_aside_and_named(tmp_path: Path, extra: str) -> None:
    """The dataset is that of the file without the rare classes, and the finding names them with their counts."""
    names = {line.split(",")[1] for line in extra.split()}
    dataset = load_dataset(make_project(tmp_path, extra))
    assert dataset.classes == ("no", "yes")
    assert len(dataset) == len(dataset.frame) == 300
    assert set(rare_of(dataset)) == set(dataset.set_aside) == names
    without = load_dataset(make_project(tmp_path, ""))
    assert [pd.DataFrame(data.inputs)["a"].dtype for data in (dataset, without)] == [np.dtype("float64")] * 2
    assert (dataset.fingerprint, without.set_aside) == (without.fingerprint, {})


def test_rare_classes_are_merged_into_one(tmp_path: Path) -> None:
    """With "merge" rare classes become the class 'other', in the labels and in the frame; too few are set aside."""
    extra = "".join(f"{place},rare{place}\n" for place in range(300, 340))
    dataset = load_dataset(make_project(tmp_path, extra, rare_classes="merge"))
    assert dataset.classes == ("no", "other", "yes")
    assert (len(dataset), int((dataset.frame["y"] == "other").sum())) == (340, 40)
    assert len(rare_of(dataset)) == 40
    alone = load_dataset(make_project(tmp_path, "301,maybe\n", rare_classes="merge"))
    assert (alone.classes, alone.set_aside) == (("no", "yes"), {"other": 1})


def test_a_project_can_refuse_rare_classes(tmp_path: Path) -> None:
    """With "refuse" a rare class is an error that names it, its rows on each side, and the other rules."""
    with pytest.raises(DataError, match="1 class of 'y' has too few rows") as caught:
        load_dataset(make_project(tmp_path, "301,maybe\n", rare_classes="refuse"))
    assert caught.value.code == "data.rare-class"
    assert "'maybe'" in caught.value.message
    assert "set-aside" in (caught.value.next_step or "")


def test_a_class_on_one_side_of_time_is_rare(tmp_path: Path) -> None:
    """A class that only the oldest rows have is rare by a split by time, however many rows it has."""
    extra = "".join(f"{-place},old\n" for place in range(1, 60))
    dataset = load_dataset(make_project(tmp_path, extra, {"by": "time"}, time="a", features=["a"]))
    assert rare_of(dataset) == {"old": {"train": 59, "test": 0, "reason": "none on the test side"}}
    split = split_dataset(dataset, make_project(tmp_path, extra, {"by": "time"}, time="a").split, "a")
    assert set(split.train.classes) == set(split.test.classes) == {"yes", "no"}


def test_the_finding_says_why_one_class_is_learnt_and_another_is_not(tmp_path: Path) -> None:
    """Each rare class stands with its rows and what it lacks, next to a class of as few rows that is learnt."""
    extra = "".join(f"{place},c{place % 12}\n" for place in range(300, 360))
    dataset = load_dataset(make_project(tmp_path, extra))
    [found] = [one for one in dataset.findings if one.code == "data.rare-classes"]
    learnt = set(dataset.classes) - {"yes", "no"}
    assert learnt
    assert learnt | set(rare_of(dataset)) == {f"c{place}" for place in range(12)}
    assert "5 rows, none on the test side" in found.message
    assert any(f"'{name}' with 5 rows is learnt" in found.message for name in learnt)
    assert "of 21 rows, some are on each side with a probability of 99 %" in found.next_step


@pytest.mark.parametrize(
    ("learnt", "tested", "reason"),
    [
        (30, 0, "none on the test side"),
        (1, 4, "1 on the train side, where 2 are needed"),
        (5, 2, "fewer than the 15 of validation.min_class_share"),
        (12, 3, ""),
    ],
)
def test_what_a_rare_class_lacks(learnt: int, tested: int, reason: str) -> None:
    """A class needs rows on both sides, and its least share of all rows."""
    assert explain_rare(learnt, tested, 2, 14.2) == reason


def test_two_classes_stay(tmp_path: Path) -> None:
    """Where only one class would be left, the data stays as it is, for the checks to refuse."""
    project = make_project(tmp_path, "")
    (tmp_path / "rows.csv").write_text("a,y\n" + "".join(f"{place},yes\n" for place in range(99)) + "100,no\n")
    dataset = load_dataset(project)
    assert dataset.classes == ("no", "yes")
    assert not rare_of(dataset)


def test_folds_raise_what_is_enough(tmp_path: Path) -> None:
    """Where cross-validation chooses, a class needs a row for each fold."""
    extra = "".join(f"{place},maybe\n" for place in range(300, 312))
    project = make_project(tmp_path, extra)
    several = project.model_copy(
        update={"training": project.training.model_copy(update={"candidates": ("logreg", "hist-gb"), "folds": 12})}
    )
    assert "maybe" in load_dataset(project).classes
    assert "maybe" not in load_dataset(several).classes
