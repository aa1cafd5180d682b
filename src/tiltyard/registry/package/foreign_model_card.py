"""What a fitted model itself tells about a version, for models that no training of ours made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tiltyard.errors import UsageError
from tiltyard.project import Task
from tiltyard.registry.package.manifest import VersionCard
from tiltyard.registry.package.object_graph import walk_objects

# Classes whose input is a column of texts, by name: a model may come with its own vectoriser.
_READS_TEXTS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")


def foreign_model_card(model: Any, name: str) -> VersionCard:
    """A version card from a fitted scikit-learn model: labels, columns as far as they have names, and no metrics.

    Args:
        model: a fitted classifier or pipeline.
        name: the model name to write on it.

    Raises:
        UsageError: the model is not a fitted classifier.
    """
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise UsageError(
            f"A {type(model).__name__} without classes_ cannot be kept as a version.",
            next_step="Fit it first; only classifiers can be versions.",
            code="model.not-a-classifier",
        )
    task = _task_of(model)
    columns = getattr(model, "feature_names_in_", ())
    return VersionCard(
        model_name=name,
        task=task,
        candidate=type(model).__name__,
        classes=tuple(str(label) for label in classes),
        columns={"text": "str"} if task == "text-classification" else {str(column): "any" for column in columns},
        metrics={},
        data_fingerprint="",
        train_rows=0,
        created_at=datetime.now(UTC),
    )


def _task_of(model: Any) -> Task:
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else model
    if hasattr(first, "transformer_list"):  # a union of vectorisers reads what each of them reads
        first = next(walk_objects(first.transformer_list[0][1]))
    reads_texts = any(kind.__name__ in _READS_TEXTS for kind in type(first).__mro__)
    return "text-classification" if reads_texts else "tabular-classification"
