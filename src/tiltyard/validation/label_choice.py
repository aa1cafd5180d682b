"""Which columns of a table are the label and the text, where nobody named them: as for a new project."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tiltyard.data.columns import Roles
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.inference.infer_columns import InferredColumns, NamedColumns, infer_columns
from tiltyard.data.inference.task_part import TaskData
from tiltyard.errors import DataError
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import join_names

CODE = "data.label-choice"
USUAL_LABEL = "label"


def choose_roles(frame: pd.DataFrame, named: Roles, rules: ReadingRules) -> tuple[Roles, tuple[Finding, ...]]:
    """The roles of the columns, and a finding where the label was chosen or none looks like one.

    Args:
        frame: n rows, with names that are text.
        named: what the caller named; a label ``""`` says that the table has none.
        rules: how cells are read.
    """
    if named.label is not None:
        return replace(named, label=named.label or None), ()
    if USUAL_LABEL in frame.columns:
        return replace(named, label=USUAL_LABEL), ()
    if list(frame.columns) == [f"feature_{place}" for place in range(len(frame.columns))]:
        return named, (_describe_no_label(frame, "its columns have no names."),)
    try:
        guess = infer_columns(frame, named=NamedColumns(text=named.text), rules=rules)
    except DataError as error:
        return named, (_describe_no_label(frame, error.message),)
    role = TaskData.find_for(guess.task).column_role
    return replace(named, label=guess.label, text=named.text or guess.text, label_role=role), (_describe_choice(guess),)


def _describe_choice(guess: InferredColumns) -> Finding:
    reason = next(column.reason for column in guess.columns if column.name == guess.label)
    others = [column.name for column in guess.runners_up]
    return Finding(
        CODE,
        "info",
        guess.label,
        "Choice of the label",
        f"'{guess.label}' is read as the label: {reason}." + (f" Next likely: {join_names(others)}." if others else ""),
        evidence={"runners_up": others, "reason": reason},
        next_step='If it is another column, name it with label="COLUMN"; with label="" the table has none.',
    )


def _describe_no_label(frame: pd.DataFrame, reason: str) -> Finding:
    return could_not_judge(
        CODE,
        "label",
        f"No label was found, so classes and leaks are not checked: {reason}",
        'If the table has a label, name its column with label="COLUMN".',
        title="Choice of the label",
        evidence={"columns": [str(name) for name in frame.columns[:50]]},
    )
