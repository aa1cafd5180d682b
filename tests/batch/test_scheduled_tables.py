"""Tables of the project file are scored by name, and by themselves: once, whatever runs at the same time or again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import create_engine

from tests.batch.conftest import Shop, make_rows
from tiltyard.batch.run import RunOptions
from tiltyard.errors import TiltyardError
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import read_alerts
from tiltyard.pipeline.schedules.checks import Watch
from tiltyard.pipeline.schedules.new_files import name_result
from tiltyard.pipeline.schedules.overview import list_overviews
from tiltyard.pipeline.schedules.perform import Performed, Performer
from tiltyard.pipeline.schedules.scheduler import Scheduler
from tiltyard.project import Project
from tiltyard.project.batch import BatchSection
from tiltyard.project.scheduled_work import find_table

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """The ledger's clock, as a test sets it."""

    now: datetime = NOON

    def pass_by(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


@pytest.fixture
def clock(shop: Shop) -> Iterator[Clock]:
    """The ledger's clock."""
    made = Clock()
    shop.ledger.leases.clock = lambda: made.now
    yield made
    shop.ledger.leases.clock = None


def describe(shop: Shop, name: str, **table: Any) -> Project:
    """The shop's project with a table; each test has its own name, as they share a ledger."""
    batch = {"key": "customer", "fragment_rows": 1000, "settle_seconds": 10, name: table}
    return shop.project.model_copy(update={"batch": BatchSection.model_validate(batch)})


def perform(shop: Shop, project: Project, name: str, *, only_due: bool = True) -> Performed:
    """What a process does that is started by the loop."""
    performer = Performer(project, shop.settings, shop.ledger, Watch(project, shop.ledger), RunOptions(workers=1))
    return performer.perform(find_table(project, name), only_due=only_due)


def test_a_table_by_its_cron_expression_runs_once_for_all_missed_times(shop: Shop, clock: Clock) -> None:
    """Not before its time; then once, however many times were missed; and again at the next time."""
    source, target = shop.write("in.parquet", make_rows(40, 60)), shop.folder / "out.parquet"
    project = describe(shop, "nightly", source=str(source), target=str(target), schedule="0 2 * * *")
    assert perform(shop, project, "nightly").outcome == "nothing"
    assert list_overviews(project, shop.ledger)[0].next_run == datetime(2026, 6, 2, 2, tzinfo=UTC)
    clock.pass_by(hours=13, minutes=59)
    assert perform(shop, project, "nightly").outcome == "nothing"
    clock.pass_by(days=3, minutes=1)
    done = perform(shop, project, "nightly")
    assert (done.outcome, done.results[0].scored) == ("done", 40)
    assert perform(shop, project, "nightly").outcome == "nothing"
    assert list_overviews(project, shop.ledger)[0].next_run == datetime(2026, 6, 6, 2, tzinfo=UTC)
    clock.pass_by(days=1)
    again = perform(shop, project, "nightly")
    assert (again.outcome, again.results[0].already) == ("done", True)


def test_a_table_that_another_process_scores_is_left_to_it(shop: Shop, clock: Clock) -> None:
    """Of two processes that find it due, one has the lease; the other does nothing, then and later."""
    source, target = shop.write("in.parquet", make_rows(40, 61)), shop.folder / "out.parquet"
    project = describe(shop, "shared", source=str(source), target=str(target), schedule="@hourly")
    perform(shop, project, "shared")
    clock.pass_by(hours=1)
    lease = shop.ledger.leases.acquire("schedule/shop-classifier/batch/shared", "another host", timedelta(hours=1))
    assert lease is not None
    assert perform(shop, project, "shared").outcome == "busy"
    shop.ledger.leases.release(lease)
    assert perform(shop, project, "shared").outcome == "done"
    assert perform(shop, project, "shared").outcome == "nothing"


def test_work_that_is_begun_by_hand_is_not_due_again_at_once(shop: Shop, clock: Clock) -> None:
    """Another scheduler whose clock is some seconds ahead did what was due; one hours before did not."""
    source, target = shop.write("in.parquet", make_rows(40, 62)), shop.folder / "out.parquet"
    project = describe(shop, "byhand", source=str(source), target=str(target), schedule="0 13 * * *")
    perform(shop, project, "byhand", only_due=False)
    clock.pass_by(minutes=59, seconds=30)
    assert perform(shop, project, "byhand", only_due=False).outcome == "done"
    clock.pass_by(minutes=1)
    assert perform(shop, project, "byhand").outcome == "nothing"


def test_a_new_file_is_scored_once(shop: Shop, clock: Clock) -> None:
    """When it has settled; not again when it is renamed, touched or looked at anew; again when its content changed."""
    inbox, out = shop.folder / "inbox", shop.folder / "out"
    inbox.mkdir()
    out.mkdir()
    project = describe(
        shop, "inbox", source=f"{inbox}/*.csv", target=f"{out}/{{name}}.parquet", schedule="when new files"
    )
    assert perform(shop, project, "inbox").outcome == "nothing"
    first = inbox / "monday.csv"
    make_rows(30, 63).to_csv(first, index=False)
    assert perform(shop, project, "inbox").outcome == "nothing"  # seen, and not settled yet
    clock.pass_by(seconds=9)
    with first.open("a", encoding="utf-8") as stream:  # it is still being written
        stream.write("c,30,basic,True,yes\n")
    assert perform(shop, project, "inbox").outcome == "nothing"
    clock.pass_by(seconds=9)
    assert perform(shop, project, "inbox").outcome == "nothing"
    clock.pass_by(seconds=1)
    assert [one.scored for one in perform(shop, project, "inbox").results] == [31]
    assert perform(shop, project, "inbox").outcome == "nothing"
    first.rename(inbox / "renamed.csv")
    os.utime(inbox / "renamed.csv", ns=(1, 1))
    for _ in range(2):
        clock.pass_by(seconds=11)
        assert perform(shop, project, "inbox").outcome == "nothing"
    assert sorted(path.name for path in out.glob("*.parquet")) == ["monday.parquet"]
    make_rows(20, 64).to_csv(inbox / "renamed.csv", index=False)
    (inbox / "copy.csv").write_bytes((inbox / "renamed.csv").read_bytes())  # both are there: two files
    perform(shop, project, "inbox")
    clock.pass_by(seconds=11)
    assert [one.scored for one in perform(shop, project, "inbox").results] == [20, 20]
    assert len(pd.read_parquet(out / "renamed.parquet")) == 20


@pytest.mark.parametrize("source", ["inbox", "inbox/"])
def test_each_new_file_of_a_folder_is_scored_once(shop: Shop, clock: Clock, source: str) -> None:
    """As of a pattern; a folder that is empty yet, or holds unfinished copies, has none."""
    inbox, out = shop.folder / "inbox", shop.folder / "out"
    inbox.mkdir()
    out.mkdir()
    named = {"source": f"{shop.folder}/{source}", "target": f"{out}/{{name}}.parquet", "schedule": "new files"}
    project = describe(shop, f"folder{len(source)}", **named)
    work = f"folder{len(source)}"
    assert perform(shop, project, work).outcome == "nothing"
    make_rows(30, 66).to_csv(inbox / "monday.csv", index=False)
    make_rows(30, 67).to_csv(inbox / "tuesday.csv.part", index=False)
    perform(shop, project, work)
    clock.pass_by(seconds=11)
    assert [one.scored for one in perform(shop, project, work).results] == [30]
    (inbox / "tuesday.csv.part").rename(inbox / "tuesday.csv")
    perform(shop, project, work)
    clock.pass_by(seconds=11)
    assert [one.scored for one in perform(shop, project, work).results] == [30]
    make_rows(30, 69).to_json(inbox / "wednesday.jsonl", orient="records", lines=True)  # each is a table by itself
    perform(shop, project, work)
    clock.pass_by(seconds=11)
    assert [one.scored for one in perform(shop, project, work).results] == [30]
    assert sorted(path.stem for path in out.glob("*.parquet")) == ["monday", "tuesday", "wednesday"]


def test_new_files_of_folders_that_hold_columns_are_refused(shop: Shop, clock: Clock) -> None:
    """A file alone would lack the columns that its folders name; the next step is another schedule."""
    (shop.folder / "orders" / "plan=basic").mkdir(parents=True)
    shop.write("orders/plan=basic/a.parquet", make_rows(30, 68).drop(columns="plan"))
    target = f"{shop.folder}/{{name}}.parquet"
    project = describe(shop, "hive", source=f"{shop.folder}/orders", target=target, schedule="new files")
    with pytest.raises(TiltyardError, match="plan"):
        perform(shop, project, "hive")


def test_a_file_that_fails_does_not_stop_the_others(shop: Shop, clock: Clock) -> None:
    """The others are scored, an alert is raised, it is tried again later each time, and the alert ends with success."""
    inbox, out = shop.folder / "inbox", shop.folder / "out"
    inbox.mkdir()
    out.mkdir()
    project = describe(shop, "mixed", source=f"{inbox}/*.csv", target=f"{out}/{{name}}.csv", schedule="new files")
    (inbox / "a.csv").write_text("", encoding="utf-8")
    make_rows(30, 65).to_csv(inbox / "b.csv", index=False)
    perform(shop, project, "mixed")
    clock.pass_by(seconds=11)
    with pytest.raises(TiltyardError, match=r"a\.csv was not scored") as failed:
        perform(shop, project, "mixed")
    assert failed.value.next_step
    assert (out / "b.csv").exists()

    def read_states() -> list[str]:
        alerts = read_alerts(ModelEvents(shop.ledger, "shop-classifier").read())
        return [alert.state for alert in alerts if alert.incident == "schedule/batch/mixed"]

    assert read_states() == ["open"]
    assert perform(shop, project, "mixed").outcome == "nothing"  # a minute has to pass
    for minutes in (1, 2):
        clock.pass_by(minutes=minutes, seconds=1)
        with pytest.raises(TiltyardError):
            perform(shop, project, "mixed")
        clock.pass_by(minutes=minutes)
        assert perform(shop, project, "mixed").outcome == "nothing"
    (overview,) = list_overviews(project, shop.ledger)
    assert overview.attempts == 3
    assert "a.csv was not scored" in str(overview.error)
    make_rows(10, 66).to_csv(inbox / "a.csv", index=False)
    perform(shop, project, "mixed")
    clock.pass_by(seconds=11)
    assert [one.scored for one in perform(shop, project, "mixed").results] == [10]
    assert read_states() == ["cleared"]
    assert list_overviews(project, shop.ledger)[0].error is None


class Ticks:
    """Ends a scheduler after so many looks around; between them time passes on the ledger's clock."""

    def __init__(self, clock: Clock, ticks: int, **between: float) -> None:
        self.clock, self.left, self.between = clock, ticks, between

    def is_set(self) -> bool:
        return self.left <= 0

    def wait(self, _seconds: float, /) -> bool:
        self.left -= 1
        self.clock.pass_by(**self.between)
        time.sleep(0.002)
        return self.is_set()


@pytest.mark.parametrize(
    ("name", "schedule", "attempts", "pause"), [("counted", "5 new rows", 4, 0.001), ("arriving", "new files", 1, 1.0)]
)
def test_a_source_that_cannot_be_looked_at_is_one_alert(
    shop: Shop, clock: Clock, name: str, schedule: str, attempts: int, pause: float
) -> None:
    """While it lasts, nothing says that it is over; it is over once the source could be looked at."""
    source = shop.folder / "orders"
    table = {"source": str(source), "target": f"{shop.folder}/{{name}}.csv" if name == "arriving" else "out.csv"}
    described = describe(shop, name, **table, schedule=schedule)
    batch = described.batch.model_copy(update={"check_seconds": pause})
    project = described.model_copy(update={"batch": batch})
    for label in ("pos", "neg"):  # not a table
        (source / label).mkdir(parents=True)
        (source / label / "1.txt").write_text("text")
    problems: list[TiltyardError] = []
    performer = Performer(project, shop.settings, shop.ledger, Watch(project, shop.ledger), RunOptions(workers=1))

    def run(ticks: int) -> list[str]:
        stop = Ticks(clock, ticks, seconds=30)
        with scheduler.running(stop):
            while not stop.is_set():
                time.sleep(0.01)
        events = ModelEvents(shop.ledger, "shop-classifier").read()
        return [one.kind for one in events if f"schedule/batch/{name}" in repr(one) and "alert" in one.kind]

    scheduler = Scheduler(performer, (), lambda _report: None, problems.append)
    assert run(16) == ["alert-raised"]
    assert len(problems) == 1
    (overview,) = list_overviews(project, shop.ledger)
    assert overview.error
    assert overview.attempts >= attempts
    for label in ("pos", "neg"):
        (source / label / "1.txt").unlink()
        (source / label).rmdir()
    make_rows(3, 70).to_parquet(source / "a.parquet")  # too few to be due
    clock.pass_by(hours=1)
    time.sleep(2 * pause)  # of the pause between two looks
    assert run(3) == ["alert-raised", "alert-cleared"]


def test_results_of_two_files_never_replace_each_other(shop: Shop, clock: Clock) -> None:
    """A second file of the same name is refused while the first is there."""
    inbox, out = shop.folder / "inbox", shop.folder / "out"
    inbox.mkdir()
    out.mkdir()
    project = describe(shop, "twice", source=f"{inbox}/*", target=f"{out}/{{name}}.csv", schedule="new files")
    make_rows(30, 67).to_csv(inbox / "a.csv", index=False)
    perform(shop, project, "twice")
    clock.pass_by(seconds=11)
    perform(shop, project, "twice")
    shop.write("other.parquet", make_rows(20, 68)).rename(inbox / "a.parquet")
    perform(shop, project, "twice")
    clock.pass_by(seconds=11)
    with pytest.raises(TiltyardError, match="would replace those of"):
        perform(shop, project, "twice")
    assert len(pd.read_csv(out / "a.csv")) == 30


def test_a_table_is_scored_after_so_many_new_rows(shop: Shop, clock: Clock) -> None:
    """Rows that came since the last run count, those of the run do not; a table that was emptied counts anew."""
    url = f"sqlite:///{shop.folder / 'orders.db'}"
    engine = create_engine(url)
    frame = make_rows(100, 69).astype({"new": int})
    frame.head(60).to_sql("orders", engine, index=False)
    project = describe(
        shop, "rows", source=url, table="orders", target=str(shop.folder / "out.csv"), schedule="after 50 new rows"
    )
    assert perform(shop, project, "rows").results[0].scored == 60
    frame.iloc[60:100].to_sql("orders", engine, index=False, if_exists="append")
    assert perform(shop, project, "rows").outcome == "nothing"
    frame.head(10).to_sql("orders", engine, index=False, if_exists="append")
    clock.pass_by(seconds=1)
    assert perform(shop, project, "rows").results[0].scored == 110
    frame.head(20).to_sql("orders", engine, index=False, if_exists="replace")
    assert perform(shop, project, "rows").outcome == "nothing"
    frame.head(50).to_sql("orders", engine, index=False, if_exists="append")
    engine.dispose()
    assert perform(shop, project, "rows").results[0].scored == 70


def test_an_interrupted_run_does_not_keep_the_next_one_from_its_source(shop: Shop, clock: Clock) -> None:
    """A nightly run that was interrupted, and whose source was replaced meanwhile, is given up for the present one."""
    source, target = shop.write("in.parquet", make_rows(3000, 70)), shop.folder / "out.parquet"
    project = describe(shop, "broken", source=str(source), target=str(target), schedule="@hourly")
    perform(shop, project, "broken")
    clock.pass_by(hours=1)

    def stop(so_far: object) -> None:
        if getattr(so_far, "rows", 0) == 1000:
            raise InterruptedError

    performer = Performer(
        project, shop.settings, shop.ledger, Watch(project, shop.ledger), RunOptions(workers=1, on_progress=stop)
    )
    with pytest.raises(InterruptedError):
        performer.perform(find_table(project, "broken"), only_due=True)
    shop.write("in.parquet", make_rows(500, 71))
    assert perform(shop, project, "broken").results[0].scored == 500


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("in/*.csv", "in/a.csv", "a"),
        ("in/*.csv.gz", "in/a.b.csv.gz", "a"),
        ("in/**/*.csv", "in/2026/01/a.csv", "2026-01-a"),
        ("in-*.csv", "in-3.csv", "in-3"),
        ("s3://bucket/in/*/x.parquet", "s3://bucket/in/7/x.parquet", "7-x"),
        ("/data/in/*", "/data/in/.hidden", ".hidden"),
        ("in", "in/a.csv", "a"),
        ("in/", "in/a.b.csv", "a"),
        ("s3://bucket/in/", "s3://bucket/in/7.parquet", "7"),
        ("in/a.csv", "in/a.csv", "a"),
    ],
)
def test_results_are_named_after_their_file(source: str, path: str, name: str) -> None:
    """By its path from where the pattern begins."""
    assert name_result(source, path) == name


def test_a_table_is_relative_to_the_project(shop: Shop, tmp_path: Path) -> None:
    """Its source and target begin at the project's folder, wherever the command runs."""
    root = shop.project.root
    make_rows(25, 72).to_csv(root / "orders.csv", index=False)
    project = describe(shop, "relative", source="orders.csv", target="scores.csv")
    (result,) = perform(shop, project, "relative", only_due=False).results
    assert (result.scored, result.source) == (25, "orders.csv")
    assert len(pd.read_csv(root / "scores.csv")) == 25
    assert not list(tmp_path.glob("*.csv"))
