"""Packaging a fitted pipeline as a plain MLflow model that is safe to load, and loading it back."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError, UsageError
from tiltyard.libraries import installed_version, runtime_versions
from tiltyard.registry.mlflow_env import installed_packages_unread, quiet_mlflow
from tiltyard.registry.package.holdout_predictions import (
    HOLDOUT,
    HOLDOUT_NUMBERS,
    UNREADABLE,
    HoldoutNumbers,
    HoldoutPredictions,
    unreadable,
)
from tiltyard.registry.package.manifest import (
    FOLDER,
    MANIFEST,
    NEW_KEYS,
    TRAINING_KEYS,
    Manifest,
    VersionCard,
    digests,
    read_verified,
    verify,
)
from tiltyard.registry.package.object_graph import walk_objects
from tiltyard.registry.package.signing import NO_KEYS, SIGNATURE, KeyRing, Signer, host_signer
from tiltyard.registry.package.skops_file import foreign_types, read_model, write_model
from tiltyard.registry.package.task_part import TaskRegistry
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.registry.package.version_seal import check_identity
from tiltyard.registry.ports import VersionInfo
from tiltyard.settings import Settings
from tiltyard.tasks import PREDICTION_SETS, SetCalibration, reads_text

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from tiltyard.evaluation import IntervalCalibration

MODEL_FILE = "model.skops"
INTERVALS = "intervals.json"
"""Name of the file with what makes intervals of predicted numbers."""
LIBRARIES = ("tiltyard", "scikit-learn", "numpy", "scipy", "pandas", "skops", "mlflow")
# What a served model needs at the least; the exact versions are in the manifest.
REQUIREMENTS = ("scikit-learn", "numpy", "scipy", "pandas", "skops")
GENERIC_LOADER = "tiltyard.registry.mlflow_backend.generic_model"
"""The module by which MLflow's generic interface loads tables: its name is in stored versions."""


@dataclass(frozen=True)
class Package:
    """A verified version in memory.

    Attributes:
        model: the fitted scikit-learn classifier as it was packaged, most often a pipeline.
        manifest: what the version says of itself.
        folder: its verified files.
        signed_by: id of the key of this host's ring that signed it; None for none.
        digest: SHA-256 of its manifest's bytes, in hexadecimal.
    """

    model: Any
    manifest: Manifest
    folder: Path
    signed_by: str | None = None
    digest: str = ""

    @cached_property
    def pipeline(self) -> Pipeline:
        """The model as a pipeline: a single estimator is one of one step."""
        from sklearn.pipeline import Pipeline  # noqa: PLC0415

        return self.model if isinstance(self.model, Pipeline) else Pipeline([("classifier", self.model)])

    @property
    def training_keys(self) -> NDArray[np.uint64]:
        """Content keys of the rows that the version was trained on.

        Raises:
            ArtifactError: their file was changed since the version was read, or holds something else.
        """
        return _read_keys(read_verified(self.folder, self.manifest, TRAINING_KEYS), TRAINING_KEYS)

    @property
    def new_keys(self) -> NDArray[np.uint64] | None:
        """Content keys of rows that it was not trained on, as somebody stated who adopted it; None where nobody did.

        Raises:
            ArtifactError: their file was changed since the version was read, or holds something else.
        """
        content = self.attachment(NEW_KEYS)
        return None if content is None else _read_keys(content, NEW_KEYS)

    def attachment(self, name: str) -> bytes | None:
        """The file of that name that travels with the version; None where there is none.

        Raises:
            ArtifactError: it was changed since the version was read.
        """
        path = f"{FOLDER}/{name}"
        return read_verified(self.folder, self.manifest, path) if path in self.manifest.files else None

    @property
    def intervals(self) -> IntervalCalibration | None:
        """What makes intervals of its predicted numbers; None where it predicts classes, or was packaged without.

        Raises:
            ArtifactError: their file was changed since the version was read.
        """
        from tiltyard.evaluation import IntervalCalibration  # noqa: PLC0415 - pandas and SciPy come with it

        content = self.attachment(INTERVALS)
        return None if content is None else IntervalCalibration.from_bytes(content)

    @property
    def prediction_sets(self) -> SetCalibration | None:
        """What makes prediction sets of its labels; see ``read_prediction_sets``."""
        return read_prediction_sets(self.folder, self.manifest)

    @property
    def held_out_numbers(self) -> HoldoutNumbers | None:
        """The predicted and the true numbers of the rows that it was evaluated on; None where it was packaged without.

        Raises:
            ArtifactError: their file was changed since the version was read.
        """
        content = self.attachment(HOLDOUT_NUMBERS)
        return None if content is None else HoldoutNumbers.from_bytes(content)

    @property
    def held_out(self) -> HoldoutPredictions | None:
        """The predictions for the rows that it was evaluated on, and the truth; None where it was packaged without.

        Raises:
            ArtifactError: their file was changed since the version was read.
        """
        content = self.attachment(HOLDOUT)
        return None if content is None else HoldoutPredictions.from_bytes(content)


