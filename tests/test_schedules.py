"""Schedules of the project file: what can be written, and when a cron expression is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.errors import ProjectError
from tiltyard.project import Project, parse_project
from tiltyard.project.schedule import CronSchedule, NewFiles, NewRows, read_schedule

PROJECT = """
[project]
name = "shop"
task = "tabular-classification"
[data]
source = "shop.csv"
label = "returned"
"""
TABLE = '[batch.nightly]\nsource = "in.csv"\ntarget = "out.csv"\n'


def parse(extra: str) -> Project:
    """The project with more of its file."""
    return parse_project(PROJECT + extra, Path("/shop/tiltyard.toml"))


def test_each_form_of_a_schedule_is_read() -> None:
    """Cron expressions and their short names, new files, and counts, with or without the words around them."""
    assert read_schedule("0 2 * * 1-5", "UTC") == CronSchedule("0 2 * * 1-5", "UTC")
    assert read_schedule("@daily", "Europe/Berlin") == CronSchedule("0 0 * * *", "Europe/Berlin")
    for written in ("new files", "when new files", "New  Files"):
        assert read_schedule(written, "UTC") == NewFiles()
    for written in ("1000 new rows", "after 1_000 new rows", "1,000 new rows"):
        assert read_schedule(written, "UTC") == NewRows(1000, "rows")
    assert read_schedule("200 new labels", "UTC") == NewRows(200, "labels")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('[batch]\nrecrod = "all"\n', r"unknown key 'batch.recrod'. Did you mean 'record'\?"),
        ('[batch.nightly]\nsource = "in.csv"\ntaget = "x"\n', r"'batch.nightly.taget'. Did you mean 'target'\?"),
        (TABLE + 'schedule = "0 2 * *"\n', "'batch.nightly.schedule' = '0 2 .*none of a cron expression"),
        (TABLE + 'schedule = "99 2 * * *"\n', "bad minute"),
        (TABLE + 'schedule = "0 0 31 2 *"\n', "'batch.nightly.schedule' = '0 0 31 2 .*"),
        (TABLE + 'schedule = "0 new rows"\n', "counts from 1 on"),
        (TABLE + 'schedule = "5 new labels"\n', "a table has no labels to count"),
        (TABLE + 'schedule = "new files"\n', "each needs its own result"),
        (TABLE.replace("out.csv", "{name}.csv"), r'\{name\} is for schedule = "new files"'),
        (TABLE + 'schedule = "0 2 * * *"\ntime_zone = "Mars"\n', "'batch.nightly.time_zone' = 'Mars'"),
        (TABLE + 'time_zone = "Europe/Berlin"\n', "schedule is none"),
        (TABLE + 'version = "1"\nalias = "champion"\n', "alias is set too"),
        ('[batch."a b"]\nsource = "in.csv"\ntarget = "out.csv"\n', "a name has letters"),
        ('[training]\nschedule = "soon"\n', "'training.schedule' = 'soon'"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused(extra: str, message: str) -> None:
    """When the project file is read, by its key and value."""
    with pytest.raises(ProjectError, match=message):
        parse(extra)


def test_tables_take_what_they_do_not_say_from_batch() -> None:
    """Keys of [batch] are for all tables; a table keeps its name through every copy of the project."""
    project = parse('[batch]\nkey = "customer"\n' + TABLE + 'schedule = "0 2 * * *"\ntime_zone = "Europe/Berlin"\n')
    assert project.batch.key == "customer"
    assert project.batch.tables["nightly"].trigger == CronSchedule("0 2 * * *", "Europe/Berlin")
    again = Project.model_validate(project.model_dump(by_alias=True))
    assert again.batch.tables == project.batch.tables


def find_times(expression: str, start: datetime, count: int) -> list[str]:
    """The next times in Berlin, each found from the one before."""
    berlin = ZoneInfo("Europe/Berlin")
    found, schedule = [start], CronSchedule(expression, "Europe/Berlin")
    for _ in range(count):
        found.append(schedule.find_next(found[-1]))
    return [f"{moment.astimezone(berlin):%d %H:%M %Z}" for moment in found[1:]]


def test_a_time_that_clocks_skip_is_due_when_they_have_changed() -> None:
    """On 29 March 2026 there is no 02:30 in Berlin: the run is due at 03:00, and the next day at 02:30 again."""
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert find_times("30 2 * * *", start, 2) == ["29 03:00 CEST", "30 02:30 CEST"]


def test_a_time_that_comes_twice_is_due_once() -> None:
    """On 25 October 2026 02:30 comes twice in Berlin: the first counts, from whichever moment it is looked for."""
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert find_times("30 2 * * *", start, 2) == ["25 02:30 CEST", "26 02:30 CET"]
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10, the second time
    assert find_times("30 2 * * *", second_pass, 1) == ["26 02:30 CET"]


def test_what_runs_every_so_often_runs_on_through_both_hours() -> None:
    """Every twenty minutes is every twenty minutes, also while clocks change."""
    start = datetime(2026, 10, 24, 23, 50, tzinfo=UTC)
    assert find_times("*/20 * * * *", start, 7)[:4] == [
        "25 02:00 CEST",
        "25 02:20 CEST",
        "25 02:40 CEST",
        "25 02:00 CET",
    ]


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - Hypothesis takes naive ones
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 */3 * * *", "15 1,2,3 * * *", "0 0 1 * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_the_next_time_is_always_later(naive: datetime, expression: str, zone: str) -> None:
    """Whatever the zone and the moment, so no run is due twice for one time."""
    moment = naive.replace(tzinfo=UTC)
    due = CronSchedule(expression, zone).find_next(moment)
    assert moment < due <= moment + timedelta(days=40)
