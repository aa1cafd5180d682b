"""Profiles of categories: counts of the known ones, and a bounded, exact sample of the new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tiltyard.drift.profiles.stored import to_stored

NAMED = 200
"""Categories of the reference that are counted one by one, the most frequent."""

FREQUENT = 5
"""Values of a category at least for it to be named."""

REMEMBERED = 50_000
"""Further categories of the reference that are known from new ones; beyond that, nothing is called new."""

SAMPLED = 32
"""New categories that a profile names."""

_FEW = 1 << 11  # twice the categories of one column that are counted by the compiled loop
_BOUNDS = {pa.string(): np.int32, pa.large_string(): np.int64}


@dataclass(frozen=True)
class CategoryLayout:
    """Which categories the reference has.

    Attributes:
        named: those that are counted one by one.
        others: uint64, sorted hashes of the rest, counted together.
        complete: whether ``named`` and ``others`` are all of them, so that what is in neither is new.
        whole: whether ``named`` are all of them, and none is rare. If not, they were chosen for being frequent among
            every other row, and the reference must be counted on the rows between (``counting_rows``): a category
            that is chosen for its count in a sample is rarer outside of it.
        rows: values of the reference.
        singles: categories that the reference has once: as many rows of it would be new to the others, which tells
            how many new ones to expect (Good, 1953).
    """

    named: tuple[str, ...]
    others: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    complete: bool = True
    whole: bool = True
    rows: int = 0
    singles: int = 0

    @classmethod
    def fit(cls, values: pd.Series | NDArray[Any], *, whole: bool = False) -> CategoryLayout:
        """The layout for a reference of n values; missing ones are passed over. ``whole`` names them all."""
        counts = count_categories(values)
        ranked = _rank_by_count(counts)
        rows, singles = sum(counts.values()), sum(1 for count in counts.values() if count == 1)
        if whole or (len(ranked) <= NAMED and min(counts.values(), default=FREQUENT) >= FREQUENT):
            return cls(tuple(ranked), rows=rows, singles=0 if whole else singles)
        chosen = count_categories(values[~counting_rows(len(values))])
        named = [name for name in _rank_by_count(chosen)[:NAMED] if chosen[name] >= FREQUENT]
        rest = [name for name in ranked if name not in set(named)]
        others = np.sort(np.array([category_hash(name) for name in rest[:REMEMBERED]], np.uint64))
        return cls(tuple(named), others, len(rest) <= REMEMBERED, False, rows, singles)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each named category is counted."""
        return {name: place for place, name in enumerate(self.named)}

    @cached_property
    def remembered(self) -> frozenset[int]:
        """The hashes of the others."""
        return frozenset(self.others.tolist())


@dataclass(frozen=True, eq=False)
class CategoryCounts:
    """What n values of a category look like.

    Attributes:
        counts: int64 (k + 1,), of each named category, and of all others that are known last.
        new: values whose category the reference does not have.
        missing: values that are missing.
        sample: counts of some new categories: the ``SAMPLED`` whose hashes are least. A category that is in the
            sample of a union was in the sample of each part, so merged counts are exact (coordinated sampling;
            Cohen and Kaplan, 2007).
    """

    counts: NDArray[np.int64]
    new: int = 0
    missing: int = 0
    sample: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, layout: CategoryLayout) -> CategoryCounts:
        """The profile of no values."""
        return cls(np.zeros(len(layout.named) + 1, np.int64))

    @classmethod
    def from_values(cls, layout: CategoryLayout, values: pd.Series | NDArray[Any]) -> CategoryCounts:
        """The profile of values."""
        counts = np.zeros(len(layout.named) + 1, np.int64)
        found = count_categories(values)
        fresh: dict[str, int] = {}
        for name, count in found.items():
            place = layout.places.get(name)
            if place is not None:
                counts[place] += count
            elif not layout.complete or category_hash(name) in layout.remembered:
                counts[-1] += count
            else:
                fresh[name] = count
        return cls(counts, sum(fresh.values()), len(values) - sum(found.values()), _sample_categories(fresh))

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return int(self.counts.sum()) + self.new

    def cells(self, layout: CategoryLayout) -> NDArray[np.int64]:
        """What two samples are compared by: the named categories, and all the rest where they are not the whole.

        New categories are left out where the set is whole: the reference cannot have any, so another test counts them.
        """
        if layout.whole:
            return self.counts[:-1]
        return np.append(self.counts[:-1], self.counts[-1] + self.new)

    @property
    def rows(self) -> int:
        """Values of any kind."""
        return self.present + self.missing

    def __add__(self, other: CategoryCounts) -> CategoryCounts:
        """The profile of both."""
        sample = dict(self.sample)
        for name, count in other.sample.items():
            sample[name] = sample.get(name, 0) + count
        return CategoryCounts(
            self.counts + other.counts, self.new + other.new, self.missing + other.missing, _sample_categories(sample)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CategoryCounts) and to_stored(self) == to_stored(other)

    def __hash__(self) -> int:
        return hash((self.present, self.missing, self.new))


