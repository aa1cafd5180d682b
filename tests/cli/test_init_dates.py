"""``tiltyard init`` finds how dates are written, writes it down, and says what it could not read."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from tiltyard.cli.main import cli
from tiltyard.data import Dataset, load_dataset
from tiltyard.project import load_project

ROWS = 120
DAYS = [date(2024, 1, 1) + timedelta(days=3 * place) for place in range(ROWS)]
FEW_DAYS = [date(2024, place % 12 + 1, place % 11 + 1) for place in range(ROWS)]
CHURN = ["yes" if place % 3 else "no" for place in range(ROWS)]
FEES = [round(place * 1.7 % 23 + (place % 3) * 4, 2) for place in range(ROWS)]


def init(root: Path, *options: str, **columns: list[Any]) -> tuple[dict[str, Any], Dataset]:
    """What init says of a file with these columns, and the rows that training reads."""
    pd.DataFrame({"fee": FEES, **columns, "churn": CHURN}).to_csv(root / "rows.csv", index=False)
    file = root / "tiltyard.toml"
    done = CliRunner().invoke(
        cli, ["init", str(root / "rows.csv"), "--output", str(file), "--force", "--json", *options]
    )
    assert done.exit_code == 0, done.output + repr(done.exception)
    return json.loads(done.stdout), load_dataset(load_project(file))


def find(printed: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [found for found in printed["findings"] if found["code"] == code]


def write(days: list[date], shape: str) -> list[str]:
    return [day.strftime(shape) for day in days]


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ("%d.%m.%Y", "day-first"),
        ("%d/%m/%Y 09:30", "day-first"),
        ("%m/%d/%Y", "month-first"),
        ("%m/%d/%Y 3:05 PM", "month-first"),
        ("%d %b %Y", "%d %b %Y"),
        ("%Y/%m/%d", "%Y/%m/%d"),
        ("%d/%m/%y", "%d/%m/%y"),
        ("%B %d, %Y", "%B %d, %Y"),
    ],
)
def test_the_one_order_that_reads_all_dates_is_written(tmp_path: Path, shape: str, order: str) -> None:
    """Dates in an order that alone reads every cell are features, by a key of the project file and a finding."""
    printed, dataset = init(tmp_path, signed=write(DAYS, shape))
    assert load_project(tmp_path / "tiltyard.toml").data.dates == order
    assert [found["subject"] for found in find(printed, "data.date-order")] == ["signed"]
    assert pd.DataFrame(dataset.inputs)["signed"].dt.date.tolist() == DAYS


def test_dates_of_iso_8601_need_no_key(tmp_path: Path) -> None:
    """Dates in ISO 8601 are features, and neither a key nor a finding speaks of their order."""
    printed, dataset = init(tmp_path, signed=write(DAYS, "%Y-%m-%d"))
    assert "\ndates =" not in (tmp_path / "tiltyard.toml").read_text(encoding="utf-8")
    assert not find(printed, "data.date-order")
    assert pd.DataFrame(dataset.inputs)["signed"].dt.date.tolist() == DAYS


def test_days_of_twelve_and_less_do_not_show_their_order(tmp_path: Path) -> None:
    """Where both orders read all dates the column is left out with a warning that names the option; then it is read."""
    printed, dataset = init(tmp_path, signed=write(FEW_DAYS, "%d/%m/%Y"))
    [found] = find(printed, "data.ambiguous-dates")
    assert (found["severity"], found["subject"]) == ("warning", "signed")
    assert "--date-order" in found["next_step"]
    assert "signed" not in pd.DataFrame(dataset.inputs)
    printed, dataset = init(tmp_path, "--date-order", "day-first", signed=write(FEW_DAYS, "%d/%m/%Y"))
    assert not find(printed, "data.ambiguous-dates")
    assert pd.DataFrame(dataset.inputs)["signed"].dt.date.tolist() == FEW_DAYS


def test_a_column_follows_the_order_of_another(tmp_path: Path) -> None:
    """Dates that several orders read are in the order that another column of the file shows."""
    _, dataset = init(tmp_path, signed=write(FEW_DAYS, "%m/%d/%Y"), ended=write(DAYS, "%m/%d/%Y"))
    inputs = pd.DataFrame(dataset.inputs)
    assert inputs["signed"].dt.date.tolist() == FEW_DAYS
    assert inputs["ended"].dt.date.tolist() == DAYS


def test_orders_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    """A column with cells of either order, and a column in another order than the others, are left out and named."""
    mixed = [*write(DAYS[:60], "%d/%m/%Y"), *write(DAYS[60:], "%m/%d/%Y")]
    printed, dataset = init(
        tmp_path, mixed=mixed, one=write(DAYS, "%d.%m.%Y"), two=write(DAYS, "%d/%m/%Y"), odd=write(DAYS, "%m/%d/%Y")
    )
    assert {found["subject"] for found in find(printed, "data.ambiguous-dates")} == {"mixed", "odd"}
    assert list(pd.DataFrame(dataset.inputs)) == ["fee", "one", "two"]


@pytest.mark.parametrize(
    ("order", "other"), [("day-first", "month-first"), ("month-first", "day-first"), ("%d %b %Y", "day-first")]
)
def test_a_column_in_another_order_than_stated_is_named_with_the_option_that_reads_it(
    tmp_path: Path, order: str, other: str
) -> None:
    """Dates in another order than the stated one are left out as such, and the option of the finding reads them."""
    shapes = {"day-first": "%d.%m.%Y", "month-first": "%m/%d/%Y", "%d %b %Y": "%d %b %Y"}
    columns = {"signed": write(DAYS, shapes[order]), "ended": write(DAYS, shapes[other])}
    printed, dataset = init(tmp_path, "--date-order", order, **columns)
    [found] = find(printed, "data.ambiguous-dates")
    assert (found["subject"], f"--date-order {other}; then 'signed' is left out" in found["next_step"]) == (
        "ended",
        True,
    )
    assert list(pd.DataFrame(dataset.inputs)) == ["fee", "signed"]
    _, dataset = init(tmp_path, "--date-order", other, **columns)
    assert pd.DataFrame(dataset.inputs)["ended"].dt.date.tolist() == DAYS


def test_dates_that_mean_the_same_in_every_order_are_not_ambiguous(tmp_path: Path) -> None:
    """Dates such as 02/02/2024 say the same day first and month first: they are dates, in any order."""
    same = write([date(2024, place % 12 + 1, place % 12 + 1) for place in range(ROWS)], "%d/%m/%Y")
    for others in ({}, {"other": write(DAYS, "%m/%d/%Y")}):
        printed, dataset = init(tmp_path, signed=same, **others)
        assert not find(printed, "data.ambiguous-dates")
        assert str(pd.DataFrame(dataset.inputs)["signed"].dtype) == "datetime64[us]"


@pytest.mark.parametrize("bad", [["2023-02-30"], ["2023-02-30", "unknown", "2023-13-01"]])
def test_impossible_dates_become_gaps_and_are_named(tmp_path: Path, bad: list[str]) -> None:
    """A few cells that cannot be read do not stop init: it writes that they are missing, and says which they are."""
    printed, dataset = init(tmp_path, signed=[*write(DAYS, "%Y-%m-%d")[: -len(bad)], *bad])
    assert load_project(tmp_path / "tiltyard.toml").data.unreadable_dates == "gap"
    [found] = find(printed, "data.unreadable-dates")
    assert (found["subject"], found["evidence"]["count"]) == ("signed", len(bad))
    assert "2023-02-30" in found["message"]
    assert pd.DataFrame(dataset.inputs)["signed"].isna().sum() == len(bad)


def test_an_order_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A stated order that no date can be read by is an error of the call."""
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for order in ("year-first", "%Q"):
        done = CliRunner().invoke(cli, ["init", str(tmp_path / "rows.csv"), "--date-order", order])
        assert "is not an order of dates" in str(done.exception)


def test_times_by_which_rows_are_split_are_in_the_order_of_the_project(tmp_path: Path) -> None:
    """A column of times in another order than ISO 8601 is the time of the project, and divides rows by age."""
    printed, _ = init(tmp_path, date=write(DAYS, "%d.%m.%Y"))
    assert printed["guess"]["time"] == "date"
    assert load_project(tmp_path / "tiltyard.toml").data.dates == "day-first"
