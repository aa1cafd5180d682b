"""What a fitted model itself tells about a version, for models that no training of ours made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.content_hash import Hashes, content_keys
from tiltyard.errors import DataError, UsageError
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.registry.foreign.columns import read_model_columns
from tiltyard.registry.foreign.estimators import check_fitted_model
from tiltyard.registry.package.manifest import Samples, VersionCard
from tiltyard.registry.package.task_part import TaskRegistry
from tiltyard.suggest import nearest
from tiltyard.tasks import Task, reads_text

_MOST_SAMPLES = 50


def foreign_model_card(model: Any, name: str, example: Any = None) -> VersionCard:
    """A version card from a fitted scikit-learn model: labels, columns with their kinds, and no metrics.

    Args:
        model: a fitted classifier, regressor or pipeline.
        name: the model name to write on it.
        example: a few rows as the model reads them, of any usual form: they decide the kinds of columns, and the
            version keeps them as samples.

    Raises:
        UsageError: no version can be made of the model (see ``check_fitted_model``), or it refuses the example.
    """
    task = check_fitted_model(model).task
    classes = TaskModels.find_for(task).list_model_classes(model)
    rows = None if example is None or reads_text(task) else read_table_like(example, "input_example")
    schema = None if reads_text(task) else read_model_columns(model, rows)
    columns = {"text": "str"} if reads_text(task) else schema.dtypes if schema else {}
    return VersionCard(
        model_name=name,
        task=task,
        candidate=type(model).__name__,
        classes=classes,
        columns=columns,
        table_schema=schema,
        metrics={},
        data_fingerprint="",
        train_rows=0,
        created_at=datetime.now(UTC),
        samples=_describe_samples(model, task, rows, schema) if rows is not None and schema is not None else Samples(),
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


def _describe_samples(model: Any, task: Task, rows: pd.DataFrame, schema: TableSchema) -> Samples:
    try:
        few = conform_frame(rows.head(_MOST_SAMPLES), schema)
        given = few if hasattr(model, "feature_names_in_") else few.to_numpy()
        found = TaskModels.find_for(task).predict(model, given)
    except (DataError, ValueError, TypeError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UsageError(
            f"The model refuses input_example: {said}.",
            next_step="Give rows as the model was fitted on.",
            code="model.example-refused",
        ) from error
    plain = few.astype(object).where(few.notna(), None).to_dict(orient="records")
    inputs = tuple({str(name): value for name, value in row.items()} for row in plain)
    classes = [str(label) for label in getattr(model, "classes_", ())]
    return Samples(inputs=inputs, **TaskRegistry.find_for(task).describe_predicted(found, classes))