def count_categories(values: pd.Series | NDArray[Any]) -> dict[str, int]:
    """How often each category occurs, missing values left out; what means the same category has one name."""
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) != "string":
        # Python takes True and 1 for one key.
        present = pd.Series(values, dtype=object).dropna()
        values = present.map(category_name).to_numpy(object)
    arrow = getattr(getattr(values, "array", None), "_pa_array", None)
    found: dict[str, int] = {}
    for value, count in _count_arrow_values(arrow) if arrow is not None else _count_values(values):
        name = category_name(value)
        found[name] = found.get(name, 0) + count
    return found


def _count_values(values: pd.Series | NDArray[Any]) -> Iterator[tuple[object, int]]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = pd.Series(values).cat.codes.to_numpy(), values.dtype.categories.to_numpy(object)
    else:
        codes, distinct = pd.factorize(np.asarray(values), use_na_sentinel=True)
    # What is missing has the code -1. A category that no value has is none.
    counts = np.bincount(codes.astype(np.intp) + 1, minlength=len(distinct) + 1)[1:].tolist()
    return ((value, count) for value, count in zip(distinct, counts, strict=True) if count)


def _count_arrow_values(column: pa.ChunkedArray) -> Iterator[tuple[object, int]]:
    for chunk in column.chunks:
        present = chunk.drop_null() if chunk.null_count else chunk
        if not len(present):
            continue
        counted = _count_few_strings(present) if present.type in _BOUNDS else None
        if counted is None:
            some = present.value_counts()
            counted = list(zip(some.field("values").to_pylist(), some.field("counts").to_pylist(), strict=True))
        yield from counted


def _count_few_strings(strings: pa.StringArray | pa.LargeStringArray) -> list[tuple[object, int]] | None:
    """Strings that occur and how often; None where they are not few."""
    from tiltyard.drift.profiles import category_kernels  # noqa: PLC0415

    _, places, content = strings.buffers()
    bounds = np.frombuffer(places, _BOUNDS[strings.type])[strings.offset : strings.offset + len(strings) + 1]
    data = np.frombuffer(content, np.uint8) if content is not None and content.size else np.zeros(0, np.uint8)
    owners, keys, counts = np.zeros(_FEW, np.int64), np.zeros(_FEW, np.uint64), np.zeros(_FEW, np.int64)
    if not category_kernels.count_distinct(data, bounds, owners, keys, counts):
        return None
    return [(strings[int(owners[place])].as_py(), int(counts[place])) for place in np.flatnonzero(keys)]


def category_name(value: object) -> str:
    """The name of a category: its text without outer white space; whole numbers have no fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().encode("utf-8", "replace").decode()


def category_hash(name: str) -> int:
    """64 bits of a category's name, alike in all processes."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def counting_rows(rows: int) -> NDArray[np.bool_]:
    """The rows on which a reference is counted whose categories were chosen on the others: every second."""
    between: NDArray[np.bool_] = np.arange(rows) % 2 == 1
    return between


def _rank_by_count(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def _sample_categories(counts: Mapping[str, int]) -> dict[str, int]:
    chosen = list(counts)
    if len(counts) > SAMPLED:
        chosen = sorted(counts, key=lambda name: (category_hash(name), name))[:SAMPLED]
    return {name: counts[name] for name in sorted(chosen)}
