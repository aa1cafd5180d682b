"""Who we are to a tracking server that asks: what is shown to it, and what its refusals mean.

MLflow takes the credentials of its requests from the environment of the process, or from the server's URL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from tiltyard.errors import UnavailableError
from tiltyard.redact import without_password, without_passwords
from tiltyard.settings import Settings

USERNAME = "MLFLOW_TRACKING_USERNAME"
PASSWORD = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105 - the name of a variable
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - likewise
URI = "MLFLOW_TRACKING_URI"

# What MLflow makes of a response 401 or 403.
_CODES = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}


def export_credentials(of: Settings) -> None:
    """Let MLflow find the credentials of a file ``.env``: it reads the environment alone."""
    given = {
        USERNAME: of.mlflow_tracking_username,
        PASSWORD: of.mlflow_tracking_password.get_secret_value() if of.mlflow_tracking_password else None,
        TOKEN: of.mlflow_tracking_token.get_secret_value() if of.mlflow_tracking_token else None,
    }
    for name, value in given.items():
        if value:
            os.environ.setdefault(name, value)


def auth_error(error: Exception, where: str) -> UnavailableError | None:
    """The error for a server that refused us, naming the variables that decide; None for any other failure."""
    if not where.startswith(("http:", "https:")):
        return None
    status = _status(error)
    if status == 401:
        shown, fix = _describe_credentials(where)
        return UnavailableError(
            f"MLflow at {without_password(where)} asks who we are (401): {shown}.",
            next_step=fix,
            code="registry.unauthenticated",
        )
    if status == 403:
        return UnavailableError(
            f"MLflow at {without_password(where)} does not allow this (403), {_describe_user(where)}: "
            f"{_first_line_of_error(error)}",
            next_step="Ask the administrator of the server to give that user the permission, or name another one in "
            f"{USERNAME}.",
            code="registry.forbidden",
        )
    return None


def _status(error: Exception) -> int | None:
    for cause in _causes(error):
        code = _CODES.get(getattr(cause, "error_code", None) or "")
        if code is not None:
            return code
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status in (401, 403):
            return int(status)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _describe_credentials(where: str) -> tuple[str, str]:
    """What was shown to a server that did not take it, and the next step."""
    user, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if "@" in urlsplit(where).netloc:
        return (
            f"it does not take the user and password in {URI}",
            f"Correct them there, or leave them out and set {USERNAME} and {PASSWORD}.",
        )
    if user and password:
        return (
            f"it does not take the user {user!r} of {USERNAME} with the password of {PASSWORD}",
            f"Correct {USERNAME} and {PASSWORD}.",
        )
    if os.environ.get(TOKEN):
        return f"it does not take the token of {TOKEN}", f"Correct {TOKEN}."
    half = next((f"{name} is not set" for name, value in ((PASSWORD, password), (USERNAME, user)) if not value), "")
    nothing = half if user or password else "no credentials are set"
    return nothing, f"Set {USERNAME} and {PASSWORD}, or {TOKEN}, in the environment or in .env in the project's folder."


def _describe_user(where: str) -> str:
    user = urlsplit(where).username or os.environ.get(USERNAME)
    if user:
        return f"not for the user {user!r}"
    return f"not with the token of {TOKEN}" if os.environ.get(TOKEN) else "not without credentials"


def _first_line_of_error(error: Exception) -> str:
    return without_passwords((str(error).strip() or type(error).__name__).splitlines()[0])
