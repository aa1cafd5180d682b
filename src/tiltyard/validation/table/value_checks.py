"""What the values of each column are, and which of them do not belong: types, spellings, stand-ins for gaps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.columns import Column, Mask, Table
from tiltyard.data.read_table import name_value_type
from tiltyard.formatting import first_rows

STAND_INS = frozenset({"?", "??", "-", "--", ".", "n/a", "na", "n.a.", "#n/a", "nan", "null", "(null)", "missing"})
_NINES = re.compile(r"-9{2,7}|9{3,7}")
_MOST_CATEGORIES = 5000
_MOST_PAIRED = 1000
_LEAST_ROWS = 50


def measure_types(table: Table, settled: Collection[tuple[str, str]] = ()) -> dict[str, Any]:
    """What each column is; the keys beyond the first five stand only where there is something to say.

    Args:
        table: the columns.
        settled: columns and words of which reading decided whether they are gaps; these are not reported again.
    """
    return {
        "columns": {column.name: _measure_column(column, table.rows, settled) for column in table.columns},
        "repeated_names": sorted({name for name, count in _names(table).items() if count > 1}),
        "redundant": find_redundant_columns(table),
    }


def find_redundant_columns(table: Table) -> list[tuple[str, str]]:
    """Pairs of feature columns that say the same in other words: their values correspond one to one."""
    groups: dict[int, list[Column]] = defaultdict(list)
    for column in table.features:
        if column.kind in ("category", "number", "boolean") and 2 < column.different <= min(
            _MOST_PAIRED, table.rows // 2
        ):
            groups[column.different].append(column)
    pairs = []
    for members in groups.values():
        if len(members) > 1:
            codes = [np.unique(column.digests, return_inverse=True)[1] for column in members]
            pairs += [
                (members[first].name, members[second].name)
                for first, second in combinations(range(len(members)), 2)
                if _one_to_one(codes[first], codes[second])
            ]
    return pairs


def _one_to_one(first: NDArray[np.intp], second: NDArray[np.intp]) -> bool:
    size = int(first.max()) + 1
    if not np.array_equal(np.sort(np.bincount(first)), np.sort(np.bincount(second))):
        return False
    return len(np.unique(first * size + second)) == size


def _names(table: Table) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for column in table.columns:
        counts[column.name] += 1
    return counts


def _measure_column(column: Column, rows: int, settled: Collection[tuple[str, str]]) -> dict[str, Any]:
    present = rows - int(column.gaps.sum())
    facts: dict[str, Any] = {
        "role": column.role,
        "dtype": column.dtype,
        "kind": column.kind,
        "distinct": column.different,
        "present": present,
    }
    if present and column.different == 1:
        facts["constant"] = True
    if column.identifier:
        facts["identifier"] = True
    if column.nested:
        facts["nested"] = column.nested
    if len(column.types) > 1 or (column.role == "text" and set(column.types) - {"text"}):
        odd = _odd_cells(column)
        facts["types"] = column.types
        facts["odd"] = {"count": int(odd.sum()), "rows": first_rows(odd), "values": _most_frequent(column, odd)}
    if column.numeric and column.kind == "number":
        infinite = np.isinf(column.numbers)
        if infinite.any():
            facts["infinite"] = {"count": int(infinite.sum()), "rows": first_rows(infinite)}
        facts.update(_stand_in_number(column))
    if column.coded and column.role in ("feature", "label"):
        facts.update(_word_facts(column, present, settled))
    return facts


def _word_facts(column: Column, present: int, settled: Collection[tuple[str, str]]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    # Numbers that all have one sign are read over it, which another finding says.
    if column.numeric and column.kind in ("number", "category") and not column.sign:
        facts["numbers_as_text"] = _numbers_as_text(column, present)
    if column.kind == "category" and len(column.distinct) <= _MOST_CATEGORIES:
        facts.update(_stand_in_words(column, settled))
        facts.update(_spellings(column))
    return facts


def _odd_cells(column: Column) -> Mask:
    """Cells whose value is not of the column's most frequent type."""
    usual = "text" if column.role == "text" else next(iter(column.types))
    odd = np.array([name_value_type(value) != usual for value in column.distinct] + [False], dtype=bool)
    return np.asarray(odd[column.codes], dtype=np.bool_)


def _numbers_as_text(column: Column, present: int) -> dict[str, Any]:
    readable = ~np.isnan(column.numbers)
    wrong = ~readable & ~column.gaps
    return {
        "readable": int(readable.sum()),
        "share": float(readable.sum() / present) if present else 0.0,
        "blank": int(column.blank.sum()),
        "blank_rows": first_rows(column.blank),
        "words": int(wrong.sum()),
        "word_rows": first_rows(wrong),
        "word_values": _most_frequent(column, wrong),
    }


def _most_frequent(column: Column, chosen: Mask, most: int = 10) -> dict[str, int]:
    """The most frequent values among the chosen cells, with their counts."""
    counts = np.bincount(column.codes[chosen], minlength=len(column.distinct))
    order = np.argsort(-counts, kind="stable")[:most]
    return {str(column.distinct[place]): int(counts[place]) for place in order if counts[place]}


def _stand_in_words(column: Column, settled: Collection[tuple[str, str]]) -> dict[str, Any]:
    """Words that mean "no value"."""
    words = [str(value).strip() for value in column.distinct]
    stands_in = np.array([*(word.lower() in STAND_INS and (column.name, word) not in settled for word in words), False])
    cells = stands_in[column.codes]
    if not cells.any():
        return {}
    return {
        "stand_ins": {"values": _most_frequent(column, cells), "count": int(cells.sum()), "rows": first_rows(cells)}
    }


def _stand_in_number(column: Column) -> dict[str, Any]:
    """A number of nines at one end of the range, repeated, and further away than the other values are apart."""
    ordered = column.ordered
    if len(ordered) < _LEAST_ROWS:
        return {}
    for value, others in (
        (ordered[-1], ordered[ordered < ordered[-1]]),
        (ordered[0], ordered[ordered > ordered[0]]),
    ):
        count = len(ordered) - len(others)
        if not len(others) or count < 2 or value != np.floor(value) or not _NINES.fullmatch(str(int(value))):
            continue
        gap = min(abs(value - others[0]), abs(value - others[-1]))
        if gap > others[-1] - others[0]:
            rows = first_rows(column.numbers == value)
            return {"stand_ins": {"values": {str(int(value)): count}, "count": count, "rows": rows}}
    return {}


def _spellings(column: Column) -> dict[str, Any]:
    """Values that differ only in case, in white space, or in hyphen and underscore."""
    groups: dict[str, list[str]] = defaultdict(list)
    outer = 0
    for value, count in zip(column.distinct, column.counts, strict=True):
        word = str(value)
        if word.strip():
            groups[" ".join(re.sub(r"[_-]", " ", word.casefold()).split())].append(word)
            outer += int(count) * (word != word.strip())
    facts: dict[str, Any] = {"outer_space": outer} if outer else {}
    variants = [spellings for key, spellings in groups.items() if key and len(spellings) > 1]
    if variants:
        counts = dict(zip(map(str, column.distinct), map(int, column.counts), strict=True))
        facts["spellings"] = [{word: counts[word] for word in spellings} for spellings in variants[:20]]
    return facts
