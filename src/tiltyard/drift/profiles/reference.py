"""The reference profile: made at training, it travels with the version, and drift is measured against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.written import kind_of_dtype
from tiltyard.drift.profiles.blocks import measure_dependence
from tiltyard.drift.profiles.categories import CategoryLayout, counting_rows
from tiltyard.drift.profiles.dependence import Dependence
from tiltyard.drift.profiles.multivariate import JointLayout
from tiltyard.drift.profiles.numbers import NumberLayout
from tiltyard.drift.profiles.profile import Profile
from tiltyard.drift.profiles.rows import Inputs, Rows, as_numbers, has_numbers, profile_rows, read_floats
from tiltyard.drift.profiles.schema import CONFIDENCE, FORMAT, LABEL, PREDICTION, RESIDUAL, SPREAD, Layout
from tiltyard.drift.profiles.seasons.slots import SeasonProfiles, measure_seasons
from tiltyard.drift.profiles.stored import from_stored, to_stored
from tiltyard.drift.profiles.texts import MEASURES, TextLayout, encode_texts, read_texts
from tiltyard.errors import ArtifactError, DataError

FILE = "profile.json"
"""Its name among the files that travel with a version."""

_FIT_ROWS = 200_000
_FIT_TEXTS = 20_000
_ROWS_OF_A_PLANE = 20
"""Of d numbers, fewer than 20 d^1.5 rows lie visibly nearer to the plane that was fitted to them than other rows do."""


@dataclass(frozen=True)
class Reference:
    """A layout and the profile of the rows that it was fitted to.

    Attributes:
        layout: how rows are profiled.
        profile: what the reference's rows look like. What a model knows too well of the rows that it learnt from
            (its own predictions, words it has seen, the joint of the numbers) comes from rows that were held out.
        dependence: how alike rows of one group or period are; None where that was not measured, as in versions that
            an older Tiltyard trained.
        seasons: the same rows by hours and weekdays; None where their times are not known, and for texts.
    """

    layout: Layout
    profile: Profile
    dependence: Dependence | None = None
    seasons: SeasonProfiles | None = None

    @classmethod
    def empty(cls) -> Reference:
        """The reference of no rows, against which nothing can be compared."""
        return cls(Layout(), Profile.empty(Layout()))

    def to_bytes(self) -> bytes:
        """JSON, for keeping."""
        data = {"format": FORMAT, "layout": self.layout.to_stored(), "profile": self.profile.to_stored()}
        if self.dependence is not None:
            data["dependence"] = to_stored(self.dependence)
        if self.seasons is not None:
            data["seasons"] = to_stored(self.seasons)
        return msgspec.json.encode(data)

    @classmethod
    def from_bytes(cls, content: bytes) -> Reference:
        """The reference that ``to_bytes`` wrote down.

        Raises:
            ArtifactError: it is of a format that this code does not know, or no reference profile at all.
        """
        try:
            data = msgspec.json.decode(content)
            if data["format"] != FORMAT:
                raise ValueError(f"its format is {data['format']!r}, and this Tiltyard knows {FORMAT}")
            blocks, seasons = data.get("dependence"), data.get("seasons")
            return cls(
                Layout.from_stored(data["layout"]),
                Profile.from_stored(data["profile"]),
                None if blocks is None else from_stored(Dependence, blocks),
                None if seasons is None else from_stored(SeasonProfiles, seasons),
            )
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"The reference profile of the version cannot be read: {error}.",
                next_step="Train the version anew with this Tiltyard: tiltyard train",
                code="artifact.profile",
            ) from None


def build_reference(
    train: Rows | Inputs, held_out: Rows | Inputs | None = None, *, texts: Iterable[str] = ()
) -> Reference:
    """The reference profile of rows.

    Args:
        train: the rows that the model learnt from, or any that count as normal.
        held_out: rows like them that did not teach it, with its predictions; default: the words of texts are learnt
            from four fifths of the rows and looked for in the rest, so is the plane of the numbers where the rows are
            few, and all else comes from ``train``.
        texts: columns that hold free text; a series of texts is one in any case.

    Raises:
        DataError: there are no rows.
    """
    rows = _as_rows(train)
    if not len(rows):
        raise DataError("A reference profile cannot be made of no rows.", next_step="Give the rows of the training.")
    fifth = np.arange(len(rows)) % 5 == 4
    split = held_out is None and len(rows) >= 5
    teaching = rows.inputs[~fifth] if split else rows.inputs
    fresh = _as_rows(held_out) if held_out is not None else Rows(rows.inputs[fifth] if split else rows.inputs)
    if not len(fresh):
        fresh = rows
    layout, few = _fit(rows, teaching, fresh if held_out is not None else rows, fresh.inputs, frozenset(texts))
    profile = profile_rows(layout, rows)
    names = {f"{text}.{MEASURES[-1]}" for text in layout.texts}
    if held_out is not None:
        names |= {CONFIDENCE, PREDICTION, RESIDUAL, SPREAD} & {*layout.numbers, *layout.categories}
    elif few:
        names |= {RESIDUAL, SPREAD} & {*layout.numbers}
    if names:
        profile = profile.with_parts(profile_rows(layout, fresh), names)
    chosen = [name for name, part in layout.categories.items() if not part.whole]
    if chosen:
        between = Rows(rows.inputs[counting_rows(len(rows))])
        profile = profile.with_parts(profile_rows(layout, between), chosen)
    known = bool(rows.order.groups) or rows.order.times is not None
    apart = None if held_out is None else fresh
    dependence = measure_dependence(layout, rows, apart, frozenset(names)) if known else None
    return Reference(layout, profile, dependence, measure_seasons(layout, rows, apart, frozenset(names)))


def _fit(rows: Rows, teaching: Inputs, predicted: Rows, fresh: Inputs, texts: frozenset[str]) -> tuple[Layout, bool]:
    """The layout, and whether the rows are so few that the plane of the numbers was fitted to ``teaching`` alone."""
    numbers: dict[str, NumberLayout] = {}
    categories: dict[str, CategoryLayout] = {}
    read: dict[str, TextLayout] = {}
    values: dict[str, NDArray[np.float64]] = {}
    for name, column in _name_columns(rows.inputs):
        if isinstance(rows.inputs, pd.Series) or name in texts:
            read[name] = TextLayout.fit(encode_texts(_find_column(teaching, name)))
            measured, _ = read_texts(read[name], encode_texts(_thin_out(column, _FIT_TEXTS)))
            unseen, _ = read_texts(read[name], encode_texts(_thin_out(_find_column(fresh, name), _FIT_TEXTS)))
            for measure, all_of_it, fresh_values in zip(MEASURES, measured, unseen, strict=True):
                if measure == MEASURES[-1]:
                    numbers[f"{name}.{measure}"] = NumberLayout.fit(fresh_values)
                else:
                    values[f"{name}.{measure}"] = all_of_it
                    numbers[f"{name}.{measure}"] = NumberLayout.fit(all_of_it)
        elif kind_of_dtype(column.dtype) == "time":
            continue  # later rows have later dates: that is not drift
        elif kind_of_dtype(column.dtype) == "number":
            values[name] = read_floats(_thin_out(column))[0]
            numbers[name] = NumberLayout.fit(values[name])
        else:
            categories[name] = CategoryLayout.fit(column)
    few = len(teaching) < len(rows) < _ROWS_OF_A_PLANE * len(values) ** 1.5
    joint, measured_joint = _fit_joint(values, np.arange(len(rows)) % 5 < 4 if few else None)
    numbers.update(measured_joint)
    if predicted.confidences is not None:
        numbers[CONFIDENCE] = NumberLayout.fit(np.asarray(predicted.confidences, np.float64))
    if has_numbers(predicted.predictions) or has_numbers(rows.labels):
        named = {PREDICTION: predicted.predictions, LABEL: rows.labels}
        numbers |= {name: NumberLayout.fit(as_numbers(part)) for name, part in named.items() if part is not None}
    else:
        categories.update(_fit_labels(predicted.predictions, rows.labels))
    return Layout(numbers, categories, read, joint), few


def _fit_joint(
    values: Mapping[str, NDArray[np.float64]], learnt: NDArray[np.bool_] | None
) -> tuple[JointLayout | None, dict[str, NumberLayout]]:
    """The plane of the numbers and the distances from it; of the rows that are not ``learnt``, where that is known."""
    rows = {len(found) for found in values.values()}
    if len(rows) != 1:
        return None, {}
    learnt = learnt if learnt is not None and rows == {len(learnt)} else None
    fitted = [found if learnt is None else found[learnt] for found in values.values()]
    joint = JointLayout.fit(list(values), fitted)
    if joint is None:
        return None, {}
    measured = joint.measure([values[name] if learnt is None else values[name][~learnt] for name in joint.names])
    return joint, {RESIDUAL: NumberLayout.fit(measured[0]), SPREAD: NumberLayout.fit(measured[1])}


def _fit_labels(
    predictions: NDArray[Any] | pd.Categorical | None, labels: NDArray[Any] | None
) -> dict[str, CategoryLayout]:
    known = [np.asarray(part, object) for part in (predictions, labels) if part is not None]
    named = {PREDICTION: predictions, LABEL: labels}
    both = CategoryLayout.fit(np.concatenate(known), whole=True) if known else None
    return {name: both for name, part in named.items() if part is not None and both is not None}


def _as_rows(rows: Rows | Inputs) -> Rows:
    return rows if isinstance(rows, Rows) else Rows(rows)


def _name_columns(inputs: Inputs) -> list[tuple[str, pd.Series]]:
    if isinstance(inputs, pd.Series):
        return [("text", inputs)]
    return [(str(name), inputs[name]) for name in inputs.columns]


def _find_column(inputs: Inputs, name: str) -> pd.Series:
    return inputs if isinstance(inputs, pd.Series) else inputs[name]


def _thin_out(column: pd.Series, most: int = _FIT_ROWS) -> pd.Series:
    """The column, thinned evenly where it is very long: edges need no more."""
    return column.iloc[:: max(len(column) // most, 1)]
