"""A fitted preprocessing as arrays: impute, indicate gaps, scale, encode words and booleans.

Numbers are prepared by scikit-learn's own operations in its own order. What becomes of words and booleans is not
reimplemented but read from the fitted encoder, once for each value it knows, one that it cannot know and a gap: the
compiled form cannot mean anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tiltyard.models.boosters.gap_filling import UnlearnedGapFiller
from tiltyard.models.date_features import PARTS, DateFeatures
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumn, InputColumns
from tiltyard.scoring.table.preparation import DATE_PARTS, INDICATOR, NUMBER, TABLE, Preparation
from tiltyard.scoring.table.row_encoding import NO_CODES, Codes

Floats = NDArray[np.float64]

# Values of one column that an encoder transforms at a time.
_PROBED_AT_ONCE = 2000
_UNSEEN = "\0unseen"


def compile_preparation(steps: Sequence[Any], columns: InputColumns) -> Preparation:
    """The compiled form of all fitted steps of a pipeline before its classifier.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    plan = _Plan(columns)
    if len(steps) == 1 and type(steps[0]) is ColumnTransformer:
        _column_transformer(plan, steps[0])
        return plan.finish(sparse=steps[0].sparse_output_)
    plan.numbers(list(steps), list(plan.columns))
    return plan.finish(sparse=False)


