"""A registry in memory, real packages to register in it, and ways to damage them."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from tiltyard.errors import NotFoundError
from tiltyard.registry import Samples, VersionCard, VersionInfo, write_package
from tiltyard.registry.package.manifest import MANIFEST
from tiltyard.tasks import Task
from tiltyard.testing.registry import MemoryRegistry

MODEL = "films-classifier"
# What the host of these tests allows beyond the built-in list: an imputer remembers the dtype it was fitted on.
TRUSTED = ("numpy.dtype",)


class FakeRegistry(MemoryRegistry):
    """A registry in memory of one model, which counts what is fetched from it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self._folder = folder

    def add(self, package: Path, damage: Callable[[Path], None] = lambda folder: None) -> str:
        """Register a copy of a package, damaged if the test wants that; returns its version."""
        number = len(self.list_versions(MODEL)) + 1
        folder = self._folder / str(number)
        shutil.copytree(package, folder)
        damage(folder)
        return self.register_model(folder.as_uri(), MODEL, run_id=f"run-{number}").version

    def point_alias(self, alias: str, version: str | None) -> None:
        """Let an alias name a version, or nothing."""
        if version is None:
            self.delete_alias(MODEL, alias)
        else:
            self.set_alias(MODEL, alias, version)

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        try:
            return super().get_version(name, version=version, alias=alias)
        except NotFoundError:
            if alias != "champion":
                raise
            # In the words of the registry over MLflow.
            raise NotFoundError(
                f"No champion yet: no version of {name} has the alias 'champion'.",
                next_step="Run: tiltyard train --champion",
                code="champion.missing",
            ) from None

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        self.fetched.append(info.version)
        return super().fetch(info, cache)


def package(
    folder: Path,
    pipeline: Pipeline,
    task: Task,
    inputs: pd.Series | pd.DataFrame,
    trusted: Sequence[str] = TRUSTED,
    attachments: Mapping[str, bytes] = MappingProxyType({}),
    **known: Any,
) -> Path:
    """A package of a fitted pipeline, with some of its inputs as sample rows, and more fields of the version card."""
    some = inputs.head(5)
    if isinstance(some, pd.Series):
        rows: list[dict[str, Any]] = [{"text": text} for text in some]
        columns = {"text": "str"}
    else:
        records = some.to_dict(orient="records")
        rows = [{str(name): None if pd.isna(value) else value for name, value in row.items()} for row in records]
        columns = {str(name): str(dtype) for name, dtype in some.dtypes.items()}
    card = VersionCard(
        model_name=MODEL,
        task=task,
        candidate="test",
        classes=tuple(str(label) for label in pipeline.classes_),
        columns=columns,
        metrics={"accuracy": 0.9},
        data_fingerprint="0" * 32,
        train_rows=len(inputs),
        created_at=datetime.now(UTC),
        samples=Samples(inputs=rows, probabilities=pipeline.predict_proba(some).tolist()),
        **known,
    )
    with warnings.catch_warnings():
        # MLflow warns about itself while it is imported and while it saves.
        warnings.simplefilter("ignore")
        write_package(
            folder,
            pipeline,
            card,
            training_keys=np.zeros(1, dtype=np.uint64),
            attachments=attachments,
            trusted_types=tuple(trusted),
        )
    return folder


def changed_file(folder: Path) -> None:
    """Change one byte of the stored model."""
    file = folder / "model.skops"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def other_predictions(folder: Path) -> None:
    """Let the manifest say that training gave other probabilities, by slightly more than is allowed."""
    _edit_manifest(folder, lambda content: content["samples"]["probabilities"][0].__setitem__(0, 0.123456))


def other_labels(folder: Path) -> None:
    """Let the manifest name other labels."""
    _edit_manifest(folder, lambda content: content.__setitem__("classes", ["no", "yes"]))


def _edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    file = folder / MANIFEST
    content = json.loads(file.read_text(encoding="utf-8"))
    edit(content)
    file.write_text(json.dumps(content), encoding="utf-8")
