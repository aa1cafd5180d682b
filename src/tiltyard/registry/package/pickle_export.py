"""A version as pickles, for those who want them: outside the registry, and never read by Tiltyard."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from tiltyard.errors import ArtifactError, UsageError
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.models.to_sklearn import to_sklearn_pipeline, to_sklearn_step
from tiltyard.registry.package.manifest import Manifest, digest
from tiltyard.registry.package.object_graph import walk_objects as parts_of
from tiltyard.registry.package.packaging import Package
from tiltyard.tasks import reads_text

PROTOCOL = 4
TOLERANCE = 1e-9
_KNOWN = frozenset({"sklearn", "numpy", "scipy", "pandas", "builtins", "collections", "functools", "re"})
WARNING = (
    "Loading a pickle runs the code in it. Give these files only to people who trust you, and load only those whose "
    "digest you know. Tiltyard never loads them."
)


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        files: SHA-256 of each file, by its path.
        needs: packages beyond scikit-learn, numpy, scipy and pandas that have to be installed where they are opened,
            each with the types for which it is needed.
        rows: sample rows on which the written model was compared with the version.
        largest_difference: by how much a probability differed at most; None where there were no rows.
    """

    files: Mapping[Path, str]
    needs: Mapping[str, tuple[str, ...]]
    rows: int
    largest_difference: float | None


def export_pickles(package: Package, folder: Path, stem: str, metrics: Mapping[str, Any]) -> ExportResult:
    """Write a version as pickles: the classifier, what stands before it, its metrics, and what loading it needs.

    Steps of ours become scikit-learn's own with equal predictions, so that the files need no Tiltyard. A convolution
    and features of dates have no equal there and need it; ``STEM_requirements.txt`` says which. Files that are there
    are replaced, each at once.

    Args:
        package: the verified version.
        folder: where to; it is made.
        stem: name of the model's file without its ending; what stands before the classifier gets ``STEM_vectorizer``
            for texts, and for tables stays with the model.
        metrics: the content of ``metrics.json``.

    Raises:
        UsageError: the folder cannot be written to, or the model cannot be pickled.
        ArtifactError: the written model does not predict as the version does.
    """
    before, model = _parts(package)
    rows, difference = _compare(package, before, model)
    parts = {f"{stem}.pkl": model, **({f"{stem}_vectorizer.pkl": before} if before is not None else {})}
    try:
        contents = {name: pickle.dumps(part, PROTOCOL) for name, part in parts.items()}
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The model cannot be pickled: {error}.", next_step="Use the version itself: it is an MLflow model."
        ) from None
    contents["metrics.json"] = json.dumps(metrics, indent=1, ensure_ascii=False).encode()
    needs = _find_needs(parts.values())
    contents[f"{stem}_requirements.txt"] = _write_requirements(list(parts), package.manifest, needs).encode()
    _write(folder, contents)
    return ExportResult({folder / name: digest(folder / name) for name in contents}, needs, rows, difference)


def _parts(package: Package) -> tuple[Any, Any]:
    """What stands before the classifier of texts, and the classifier; for tables nothing, and the whole."""
    pipeline = package.pipeline
    if not reads_text(package.manifest.task) or not isinstance(pipeline, Pipeline) or len(pipeline.steps) < 2:
        return None, to_sklearn_pipeline(pipeline) if isinstance(pipeline, Pipeline) else to_sklearn_step(pipeline)
    first = pipeline.steps[:-1]
    before = to_sklearn_step(first[0][1]) if len(first) == 1 else to_sklearn_pipeline(Pipeline(first))
    return before, to_sklearn_step(pipeline.steps[-1][1])


def _compare(package: Package, before: Any, model: Any) -> tuple[int, float | None]:
    """Predict the version's sample rows with the version and with what is written."""
    samples = package.manifest.samples.inputs
    if not samples:
        return 0, None
    try:
        inputs = _rows_of(package)
        call = _name_call(package.manifest)
        given = getattr(model, call)(inputs if before is None else before.transform(inputs))
        expected = getattr(package.pipeline, call)(inputs)
        # Numbers have the unit of the label; the tolerance is one of probabilities.
        unit = TaskModels.find_for(package.manifest.task).measure_unit(np.asarray(expected))
        difference = float(np.max(np.abs(given - expected))) / unit
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(
            f"The version cannot predict its sample rows: {(str(error) or type(error).__name__).splitlines()[0]}.",
            next_step="Find out who made it, or train a new one.",
            code="export.other-answers",
        ) from None
    if not difference <= TOLERANCE:
        raise ArtifactError(
            f"The exported model does not predict as the version does: it differs by up to {difference:.3g}.",
            next_step="Report it, and use the version itself: it is an MLflow model.",
            code="export.other-answers",
        )
    return len(samples), difference


def _name_call(manifest: Manifest) -> str:
    return TaskModels.find_for(manifest.task).method


def _rows_of(package: Package) -> Any:
    """The version's sample rows as its model takes them."""
    samples = package.manifest.samples.inputs
    inputs: Any = (
        [row["text"] for row in samples]
        if reads_text(package.manifest.task)
        else pd.DataFrame(samples, columns=list(package.manifest.columns)).infer_objects()
    )
    if isinstance(inputs, pd.DataFrame):
        kinds = {name: kind for name, kind in package.manifest.columns.items() if kind.startswith(("float", "str"))}
        inputs = inputs.astype(kinds)
    return inputs


def _find_needs(parts: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """Packages of the types that fitted parts are made of, beyond those that come with scikit-learn, with the types."""
    found: dict[str, set[str]] = {}
    for held in (type(held) for part in parts for held in parts_of(part)):
        found.setdefault(held.__module__.split(".")[0], set()).add(held.__name__)
    return {name: tuple(sorted(types)) for name, types in sorted(found.items()) if name not in _KNOWN}


def _write_requirements(files: Sequence[str], manifest: Manifest, needs: Mapping[str, tuple[str, ...]]) -> str:
    """What loading the files needs, as pip reads it, and how they are used."""
    ours, call = needs.get("tiltyard"), _name_call(manifest)
    called = (
        f"{call} takes texts, transformed by the vectoriser where there is one."
        if reads_text(manifest.task)
        else f"{call} takes a pandas DataFrame with the columns {', '.join(manifest.columns)}"
        + ("; dates as datetime64 or ISO 8601." if ours else ".")
    )
    libraries = manifest.libraries
    named = ["scikit-learn", "numpy", "scipy", *(["pandas"] if not reads_text(manifest.task) else [])]
    pinned = [name + (f"=={libraries[name]}" if libraries.get(name) else "") for name in (*named, *needs)]
    return "\n".join(
        [
            f"# What loading {' and '.join(files)} needs: pip install -r FILE. Python {libraries.get('python', '')}",
            f"# Tiltyard is needed for {', '.join(ours)}." if ours else "# Tiltyard is not needed.",
            f"# {called}",
            *pinned,
            "",
        ]
    )


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            temporary = folder / f".{name}.new"
            temporary.write_bytes(content)
            temporary.replace(folder / name)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written to: {error.strerror}.", next_step="Name another folder with --to."
        ) from None