def read_prediction_sets(folder: Path, manifest: Manifest) -> SetCalibration | None:
    """What makes prediction sets of a version's labels; None where it predicts numbers, or was packaged without.

    Args:
        folder: its verified files.
        manifest: what it says of itself.

    Raises:
        ArtifactError: their file was changed since the version was read, or holds something else.
    """
    path = f"{FOLDER}/{PREDICTION_SETS}"
    return SetCalibration.from_bytes(read_verified(folder, manifest, path)) if path in manifest.files else None


def pack_keys(keys: NDArray[np.uint64]) -> bytes:
    """Content keys of rows as a file of a version."""
    file = io.BytesIO()
    np.save(file, np.sort(keys), allow_pickle=False)
    return file.getvalue()


def write_package(  # noqa: PLR0913 - what a version is made of
    folder: Path,
    pipeline: Pipeline,
    card: VersionCard,
    *,
    training_keys: NDArray[np.uint64],
    attachments: Mapping[str, bytes] = MappingProxyType({}),
    trusted_types: tuple[str, ...] = (),
    signer: Signer | None = None,
) -> Manifest:
    """Write a fitted pipeline as an MLflow scikit-learn model in the skops format, with a manifest.

    The manifest is signed where this host has a signing key.

    Args:
        folder: where to; must not exist.
        pipeline: the fitted pipeline.
        card: what is known of the version.
        training_keys: content keys of its training rows.
        attachments: files that travel with it, by their names in the folder ``tiltyard``; the manifest covers them.
        trusted_types: types that this host allows beyond the built-in list.
        signer: the key that signs it; default: the one of this host's environment, if there is one.

    Raises:
        UsageError: the pipeline holds a type that this host does not allow, or the signing key cannot be used.
    """
    signer = signer or host_signer(Settings.load())
    _save_mlflow_model(folder, pipeline, card, trusted_types)
    (folder / FOLDER).mkdir()
    (folder / TRAINING_KEYS).write_bytes(pack_keys(training_keys))
    for name, content in attachments.items():
        (folder / FOLDER / name).write_bytes(content)
    manifest = Manifest(
        **dict(card),
        files=digests(folder),
        libraries={**runtime_versions(LIBRARIES), **find_booster_versions(pipeline)},
    )
    content = manifest.model_dump_json(indent=1).encode()
    (folder / MANIFEST).write_bytes(content)
    if signer is not None:
        (folder / SIGNATURE).write_bytes(signer.sign(content))
    return manifest


def read_package(
    folder: Path,
    trusted_types: tuple[str, ...] = (),
    *,
    trusted_keys: KeyRing = NO_KEYS,
    info: VersionInfo | None = None,
) -> Package:
    """Verify a version and only then construct it.

    The signature is checked, every file is held against its digest, and every type in the stored model against the
    host's list, before the first object is made.

    Args:
        folder: the version's files.
        trusted_types: types that this host allows beyond the built-in list.
        trusted_keys: the keys by which this host verifies signatures.
        info: the version that the files were fetched for; they have to be its own. Default: any version.

    Raises:
        ArtifactError: the signature is missing where one is required, wrong, or by a key that is not trusted; a file
            is missing, changed or not named; the model is not in the skops format; or it holds a type that this host
            does not allow.
    """
    verified = verify(folder, trusted_keys)
    if info is not None:
        check_identity(verified, info, trusted_keys)
    manifest = verified.manifest
    if MODEL_FILE not in manifest.files:
        raise ArtifactError(
            f"The version of {manifest.model_name} has no {MODEL_FILE}; pickles are never loaded.",
            next_step="Train a version with: tiltyard train",
            code="artifact.not-skops",
        )
    # The model is parsed from a copy that no other user can write to, made of the very bytes that were verified.
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as private:
        file = Path(private) / MODEL_FILE
        file.write_bytes(read_verified(folder, manifest, MODEL_FILE))
        model = read_model(file, trusted_type_names(trusted_types))
    return Package(model, manifest, folder, verified.signed_by, verified.digest)


def _read_keys(content: bytes, name: str) -> NDArray[np.uint64]:
    try:
        keys: NDArray[np.uint64] = np.load(io.BytesIO(content), allow_pickle=False)
        if keys.dtype != np.uint64 or keys.ndim != 1:
            raise ValueError("they are not keys of rows")
    except UNREADABLE as error:
        raise unreadable(name, error) from None
    return keys


