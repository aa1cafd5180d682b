"""Files of versions, fetched through MLflow from whatever store holds them.

MLflow joins the failures of a download into one text, without their types. So what failed is found out by listing the
folder: a listing fails with an error that has a type or a status, and says which files there are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tiltyard.errors import UnavailableError
from tiltyard.formatting import format_count, join_names


def read_artifact(uri: str, name: str, folder: Path, tracking_uri: str) -> bytes | None:
    """The content of one file; None where there is none of that name.

    Args:
        uri: of the folder that may hold it.
        name: its path in there.
        folder: where it is written in between.
        tracking_uri: of the server that may pass artifacts on.
    """
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - MLflow takes seconds

    try:
        found = download_artifacts(
            artifact_uri=f"{uri.rstrip('/')}/{name}", dst_path=str(folder), tracking_uri=tracking_uri
        )
    except Exception as error:
        if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST" or not _has_file(uri, name, tracking_uri):
            return None
        raise
    return Path(found).read_bytes()


def fetch_artifacts(uri: str, folder: Path, tracking_uri: str, registry_uri: str) -> Path:
    """Fetch a folder with all that is in it; returns where it is."""
    from mlflow.artifacts import download_artifacts, list_artifacts  # noqa: PLC0415 - MLflow takes seconds

    try:
        return Path(
            download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=tracking_uri, registry_uri=registry_uri
            )
        )
    except Exception:
        list_artifacts(artifact_uri=uri, tracking_uri=tracking_uri)
        raise


def store_run_folder(client: Any, run_id: str, folder: Path, within: str) -> None:
    """Log a folder of this host with all that is in it among the artifacts of a run; see ``_require_stored``.

    Args:
        client: MLflow's.
        run_id: the run.
        folder: the folder.
        within: its name among the artifacts.
    """
    client.log_artifacts(run_id, str(folder), within)
    _require_stored(folder, partial(client.list_artifacts, run_id), within)


def store_model_folder(client: Any, model_id: str, folder: Path) -> None:
    """Store a folder of this host with all that is in it as the files of a logged model; see ``_require_stored``."""
    client.log_model_artifacts(model_id, str(folder))
    _require_stored(folder, partial(client.list_logged_model_artifacts, model_id))


def _require_stored(folder: Path, list_stored: Callable[[str], Iterable[Any]], within: str = "") -> None:
    """Make sure that a folder which MLflow has stored is there with all of its files.

    MLflow walks through a folder by ``os.walk``, which passes over what it cannot list: without an error, all that is
    below would be missing.

    Args:
        folder: the folder of this host.
        list_stored: lists a folder of the store: MLflow's ``FileInfo`` for each entry.
        within: where in the store the folder is; empty for the top.

    Raises:
        UnavailableError: a file is missing, or has another size.
        OSError: the folder cannot be listed.
    """
    here = _list_sizes(folder)
    there = _list_stored_sizes(list_stored, within)
    wrong = sorted(name for name, size in here.items() if there.get(name, -1) not in (None, size))
    if wrong:
        raise UnavailableError(
            f"MLflow did not store {folder} whole: of {format_count(len(here), 'file')}, these are missing or cut: "
            f"{join_names(wrong)}.",
            next_step="Make sure that the folder can be read, holds no links to other folders, and that the store has "
            "room; then run the command again.",
            code="artifact.not-stored",
        )


def _list_sizes(folder: Path) -> dict[str, int]:
    """The size of each file below a folder, by its path in there."""
    found: dict[str, int] = {}
    for path in folder.iterdir():
        if path.is_dir():
            found |= {f"{path.name}/{name}": size for name, size in _list_sizes(path).items()}
        else:
            found[path.name] = path.stat().st_size
    return found


def _list_stored_sizes(list_stored: Callable[[str], Iterable[Any]], within: str) -> dict[str, int | None]:
    """The same of a folder in a store; None where the store does not know a size."""
    found: dict[str, int | None] = {}
    for entry in list_stored(within):
        name = posixpath.basename(entry.path)
        if entry.is_dir:
            below = _list_stored_sizes(list_stored, posixpath.join(within, name))
            found |= {f"{name}/{path}": size for path, size in below.items()}
        else:
            found[name] = entry.file_size
    return found


def _has_file(uri: str, name: str, tracking_uri: str) -> bool:
    from mlflow.artifacts import list_artifacts  # noqa: PLC0415 - MLflow takes seconds

    within, _, last = f"{uri.rstrip('/')}/{name}".rpartition("/")
    return last in {
        posixpath.basename(entry.path) for entry in list_artifacts(artifact_uri=within, tracking_uri=tracking_uri)
    }
