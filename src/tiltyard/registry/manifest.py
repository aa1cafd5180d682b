"""What a stored version says of itself: digests of its files, and everything a server must know."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tiltyard.errors import ArtifactError
from tiltyard.project import Task

FOLDER = "tiltyard"
MANIFEST = f"{FOLDER}/manifest.json"
TRAINING_KEYS = f"{FOLDER}/training_keys.npy"
FORMAT = 1


class Samples(BaseModel):
    """Test rows and the answers that were given at training: what a server tries a version on before it serves.

    Attributes:
        inputs: each ``{"text": …}`` or the features by name.
        probabilities: the probabilities of each, in the order of the classes.
    """

    model_config = ConfigDict(frozen=True)

    inputs: tuple[dict[str, Any], ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()


class VersionCard(BaseModel):
    """What is known of a version when it is packaged.

    Attributes:
        model_name: the registered model that it is for.
        task: what is predicted from what.
        candidate: the recipe.
        classes: the labels in the order of the probability columns.
        positive: the label that counts as positive, if one was named.
        columns: feature columns in order, with their pandas dtypes; one column ``text`` for texts.
        metrics: metrics on the test rows.
        data_fingerprint: digest of the rows it was trained on.
        train_rows: how many they were.
        created_at: when it was packaged, UTC.
        samples: rows to try it on.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_name: str
    task: Task
    candidate: str
    classes: tuple[str, ...]
    positive: str | None = None
    columns: Mapping[str, str]
    metrics: Mapping[str, float]
    data_fingerprint: str
    train_rows: int
    created_at: datetime
    samples: Samples = Samples()


class Manifest(VersionCard):
    """A version card with the digests of the version's files and the libraries that made it.

    Attributes:
        format: version of this format.
        files: SHA-256 of every other file of the version, by its path.
        libraries: versions of the libraries that packaged it.
    """

    format: int = FORMAT
    files: Mapping[str, str]
    libraries: Mapping[str, str]


def digest(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder but the manifest, by their paths with forward slashes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: digest(path) for name, path in named.items() if name != MANIFEST}


def read_manifest(folder: Path) -> Manifest:
    """Read and check a version's manifest, and hold every file against it.

    Raises:
        ArtifactError: the manifest is missing or unreadable, or a file is missing, changed or not named by it.
    """
    file = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(
            f"{folder} has no {MANIFEST}: it was not packaged by Tiltyard.",
            next_step="Train a version with: tiltyard train",
            code="artifact.no-manifest",
        ) from None
    except ValueError as error:
        raise ArtifactError(
            f"{file} cannot be read: {str(error).splitlines()[0]}.",
            next_step="Fetch the version again, or train a new one.",
            code="artifact.manifest-unreadable",
        ) from None
    if manifest.format != FORMAT:
        raise ArtifactError(
            f"{file} has format {manifest.format}; this Tiltyard reads {FORMAT}.",
            next_step="Upgrade Tiltyard, or train a new version.",
            code="artifact.format",
        )
    _hold_against(manifest, folder)
    return manifest


def _hold_against(manifest: Manifest, folder: Path) -> None:
    found = digests(folder)
    for name in sorted(manifest.files.keys() | found.keys()):
        expected, seen = manifest.files.get(name), found.get(name)
        if expected == seen:
            continue
        wrong = "is missing" if seen is None else "is not in the manifest" if expected is None else "was changed"
        raise ArtifactError(
            f"The file {name} of {manifest.model_name} {wrong}; the version was not loaded.",
            next_step="Find out who touched it; then delete the cached copy, or train a new version.",
            code="artifact.digest",
            file=name,
        )