def compile_coded_columns(
    names: Sequence[str], tables: Mapping[int, Sequence[Any]], columns: InputColumns
) -> Preparation:
    """The features of a booster that takes a frame as it is: numbers, and categories by their places in a table.

    Args:
        names: the columns that it reads, in its order.
        tables: by place in that order, the categories; empty where the column holds numbers for them.
        columns: the features in training order.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    plan = _Plan(columns)
    for place, name in enumerate(names):
        if name not in plan.columns:
            raise NotCompilableError(f"its booster reads a column '{name}' that is not one of its features")
        if len(tables.get(place, ())):
            plan.codes(name, list(tables[place]))
        else:
            plan.numbers([], [name])
    return plan.finish(sparse=False)


def merge_categories(prepared: Preparation, boosting: HistGradientBoostingClassifier) -> Preparation:
    """The features as a boosting with categorical features sees them: those first, each category by its number.

    Raises:
        NotCompilableError: a categorical feature is not made of words or booleans.
    """
    if boosting.is_categorical_ is None:
        return prepared
    encoder = boosting._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
    chosen = np.flatnonzero(boosting.is_categorical_)
    if (prepared.kind[chosen] != TABLE).any() or hasattr(encoder, "feature_names_in_"):
        raise NotCompilableError("its boosting takes numbers for categories")
    values = prepared.values.copy()
    ends = [*prepared.offset[1:].tolist(), len(values)]
    usual = [next(value for value in known if value == value) for known in encoder.categories_]  # noqa: PLR0124
    for position, feature in enumerate(chosen.tolist()):
        table = slice(prepared.offset[feature], ends[feature])
        probe_rows = np.tile(np.asarray(usual, np.float64), (len(values[table]), 1))
        probe_rows[:, position] = values[table]
        values[table] = encoder.transform(probe_rows)[:, position]
    order = np.concatenate([chosen, np.flatnonzero(~boosting.is_categorical_)])
    arrays = {name: getattr(prepared, name)[order] for name in ("source", "kind", "fill", "mean", "scale", "offset")}
    return replace(prepared, values=values, **arrays)


@dataclass
class _Feature:
    source: int
    kind: int
    fill: float = np.nan
    mean: float = 0.0
    scale: float = 1.0
    values: Floats = field(default_factory=lambda: np.zeros(0))


class _Plan:
    def __init__(self, columns: InputColumns) -> None:
        self._checked = columns
        self.columns: dict[str, InputColumn] = {column.name: column for column in columns}
        self._positions = {name: position for position, name in enumerate(self.columns)}
        self._features: list[_Feature] = []
        self._codes: dict[str, Codes] = {}

    def finish(self, *, sparse: bool) -> Preparation:
        made = self._features
        sizes = [len(feature.values) for feature in made]
        if not made:
            raise NotCompilableError("its preprocessing keeps no column")
        unread = {name: NO_CODES for name, column in self.columns.items() if column.kind not in ("number", "time")}
        return Preparation(
            source=np.array([feature.source for feature in made], np.int64),
            kind=np.array([feature.kind for feature in made], np.int64),
            fill=np.array([feature.fill for feature in made]),
            mean=np.array([feature.mean for feature in made]),
            scale=np.array([feature.scale for feature in made]),
            offset=np.cumsum([0, *sizes[:-1]], dtype=np.int64),
            values=np.concatenate([feature.values for feature in made] or [np.zeros(0)]),
            codes={**unread, **self._codes},
            sparse=sparse,
        )

    def numbers(self, steps: list[Any], names: list[str]) -> None:
        """Columns of numbers through an imputer, then a scaler; either may be absent."""
        for name in names:
            column = self.columns[name]
            if column.kind != "number" or not (column.whole or column.dtype == "float64"):
                raise NotCompilableError(f"its column '{name}' ({column.dtype}) is prepared as a number")
        self._features += _prepare_numbers(steps, [_Feature(self._positions[name], NUMBER) for name in names])

    def codes(self, name: str, table: list[Any]) -> None:
        """A column of words or booleans by places in a table; all that is not in it is NaN."""
        column = self.columns[name]
        kinds: dict[str, type] = {"text": str, "boolean": bool}
        if column.kind not in kinds:
            raise NotCompilableError(f"its column '{name}' ({column.dtype}) is prepared as categories")
        known = {value: float(code) for code, value in enumerate(table) if type(value) is kinds[column.kind]}
        count = len(table)
        values = np.append(np.arange(count, dtype=np.float64), [np.nan, np.nan])
        self._features.append(_Feature(self._positions[name], TABLE, values=values))
        self._codes[name] = Codes(known, float(count + 1), float(count))

    def times(self, steps: list[Any], names: list[str]) -> None:
        """Columns of dates through DateFeatures, then as numbers."""
        if type(steps[0]) is not DateFeatures or any(self.columns[name].kind != "time" for name in names):
            raise NotCompilableError(f"there is no compiled form of a {type(steps[0]).__name__} of dates")
        features = [
            _Feature(self._positions[name], DATE_PARTS[part], values=np.array([last]))
            for name, last in zip(names, steps[0].last_.tolist(), strict=True)
            for part in PARTS
        ]
        self._features += _prepare_numbers(steps[1:], features)

    def words(self, steps: list[Any], names: list[str]) -> None:
        """Columns of words and booleans through an encoder, with an imputer before it or none."""
        encoder = steps[-1]
        before_ok = all(type(step) is SimpleImputer and not step.add_indicator for step in steps[:-1])
        if type(encoder) not in (OneHotEncoder, OrdinalEncoder) or not before_ok:
            raise NotCompilableError(f"there is no compiled form of a {type(encoder).__name__} of words")
        for name in names:
            if self.columns[name].kind not in ("text", "boolean"):
                raise NotCompilableError(f"its column '{name}' ({self.columns[name].dtype}) is prepared as words")
        encoder_probe = _ProbedEncoder(steps, {name: self.columns[name] for name in names})
        base = encoder_probe.encode([{}])[0]
        features = [_Feature(0, TABLE, values=np.array([value])) for value in base]
        constant = np.ones(len(base), np.bool_)
        for name, known in zip(names, encoder.categories_, strict=True):
            values, codes = encoder_probe.encode_column(name, known)
            same = (values == values[0]) | (np.isnan(values) & np.isnan(values[0]))
            moved = np.flatnonzero(~same.all(axis=0))
            for position in moved:
                features[position] = _Feature(
                    self._positions[name], TABLE, values=np.ascontiguousarray(values[:, position])
                )
            if not constant[moved].all():
                raise NotCompilableError("its encoder makes one feature of several columns")
            constant[moved] = False
            self._codes[name] = codes
        for position in np.flatnonzero(constant):
            # Any code finds the only value there is.
            rows = 1 + max(int(code) for codes in self._codes.values() for code in _all(codes))
            features[position] = _Feature(self._positions[names[0]], TABLE, values=np.full(rows, base[position]))
        self._features += features


class _ProbedEncoder:
    """An encoder whose output is read for the values of one column, all others staying as they are."""

    def __init__(self, steps: list[Any], columns: Mapping[str, InputColumn]) -> None:
        self._steps = steps
        self._columns = InputColumns({name: column.dtype for name, column in columns.items()})
        self._kinds = {name: column.kind for name, column in columns.items()}
        self._base = {
            name: _first_step(known, self._kinds[name])
            for name, known in zip(columns, steps[-1].categories_, strict=True)
        }

    def encode(self, changes: list[dict[str, Any]]) -> Floats:
        """What comes of rows that differ from the usual one in these values: shape (rows, features)."""
        rows = [{**self._base, **change} for change in changes]
        try:
            frames: list[pd.DataFrame] = [self._columns.frame(rows)]
            if not all(self._columns.fits_training(row) for row in rows):
                frames = [self._columns.frame([row]) for row in rows]
            return np.concatenate([_to_dense(self._compile_steps(frame)) for frame in frames])
        except (ValueError, TypeError) as error:
            raise NotCompilableError(f"its encoder refuses values: {str(error).splitlines()[0]}") from None

    def encode_column(self, name: str, categories: Sequence[Any]) -> tuple[Floats, Codes]:
        """The distinct outputs for a column's values, shape (codes, features), and the code of each value."""
        if self._kinds[name] == "boolean":
            known: list[Any] = [False, True]
        else:
            known = [value for value in categories if isinstance(value, str)]
        unseen = _UNSEEN if self._kinds[name] == "text" else False
        pieces = [
            self.encode([{name: value} for value in known[first : first + _PROBED_AT_ONCE]])
            for first in range(0, len(known), _PROBED_AT_ONCE)
        ]
        pieces += [self.encode([{name: unseen}]), self.encode([{name: None}])]
        outputs = np.concatenate(pieces)
        distinct, numbers = np.unique(outputs, axis=0, return_inverse=True)
        codes = numbers.ravel().astype(float).tolist()
        # An unknown value has its own code, even where the encoder makes of it what it makes of a known one.
        values = np.concatenate([distinct, outputs[-2:-1]])
        return values, Codes(dict(zip(known, codes, strict=False)), float(len(distinct)), codes[-1])

    def _compile_steps(self, frame: pd.DataFrame) -> Any:
        made: Any = frame
        for step in self._steps:
            made = step.transform(made)
        return made


