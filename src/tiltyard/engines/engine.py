"""The port of an engine: work over numbered fragments, mapped, folded and resumed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

S = TypeVar("S")

Work = Callable[[Any], Any]
"""From a fragment to its result; for other processes both, and the work itself, can be pickled.

A work that has a method ``prepare`` is prepared once before the first fragment, where several processes can share what
is prepared; it works without that too.
"""

Fragments = Iterable[tuple[int, Any]]
"""Fragments with their numbers, which rise; they are made when a worker is free for them."""


Mapped = Callable[[Fragments], Iterator[tuple[int, Any]]]
"""Maps fragments by the work that is held."""


class Engine(ABC):
    """Does the same work for many fragments.

    A fragment may be worked on more than once, where a worker was lost in the middle: work has to be repeatable.
    """

    @abstractmethod
    def hold(self, work: Work) -> AbstractContextManager[Mapped]:
        """What maps one list of fragments after the other by the same work, in the same processes."""

    def map(self, work: Work, fragments: Fragments) -> Iterator[tuple[int, Any]]:
        """The result of each fragment with its number, as they are done, in any order.

        What the work raises is raised here, and nothing more is begun.

        Raises:
            WorkerLostError: a fragment has cost several workers their lives.
        """
        with self.hold(work) as mapped:
            yield from mapped(fragments)

    def begin(self, modules: Sequence[str]) -> None:  # noqa: B027 - for engines that start processes
        """Start what can be started before the work is known: processes that import these modules meanwhile.

        ``close`` ends them, if no work came.
        """

    def close(self) -> None:  # noqa: B027 - likewise
        """End what was begun and not used; closing twice is a no-op."""

    def resume(self, work: Work, fragments: Fragments, done: Container[int]) -> Iterator[tuple[int, Any]]:
        """Like ``map``, of the fragments that are not done yet."""
        return self.map(work, ((number, one) for number, one in fragments if number not in done))

    def fold(self, work: Work, fragments: Fragments, start: S, add: Callable[[S, Any], S]) -> S:
        """The sum of all results, added in the order of the fragments, so that it is the same to the last bit."""
        order: deque[int] = deque()
        waiting: dict[int, Any] = {}
        total = start
        for number, result in self.map(work, _note_order(fragments, order)):
            waiting[number] = result
            while order and order[0] in waiting:
                total = add(total, waiting.pop(order.popleft()))
        return total


def _note_order(fragments: Fragments, order: deque[int]) -> Iterator[tuple[int, Any]]:
    for number, fragment in fragments:
        order.append(number)
        yield number, fragment


class SameProcess(Engine):
    """Works in this process, one fragment after the other."""

    def hold(self, work: Work) -> AbstractContextManager[Mapped]:
        """See ``Engine.hold``."""
        return nullcontext(lambda fragments: ((number, work(fragment)) for number, fragment in fragments))
