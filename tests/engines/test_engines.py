"""Work over fragments gives each result once, in one process or several, whatever becomes of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.square import Square
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
