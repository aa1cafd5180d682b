"""The check of ``tiltyard doctor`` on MLflow's own commands: whether they show the store that Tiltyard uses."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check
from tiltyard.redact import without_password

if TYPE_CHECKING:
    from tiltyard.settings import Settings

CLIENT, UI = "MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI"
"""What ``mlflow.get_tracking_uri()`` and the clients read, and what ``mlflow ui`` reads."""


def check_mlflow_variables(settings: Settings) -> Check:
    """Say by which line ``mlflow ui`` and ``mlflow.get_tracking_uri()`` show the same store."""
    uri = settings.tracking_uri
    needed = (CLIENT,) if uri.startswith(("http://", "https://")) else (CLIENT, UI)
    missing = [name for name in needed if os.environ.get(name) != uri]
    if not missing:
        return Check("mlflow", "ok", f"mlflow's own commands show {without_password(uri)}")
    line = " ".join(f"{name}={shlex.quote(without_password(uri))}" for name in missing)
    return Check(
        "mlflow",
        "ok",
        "mlflow ui and mlflow.get_tracking_uri() show another store than Tiltyard's in this shell",
        f"If you use them: export {line}",
    )
