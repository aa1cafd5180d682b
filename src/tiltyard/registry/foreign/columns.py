"""The columns that a fitted model of somebody else's reads: their names and kinds, from what its parts have learnt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from tiltyard.data.conform.frames import infer_schema
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.schema import TableSchema, TypedColumn

_LEARNS_CATEGORIES = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")


def read_model_columns(
    model: Any, example: pd.DataFrame | None = None, rules: ReadingRules = USUAL_RULES
) -> TableSchema | None:
    """The columns of a fitted model, in order, each taking gaps; None where it does not tell how many it reads.

    A column that an encoder of categories reads holds its categories; any other holds numbers, since scikit-learn
    computes with it. An example decides the kinds that no encoder tells, and the names where the model has none.

    Args:
        model: a fitted classifier, regressor or pipeline.
        example: a few rows as the model reads them.
        rules: how cells are read.
    """
    names = list(_read_names(model, example))
    if not names:
        return None
    seen = {} if example is None else {column.name: column for column in infer_schema(example, rules).columns}
    found = {name: _without_ranges(seen[name]) if name in seen else TypedColumn(name, "number", True) for name in names}
    for name, categories in _find_categories(_steps_of(model), names):
        found[name] = _learnt_column(name, categories)
    return TableSchema(tuple(found[name] for name in names), rules)


def _read_names(model: Any, example: pd.DataFrame | None) -> Sequence[str]:
    named = getattr(model, "feature_names_in_", None)
    if named is not None:
        return [str(name) for name in named]
    if example is not None:
        return [str(name) for name in example.columns]
    return [f"feature_{place}" for place in range(int(getattr(model, "n_features_in_", 0)))]


def _steps_of(model: Any) -> list[Any]:
    return [step for _, step in model.steps] if hasattr(model, "steps") else [model]


def _find_categories(steps: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The columns that an encoder reads as they come, with the categories that it has learnt."""
    for step in steps:
        if hasattr(step, "transformers_"):
            for _, part, chosen in step.transformers_:
                yield from _find_categories(_steps_of(part), _choose(chosen, names))
        elif type(step).__name__ in _LEARNS_CATEGORIES:
            yield from zip(names, step.categories_, strict=False)
        if not _keeps_columns(step):
            return


def _keeps_columns(step: Any) -> bool:
    """Whether the next step still sees the same columns with the same values."""
    return step is None or isinstance(step, str) or (type(step).__name__ == "SimpleImputer" and not step.add_indicator)


def _choose(chosen: Any, names: Sequence[str]) -> list[str]:
    """The names that a part of a ColumnTransformer reads: given as names, places, a mask or a slice of places."""
    if isinstance(chosen, slice):
        return list(names[chosen])
    listed = [chosen] if isinstance(chosen, str | int) else list(chosen)
    if listed and all(isinstance(one, bool) or type(one).__name__ == "bool" for one in listed):
        return [name for name, is_chosen in zip(names, listed, strict=True) if is_chosen]
    return [one if isinstance(one, str) else names[one] for one in listed]


def _learnt_column(name: str, categories: Sequence[Any]) -> TypedColumn:
    known = [value for value in categories if not pd.isna(value)]
    if any(isinstance(value, str) for value in known):
        words = tuple(sorted(str(value) for value in known))
        gaps = tuple(word for word in words if word in USUAL_RULES.gap_words)
        return TypedColumn(name, "category", True, categories=words, value_words=gaps)
    inferred = infer_schema(pd.DataFrame({name: pd.Series(known)})).columns[0]
    return replace(inferred, nullable=True)


def _without_ranges(column: TypedColumn) -> TypedColumn:
    """A column of an example: its kind holds for all rows, its categories and range do not."""
    kind = "number" if column.kind == "empty" else column.kind
    return TypedColumn(column.name, kind, True, value_words=column.value_words, sign=column.sign)
