"""How MLflow behaves inside this process: set before it is first imported, and only where the user set nothing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULTS = {
    # Nothing phones home.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # The job runner of the server costs gigabytes, and a client has no use for it.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Standard output belongs to our commands, and to JSON where it was requested.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Artifacts go through the server that hands them out. By itself MLflow would follow the server's URLs into its
    # object store, which a host that serves need not reach: it then tries for many minutes.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    # A server that is away is noticed within seconds; waiting for it is the caller's business.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # MLflow sets its own loggers up when it is imported; what concerns users reaches them as our errors.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
}


def configure_mlflow() -> None:
    """Set the defaults; to be called before every import of MLflow."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Let MLflow be imported and work without the warnings that it gives about its own code."""
    configure_mlflow()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"mlflow\.")
        yield


@contextmanager
def installed_packages_unread() -> Iterator[None]:
    """Keep MLflow from listing all files of all installed packages, to warn of requirements that are not installed.

    Those of a version are pinned to what is installed. The list takes MLflow most of the time of writing a model.
    """
    from mlflow.utils import requirements_utils  # noqa: PLC0415 - takes seconds

    unread = getattr(requirements_utils, "_MODULES_TO_PACKAGES", {}) is None
    if unread:
        setattr(requirements_utils, "_MODULES_TO_PACKAGES", {})  # noqa: B010 - MLflow has no public name for it
    try:
        yield
    finally:
        if unread:
            for name in ("_MODULES_TO_PACKAGES", "_PACKAGES_TO_MODULES"):
                setattr(requirements_utils, name, None)
