"""Labelled predictions of production as rows to train on, added to the base data.

They come from the ledger, so that they need no separate file and a correction or an erasure there is one here. The
split is the project's: by content, a row lands on the side that its content says, as it would have in the base data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data import Dataset
from tiltyard.data.conform.cells import normalise_text
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.labels import LabelCodec, is_label_gap
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.content_hash import content_keys, row_digests, uniform_hash
from tiltyard.data.groups import find_row_groups, key_groups
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.loading import read_dataset
from tiltyard.data.rare_classes import settle_rare_classes
from tiltyard.data.split import find_test_rows
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.ledger import Label, Ledger, Prediction
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.ledger.records import TEXT_GROUP
from tiltyard.project import Project, SplitSection


@dataclass(frozen=True)
class ProductionData:
    """The base data followed by the labelled predictions of production, and what became of each prediction.

    Attributes:
        dataset: all rows, base first.
        added: predictions that became rows.
        corrected: rows of the base data whose label a newer label replaced (texts only).
        repeated: predictions left out because a newer label of the same content, or of the same caller's key, is there,
            or because the base data says the same.
        redacted: predictions left out because their input was redacted.
        unknown_label: predictions left out because the base data knows no such label, by label.
        unreadable: predictions left out because their input does not fit the columns of the base data.
        chosen: predictions left out of the test side because a labelling queue chose them, since they are hard:
            a model that they test looks worse than it is.
    """

    dataset: Dataset
    added: int
    corrected: int
    repeated: int
    redacted: int
    unknown_label: dict[str, int]
    unreadable: int
    chosen: int = 0

    @property
    def summary(self) -> str:
        """One line for people."""
        left_out = self.repeated + self.redacted + sum(self.unknown_label.values()) + self.unreadable
        text = f"{self.added:,} labelled predictions added"
        if self.corrected:
            text += f", {self.corrected:,} labels corrected"
        if left_out:
            text += f", {left_out:,} left out"
        return text + (f", {self.chosen:,} not used as test rows since a queue chose them" if self.chosen else "")


def gather_production_data(
    project: Project, ledger: Ledger, *, since: datetime | None = None, base: Dataset | None = None
) -> ProductionData:
    """The base data of a project followed by its labelled predictions.

    The newest label of a prediction counts. Predictions for the same text are one row, with the newest label; where
    that contradicts the base data, it takes the place of the base row's. Equal rows of a table are separate
    observations, unless they carry the same caller's key. Predictions of shadows are left out: the champion predicted
    the same inputs. Whether a class is rare is decided on all rows together. Predictions that were chosen for labelling
    because they are hard are training rows only: those on the test side are left out.

    Args:
        project: names the base data, the columns and the split.
        ledger: holds the predictions and their labels.
        since: only predictions made at or after this time; default: all.
        base: the base data with all its classes, where it has been read already.

    Raises:
        DataError: the base data cannot be read.
        UnavailableError: the ledger cannot be reached.
    """
    base = read_dataset(project) if base is None else base
    pairs = list(ledger.labelled_predictions(project=project.model_name, since=since))
    labelled = [(row, label) for row, label in pairs if row.route != "shadow"]
    kept = [(row, label) for row, label in labelled if not is_redacted(row.input)]
    redacted = len(labelled) - len(kept)
    kept, unknown = _read_classes(kept, base)
    taken = (
        _as_texts(base, base.inputs, kept)
        if isinstance(base.inputs, pd.Series)
        else _as_table(base.inputs, base.schema or infer_schema(base.inputs), kept)
    )
    corrections = taken.corrections
    joined, chosen = _leave_out_chosen(_join_rows(base, taken, project), taken, project) if taken.pairs else (base, 0)
    return ProductionData(
        dataset=settle_rare_classes(joined, project),
        added=len(taken.pairs) - chosen,
        corrected=0 if corrections is None else int(corrections.sum()),
        repeated=taken.repeated,
        redacted=redacted,
        unknown_label=unknown,
        unreadable=taken.unreadable,
        chosen=chosen,
    )


def count_new_labels(ledger: Ledger, project: Project, since: datetime | None) -> int:
    """How many predictions got the label that counts at or after a time: what a retraining would newly learn from."""
    return len({label.prediction_id for label in ledger.labels(model_name=project.model_name, since=since)})


def _read_classes(
    pairs: Sequence[tuple[Prediction, Label]], base: Dataset
) -> tuple[list[tuple[Prediction, Label]], dict[str, int]]:
    """The pairs whose label is a class of the base data, spelt as there; and how often each other label came."""
    codec, of_task = LabelCodec(base.classes), TaskData.find_for(base.task)
    read, unknown = [], Counter[str]()
    for row, label in pairs:
        by_value = of_task.read_reported(label.label)
        meant = codec.find_class(label.label) if by_value is None else by_value.text
        if meant is not None:
            read.append((row, label if meant == label.label else replace(label, label=meant)))
        elif by_value is None:
            unknown[label.label] += 1
    return read, dict(unknown)


@dataclass(frozen=True)
class _Taken:
    """Predictions that become rows.

    Attributes:
        pairs: the predictions and their labels.
        inputs: what a model sees of them, as the base data has it.
        repeated: how many were left out as repeated.
        unreadable: how many do not fit the base data's columns.
        chosen: which of them a labelling queue chose because they are hard.
        corrections: the base rows whose label a newer one replaces.
    """

    pairs: Sequence[tuple[Prediction, Label]]
    inputs: pd.Series | pd.DataFrame
    repeated: int
    unreadable: int
    chosen: NDArray[np.bool_]
    corrections: np.ndarray | None = None


def _as_texts(base: Dataset, inputs: pd.Series, pairs: Sequence[tuple[Prediction, Label]]) -> _Taken:
    readable = [(row, label) for row, label in pairs if isinstance(row.input.get("text"), str)]
    texts = pd.Series([row.input["text"] for row, _ in readable], dtype=object, name=inputs.name)
    keys = content_keys(texts) if len(texts) else np.zeros(0, dtype=np.uint64)
    newest: dict[int, int] = {}
    for place in sorted(range(len(readable)), key=lambda place: readable[place][1].at):
        newest[int(keys[place])] = place
    base_keys = base.input_keys
    of_label = TaskData.find_for(base.task).label_type
    labels = {int(key): of_label(readable[place][1].label) for key, place in newest.items()}
    said = np.asarray([labels.get(int(key)) for key in base_keys], dtype=object)
    held = np.asarray([label is not None for label in said], dtype=np.bool_)
    wrong = held & (said != base.labels.to_numpy(dtype=object))
    # What the base data says already is not a new row; of what it says otherwise the newer label counts.
    agreed = {int(key) for key in base_keys[held & ~wrong]} - {int(key) for key in base_keys[wrong]}
    used = sorted(place for key, place in newest.items() if key not in agreed)
    # A text of the base data is there whatever a queue chose.
    sampled = {int(key) for key, (_, label) in zip(keys, readable, strict=True) if label.is_sample}
    sampled |= set(base_keys.tolist())
    return _Taken(
        pairs=[readable[place] for place in used],
        inputs=texts.iloc[used].reset_index(drop=True),
        repeated=len(readable) - len(used),
        unreadable=len(pairs) - len(readable),
        chosen=np.array([int(keys[place]) not in sampled for place in used], dtype=np.bool_),
        corrections=wrong,
    )


def _as_table(base: pd.DataFrame, schema: TableSchema, pairs: Sequence[tuple[Prediction, Label]]) -> _Taken:
    newest: dict[str, tuple[Prediction, Label]] = {}
    for row, label in sorted(pairs, key=lambda pair: pair[1].at):
        newest[f"key {row.key}" if row.key is not None else f"id {row.id}"] = (row, label)
    once = sorted(newest.values(), key=lambda pair: (pair[0].at, pair[0].id))
    frame = _feature_frame((row for row, _ in once), list(base.columns))
    fits = _select_conforming(frame, schema)
    readable = [pair for pair, fit in zip(once, fits, strict=True) if fit]
    inputs = conform_frame(frame[fits].reset_index(drop=True), schema) if readable else base.iloc[:0]
    chosen = np.array([not label.is_sample for _, label in readable], dtype=np.bool_)
    return _Taken(readable, inputs, len(pairs) - len(once), len(once) - len(readable), chosen)


def _feature_frame(rows: Iterable[Prediction], columns: list[Any]) -> pd.DataFrame:
    named = ({normalise_text(str(name)): cell for name, cell in row.input.items()} for row in rows)
    cells = [[row.get(str(column)) for column in columns] for row in named]
    return pd.DataFrame(cells, columns=columns, dtype=object)


def _select_conforming(frame: pd.DataFrame, schema: TableSchema) -> np.ndarray:
    """Which rows have values of the kinds that the base data has."""

    def conforms(rows: pd.DataFrame) -> bool:
        try:
            conform_frame(rows, schema)
        except DataError:
            return False
        return True

    if not len(frame) or conforms(frame):
        return np.ones(len(frame), dtype=np.bool_)
    return np.asarray([conforms(frame.iloc[[place]]) for place in range(len(frame))], dtype=np.bool_)


def _join_rows(base: Dataset, taken: _Taken, project: Project) -> Dataset:
    kind = TaskData.find_for(base.task).label_type
    labels = pd.Series([kind(label.label) for _, label in taken.pairs], dtype=kind, name=base.labels.name)
    new = taken.inputs.copy() if isinstance(taken.inputs, pd.DataFrame) else taken.inputs.to_frame()
    new[project.data.label] = labels.to_numpy()
    _place_on_a_side(new, base, taken, project)
    if taken.corrections is not None and taken.corrections.any():
        base = base.take(~taken.corrections)
    inputs: pd.Series | pd.DataFrame
    if isinstance(base.inputs, pd.DataFrame):
        together = pd.concat([base.inputs.astype(object), pd.DataFrame(taken.inputs).astype(object)], ignore_index=True)
        inputs = conform_frame(together, base.schema or infer_schema(base.inputs))
    else:
        inputs = pd.concat([base.inputs, pd.Series(taken.inputs)], ignore_index=True)
    return Dataset(
        name=base.name,
        task=base.task,
        inputs=inputs,
        labels=pd.concat([base.labels, labels], ignore_index=True),
        frame=_stack_rows(base.frame, new),
        source=base.source,
        row_digests=np.concatenate([base.row_digests, row_digests(taken.inputs, labels)]),
        findings=base.findings,
        schema=base.schema,
        rules=base.rules,
        split_schema=base.split_schema,
    )


def _leave_out_chosen(joined: Dataset, taken: _Taken, project: Project) -> tuple[Dataset, int]:
    """The rows without those that a queue chose and that would be test rows; and how many these were.

    By time, other rows become the newest share then, so that it is repeated. What is left out is trained on once newer
    rows are there.
    """
    chosen = np.concatenate([np.zeros(len(joined) - len(taken.pairs), dtype=np.bool_), taken.chosen])
    before = len(joined)
    while chosen.any():
        left_out = chosen & find_test_rows(joined, project.split, project.data.time)
        if not left_out.any():
            break
        joined, chosen = joined.take(~left_out), chosen[~left_out]
    left_out_rows = before - len(joined)
    added = len(taken.pairs) - left_out_rows
    return replace(joined, source=f"{joined.source} and {format_count(added, 'labelled prediction')}"), left_out_rows


def _place_on_a_side(new: pd.DataFrame, base: Dataset, taken: _Taken, project: Project) -> None:
    """Fill the columns that the split goes by."""
    rule, time = project.split, project.data.time
    if time is not None and time in base.frame:
        if pd.api.types.is_numeric_dtype(base.frame[time].dtype):
            # Nothing says what the numbers count; what production saw is newer than all of them.
            new[time] = base.frame[time].max() + 1 + np.arange(len(new))
        else:
            new[time] = [row.at.isoformat() for row, _ in taken.pairs]
    if rule.group is not None and rule.group in base.frame:
        new[rule.group] = _find_groups(base, taken, rule.group)
    if rule.by.startswith("column:"):
        new[rule.by.removeprefix("column:")] = _find_sides(new, base, taken, rule)


def _find_groups(base: Dataset, taken: _Taken, column: str) -> list[Any]:
    """The group that each new row was sent with; else that of the base text that it repeats; else none."""
    known: dict[int, Any] = {}
    if isinstance(base.inputs, pd.Series):
        known = dict(zip(base.input_keys.tolist(), base.frame[column].tolist(), strict=True))
    keys = content_keys(taken.inputs).tolist()
    place = TEXT_GROUP if isinstance(base.inputs, pd.Series) else column
    sent = (row.input.get(place) for row, _ in taken.pairs)
    return [known.get(key) if is_label_gap(group) else group for group, key in zip(sent, keys, strict=True)]


def _find_sides(new: pd.DataFrame, base: Dataset, taken: _Taken, rule: SplitSection) -> NDArray[np.object_]:
    """The side of each new row: that of its group in the base data, or what the hash of its content or group says."""
    if rule.group is None:
        return np.where(uniform_hash(content_keys(taken.inputs), rule.salt) < rule.test, "test", "train")
    column = rule.by.removeprefix("column:")
    keys = key_groups(new[rule.group], taken.inputs).keys
    there = dict(zip(find_row_groups(base, rule.group).keys.tolist(), base.frame[column].tolist(), strict=True))
    drawn = np.where(uniform_hash(keys, rule.salt) < rule.test, "test", "train")
    return np.array([there.get(key, side) for key, side in zip(keys.tolist(), drawn, strict=True)], dtype=object)


def _stack_rows(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of both, with the columns of the first in their dtypes as far as these can hold the new values."""
    new = new.reindex(columns=base.columns).astype(object)
    together = pd.concat([base.astype(object), new], ignore_index=True)
    for name in base.columns:
        try:
            together[name] = together[name].astype(base[name].dtype)
        except (ValueError, TypeError):
            together[name] = together[name].infer_objects()
    return together
