"""Work on a Ray cluster gives what this machine gives, whatever becomes of the cluster's processes and machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from tests.batch.conftest import Shop, make_rows
from tests.engines.square import Spans, Square
from tests.ray_cluster import Nodes, start_cluster
from tiltyard.batch.fragments import FileSource
from tiltyard.batch.plan import Plan, WorkFolder
from tiltyard.batch.run import RunOptions, score_table
from tiltyard.batch.score_fragment import FragmentWork
from tiltyard.batch.version_in_use import VersionInUse
from tiltyard.engines import RayCluster, WorkerLostError, choose_engine
from tiltyard.errors import DataError, UnavailableError, UsageError
from tiltyard.ledger.batch_runs import BATCH
from tiltyard.project import DataSection


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with start_cluster(2) as nodes:
        yield nodes


@pytest.mark.journey
@pytest.mark.requirement("R-MORE-07")
def test_each_fragment_has_one_result_whatever_is_lost(cluster: Nodes, tmp_path: Path) -> None:
    """Processes that die, and a machine that is lost in the middle, cost time alone."""
    engine = RayCluster(cluster.address)
    work = Square(tmp_path, deadly=(2, 5), deaths=2)
    assert sorted(engine.map(work, [(number, number) for number in range(8)])) == [(k, k * k) for k in range(8)]
    cluster.add()
    listed: list[int] = []
    results = engine.map(Square(tmp_path, pause=0.05), [(number, number) for number in range(60)])
    for number, result in results:
        assert result == number * number
        if not listed:
            cluster.kill()
        listed.append(number)
    assert sorted(listed) == list(range(60))
    summed: list[int] = engine.fold(Square(tmp_path), ((k, k) for k in range(9)), [], lambda total, one: [*total, one])
    assert summed == [number * number for number in range(9)]


@pytest.mark.journey
def test_no_more_processes_work_than_are_wanted(cluster: Nodes, tmp_path: Path) -> None:
    """With one worker, no two fragments are worked on at the same time, though the cluster has more processors."""
    work = Spans(tmp_path)
    spans = sorted(span for _, span in RayCluster(cluster.address, workers=1).map(work, [(k, k) for k in range(6)]))
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


@pytest.mark.journey
def test_what_goes_wrong_is_said_as_on_this_machine(cluster: Nodes, tmp_path: Path) -> None:
    """The work's own error with its next step, and a fragment that ends every process by its number."""
    engine = RayCluster(cluster.address)
    with pytest.raises(DataError, match="7 is wrong") as raised:
        list(engine.map(Square(tmp_path, wrong=7), [(number, number) for number in range(9)]))
    assert (raised.value.next_step, raised.value.code, raised.value.fields) == ("Correct it.", "data.wrong", {"row": 7})
    with pytest.raises(WorkerLostError, match="Fragment 3 ended 3 processes of the cluster") as lost:
        list(engine.map(Square(tmp_path, (3,), 99), [(number, number) for number in range(6)]))
    assert "it continues" in lost.value.next_step
    with pytest.raises(UsageError, match="lacks what it needs"):
        list(engine.map(Square(tmp_path, unfit=True), [(1, 1)]))


@pytest.mark.journey
@pytest.mark.requirement("R-MORE-07")
def test_a_table_is_scored_on_a_cluster_as_here(cluster: Nodes, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results, counts, findings, profiles and records are the same to the bit; a machine is lost in the middle."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    source = shop.write("in.parquet", make_rows(9000, 61))
    here = shop.score(source, "here.parquet", columns=("customer",), record="none")
    cluster.add()
    killed: list[bool] = []

    def kill_one(_so_far: object) -> None:
        if len(cluster) == 3:
            cluster.kill()
            killed.append(True)

    job = shop.make_job(str(source), "there.parquet", columns=("customer",), record="all")
    there = score_table(job, RunOptions(engine="ray", on_progress=kill_one))
    assert killed
    same = ["customer", "prediction", "confidence"]
    found = pd.read_parquet(shop.folder / "there.parquet")
    pd.testing.assert_frame_equal(found[same], pd.read_parquet(shop.folder / "here.parquet")[same], check_exact=True)
    assert (here.rows, here.labels, here.unusual) == (there.rows, there.labels, there.unusual)
    drift = [[one for one in run.findings if one.code.startswith("drift")] for run in (here, there)]
    assert drift[0] == drift[1]
    assert there.recorded == 9000
    recorded = [one.id for one in shop.ledger.predictions(project="shop-classifier", route=BATCH)]
    assert sorted(recorded) == sorted(found["prediction_id"])
    profiles = [[one.body for one in shop.ledger.batch_runs.fragments(run.run_id)] for run in (here, there)]
    assert profiles[0] == profiles[1]


@pytest.mark.requirement("R-MORE-07")
def test_a_machine_without_the_files_is_refused_before_the_work(shop: Shop) -> None:
    """A folder that is not shared, and a ledger in a SQLite file of another machine, are errors with a next step."""
    source = shop.write("in.parquet", make_rows(1500, 62))
    job = shop.make_job(str(source), "out.parquet")
    info = shop.env.workspace.registry.get_version("shop-classifier", alias="champion")
    version = VersionInUse(shop.project, shop.settings, info, shop.folder)
    plan = Plan("r" * 32, job.request, datetime.now(UTC), "shop-classifier", "1", (), 0.0)
    files = FileSource(DataSection(source=str(source)), shop.folder)
    work = FragmentWork(plan, files, WorkFolder(shop.folder), shop.settings, version)
    work.check_host()
    with pytest.raises(UsageError, match="SQLite file; that is safe on one machine only") as refused:
        replace(work, machine="another").check_host()
    assert "PostgreSQL" in refused.value.next_step
    with pytest.raises(UsageError, match="elsewhere is not there on the machine") as missing:
        replace(work, folder=WorkFolder(shop.folder / "elsewhere")).check_host()
    assert "shared file system" in missing.value.next_step
    source.unlink()
    with pytest.raises(UsageError, match=r"in\.parquet is not there on the machine"):
        replace(work, source=FileSource(files.section, files.root)).check_host()


def test_a_cluster_that_is_away_is_named(tmp_path: Path) -> None:
    """Where no cluster responds, the error says how to start one."""
    pytest.importorskip("ray")
    with pytest.raises(UnavailableError, match=r"No Ray cluster can be reached at 127\.0\.0\.1:9") as raised:
        list(RayCluster("127.0.0.1:9").map(Square(tmp_path), [(1, 1)]))
    assert "ray start --head" in raised.value.next_step
    assert isinstance(choose_engine("ray", 3), RayCluster)
