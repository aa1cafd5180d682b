"""What a fitted model itself tells about a version, for models that no training of ours made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.labels import order_classes
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.content_hash import Hashes, content_keys
from tiltyard.errors import DataError, UsageError
from tiltyard.registry.package.foreign_columns import read_model_columns
from tiltyard.registry.package.manifest import Samples, VersionCard
from tiltyard.registry.package.object_graph import walk_objects
from tiltyard.suggest import nearest
from tiltyard.tasks import Task, find_task, reads_text

# Classes whose input is a column of texts, by name: a model may come with its own vectoriser.
_READS_TEXTS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
_MOST_SAMPLES = 50


def foreign_model_card(model: Any, name: str, example: Any = None) -> VersionCard:
    """A version card from a fitted scikit-learn model: labels, columns with their kinds, and no metrics.

    Args:
        model: a fitted classifier or pipeline.
        name: the model name to write on it.
        example: a few rows as the model reads them, of any usual form: they decide the kinds of columns, and the
            version keeps them as samples.

    Raises:
        UsageError: the model is not a fitted classifier, gives no probabilities, or refuses the example.
    """
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise UsageError(
            f"A {type(model).__name__} without classes_ cannot be kept as a version.",
            next_step="Fit it first; only classifiers can be versions.",
            code="model.not-a-classifier",
        )
    if not hasattr(model, "predict_proba"):
        raise UsageError(
            f"A {type(model).__name__} without predict_proba cannot be kept as a version: its predictions would have "
            "no confidence.",
            next_step="Fit CalibratedClassifierCV(model) instead, or let MLOpsPipeline.train_and_track_model do it.",
            code="model.no-probabilities",
        )
    task = _task_of(model)
    rows = None if example is None or reads_text(task) else read_table_like(example, "input_example")
    schema = None if reads_text(task) else read_model_columns(model, rows)
    columns = {"text": "str"} if reads_text(task) else schema.dtypes if schema else {}
    return VersionCard(
        model_name=name,
        task=task,
        candidate=type(model).__name__,
        classes=order_classes(str(label) for label in classes),
        columns=columns,
        table_schema=schema,
        metrics={},
        data_fingerprint="",
        train_rows=0,
        created_at=datetime.now(UTC),
        samples=_describe_samples(model, rows, schema) if rows is not None and schema is not None else Samples(),
    )


def key_training_rows(card: VersionCard, rows: Any) -> Hashes:
    """The content keys of the rows that a model was fitted on, as its version reads them; none where they are unknown.

    Args:
        card: of the version.
        rows: texts, or a table of any usual form, which may have more columns than the model reads; None where they
            are not known.

    Raises:
        UsageError: the rows lack a column that the model reads.
        DataError: a cell is nothing of its column's kind.
    """
    if rows is None or not card.columns:
        return np.empty(0, dtype=np.uint64)
    if reads_text(card.task):
        return content_keys(_read_texts(rows))
    table = read_table_like(rows, "training_data")
    missing = [name for name in card.columns if name not in table.columns]
    if missing:
        raise UsageError(
            f"The training rows lack the column '{missing[0]}', which the model reads; they have "
            f"{', '.join(map(str, table.columns))}.{nearest(missing[0], [str(name) for name in table.columns])}",
            next_step="Give the rows that the model was fitted on: log_model(…, training_data=X).",
            code="model.training-rows",
        )
    return content_keys(conform_frame(table, card.table_schema) if card.table_schema else table[list(card.columns)])


def _read_texts(rows: Any) -> pd.Series:
    if isinstance(rows, pd.DataFrame):
        named = [name for name in ("text", *rows.columns) if name in rows.columns]
        texts = [name for name in named if rows[name].map(lambda value: isinstance(value, str)).all()]
        rows = rows[texts[0]] if texts else []
    listed = [text for text in rows if isinstance(text, str)]
    return pd.Series(listed, dtype=object, name="text")


def _describe_samples(model: Any, rows: pd.DataFrame, schema: TableSchema) -> Samples:
    try:
        few = conform_frame(rows.head(_MOST_SAMPLES), schema)
        given = np.asarray(model.predict_proba(few if hasattr(model, "feature_names_in_") else few.to_numpy()))
    except (DataError, ValueError, TypeError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UsageError(
            f"The model refuses input_example: {said}.",
            next_step="Give rows as the model was fitted on.",
            code="model.example-refused",
        ) from error
    spelt = [str(label) for label in model.classes_]
    ordered = given[:, [spelt.index(label) for label in order_classes(spelt)]]
    plain = few.astype(object).where(few.notna(), None).to_dict(orient="records")
    return Samples(
        inputs=tuple({str(name): value for name, value in row.items()} for row in plain),
        probabilities=tuple(tuple(map(float, row)) for row in ordered),
    )


def _task_of(model: Any) -> Task:
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else model
    if hasattr(first, "transformer_list"):  # a union of vectorisers reads what each of them reads
        first = next(walk_objects(first.transformer_list[0][1]))
    reads_texts = any(kind.__name__ in _READS_TEXTS for kind in type(first).__mro__)
    return find_task("text" if reads_texts else "table", "class")
