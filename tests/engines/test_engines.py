"""Work over fragments gives each result once, in one process or several, whatever becomes of these."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines.square import Prepared, Square
from tiltyard.engines import Engine, LocalProcesses, SameProcess, WorkerLostError
from tiltyard.errors import DataError


@pytest.fixture(params=[SameProcess, lambda: LocalProcesses(2)], ids=["same", "local"])
def engine(request: pytest.FixtureRequest) -> Engine:
    make: Callable[[], Engine] = request.param
    return make()


def test_each_fragment_has_one_result(engine: Engine, tmp_path: Path) -> None:
    """Mapped, resumed and folded, each fragment counts once, and sums are in their order."""
    fragments = [(number, number) for number in range(20)]
    work = Square(tmp_path)
    assert sorted(engine.map(work, fragments)) == [(number, number * number) for number in range(20)]
    assert sorted(engine.resume(work, iter(fragments), {3, 4})) == [
        (number, number * number) for number in range(20) if number not in (3, 4)
    ]
    listed: list[int] = engine.fold(work, iter(fragments), [], lambda total, one: [*total, one])
    assert listed == [number * number for number in range(20)]
    assert list(engine.map(work, [])) == []


def test_an_error_of_the_work_is_raised_as_it_is(engine: Engine, tmp_path: Path) -> None:
    """With its fields and its next step, from whichever process."""
    with pytest.raises(DataError, match="7 is wrong") as raised:
        list(engine.map(Square(tmp_path, wrong=7), [(number, number) for number in range(9)]))
    assert (raised.value.next_step, raised.value.code, raised.value.fields) == ("Correct it.", "data.wrong", {"row": 7})


def test_a_worker_that_dies_costs_nothing_but_time(tmp_path: Path) -> None:
    """Its fragments are worked on by others, and each has one result."""
    work = Square(tmp_path, deadly=(2, 5), deaths=2)
    found = sorted(LocalProcesses(2).map(work, [(number, number) for number in range(8)]))
    assert found == [(number, number * number) for number in range(8)]
    assert (tmp_path / "2").read_text() == "xxx"


def test_a_fragment_that_always_kills_is_the_cause(tmp_path: Path) -> None:
    """It ends the run with its number and what to do."""
    with pytest.raises(WorkerLostError, match="Fragment 3 ended 3 worker processes; the last with signal 9") as raised:
        list(LocalProcesses(2).map(Square(tmp_path, (3,), 99), [(number, number) for number in range(6)]))
    assert "it continues" in raised.value.next_step


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not known how many threads a process has")
def test_workers_share_what_was_prepared_once(tmp_path: Path) -> None:
    """The work is prepared in one process, and each worker is forked from it, also for a second list of fragments."""
    with LocalProcesses(2).hold(Prepared(tmp_path)) as mapped:
        found = [dict(mapped([(number, number) for number in range(8)])) for _ in range(2)]
    prepared = {by for some in found for by, _ in some.values()}
    assert len(prepared) == 1
    assert prepared != {0}
    assert len({worker for some in found for _, worker in some.values()}) == 2
    assert (tmp_path / "prepared").read_text() == "x"


def test_a_process_with_threads_is_not_forked(tmp_path: Path) -> None:
    """Where preparing the work started threads, each worker is a fresh process, which has the work as it was sent."""
    found = dict(LocalProcesses(2).map(Prepared(tmp_path, threads=1), [(number, number) for number in range(6)]))
    assert {by for by, _ in found.values()} == {0}
    assert len({worker for _, worker in found.values()}) == 2


def test_what_cannot_be_prepared_is_raised_as_it_is(tmp_path: Path) -> None:
    """With its code and its next step, before any fragment is begun."""
    with pytest.raises(DataError, match="cannot be prepared") as raised:
        list(LocalProcesses(2).map(Prepared(tmp_path, fails=True), [(1, 1)]))
    assert raised.value.next_step == "Correct it."


@pytest.mark.skipif(sys.platform != "linux", reason="workers end with their parent on Linux alone")
def test_the_loss_of_what_workers_are_forked_from_costs_time_alone(tmp_path: Path) -> None:
    """Its workers are lost with it; another one prepares the work, and each fragment has one result."""
    work = Prepared(tmp_path, kills_source=3)
    found = dict(LocalProcesses(2).map(work, [(number, number) for number in range(8)]))
    assert sorted(found) == list(range(8))
    assert (tmp_path / "prepared").read_text() == "xx"


def test_what_was_begun_and_not_used_is_ended() -> None:
    """Processes that import before there is work end with the engine; closing twice does nothing."""
    engine = LocalProcesses(2)
    engine.begin(["json"])
    engine.close()
    engine.close()
    assert list(LocalProcesses(1).map(abs, [(number, -number) for number in range(3)])) == [(0, 0), (1, 1), (2, 2)]


def test_a_list_that_is_left_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    """The next list of the same work has its own results alone."""
    with LocalProcesses(2).hold(Square(tmp_path, pause=0.05)) as mapped:
        first: Any = mapped([(number, number) for number in range(20)])
        next(first)
        first.close()
        assert sorted(mapped([(number, number) for number in range(30, 34)])) == [(k, k * k) for k in range(30, 34)]
