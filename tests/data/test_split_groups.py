"""Rows that belong together share a side of the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.data import Dataset, Split, load_dataset, split_dataset
from tiltyard.data.content_hash import row_digests
from tiltyard.data.groups import find_row_groups, key_groups
from tiltyard.errors import DataError
from tiltyard.project import Project, SplitSection
from tiltyard.validation.split.groups import evaluate_groups, measure_groups


def dataset(customers: list[object], **columns: object) -> Dataset:
    texts = [f"letter {position}" for position in range(len(customers))]
    labels = pd.Series(["pn"[position % 2] for position in range(len(texts))])
    inputs = pd.Series(texts, dtype=object, name="text")
    frame = pd.DataFrame({"text": texts, "label": labels, **columns})
    frame["customer"] = pd.Series(customers, dtype=object)
    return Dataset("letters", "text-classification", inputs, labels, frame, "rows.csv", row_digests(inputs, labels))


def groups_of(side: Dataset) -> set[int]:
    return set(find_row_groups(side, "customer").keys.tolist())


def sides(split: Split) -> dict[str, str]:
    named = (("train", split.train), ("test", split.test))
    return {str(name): side for side, part in named for name in part.frame["customer"]}


CUSTOMERS: list[object] = [f"c{position % 60}" for position in range(300)]
BY_CUSTOMER = SplitSection(group="customer")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*range(40), None]), max_size=60), st.integers(0, 5))
def test_no_group_is_on_both_sides_by_any_rule(more: list[object], salt: int) -> None:
    """By content and by time, with rows that have no group, every group is on one side."""
    customers = [*range(40), *more]
    rows = dataset(customers, day=np.arange(len(customers)) // 3)
    for by in ("content", "time"):
        split = split_dataset(rows, SplitSection(group="customer", by=by, salt=str(salt)), "day")
        assert not groups_of(split.train) & groups_of(split.test)
        assert len(split.train) + len(split.test) == len(customers)


def test_a_group_keeps_its_side_when_rows_and_groups_come_or_go() -> None:
    """By content, the side of a group follows from its name and the salt alone."""
    whole = sides(split_dataset(dataset(CUSTOMERS), BY_CUSTOMER))
    part = sides(split_dataset(dataset([*CUSTOMERS[150:], *(f"new{n % 9}" for n in range(99))]), BY_CUSTOMER))
    assert {name: side for name, side in part.items() if name in whole}.items() <= whole.items()
    assert sides(split_dataset(dataset(CUSTOMERS), SplitSection(group="customer", salt="b"))) != whole


def test_a_group_is_one_however_its_name_is_written() -> None:
    """7, 7.0, "7" and " 7" name one group, and composed and decomposed accents do."""
    names = pd.Series([7, 7.0, "7", " 7 ", np.int64(7), "Zo\u00eb", "Zoe\u0308", None, float("nan"), " "], dtype=object)
    groups = key_groups(names, pd.Series([f"text {n}" for n in range(10)]))
    assert len(set(groups.keys[:5].tolist())) == 1
    assert len(set(groups.keys[5:7].tolist())) == 1
    assert (groups.count, groups.nameless) == (5, 3)


def test_by_time_no_training_row_is_newer_than_the_newest_row_of_a_test_group() -> None:
    """By time, a group goes with its newest row; older rows of test groups are test rows too."""
    rng = np.random.default_rng(5)
    customers: list[object] = [f"c{n}" for n in rng.integers(0, 80, 400)]
    split = split_dataset(dataset(customers, day=np.arange(400)), SplitSection(group="customer", by="time"), "day")
    newest = split.test.frame.groupby("customer")["day"].max()
    assert split.train.frame["day"].max() < newest.min()
    assert abs(len(split.test) / 400 - 0.2) < 0.05
    assert split.test.frame["day"].min() < split.train.frame["day"].max()


def test_by_time_a_large_newest_group_is_the_test_side() -> None:
    """A group that alone has more rows than the test side should, and the newest one, makes the test side."""
    customers: list[object] = [*(f"c{n}" for n in range(60)), *["big"] * 40]
    split = split_dataset(dataset(customers, day=np.arange(100)), SplitSection(group="customer", by="time"), "day")
    assert set(split.test.frame["customer"]) == {"big"}


def test_a_column_that_parts_a_group_is_refused() -> None:
    """By column, the error names the first group on both sides and its rows; nameless rows may be anywhere."""
    rule = SplitSection(group="customer", by="column:side")
    said = ["test" if customer in ("c1", "c2") else "train" for customer in CUSTOMERS]
    assert len(split_dataset(dataset(CUSTOMERS, side=said), rule).test) == 10
    nameless = [None if customer in ("c1", "c2") else customer for customer in CUSTOMERS]
    assert len(split_dataset(dataset(nameless, side=said), rule).test) == 10
    said[2] = "train"
    with pytest.raises(DataError, match="1 group of 'customer' on both sides: 'c2' has 1 rows on the train side and 4"):
        split_dataset(dataset(CUSTOMERS, side=said), rule)


def test_one_group_is_refused_with_its_rows() -> None:
    """Where all rows are one group, or too few groups to reach both sides, the error says how many there are."""
    with pytest.raises(DataError, match=r"All 300 rows are one group of 'customer' \('c'\)"):
        split_dataset(dataset(["c"] * 300), BY_CUSTOMER)
    with pytest.raises(DataError, match="Of 300 rows in 2 groups of 'customer' none falls on the test side"):
        split_dataset(dataset(["a", "b"] * 150), SplitSection(group="customer", test=0.01))
    with pytest.raises(DataError, match=r"no column 'custmer' \(split.group\).*Did you mean 'customer'"):
        split_dataset(dataset(CUSTOMERS), SplitSection(group="custmer"))


def test_the_group_is_a_feature_only_where_it_is_named(tmp_path: Path) -> None:
    """A table's group column is not a feature unless data.features names it."""
    frame = pd.DataFrame({"fee": range(60), "customer": [n % 12 for n in range(60)], "label": ["no", "yes"] * 30})
    frame.to_csv(tmp_path / "fees.csv", index=False)
    whole = {
        "project": {"name": "fees", "task": "tabular-classification"},
        "data": {"source": "fees.csv"},
        "split": {"group": "customer"},
        "root": tmp_path,
    }
    assert list(load_dataset(Project.model_validate(whole)).inputs) == ["fee"]
    named = whole | {"data": {"source": "fees.csv", "features": ["fee", "customer"]}}
    assert list(load_dataset(Project.model_validate(named)).inputs) == ["fee", "customer"]
    with pytest.raises(ValueError, match=r"split.group: the label"):
        Project.model_validate(whole | {"split": {"group": "label"}})


def test_a_test_side_far_from_its_share_is_named_with_the_largest_group() -> None:
    """A group of most rows makes the test side far too large or small; the finding names that group."""
    train, test = pd.Series(["big"] * 90 + [f"c{n}" for n in range(110)]), pd.Series(["d1", "d2", None])
    measured = measure_groups(key_groups(train, train), key_groups(test, pd.Series(["", "", "text"])), 0.2)
    assert [finding.code for finding in evaluate_groups(measured)] == ["split.group-share", "split.nameless-group"]
    assert "the largest ('big') has 90 rows" in evaluate_groups(measured)[0].message
    assert not evaluate_groups(measured | {"test_share": 0.15, "nameless": 0})