def _column_transformer(plan: _Plan, transformer: ColumnTransformer) -> None:
    for name, step, chosen in transformer.transformers_:
        names = [chosen] if isinstance(chosen, str) else list(chosen) if not isinstance(chosen, slice) else []
        if step == "drop" or (isinstance(chosen, Sequence) and not names):
            continue
        if not names or not all(isinstance(item, str) and item in plan.columns for item in names):
            raise NotCompilableError(f"its part '{name}' does not name its columns")
        steps = [inner for _, inner in step.steps] if type(step) is Pipeline else [step]
        if (transformer.transformer_weights or {}).get(name, 1) != 1:
            raise NotCompilableError("its preprocessing weighs its parts")
        if isinstance(chosen, str):
            raise NotCompilableError(f"its part '{name}' takes a single column as a series")
        if any(plan.columns[item].kind == "time" for item in names):
            plan.times(steps, names)
        elif any(plan.columns[item].kind == "number" for item in names):
            plan.numbers([None if _is_identity(inner) else inner for inner in steps], names)
        else:
            plan.words(steps, names)


def _prepare_numbers(steps: Sequence[Any], features: list[_Feature]) -> list[_Feature]:
    """Features that are numbers through an imputer, then a scaler; either may be absent."""
    steps = [step for step in steps if step not in ("passthrough", None)]
    if steps and type(steps[0]) is SimpleImputer:
        features = _fold_imputer(steps.pop(0), features)
    elif steps and type(steps[0]) is UnlearnedGapFiller:
        for feature, fill in zip(features, steps.pop(0).fill_.tolist(), strict=True):
            feature.fill = fill
    if steps and type(steps[0]) is UnlearnedGapFiller:
        for feature, fill in zip(features, steps.pop(0).fill_.tolist(), strict=True):
            feature.fill = fill
    if steps and type(steps[0]) is StandardScaler:
        _fold_scaler(steps.pop(0), features)
    if steps:
        raise NotCompilableError(f"there is no compiled form of a {type(steps[0]).__name__} of numbers")
    return features


def _is_identity(step: Any) -> bool:
    return type(step).__name__ == "FunctionTransformer" and step.func is None


def _fold_imputer(imputer: SimpleImputer, features: list[_Feature]) -> list[_Feature]:
    missing = imputer.missing_values
    if not (isinstance(missing, float) and np.isnan(missing)):
        raise NotCompilableError(f"its imputer takes {missing!r} for a gap")
    statistics = np.asarray(imputer.statistics_, np.float64)
    if np.isnan(statistics).any():
        raise NotCompilableError("its imputer drops a column without any value")
    for feature, fill in zip(features, statistics.tolist(), strict=True):
        feature.fill = fill
    if not imputer.add_indicator:
        return features
    flagged = [features[position].source for position in imputer.indicator_.features_]
    return features + [_Feature(source, INDICATOR) for source in flagged]


def _fold_scaler(scaler: StandardScaler, features: list[_Feature]) -> None:
    for position, feature in enumerate(features):
        if scaler.mean_ is not None and scaler.with_mean:
            feature.mean = float(scaler.mean_[position])
        if scaler.scale_ is not None:
            feature.scale = float(scaler.scale_[position])


def _first_step(known: Sequence[Any], kind: str) -> Any:
    if kind == "boolean":
        return True
    return next((value for value in known if isinstance(value, str)), None)


def _all(codes: Codes) -> list[float]:
    return [*codes.known.values(), codes.unknown, codes.missing]


def _to_dense(made: Any) -> Floats:
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, np.float64)
