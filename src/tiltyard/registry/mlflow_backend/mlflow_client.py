"""Reaching MLflow: one explicit client, and its errors in this house's words."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tiltyard.errors import NotFoundError, TiltyardError, UnavailableError
from tiltyard.files import make_folder
from tiltyard.redact import without_password, without_passwords
from tiltyard.registry.mlflow_backend.artifact_store_errors import store_error
from tiltyard.registry.mlflow_backend.local_trouble import find_local_trouble
from tiltyard.registry.mlflow_backend.mlflow_auth import auth_error
from tiltyard.registry.mlflow_backend.new_tables import make_new_tables
from tiltyard.registry.mlflow_backend.relocation import relocate_artifacts
from tiltyard.registry.mlflow_env import configure_mlflow
from tiltyard.sqlite import SQLITE_ERRORS, claim_for_python, file_of_url


def open_client(tracking_uri: str, registry_uri: str | None = None) -> Any:
    """An ``mlflow.MlflowClient`` for these URIs; MLflow's process-wide state is left alone.

    A fresh SQLite file gets its tables under a lock, so that processes which start together do not trip over each
    other. One that was moved with its artifacts is corrected first (``relocate_artifacts``).

    Raises:
        UnavailableError: the server or database cannot be reached.
        UsageError: this process has MLflow's SQLite file open with another SQLite library.
    """
    configure_mlflow()
    with mlflow_errors(tracking_uri):
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        claim_for_python(tracking_uri, registry_uri)
        file = file_of_url(tracking_uri)
        with _lock_first_use(file):
            if file is not None:
                relocate_artifacts(file)
                make_new_tables(file)
            client = MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri or tracking_uri)
            if file is not None:
                client.search_experiments(max_results=1)
        return client


def read_experiment_name(tracking_uri: str, run_id: str) -> str | None:
    """The name of the experiment of a run; None where the run is not in that store.

    Raises:
        UnavailableError: the server or database cannot be reached.
    """
    client = open_client(tracking_uri)
    try:
        with mlflow_errors(tracking_uri):
            return str(client.get_experiment(client.get_run(run_id).info.experiment_id).name)
    except NotFoundError:
        return None


# Of a server's own errors, and what MLflow makes of a response that is none of its server's.
_UNAVAILABLE = frozenset(
    {
        "INTERNAL_ERROR",
        "TEMPORARILY_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "REQUEST_LIMIT_EXCEEDED",
        "NOT_IMPLEMENTED",
        "ENDPOINT_NOT_FOUND",
        "BAD_REQUEST",
    }
)


@contextmanager
def mlflow_errors(where: str) -> Iterator[None]:
    """Turn what MLflow raises into errors that say what to do; ``where`` is the URI of the request."""
    try:
        yield
    except TiltyardError:
        raise
    except Exception as error:
        raise _translate_error(error, where) from error


def _translate_error(error: Exception, where: str) -> Exception:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    known = auth_error(error, where) or store_error(error)
    if known is not None:
        return known
    trouble = find_local_trouble(error)
    if trouble is not None:
        what, said, next_step = trouble
        return UnavailableError(
            f"MLflow at {without_password(where)} {what}: {said}.", next_step=next_step, code="registry.unavailable"
        )
    if isinstance(error, MlflowException):
        code = error.error_code
        text = _first_line(error)
        if code == "RESOURCE_DOES_NOT_EXIST":
            return NotFoundError(text, next_step="See what there is: tiltyard list-versions")
        if code in _UNAVAILABLE:
            return _unavailable_error(where, text)
        return TiltyardError(f"MLflow refused: {text}", next_step="Check the name, version and alias.", code="mlflow")
    if isinstance(error, (OSError, *SQLITE_ERRORS)) or type(error).__module__.startswith(
        ("requests", "urllib3", "sqlalchemy")
    ):
        return _unavailable_error(where, _first_line(error))
    return error


def _unavailable_error(where: str, why: str) -> UnavailableError:
    return UnavailableError(
        f"MLflow at {without_password(where)} cannot be used: {why}",
        next_step="Check MLFLOW_TRACKING_URI, and that the server or database is up.",
        code="registry.unavailable",
    )


def _first_line(error: Exception) -> str:
    lines = (str(error).strip() or type(error).__name__).splitlines()
    # MLflow's heading over a list of failures says nothing without the first of them.
    text = f"{lines[0]} {lines[1].strip()}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    # MLflow quotes the URL of its request, with the password in it.
    return without_passwords(text)


@contextmanager
def _lock_first_use(database: Path | None) -> Iterator[None]:
    if database is None:
        yield
        return
    make_folder(database.parent)
    with database.with_name(database.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
