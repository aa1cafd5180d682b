"""A story: our own code writes and marks what was acknowledged, and checks that after the power is back."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tiltyard.errors import TiltyardError

MarkKind = Literal["tried", "done", "refused", "traceback"]


@dataclass
class Step:
    """A step of a story, and whether it was acknowledged."""

    done: bool = False


class Log:
    """Where a story says what it tries and what was acknowledged.

    Args:
        descriptor: the file descriptor that takes the marks.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @contextmanager
    def step(self, what: str, **facts: Any) -> Iterator[Step]:
        """One step of the story: it is acknowledged when the block ends.

        An error of ours is a refusal, after which the story continues, as a server and its users do. Any other error is
        one that a user would see as a traceback.
        """
        self._mark("tried", what, facts)
        step = Step()
        try:
            yield step
        except TiltyardError as error:
            self._mark("refused", what, {**facts, "message": error.message, "code": error.code})
        except Exception:  # noqa: BLE001 - that there is one is the result
            self._mark("traceback", what, {**facts, "message": traceback.format_exc()})
        else:
            self._mark("done", what, facts)
            step.done = True

    def _mark(self, kind: MarkKind, what: str, facts: Mapping[str, Any]) -> None:
        content = json.dumps({"kind": kind, "what": what, **facts}).encode()
        # No other code here calls writev, so that no failure that is meant for others meets the marks.
        os.writev(self._descriptor, [content + b"\n"])


@dataclass(frozen=True)
class Marks:
    """The marks that a story had set before the power went.

    Args:
        all: all of them, in order.
    """

    all: Sequence[Mapping[str, Any]]

    def select(self, kind: MarkKind, what: str) -> list[Mapping[str, Any]]:
        """The facts of the steps of one name."""
        return [mark for mark in self.all if mark["kind"] == kind and mark["what"] == what]

    def values(self, kind: MarkKind, what: str, fact: str) -> list[Any]:
        """One fact, a list, of all steps of one name, together."""
        return [value for mark in self.select(kind, what) for value in mark[fact]]


@dataclass
class Verdict:
    """What is wrong after the power came back.

    Attributes:
        lost: what was acknowledged and is not there, a sentence each.
        corrupt: what cannot be opened, is not what was written, or does not work any more.
        unexplained: what a user would see as a traceback, or as silence for minutes.
    """

    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def expect(self, what: str, promised: Sequence[Any], found: Sequence[Any]) -> None:
        """Note what was promised and is not found."""
        missing = [value for value in promised if value not in set(found)]
        if missing:
            self.lost.append(f"{len(missing)} of {len(promised)} {what} are gone")

    def expect_whole(self, problems: Sequence[str]) -> None:
        """Note what a check of contents found."""
        self.corrupt.extend(problems)


class Story(Protocol):
    """Something that our code writes. ``run`` and ``check`` may be called in different processes."""

    name: str
    at_one_path: bool
    """Whether what is written holds the absolute path of the root, so that it can be checked only there."""
    imports: tuple[str, ...]
    """What a check imports late: each is done in a new process, as libraries remember what they opened by its path."""

    def prepare(self, root: Path) -> None:
        """Make what is there, durably, before the story begins."""

    def run(self, root: Path, log: Log) -> None:
        """Write, and mark what was acknowledged."""

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """Start our recovery on what is left, and note what is wrong; an exception counts as corrupt."""
