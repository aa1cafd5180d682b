"""A table of any size is read in parts, and compared with the rows that the champion was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.batch.conftest import Shop, make_rows
from tests.ray_cluster import start_cluster
from tiltyard.batch import source_check
from tiltyard.batch.source_check import SourceCheck, check_source
from tiltyard.engines import Engine, LocalProcesses, RayCluster, SameProcess
from tiltyard.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_check, "_ROWS_OF_A_PART", 1000)


def check(shop: Shop, source: Path | str, engine: Engine | None = None) -> SourceCheck:
    """A table compared with the shop's champion."""
    return check_source(shop.project, shop.settings, str(source), engine or SameProcess(), shop.folder)


def test_rows_like_those_of_the_training_pass(shop: Shop) -> None:
    """Nothing is found in them, by whichever processes they are read; the findings are equal to the bit."""
    source = shop.write("in.parquet", make_rows(6000, 90).drop(columns="returned"))
    here = check(shop, source)
    assert here.passed
    assert (here.rows, here.unreadable_rows, here.unreadable) == (6000, 0, {})
    assert check(shop, source, LocalProcesses(2)).to_dict() == here.to_dict()


@pytest.mark.journey
def test_a_cluster_finds_the_same(shop: Shop) -> None:
    """On a Ray cluster of two nodes the findings are those of this process."""
    source = shop.write("in.parquet", make_rows(6000, 91, shift=4.0))
    with start_cluster(2) as nodes:
        there = check(shop, source, RayCluster(nodes.address))
    assert there.to_dict() == check(shop, source).to_dict()
    assert not there.passed


def test_drift_and_unreadable_cells_are_found(shop: Shop) -> None:
    """Amounts that moved are drift, and cells that are not numbers are counted by their column."""
    moved = check(shop, shop.write("in.parquet", make_rows(4000, 92, shift=8.0)))
    assert "drift.number" in {found.code for found in moved.findings if found.is_found}
    assert not moved.passed
    frame = make_rows(3000, 93).astype({"amount": object})
    frame.loc[:149, "amount"] = "many"
    frame.to_csv(shop.folder / "in.csv", index=False)
    odd = check(shop, shop.folder / "in.csv")
    assert odd.unreadable == {"amount": 150}
    (found,) = [one for one in odd.findings if one.code == source_check.UNREADABLE]
    assert (found.severity, found.subject, found.score) == ("warning", "amount", 0.05)
    assert not odd.passed


def test_lines_that_are_no_rows_are_counted(shop: Shop) -> None:
    """Of JSON Lines, the broken ones; a source without a row or a column, and a database, are errors."""
    frame = make_rows(300, 94)
    lines = [json.dumps(row) for row in frame.replace({np.nan: None}).to_dict(orient="records")]
    (shop.folder / "in.jsonl").write_text("\n".join([*lines, "{", "7"]) + "\n", encoding="utf-8")
    found = check(shop, shop.folder / "in.jsonl")
    assert (found.rows, found.unreadable_rows) == (302, 2)
    frame.drop(columns="amount").to_parquet(shop.folder / "less.parquet")
    with pytest.raises(DataError, match="lacks 'amount'"):
        check(shop, shop.folder / "less.parquet")
    pd.DataFrame({name: [] for name in frame}).to_parquet(shop.folder / "none.parquet")
    with pytest.raises(DataError, match="holds no rows"):
        check(shop, shop.folder / "none.parquet")
    with pytest.raises(UsageError, match="is a database"):
        check(shop, "postgresql://user@host/database")
