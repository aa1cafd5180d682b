"""How the tests are divided between the workers of pytest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tests.whole_files import LONGEST, TOGETHER, make_scheduler, put_longest_first

TESTS = Path(__file__).parent


@dataclass(eq=False)
class Worker:
    """A worker that notes the tests it is given.

    Attributes:
        given: places of the tests in the collection.
    """

    gateway: ClassVar[SimpleNamespace] = SimpleNamespace(id="gw")

    given: list[int]
    shutting_down: bool = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_what_is_listed_is_there() -> None:
    """Each listed file and folder exists, and none is listed twice."""
    assert [one for one in (*LONGEST, *TOGETHER) if not (TESTS / one).exists()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_listed_files_come_first_in_the_order_of_the_list() -> None:
    """The tests of a file stay in their order, and those of files that are not listed come last, as they were."""

    @dataclass
    class Item:
        nodeid: str

    names = [
        "tests/data/test_b.py::b[a/c]",
        "tests/data/test_a.py::a",
        f"tests/{LONGEST[1]}::z",
        f"tests/{LONGEST[1]}::a",
        f"tests/{LONGEST[0]}::a",
    ]
    items: Any = [Item(name) for name in names]
    put_longest_first(items)
    assert [item.nodeid for item in items] == [names[4], names[2], names[3], names[0], names[1]]


def test_a_file_and_what_belongs_together_stay_with_one_worker(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker gets whole files, the first ones first, and a folder whose files belong together is one of them."""
    names = [f"tests/data/test_a.py::test[{number}]" for number in range(4)]
    names += [f"tests/{TOGETHER[0]}/test_{file}.py::test_it" for file in "abcd"]
    names += [f"tests/data/test_b.py::test[{number}]" for number in range(4)]
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"], raising=False)
    monkeypatch.setattr(pytestconfig.option, "loadscopereorder", True, raising=False)
    scheduler = make_scheduler(pytestconfig, None)
    workers: Any = [Worker([]), Worker([])]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, names)
    scheduler.schedule()
    assert [worker.given for worker in workers] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    for number in (4, 5):
        scheduler.mark_test_complete(workers[1], number)
    assert workers[1].given == [4, 5, 6, 7, 8, 9, 10, 11]
