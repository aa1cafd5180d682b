"""The tables of a new SQLite file of MLflow's, made in memory and written at once.

MLflow makes them by more than fifty migrations with a sync of the disk after each statement, hundreds of them: seconds
on a busy disk, and half of what a first training takes beyond its fit.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tiltyard.files import sync, write_atomically
from tiltyard.sqlite import fill_in_memory


def make_new_tables(file: Path) -> None:
    """Make an SQLite file that holds MLflow's tables and nothing else; one that is there stays as it is.

    A reader finds all tables or no file. Where the installed MLflow or Python lacks what this takes, no file is
    made, and MLflow makes one when it opens it.

    Args:
        file: MLflow's SQLite file, in a folder that is there.

    Raises:
        OSError: it cannot be written.
    """
    if file.exists():
        return
    content = _make_content()
    if content is None:
        return
    whole = file.with_name(f".{file.name}-{os.getpid()}-new")
    write_atomically(whole, content)
    try:
        # Unlike a renaming, it replaces nothing: an MLflow server may have begun to use the name.
        with contextlib.suppress(FileExistsError):
            os.link(whole, file)
    finally:
        whole.unlink(missing_ok=True)
    sync(file.parent)


def _make_content() -> bytes | None:
    """The bytes of such a file; None where they cannot be had from this MLflow or Python."""
    from mlflow.store.db import utils  # noqa: PLC0415 - takes seconds

    make = getattr(utils, "_initialize_tables", None)
    return None if make is None else fill_in_memory(make)
