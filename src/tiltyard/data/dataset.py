"""Labelled rows in memory: what training, evaluation and promotion work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.content_hash import Hashes, content_keys, fingerprint
from tiltyard.data.inference.task_part import TaskData
from tiltyard.findings import Finding
from tiltyard.tasks import Task


@dataclass(frozen=True)
class Dataset:
    """Labelled rows.

    Attributes:
        name: the project's name, for messages and tracking.
        task: what is predicted from what.
        inputs: what a model sees, n rows: a Series of str (text) or a DataFrame (tables).
        labels: the n labels: classes as text (a number or boolean is written as text, ``1`` is ``"1"``), or float64
            numbers where the task predicts numbers.
        frame: every column of the source, the same n rows in the same order.
        source: where the rows came from.
        row_digests: n 64-bit digests of input and label together, exact to the character.
        schema: of a table, the kinds of its columns and how their cells are read; None for texts.
        findings: what was renamed, guessed or left out while the rows were read.
        set_aside: classes that were left out because they have too few rows, with their rows.
        merged: classes that became one because they have too few rows, with their rows.
        rules: how the project reads cells.
        split_schema: of a table, the columns and kinds by which the content of a row decides its side, where these are
            not those of its inputs: a version that was trained before decided them.
    """

    name: str
    task: Task
    inputs: pd.Series | pd.DataFrame
    labels: pd.Series
    frame: pd.DataFrame
    source: str
    row_digests: NDArray[np.uint64]
    findings: tuple[Finding, ...] = ()
    schema: TableSchema | None = None
    set_aside: Mapping[str, int] = field(default_factory=dict)
    merged: Mapping[str, int] = field(default_factory=dict)
    rules: ReadingRules = USUAL_RULES
    split_schema: TableSchema | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, in the order of ``order_classes``; none where the task predicts numbers."""
        return TaskData.find_for(self.task).list_classes(self.labels)

    @property
    def table_schema(self) -> TableSchema:
        """How the cells of its columns are read; that of texts knows no columns."""
        return self.schema or TableSchema((), self.rules)

    @property
    def fingerprint(self) -> str:
        """Digest of all rows (32 hexadecimal digits), the same whatever their order."""
        return fingerprint(self.row_digests)

    @cached_property
    def input_keys(self) -> Hashes:
        """The n keys of the inputs as they are; equal inputs have equal keys. Computed once; read-only."""
        keys = content_keys(self.inputs)
        keys.flags.writeable = False
        return keys

    @property
    def content_keys(self) -> Hashes:
        """The n keys by which the content of a row decides its side; equal rows have equal keys.

        A feature that is added later is not among the columns that decide, so no row changes sides because of it. A
        cell that is nothing of the kind that decides counts as missing: no earlier version has read such a row.
        """
        if self.split_schema is None or isinstance(self.inputs, pd.Series):
            return self.input_keys
        return content_keys(conform_frame(self.frame, self.split_schema, strict=False))

    def take(self, chosen: NDArray[np.bool_]) -> Dataset:
        """The rows where ``chosen`` (n booleans) is true, numbered anew from 0."""
        taken = replace(
            self,
            inputs=self.inputs[chosen].reset_index(drop=True),
            labels=self.labels[chosen].reset_index(drop=True),
            frame=self.frame[chosen].reset_index(drop=True),
            row_digests=self.row_digests[chosen],
        )
        known = vars(self).get("input_keys")
        if known is not None and isinstance(self.inputs, pd.Series):
            # Hashing texts takes a tenth of a training. How the cells of a table's column are read may follow from all
            # of its rows.
            keys = known[chosen]
            keys.flags.writeable = False
            vars(taken)["input_keys"] = keys
        return taken
