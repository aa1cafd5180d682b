"""What a stored version says of itself: digests of its files, and everything a server must know."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import ArtifactError
from tiltyard.registry.package.signing import NO_KEYS, SIGNATURE, KeyRing
from tiltyard.registry.package.task_part import TaskRegistry
from tiltyard.tasks import DecisionRule, Task, reads_text

FOLDER = "tiltyard"
MANIFEST = f"{FOLDER}/manifest.json"
TRAINING_KEYS = f"{FOLDER}/training_keys.npy"
NEW_KEYS = "new_keys.npy"
"""The file, among those that travel with a version, with the content keys of rows that it was stated not to know."""
FORMAT = 1


class Samples(BaseModel):
    """Test rows and the predictions that were made at training: what a server tries a version on before it serves.

    Attributes:
        inputs: each ``{"text": …}`` or the features by name.
        probabilities: the probabilities of each, in the order of the classes; none where numbers are predicted.
        numbers: the predicted number of each; none where classes are predicted.
    """

    model_config = ConfigDict(frozen=True)

    inputs: tuple[dict[str, Any], ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    numbers: tuple[float, ...] = ()


class ScorerChoice(BaseModel):
    """Which scorer predicts for a version, as decided when it was packaged.

    Attributes:
        name: the scorer, such as ``compiled text`` or ``scikit-learn``.
        reason: why no compiled scorer predicts; empty where one does.
        rows: sample rows on which it was held against scikit-learn.
        largest_difference: the largest difference of a probability seen on them; None where none was compared.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    reason: str = ""
    rows: int = 0
    largest_difference: float | None = None


class VersionCard(BaseModel):
    """What is known of a version when it is packaged.

    Attributes:
        model_name: the registered model that it is for; empty where that was not known.
        task: what is predicted from what.
        candidate: the recipe.
        classes: the labels in the order of the probability columns; none where numbers are predicted.
        positive: the label that counts as positive, if one was named.
        columns: feature columns in order, with their pandas dtypes; one column ``text`` for texts.
        table_schema: of a table, the kinds of the features, what training knew of them, how cells are read; None for
            texts, for models of the user's own making, and for a version packaged before that was written down.
        split_schema: of a table, the columns and kinds by which the content of a row decides its side; None where
            these are the features.
        other_columns: the other columns of the training file, the label among them; none where that was not kept.
        text_column: for texts, the column of the text in the training file.
        group_column: for texts, the column that says which rows belong together; None for none.
        separator: the character between the cells of the training file, if it is delimited text.
        metrics: metrics on the test rows.
        data_fingerprint: digest of the rows it was trained on.
        train_rows: how many they were.
        created_at: when it was packaged, UTC.
        samples: rows to try it on.
        scorer: which scorer predicts for it; None for a version packaged before that was written down.
        decision: which label it predicts at which probabilities; None for the likeliest.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_name: str
    task: Task
    candidate: str
    classes: tuple[str, ...]
    positive: str | None = None
    columns: Mapping[str, str]
    table_schema: TableSchema | None = None
    split_schema: TableSchema | None = None
    other_columns: tuple[str, ...] = ()
    text_column: str = "text"
    group_column: str | None = None
    separator: str = ","
    metrics: Mapping[str, float]
    data_fingerprint: str
    train_rows: int
    created_at: datetime
    samples: Samples = Samples()
    scorer: ScorerChoice | None = None
    decision: DecisionRule | None = None


class Manifest(VersionCard):
    """A version card with the digests of the version's files and the libraries that made it.

    Attributes:
        format: version of this format.
        files: SHA-256 of every other file of the version but the signature, by its path.
        libraries: versions of the libraries that packaged it.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    format: int = FORMAT
    files: Mapping[str, str]
    libraries: Mapping[str, str]

    @model_validator(mode="after")
    def _samples_fit(self) -> Self:
        inputs = self.samples.inputs
        if len(getattr(self.samples, TaskRegistry.find_for(self.task).sample_field)) != len(inputs):
            raise ValueError("the samples have another number of predictions than of rows")
        if reads_text(self.task) and any(not isinstance(row.get("text"), str) for row in inputs):
            raise ValueError("a row of the samples has no text")
        return self


@dataclass(frozen=True)
class Verified:
    """A version whose files are what its manifest says.

    Attributes:
        manifest: what the version says of itself.
        signed_by: id of the key of this host's ring that signed it; None for none.
        digest: SHA-256 of the manifest's bytes, in hexadecimal.
    """

    manifest: Manifest
    signed_by: str | None
    digest: str


def digest(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder but the manifest and its signature, by their paths with forward slashes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: digest(path) for name, path in named.items() if name not in (MANIFEST, SIGNATURE)}


def verify(folder: Path, keys: KeyRing = NO_KEYS) -> Verified:
    """Check a version's signature, then its manifest, and hold every file against it.

    The manifest is read once: the bytes whose signature was checked are the bytes that are parsed.

    Args:
        folder: the version's files.
        keys: the keys by which this host verifies signatures.

    Raises:
        ArtifactError: the manifest is missing or unreadable; the signature is missing where one is required, wrong,
            or by a key that is not trusted; or a file is missing, changed or not named.
    """
    file = folder / MANIFEST
    content = _read(file)
    if content is None:
        raise ArtifactError(
            f"{folder} has no {MANIFEST}: it was not packaged by Tiltyard.",
            next_step="Train a version with: tiltyard train",
            code="artifact.no-manifest",
        )
    signed_by = keys.signed_by(content, _read(folder / SIGNATURE), f"the version in {folder}")
    manifest = _parse_manifest(content, file)
    _compare_digests(manifest, folder)
    return Verified(manifest, signed_by, hashlib.sha256(content).hexdigest())


def read_verified(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The content of one file, read once and held against the manifest.

    A file that is opened again after it was verified may be another one by then.

    Raises:
        ArtifactError: it is missing, or not what the manifest says.
    """
    content = _read(folder / name)
    seen = None if content is None else hashlib.sha256(content).hexdigest()
    if content is None or seen != manifest.files.get(name):
        raise _changed_error(manifest, name, seen)
    return content


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtifactError(
            f"{file} cannot be read: {error.strerror}.",
            next_step="Fetch the version again, or train a new one.",
            code="artifact.unreadable",
        ) from None


def _parse_manifest(content: bytes, file: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, wrong["loc"][:4]))
        raise ArtifactError(
            f"{file} cannot be read: {f'{where}: ' if where else ''}{wrong['msg']}.",
            next_step="Fetch the version again, or train a new one.",
            code="artifact.manifest-unreadable",
        ) from None
    if manifest.format != FORMAT:
        raise ArtifactError(
            f"{file} has format {manifest.format}; this Tiltyard reads {FORMAT}.",
            next_step="Upgrade Tiltyard, or train a new version.",
            code="artifact.format",
        )
    return manifest


def _compare_digests(manifest: Manifest, folder: Path) -> None:
    found = digests(folder)
    for name in sorted(manifest.files.keys() | found.keys()):
        if manifest.files.get(name) != found.get(name):
            raise _changed_error(manifest, name, found.get(name))


def _changed_error(manifest: Manifest, name: str, seen: str | None) -> ArtifactError:
    named = name in manifest.files
    wrong = "is missing" if seen is None else "was changed" if named else "is not in the manifest"
    return ArtifactError(
        f"The file {name} of {manifest.model_name} {wrong}; the version was not loaded.",
        next_step="Find out who touched it; then delete the cached copy, or train a new version.",
        code="artifact.digest",
        file=name,
    )
