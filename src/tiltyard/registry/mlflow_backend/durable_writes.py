"""What MLflow acknowledged is on the disk, where its database or its files are on this host.

MLflow's SQLite file has a rollback journal. A transaction is over when the journal is removed, and SQLite does not sync
the folder then: a power cut may bring the journal back, and with it the state before. MLflow copies files and syncs
none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tiltyard.files import sync, sync_with_names
from tiltyard.registry.mlflow_backend.mlflow_client import mlflow_errors
from tiltyard.sqlite import file_of_url


@contextmanager
def mlflow_writes(where: str) -> Iterator[None]:
    """As ``mlflow_errors``, around calls that write; what they wrote is durable when the block ends.

    Args:
        where: the URI of the store that is written to.
    """
    with mlflow_errors(where):
        yield
        file = file_of_url(where)
        if file is not None:
            sync(file.parent)


def sync_artifacts(uri: str) -> None:
    """Make the files below a URI durable, where they are on this host; any other store does that itself.

    Raises:
        OSError: they cannot be synced.
    """
    address = urlsplit(uri)
    folder = Path(unquote(address.path))
    if address.scheme in ("", "file") and folder.is_dir():
        sync_with_names(folder)
