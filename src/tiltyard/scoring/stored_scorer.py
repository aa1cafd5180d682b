"""A compiled scorer as a file of arrays: one process compiles it, others map the file and share its pages.

The file is a line of JSON, which says what there is and where, and after it the arrays, each at a multiple of 64 bytes.
It is for processes of one server that trust each other, and is never part of a version: what may be in it is a short
list of types, but the arrays are not checked anew.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from tiltyard.models.tfidf.alphabet import Alphabet
from tiltyard.models.tfidf.compiled_vocabulary import CompiledVocabulary, Weighting
from tiltyard.models.tfidf.hash_tables import PairTable, WordTable
from tiltyard.models.tfidf.terms import Terms
from tiltyard.models.word_cnn.compiled_network import CompiledNetwork
from tiltyard.scoring.linear_head import LinearHead
from tiltyard.scoring.scorer import Scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import Codes
from tiltyard.scoring.table.table_models import LinearTableModel
from tiltyard.scoring.table.table_scorer import TableNumberScorer, TableScorer
from tiltyard.scoring.text.ensemble_scorer import EnsembleTextScorer
from tiltyard.scoring.text.text_scorer import TextScorer
from tiltyard.scoring.trees.mask_tables import MaskTables
from tiltyard.scoring.trees.tree_head import TreeHead
from tiltyard.scoring.trees.tree_layout import TreeLayout
from tiltyard.scoring.trees.tree_model import TreeModel

_ALIGNED = 64

# The types that a file may hold, with the arguments that make one: attributes of the same names.
_TYPES: dict[type, tuple[str, ...]] = {
    Alphabet: ("table", "kinds", "shortest", "marks"),
    TreeHead: ("library", "layout", "tables", "ends", "settings", "classes", "features"),
    Codes: ("known", "unknown", "missing"),
    CompiledNetwork: ("vocabulary", "margin", "classes", "filters", "biases", "top", "intercept"),
    CompiledVocabulary: (
        *("letters", "words", "pairs", "columns", "ngram_range", "lowercase", "weighting", "width", "by_count"),
        "idf",
    ),
    EnsembleTextScorer: ("linear", "network", "classes"),
    LinearHead: ("weights", "intercept", "link", "classes", "sigmoids"),
    LinearTableModel: ("head",),
    MaskTables: ("masks", "spans", "thresholds", "by_level"),
    PairTable: ("slots", "keys"),
    Preparation: ("source", "kind", "fill", "mean", "scale", "offset", "values", "codes", "sparse"),
    TableNumberScorer: ("columns", "prepared", "model", "intervals"),
    TableScorer: ("columns", "prepared", "model", "classes"),
    Terms: ("letters", "starts", "chains"),
    TextScorer: ("vocabulary", "terms", "head", "classes"),
    TreeLayout: ("columns", "nodes", "trees", "bits", "values", "thresholds", "masks", "inner_columns"),
    TreeModel: ("head", "takes_nan"),
    Weighting: ("idf", "norm", "sublinear_tf", "binary", "dtype"),
    WordTable: ("slots", "keys", "starts", "letters"),
}
_BY_NAME = {kind.__name__: kind for kind in _TYPES}


def _list_interval_types() -> dict[type, tuple[str, ...]]:
    """The types of the intervals of numbers, whose package a server of classes does without."""
    from tiltyard.evaluation.conformal.number_intervals import Coverage, IntervalCalibration  # noqa: PLC0415 - see above
    from tiltyard.evaluation.intervals import Interval  # noqa: PLC0415 - likewise

    return {
        Coverage: ("title", "rows", "share", "interval", "width"),
        Interval: ("low", "high"),
        IntervalCalibration: ("level", "method", "rows", "edges", "low", "high", "measured"),
    }


def _list_arguments(kind: type) -> tuple[str, ...] | None:
    """The attributes by which a value of this type is made; None of a type that has no place in a file."""
    of_intervals = kind.__module__.startswith("tiltyard.evaluation.")
    return _list_interval_types().get(kind) if of_intervals else _TYPES.get(kind)


def _find_type(name: str) -> type:
    found = _BY_NAME.get(name)
    return {kind.__name__: kind for kind in _list_interval_types()}[name] if found is None else found


def write_scorer(file: Path, scorer: Scorer) -> None:
    """Write a compiled scorer.

    Args:
        file: where to; must not exist.
        scorer: as ``compile_scorer`` gives it.

    Raises:
        TypeError: it holds something that a file cannot.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    described = json.dumps(_describe(scorer, arrays)).encode() + b"\n"
    with file.open("xb") as stream:
        stream.write(described)
        for array in arrays:
            _pad(stream)
            array.tofile(stream)
        _pad(stream)


def read_scorer(file: Path, columns: InputColumns) -> Scorer:
    """Map a file that ``write_scorer`` wrote; the arrays are read from it when they are first used.

    Args:
        file: it may be removed as soon as this returns.
        columns: for tables, the features in training order.

    Raises:
        ValueError, KeyError, TypeError: the file is another's.
    """
    with file.open("rb") as stream:
        described = stream.readline()
        # A process that writes to an array has its own copy of that page: others see the file as it was.
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    return cast("Scorer", _Reader(mapped, len(described), columns).make(json.loads(described)))


def _describe(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """The value in JSON; its arrays are appended to the list, and meant by their numbers."""
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"array": [value.dtype.str, list(value.shape)]}
    if isinstance(value, np.generic):
        return _describe(value.item(), arrays)
    if type(value) is tuple:
        return {"tuple": [_describe(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"map": [[_describe(key, arrays), _describe(item, arrays)] for key, item in value.items()]}
    if isinstance(value, type) and issubclass(value, np.floating):
        return {"number": value.__name__}
    if isinstance(value, InputColumns):
        return {"columns": True}
    names = _list_arguments(type(value))
    if names is None:
        raise TypeError(f"a compiled scorer holds a {type(value).__name__}, which has no place in a file")
    return {"type": type(value).__name__, "with": [_describe(getattr(value, name), arrays) for name in names]}


class _Reader:
    """Makes values of what ``_describe`` wrote, in the same order."""

    def __init__(self, mapped: mmap.mmap, start: int, columns: InputColumns) -> None:
        self._mapped = mapped
        self._place = start
        self._columns = columns

    def make(self, described: Any) -> Any:
        if not isinstance(described, dict):
            return described
        if "array" in described:
            return self._map_array(*described["array"])
        if "tuple" in described:
            return tuple(self.make(item) for item in described["tuple"])
        if "map" in described:
            return {self.make(key): self.make(item) for key, item in described["map"]}
        if "number" in described:
            return np.dtype(described["number"]).type
        if "columns" in described:
            return self._columns
        return _find_type(described["type"])(*map(self.make, described["with"]))

    def _map_array(self, kind: str, shape: list[int]) -> np.ndarray[Any, Any]:
        dtype = np.dtype(kind)
        if dtype.hasobject:
            raise ValueError(f"arrays of {dtype} have no place in a file")
        count = int(np.prod(shape, dtype=np.int64))
        first = -(-self._place // _ALIGNED) * _ALIGNED
        self._place = first + count * dtype.itemsize
        if not count:
            return np.zeros(shape, dtype)
        return np.frombuffer(self._mapped, dtype, count, first).reshape(shape)


def _pad(stream: IO[bytes]) -> None:
    stream.write(bytes(-stream.tell() % _ALIGNED))
