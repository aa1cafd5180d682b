"""Where a model's files are, by any of the addresses that MLflow gives them.

MLflow's own resolution of ``models:/…`` and ``runs:/…`` queries the server that is set for the whole process; here the
client that was passed in is used.
"""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tiltyard.arguments import require_words
from tiltyard.errors import ArtifactError, NotFoundError, UsageError
from tiltyard.redact import without_password
from tiltyard.registry.mlflow_backend.artifact_files import store_model_folder
from tiltyard.registry.ports import VersionInfo


@dataclass(frozen=True)
class ModelSource:
    """The files of a model.

    Attributes:
        location: URI of their folder.
        run_id: the run that made them, if there is one.
        model_id: MLflow's logged model, if they are one.
        local: the folder of this host that was named as such; None for any other address.
    """

    location: str
    run_id: str | None = None
    model_id: str | None = None
    local: Path | None = None


def resolve_model_uri(client: Any, model_uri: str) -> ModelSource:
    """The files that a URI names.

    Args:
        client: an ``MlflowClient``.
        model_uri: ``models:/m-…`` (a logged model), ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``,
            ``runs:/RUN_ID/PATH``, another URI, or a local folder.

    Raises:
        NotFoundError: there is nothing under that URI.
        UsageError: it cannot be one.
    """
    require_words(model_uri, "model_uri")
    scheme, _, rest = model_uri.partition(":/")
    if not rest.strip("/"):
        folder = Path(model_uri)
        if not folder.is_dir():
            raise NotFoundError(
                f"There is no model at '{without_password(model_uri)}'.",
                next_step="Give a folder, models:/m-ID (a logged model) or runs:/RUN_ID/PATH.",
                code="model.missing",
            )
        return ModelSource(folder.resolve().as_uri(), local=folder.resolve())
    if scheme == "models":
        return _of_model(client, rest.strip("/"))
    if scheme == "runs":
        return _of_run(client, rest.strip("/"))
    return ModelSource(model_uri)


def check_tree(uri: str, info: VersionInfo) -> None:
    """Make sure that a version that lies on this host is made of plain files and folders; others are not looked at.

    Raises:
        ArtifactError: it holds a link, which may lead anywhere, a pipe, which would be waited for, or the like.
    """
    address = urlsplit(uri)
    root = Path(unquote(address.path))
    if address.scheme not in ("", "file") or not root.is_dir():
        return
    for folder, folders, files in os.walk(root, onerror=_raise):
        for name in (*folders, *files):
            kind = Path(folder, name).lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                file = Path(folder, name).relative_to(root).as_posix()
                raise ArtifactError(
                    f"The files of version {info.version} of {info.name} hold {file!r}, which is not a plain file; it "
                    "was not fetched.",
                    next_step="Find out who put it there, or train a new version.",
                    code="artifact.odd-file",
                    file=file,
                )


def _raise(error: OSError) -> None:
    """What ``os.walk`` cannot list was not looked at."""
    raise error


def upload(client: Any, folder: Path, experiment: str) -> ModelSource:
    """Put a folder of this host into the server's store: a logged model of an experiment, made where it is missing."""
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found is not None else client.create_experiment(experiment)
    logged = client.create_logged_model(number, name="model")
    store_model_folder(client, logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    return ModelSource(client.get_logged_model(logged.model_id).artifact_location, None, logged.model_id)


def _of_model(client: Any, rest: str) -> ModelSource:
    if "@" in rest:
        name, _, alias = rest.partition("@")
        # For an alias that is missing, MLflow says that a parameter is invalid.
        number = client.get_registered_model(name).aliases.get(alias)
        if number is None:
            raise NotFoundError(
                f"No version of {name} has the alias '{alias}'.", next_step="See what there is: tiltyard list-versions"
            )
        return _of_version(client, client.get_model_version(name, number))
    name, _, version = rest.partition("/")
    if version:
        return _of_version(client, client.get_model_version(name, version))
    logged = client.get_logged_model(name)
    return ModelSource(logged.artifact_location, logged.source_run_id or None, logged.model_id)


def _of_version(client: Any, version: Any) -> ModelSource:
    location = client.get_model_version_download_uri(version.name, version.version)
    return ModelSource(location, version.run_id or None, getattr(version, "model_id", None) or None)


def _of_run(client: Any, rest: str) -> ModelSource:
    run_id, _, path = rest.partition("/")
    if not path:
        raise UsageError(
            f"'runs:/{rest}' names a run, not a model in it.", next_step="Add the model's name: runs:/RUN_ID/model"
        )
    run = client.get_run(run_id)
    logged = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    named = [model for model in logged if model.name == path]
    if named:
        newest = max(named, key=lambda model: model.creation_timestamp)
        return ModelSource(newest.artifact_location, run_id, newest.model_id)
    return ModelSource(posixpath.join(run.info.artifact_uri, path), run_id)
