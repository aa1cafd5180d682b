"""A version behind MLflow's generic interface (``mlflow.pyfunc``): it reads cells, and decides, as by the server.

MLflow imports the module that a version's MLmodel names and calls ``_load_pyfunc`` of it, so neither may be renamed.
The stored model stays the pipeline that was fitted, for ``mlflow.sklearn``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import ArtifactError
from tiltyard.registry.package.manifest import MANIFEST, Manifest
from tiltyard.tasks import DecisionRule


class GenericModel:
    """Predicts the rows of a frame after reading their cells by the schema of the training.

    Args:
        model: the fitted classifier or regressor.
        schema: of the training rows; None for texts.
        rule: which label is predicted at which probabilities; None for the likeliest.
    """

    def __init__(self, model: Any, schema: TableSchema | None, rule: DecisionRule | None = None) -> None:
        self._model = model
        self._schema = schema
        self._rule = None if rule is None else rule.reorder([str(label) for label in model.classes_])

    def get_raw_model(self) -> Any:
        """The fitted classifier, which takes conforming rows only."""
        return self._model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002 - MLflow's interface
        """The labels of n rows.

        Raises:
            DataError: a column is missing, or a cell is nothing of its column's kind; the message names both.
        """
        if self._rule is None:
            return self._model.predict(self._read(data))
        places = self._rule.decide(np.asarray(self.predict_proba(data), dtype=np.float64))
        return np.asarray(self._model.classes_)[places]

    def predict_proba(self, data: Any) -> Any:
        """The probabilities of n rows, shape (n, classes)."""
        return self._model.predict_proba(self._read(data))

    def _read(self, data: Any) -> Any:
        if self._schema is None:
            return data
        return conform_frame(data if isinstance(data, pd.DataFrame) else pd.DataFrame(data), self._schema)


def _load_pyfunc(path: str) -> Any:
    """The model of a version's folder, as MLflow's generic loader calls for it.

    Raises:
        ArtifactError: its manifest is missing, or states no columns.
    """
    import mlflow.sklearn  # noqa: PLC0415 - slow

    folder = Path(path)
    manifest = _read_manifest(folder)
    return GenericModel(mlflow.sklearn.load_model(str(folder)), manifest.table_schema, manifest.decision)


def _read_manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        manifest = None
    if manifest is None or (manifest.table_schema is None and manifest.decision is None):
        raise ArtifactError(
            f"{folder / MANIFEST} is missing, or does not state the columns of the model.",
            next_step="Copy the whole folder of the version, or use mlflow.sklearn.load_model.",
            code="artifact.no-schema",
        )
    return manifest
