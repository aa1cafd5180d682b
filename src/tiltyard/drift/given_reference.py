"""Rows that a caller brings as a reference, in the place of a version's training: compared as the version compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.conform.table_like import has_no_names, read_table_like
from tiltyard.drift.findings import evaluate_drift
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Profile, Reference, Rows, profile_rows
from tiltyard.drift.profiles.categories import counting_rows
from tiltyard.drift.profiles.schema import CONFIDENCE, LABEL, PREDICTION, RESIDUAL, SPREAD
from tiltyard.drift.profiles.texts import MEASURES
from tiltyard.errors import UsageError

_OF_A_MODEL = (CONFIDENCE, PREDICTION, LABEL)
TEXT = "text"


@dataclass(frozen=True)
class GivenReference:
    """What predictions of a version are compared with where a caller brings rows.

    Attributes:
        reference: the version's, with the rows' inputs in place of those of its training.
        options: how drift is decided.
        like_training: whether the rows do not differ from the training.
        not_compared: columns that the version does not read, and what only its training can be compared with.
    """

    reference: Reference
    options: DriftOptions
    like_training: bool
    not_compared: tuple[str, ...]


def read_given_rows(given: Any, known: Reference, schema: TableSchema | None, text: str | None = None) -> pd.DataFrame:
    """Rows that a caller brings, with the columns of a version's inputs that they have, read as it reads them.

    Args:
        given: a table as ``read_table_like`` takes it, or a series or list of texts.
        known: the version's reference.
        schema: how it reads cells; None for texts.
        text: what its texts are called in the training's table.

    Raises:
        UsageError: the rows have none of the version's columns.
    """
    columns = known.layout.columns
    if are_texts(given):
        frame = pd.DataFrame({TEXT: pd.Series(list(given), dtype=object)})
    else:
        names = [] if schema is None else list(schema.dtypes)
        nameless = bool(names) and has_no_names(given)
        cells = given.to_numpy(dtype=object) if nameless and isinstance(given, pd.DataFrame) else given
        frame = read_table_like(cells, "The reference", names if nameless else ())
        if columns == (TEXT,) and TEXT not in frame.columns and text in frame.columns:
            frame = frame.rename(columns={text: TEXT})
    if not set(columns) & set(frame.columns):
        raise UsageError(
            f"The reference has none of the columns that the version reads: {', '.join(columns)}; it has "
            f"{', '.join(map(str, frame.columns)) or 'none'}.",
            next_step="Give rows with the columns of the training data, or none, to compare with the training itself.",
        )
    if schema is None:
        return frame
    mine = replace(schema, columns=tuple(column for column in schema.columns if column.name in frame.columns))
    read = conform_frame(frame, mine, strict=False)
    return pd.concat([read, frame[[name for name in frame.columns if name not in read.columns]]], axis=1)


def are_texts(given: Any) -> bool:
    """Whether a reference is texts alone: a series, or a list of them."""
    if isinstance(given, pd.Series):
        return True
    return isinstance(given, list | tuple | np.ndarray) and len(given) > 0 and isinstance(given[0], str)


def replace_training(known: Reference, rows: pd.DataFrame, options: DriftOptions) -> GivenReference:
    """A version's reference with other rows in place of those that it was trained on.

    So the same columns are compared by the same tests, with the same blocks, as against the training. What comes from
    held-out rows or from the model (predictions, unseen words, the joint of the numbers) cannot be read off rows that
    may be the training's own: it stays the training's as long as the rows do not drift from it. Otherwise words and
    joint are those of the rows, and predictions are not compared.

    Args:
        known: the version's reference.
        rows: n rows, as ``read_given_rows`` gives them.
        options: how drift is decided.
    """
    layout = known.layout
    absent = [name for name in layout.columns if name not in rows.columns]
    profile = _count_rows(known, rows, absent)
    held_out = [name for name in _names_held_out(known) if name in {*layout.numbers, *layout.categories}]
    shown = frozenset(name.removeprefix("@") for name in held_out)
    inputs = replace(options, ignore=options.ignore | shown)
    like = evaluate_drift(known, profile, inputs).verdict.status == "clear"
    strange = [name for name in rows.columns if name not in layout.columns]
    if like:
        profile = profile.with_parts(known.profile, held_out)
        return GivenReference(replace(known, profile=profile), options, True, tuple(strange))
    lacks_joint = set(absent) & set(layout.joint.names if layout.joint else ())
    unknown = (*_OF_A_MODEL, RESIDUAL, SPREAD) if lacks_joint else _OF_A_MODEL
    names = [name.removeprefix("@") for name in unknown if name in {*layout.numbers, *layout.categories}]
    without = replace(options, ignore=options.ignore | frozenset(names))
    return GivenReference(replace(known, profile=profile), without, False, (*strange, *names))


def _names_held_out(known: Reference) -> Sequence[str]:
    return (*_OF_A_MODEL, RESIDUAL, SPREAD, *(f"{text}.{MEASURES[-1]}" for text in known.layout.texts))


def _count_rows(known: Reference, rows: pd.DataFrame, absent: Sequence[str]) -> Profile:
    """The rows' profile; columns that they do not have are those of the training."""
    layout = known.layout
    profile = profile_rows(layout, Rows(rows))
    chosen = [name for name, part in layout.categories.items() if not part.whole and name not in absent]
    if chosen:
        # As the training's: see ``CategoryLayout.whole``.
        between = Rows(rows[counting_rows(len(rows))].reset_index(drop=True))
        profile = profile.with_parts(profile_rows(layout, between), chosen)
    measures = [f"{text}.{measure}" for text in absent if text in layout.texts for measure in MEASURES]
    profile = profile.with_parts(known.profile, [*absent, *measures])
    terms = {name: known.profile.terms[name] if name in absent else part for name, part in profile.terms.items()}
    return replace(profile, terms=terms)
