"""The one way from a raw label to a class: of training rows, feedback, imports, and predictions that are compared.

A class is spelt as the training file spells it. A label may come spelt otherwise: a whole number as ``1``, ``1.0`` or
``"1"``, a boolean as ``true``, ``TRUE`` or ``1``, a text with outer white space or with decomposed accents.
"""

from __future__ import annotations

import numbers
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tiltyard.data.conform.cells import is_pandas_gap, normalise_text
from tiltyard.suggest import nearest

if TYPE_CHECKING:
    import pandas as pd

MERGED = "other"
"""The class that rare classes become with ``data.rare_classes = "merge"``."""

_TRUTH = {"true": True, "false": False}
_BINARY = frozenset({"0", "1"})
_WHOLE = re.compile(r"([+-]?(?:0|[1-9]\d*))\.0*", re.ASCII)
# A needless zero at the start makes a code of a number: 007 is not 7.
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_SHOWN = 60
_MOST_NAMED = 10


@dataclass(frozen=True)
class LabelCodec:
    """The classes of a model, and the class that a raw label means.

    Attributes:
        classes: the k classes as they are spelt, in the order that the model has them in.
    """

    classes: tuple[str, ...]

    @classmethod
    def from_classes(cls, classes: Iterable[str]) -> LabelCodec:
        """The codec of known classes, in the order of ``order_classes``."""
        return cls(order_classes(set(classes)))

    def find_class(self, raw: object) -> str | None:
        """The class that a raw label means; None where it means no known class, or is a gap.

        The same spelling comes first; then the same number, as long as one class alone is that number; then the same
        truth value, where the classes are ``true`` and ``false`` or ``1`` and ``0``.
        """
        if is_label_gap(raw):
            return None
        word = write_label(raw)
        if word in self._by_word:
            return self._by_word[word]
        number, truth = read_label_number(word), _TRUTH.get(word.lower())
        if number is not None and number in self._by_number:
            return self._by_number[number]
        if number in (0, 1) and self._by_truth:
            truth = number == 1
        return None if truth is None else self._by_truth.get(truth)

    def spell(self, raw: object) -> str:
        """The class that a raw label means; the label as it is written where no class is meant."""
        return self.find_class(raw) or write_label(raw)

    def describe_unknown(self, raw: object) -> str:
        """Why a label is refused: the label, the nearest class, and the classes where these are few."""
        word = write_label(raw)
        shown = word if len(word) <= _SHOWN else word[:_SHOWN] + "…"
        near = nearest(word, self.classes)
        if not near and len(self.classes) <= _MOST_NAMED:
            near = f" The classes are {', '.join(self.classes)}."
        return f"'{shown}' is not a class of the model.{near}"

    @cached_property
    def _by_word(self) -> dict[str, str]:
        # A version from before may hold a decomposed spelling.
        return {**{normalise_text(name): name for name in self.classes}, **{name: name for name in self.classes}}

    @cached_property
    def _by_number(self) -> dict[Decimal, str]:
        return _keep_unambiguous((read_label_number(name), name) for name in self.classes)

    @cached_property
    def _by_truth(self) -> dict[bool, str]:
        """The classes of true and false; empty where the classes are not such a pair."""
        if frozenset(self.classes) == _BINARY:
            return {True: "1", False: "0"}
        words = {name.lower(): name for name in self.classes}
        if not words.keys() <= _TRUTH.keys() or len(words) < len(self.classes):
            return {}
        return {_TRUTH[word]: name for word, name in words.items()}


def conform_labels(column: pd.Series, gaps: Iterable[str] = ()) -> pd.Series:
    """The classes of a column of labels in any format: n values, str or missing, with the column's index and name.

    Whole numbers are written without a fraction where every label is a number. Spellings of true and false become one
    each where every label is true or false: the one that most rows have. The usual words for gaps are classes; words
    that the project declares as gaps are none.

    Args:
        column: n raw labels.
        gaps: words that the project declares as gaps.
    """
    import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

    codes, distinct = factorise_cells(column)
    declared = frozenset(gaps)
    words = [None if is_label_gap(raw) or write_label(raw) in declared else write_label(raw) for raw in distinct]
    rows: Counter[str] = Counter()
    for word, count in zip(words, np.bincount(codes[codes >= 0], minlength=len(distinct)).tolist(), strict=True):
        if word is not None:
            rows[word] += count
    spelling = choose_spellings(rows)
    named = np.array([*(None if word is None else spelling[word] for word in words), None], dtype=object)
    return pd.Series(named[codes], index=column.index, name=column.name, dtype=object)


def match_labels(
    predicted: Sequence[str], labels: Sequence[str], became: Mapping[str, str | None] = MappingProxyType({})
) -> list[bool | None]:
    """Whether each of n predicted classes is the one that its label means.

    Args:
        predicted: the classes.
        labels: their n labels.
        became: of classes that training knew as rare, the class that they became; None where they were set aside.

    Returns:
        For each label whether its class was predicted; None where no prediction can be of its class, for training set
        it aside.
    """
    codec, rare = LabelCodec.from_classes(predicted), LabelCodec(tuple(became))
    right = {label: _find_right(label, codec, rare, became) for label in set(labels)}
    return [one in right[label] if right[label] else None for one, label in zip(predicted, labels, strict=True)]


