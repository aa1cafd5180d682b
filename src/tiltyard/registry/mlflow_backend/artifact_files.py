"""Files of versions, fetched through MLflow from whatever store holds them.

MLflow joins the failures of a download into one text, without their types. So what failed is found out by listing the
folder: a listing fails with an error that has a type or a status, and says which files there are.
"""

from __future__ import annotations

import posixpath
from pathlib import Path


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


def _has_file(uri: str, name: str, tracking_uri: str) -> bool:
    from mlflow.artifacts import list_artifacts  # noqa: PLC0415 - MLflow takes seconds

    within, _, last = f"{uri.rstrip('/')}/{name}".rpartition("/")
    return last in {
        posixpath.basename(entry.path) for entry in list_artifacts(artifact_uri=within, tracking_uri=tracking_uri)
    }
