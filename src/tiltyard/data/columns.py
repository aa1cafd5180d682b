"""A data frame as the checks see it: columns by kind and role."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.number_texts import find_sign
from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.conform.written import ColumnKind
from tiltyard.data.content_hash import Hashes

Role = Literal["feature", "label", "target", "text", "other"]
LabelRole = Literal["label", "target"]
Mask = NDArray[np.bool_]

_UNIQUE = 0.95
_LEAST_ROWS = 50
_EXACT = 2.0**53  # from here on a float does not hold every whole number
_ID_NAME = re.compile(r"(^|[_\s-])(id|uuid|guid|key|index|row|unnamed: 0)$|[a-z]I[dD]$|^ID$", re.ASCII)


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes:
        name: its name as text.
        role: what it is for; a ``label`` names classes, a ``target`` is a number to predict; ``other`` columns are
            neither inputs nor one of these.
        kind: what its values are; ``empty`` if every cell is missing or blank.
        dtype: pandas' name of its type.
        missing: n booleans: None, NaN, NaT.
        blank: n booleans: text of white space only.
        codes: for words and booleans, n positions in ``distinct``, -1 where missing; empty for numbers and times.
        distinct: the distinct values, in order of appearance; numbers and times have none.
        counts: how often each distinct value occurs.
        numbers: n values as float, NaN where there is none; for numbers, booleans, times (seconds), and words
            of which some are numbers; empty for others.
        types: rows by type of value (``text``, ``number``, ``boolean``, ``time``, ``other``), where they are mixed.
        digests: n 64-bit digests of the cells, equal where the cells are equal.
        nested: how many cells hold lists or objects.
    """

    name: str
    role: Role
    kind: ColumnKind
    dtype: str
    missing: Mask
    blank: Mask
    digests: Hashes
    codes: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    distinct: Sequence[Any] = ()
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    types: dict[str, int] = field(default_factory=dict)
    nested: int = 0

    @cached_property
    def gaps(self) -> Mask:
        """Cells without a value: missing or blank."""
        return self.missing | self.blank

    def take(self, rows: Mask) -> Column:
        """The same column of some of the rows; its distinct values keep their places."""
        if not self.coded:
            numbers = self.numbers[rows] if self.numeric else self.numbers
            return replace(
                self, missing=self.missing[rows], blank=self.blank[rows], digests=self.digests[rows], numbers=numbers
            )
        codes = self.codes[rows]
        return replace(
            self,
            missing=self.missing[rows],
            blank=self.blank[rows],
            digests=self.digests[rows],
            codes=codes,
            counts=np.bincount(codes[codes >= 0], minlength=len(self.distinct)).astype(np.int64),
            numbers=self.numbers[rows] if self.numeric else self.numbers,
        )

    @property
    def coded(self) -> bool:
        """Whether it has codes."""
        return len(self.codes) == len(self.missing)

    @property
    def numeric(self) -> bool:
        """Whether it has numbers."""
        return len(self.numbers) == len(self.missing)

    @cached_property
    def ordered(self) -> NDArray[np.float64]:
        """The finite numbers, ascending."""
        return np.sort(self.numbers[np.isfinite(self.numbers)])

    @cached_property
    def different(self) -> int:
        """How many distinct values there are, gaps not counted."""
        if self.coded:
            return len(self.distinct) - len(np.unique(self.codes[self.blank]))
        ordered = self.ordered
        if len(ordered) and max(-ordered[0], ordered[-1]) >= _EXACT and self.dtype.lower().startswith(("int", "uint")):
            return len(np.unique(self.digests[~self.missing]))
        steps = int(np.count_nonzero(ordered[1:] != ordered[:-1])) + int(len(ordered) > 0)
        return steps + len(np.unique(self.numbers[np.isinf(self.numbers)]))

    @cached_property
    def identifier(self) -> bool:
        """Whether it only identifies rows, such as a number of each."""
        present = int(np.count_nonzero(~self.gaps))
        if present < _LEAST_ROWS or self.kind in ("text", "time", "boolean", "empty"):
            return False
        if self.different < _UNIQUE * present or self.kind == "category":
            return self.different >= _UNIQUE * present
        ordered = self.ordered
        if len(ordered) < present or not bool((ordered == np.floor(ordered)).all()):
            return False
        counting = self.different == present and float(ordered[-1] - ordered[0]) == present - 1
        # Numbers too large for a float to hold exactly, and all different, measure nothing.
        beyond = self.different == present and float(ordered[0]) >= _EXACT
        return counting or beyond or bool(_ID_NAME.search(self.name) or _ID_NAME.search(self.name.lower()))

    @property
    def as_words(self) -> bool:
        """Whether numbers are written as text."""
        return self.kind == "number" and self.coded

    @cached_property
    def sign(self) -> str:
        """The sign of percent or of a currency that all of its numbers have; empty where there is none."""
        return find_sign((str(value).strip() for value in self.distinct), GAP_WORDS) if self.as_words else ""


@dataclass(frozen=True, eq=False)
class Table:
    """All columns of a frame of ``rows`` rows."""

    name: str
    rows: int
    columns: tuple[Column, ...]

    @cached_property
    def features(self) -> tuple[Column, ...]:
        """What a model would see: the features, or the text."""
        return tuple(column for column in self.columns if column.role in ("feature", "text"))

    @cached_property
    def label(self) -> Column | None:
        """The label, if there is one that names classes."""
        return next((column for column in self.columns if column.role == "label"), None)

    @cached_property
    def target(self) -> Column | None:
        """The number to predict, if there is one."""
        return next((column for column in self.columns if column.role == "target"), None)

    @property
    def predicted(self) -> Column | None:
        """What a model predicts: the label, or the target, if there is one."""
        return self.label or self.target


@dataclass(frozen=True)
class Roles:
    """Which columns are for what; ``features`` None: all but the label and the ignored ones (of a text: none).

    ``label_role`` says what the label's column is: a label of classes, or a target of numbers.
    """

    label: str | None = None
    text: str | None = None
    features: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()
    label_role: LabelRole = "label"

    def find_role(self, name: str) -> Role:
        """The role of a column."""
        if name == self.label:
            return self.label_role
        if name == self.text:
            return "text"
        if self.features is not None:
            return "feature" if name in self.features else "other"
        return "other" if name in self.ignored or self.text is not None else "feature"
