"""Rows that cannot teach, for they have no label or no text: set aside, counted and named."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, first_rows, format_count, format_percent, join_rows
from tiltyard.project import DataSection


def keep_complete_rows(
    frame: pd.DataFrame, labels: pd.Series, section: DataSection, found: list[Finding]
) -> tuple[pd.DataFrame, pd.Series]:
    """The rows with a label and, in a text project, a text, numbered anew from 0; both as they are where all have both.

    Args:
        frame: n rows.
        labels: their n labels, missing where there is none.
        section: the project's ``[data]``.
        found: receives a finding for the rows that are set aside.

    Raises:
        DataError: the project refuses such rows, or no row is complete (``data.label-missing``, ``data.text-missing``).
    """
    gaps = {"label": (section.label, labels.isna().to_numpy(dtype=bool))}
    if section.text is not None and section.text in frame:
        gaps["text"] = (section.text, frame[section.text].isna().to_numpy(dtype=bool))
    incomplete = np.logical_or.reduce([missing for _, missing in gaps.values()])
    if not incomplete.any():
        return frame, labels
    for meaning, (column, missing) in gaps.items():
        if missing.any() and (section.unlabelled == "refuse" or incomplete.all()):
            raise _describe_refusal(column, meaning, missing)
        if missing.any():
            found.append(_describe_set_aside(column, meaning, missing))
    return frame[~incomplete].reset_index(drop=True), labels[~incomplete].reset_index(drop=True)


def _describe_set_aside(column: str, meaning: str, missing: NDArray[np.bool_]) -> Finding:
    count, share = int(missing.sum()), float(missing.mean())
    where = join_rows(first_rows(missing), count)
    return Finding(
        "data.rows-set-aside",
        "warning",
        column,
        "Rows that are set aside",
        f"{format_count(count, 'row')} ({format_percent(share)}) {choose_form(count, 'has', 'have')} no {meaning} in "
        f"'{column}' ({where}), and {choose_form(count, 'is', 'are')} set aside: neither the training nor the test "
        f"side has {choose_form(count, 'it', 'them')}.",
        score=share,
        evidence={"count": count, "rows": first_rows(missing)},
        next_step=f'Write a {meaning} into these rows, or refuse such data with data.unlabelled = "refuse".',
    )


def _describe_refusal(column: str, meaning: str, missing: NDArray[np.bool_]) -> DataError:
    count = int(missing.sum())
    where = join_rows(first_rows(missing), count)
    return DataError(
        f"Column '{column}' has {format_count(count, 'row')} without a {meaning} ({where}).",
        next_step=f"Write a {meaning} into these rows or remove them.",
        code=f"data.{meaning}-missing",
        column=column,
    )
