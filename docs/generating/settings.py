"""The page of the host's settings, from their pydantic model."""

from __future__ import annotations

from typing import Any

from generating.project_file import describe_kind
from tiltyard.settings import Settings

ABOUT_OTHERS = {
    "MLFLOW_TRACKING_URI": "Address of MLflow's tracking server; default: mlflow.db in the state folder.",
    "MLFLOW_REGISTRY_URI": "Address of MLflow's registry; default: the tracking server's.",
    "MLFLOW_TRACKING_USERNAME": "User of the tracking server.",
    "MLFLOW_TRACKING_PASSWORD": "That user's password.",
    "MLFLOW_TRACKING_TOKEN": "Token of the tracking server, instead of user and password.",
    "PREFECT_API_URL": "Address of a Prefect server.",
}
"""The variables of other programs, which the model only names."""


def render_settings() -> str:
    """The reference of the environment variables that a host sets."""
    lines = [
        "# Settings",
        "",
        "Addresses and secrets of a host come from environment variables, or from the file `.env` next to the project",
        "file; a variable wins over the file. `tiltyard doctor` shows what is in force. `python docs/generate.py`",
        "writes this page.",
        "",
        "| variable | values | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"TILTYARD_{name.upper()}")
        about = field.description or ABOUT_OTHERS[variable]
        lines.append(f"| `{variable}` | {_values(field)} | {_default(field)} | {about.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _values(field: Any) -> str:
    words = describe_kind(field.annotation)
    return words.replace("SecretStr", "secret text").replace("Path", "path").replace("Mapping", "table")


def _default(field: Any) -> str:
    if field.default_factory is not None or field.default in (None, ()) or str(field.default) == ".":
        return ""
    return f"`{field.default}`"