def _find_right(label: str, codec: LabelCodec, rare: LabelCodec, became: Mapping[str, str | None]) -> frozenset[str]:
    """The predictions that are right for a label: its class, and the one that this became in another version."""
    name = rare.find_class(label)
    if name is None:
        return frozenset({codec.spell(label)})
    return frozenset(one for one in (codec.find_class(label), became[name]) if one is not None)


def point_decimals(column: pd.Series, decimal: str) -> pd.Series:
    """A column of labels that a file wrote with another decimal separator, with points where all labels are numbers."""
    if decimal == ".":
        return column
    import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

    codes, distinct = factorise_cells(column)
    written = [raw.replace(decimal, ".") if isinstance(raw, str) else raw for raw in distinct]
    if any(read_label_number(write_label(raw)) is None for raw in written if not is_label_gap(raw)):
        return column
    return pd.Series(np.array([*written, None], dtype=object)[codes], index=column.index, name=column.name)


def choose_spellings(rows: Counter[str]) -> dict[str, str]:
    """The class of each written label, by the number of rows that have it; ``conform_labels`` states the rules."""
    if all(word.lower() in _TRUTH for word in rows):
        ranked = sorted(rows, key=lambda word: (-rows[word], word))
        chosen: dict[str, str] = {}
        for word in ranked:
            chosen.setdefault(word.lower(), word)
        return {word: chosen[word.lower()] for word in rows}
    if any(read_label_number(word) is None for word in rows):
        return {word: word for word in rows}
    whole = {word: _WHOLE.fullmatch(word) for word in rows}
    return {word: str(int(match[1])) if match else word for word, match in whole.items()}


def write_label(raw: object) -> str:
    """A label as text: without outer white space, composed (NFC); a whole number without a fraction (``1.0``: ``"1"``).

    What a label means is ``LabelCodec.find_class``'s to say; this is for labels whose classes are not known.
    """
    if isinstance(raw, np.float32 | np.float16):
        raw = float(str(raw))  # in its own digits: 0.1 of 32 bits is 0.1
    if isinstance(raw, np.generic):
        raw = raw.item()
    if isinstance(raw, str):
        return normalise_text(raw)
    if isinstance(raw, Decimal) and raw.is_finite() and raw == raw.to_integral_value():
        return str(int(raw))
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return normalise_text(str(raw))


def is_label_gap(raw: object) -> bool:
    """Whether a raw label says nothing: None, NaN, NaT or blank text. A word such as ``NA`` is a label."""
    if raw is None:
        return True
    if isinstance(raw, str):
        return not raw or raw.isspace()
    if isinstance(raw, numbers.Real | Decimal | np.generic):
        return bool(raw != raw)  # noqa: PLR0124 - only NaN and NaT differ from themselves
    return is_pandas_gap(raw)


def read_label_number(word: str) -> Decimal | None:
    """The number that a label's text is; None where it is none, or a code such as ``007``."""
    if not _NUMBER.fullmatch(word):
        return None
    try:
        return Decimal(word)
    except InvalidOperation:
        return None


def order_classes(classes: Iterable[str]) -> tuple[str, ...]:
    """Classes in order: as numbers where all are numbers (``"10"`` after ``"9"``), else as text."""
    names = list(classes)
    found = [read_label_number(name) for name in names]
    if any(number is None for number in found):
        return tuple(sorted(names))
    return tuple(name for _, name in sorted(zip(found, names, strict=True)))


def factorise_cells(column: pd.Series) -> tuple[np.ndarray[Any, np.dtype[np.intp]], list[Any]]:
    """n positions in the list of distinct cells, -1 where one is missing; cells of several types stay apart."""
    if column.dtype != object:
        import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

        found, values = pd.factorize(column, use_na_sentinel=True)
        return np.asarray(found, dtype=np.intp), list(np.asarray(values) if column.dtype.kind == "f" else values)
    # To Python, True equals 1: the type keeps them apart.
    places: dict[tuple[type, object], int] = {}
    distinct: list[Any] = []
    codes = np.full(len(column), -1, dtype=np.intp)
    for row, cell in enumerate(column.tolist()):
        if not is_label_gap(cell):
            place = places.setdefault((type(cell), cell if _is_hashable(cell) else repr(cell)), len(distinct))
            if place == len(distinct):
                distinct.append(cell)
            codes[row] = place
    return codes, distinct


def _keep_unambiguous(pairs: Iterable[tuple[Decimal | None, str]]) -> dict[Decimal, str]:
    """The names by number, without the numbers that several have."""
    found: dict[Decimal, list[str]] = {}
    for number, name in pairs:
        if number is not None:
            found.setdefault(number, []).append(name)
    return {number: names[0] for number, names in found.items() if len(names) == 1}


def _is_hashable(cell: object) -> bool:
    try:
        hash(cell)
    except (TypeError, ValueError):  # a memoryview that may change says ValueError
        return False
    return True