def _save_mlflow_model(folder: Path, pipeline: Pipeline, card: VersionCard, trusted_types: tuple[str, ...]) -> None:
    """Write the files of an MLflow scikit-learn model.

    MLflow writes all but the model itself, for which it gets a stand-in: it would write a vocabulary of 100,000 terms
    for minutes, and read it back.
    """
    model_file = folder / MODEL_FILE
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as elsewhere, quiet_mlflow(), installed_packages_unread():
        import mlflow.sklearn  # noqa: PLC0415
        from mlflow.models import Model  # noqa: PLC0415

        written = Path(elsewhere) / MODEL_FILE
        write_model(pipeline, written)
        needed = _needed_types(written, trusted_type_names(trusted_types))
        mlflow.sklearn.save_model(
            TaskRegistry.find_for(card.task).make_stand_in(),
            str(folder),
            serialization_format="skops",
            skops_trusted_types=needed or None,
            signature=_signature(card),
            input_example=_example(card),
            pip_requirements=_requirements(pipeline, card),
            metadata={"tiltyard": {"task": card.task, "candidate": card.candidate, "classes": list(card.classes)}},
        )
        shutil.move(written, model_file)
        described = Model.load(str(folder))
        if _reads_by_tiltyard(card):
            described.flavors["python_function"]["loader_module"] = GENERIC_LOADER
        described.model_size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        described.save(str(folder / "MLmodel"))


def _requirements(model: Any, card: VersionCard) -> list[str]:
    """The packages that MLflow has to install before it can load a version by its generic interface."""
    ours = any(type(part).__module__.startswith("tiltyard.") for part in walk_objects(model))
    names = ("tiltyard", *REQUIREMENTS) if ours or _reads_by_tiltyard(card) else REQUIREMENTS
    versions = {**{name: installed_version(name) for name in names}, **find_booster_versions(model)}
    return [f"{name}=={version}" for name, version in versions.items()]


def _reads_by_tiltyard(card: VersionCard) -> bool:
    """Whether the version's generic interface reads cells, or decides, as scikit-learn alone would not."""
    return card.table_schema is not None or card.decision is not None


def find_booster_versions(model: Any) -> dict[str, str]:
    """The packages of the libraries that wrote the boosters in a model, with their versions."""
    from tiltyard.models.boosters.libraries.boosting_library import find_distribution  # noqa: PLC0415 - scikit-learn comes too
    from tiltyard.models.boosters.stored_booster import StoredBooster  # noqa: PLC0415

    boosters = [part for part in walk_objects(model) if isinstance(part, StoredBooster) and hasattr(part, "library_")]
    return {find_distribution(booster.library_): booster.library_version_ for booster in boosters}


def require_storable_types(pipeline: Pipeline, file: Path, trusted_types: tuple[str, ...], name: str) -> None:
    """Make sure that a fitted pipeline can be stored, and loaded by this host.

    Args:
        pipeline: the fitted pipeline.
        file: where it is written for the check.
        trusted_types: types that this host allows beyond the built-in list.
        name: the candidate, for the message.

    Raises:
        UsageError: it holds a type that this host does not allow, or that skops cannot store.
    """
    from skops.io.exceptions import UnsupportedTypeException  # noqa: PLC0415

    try:
        write_model(pipeline, file)
    except UnsupportedTypeException as error:
        raise UsageError(
            f"The candidate '{name}' cannot be stored without a pickle: {error}",
            next_step="Choose an estimator of scikit-learn, LightGBM, XGBoost or CatBoost, or leave that part out.",
            code="artifact.unsupported-type",
        ) from error
    _needed_types(file, trusted_type_names(trusted_types), f"The candidate '{name}'")


def _needed_types(file: Path, allowed: frozenset[str], what: str = "The model") -> list[str]:
    """The types that a reader of the file must allow beyond skops' own."""
    foreign = foreign_types(file, allowed)
    if foreign:
        raise UsageError(
            f"{what} holds types that this host does not allow to be loaded: {', '.join(foreign)}.",
            next_step="If you know and trust them, name them in TILTYARD_TRUSTED_TYPES (a JSON list).",
            code="artifact.untrusted-type",
            types=foreign,
        )
    return foreign_types(file)


def _signature(card: VersionCard) -> Any:
    """Inputs as MLflow checks them: an array of texts, or columns by name; outputs are labels, as text or as numbers.

    Columns have any type. MLflow takes whole numbers neither for double, nor fractions or gaps for long, nor categories
    for string, nor gaps for boolean: with narrower types a version would refuse its own training rows.
    """
    from mlflow.models.signature import ModelSignature  # noqa: PLC0415
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec  # noqa: PLC0415

    if reads_text(card.task):
        inputs = Schema([TensorSpec(np.dtype(str), (-1,))])
    elif card.columns:
        inputs = Schema([ColSpec(AnyType(), name, required=False) for name in card.columns])
    else:
        inputs = None
    output = TaskRegistry.find_for(card.task).output_type
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec(DataType[output])]))


def _example(card: VersionCard) -> Any:
    import pandas as pd  # noqa: PLC0415

    rows = card.samples.inputs[:2]
    if not rows:
        return None
    if reads_text(card.task):
        return np.asarray([row["text"] for row in rows])
    return pd.DataFrame(rows, columns=list(card.columns))
