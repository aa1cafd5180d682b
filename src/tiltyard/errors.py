"""Every error a user can meet: what is wrong, with which value, and what to do next."""

from __future__ import annotations

from tiltyard.redact import without_passwords


class TiltyardError(Exception):
    """Base of all errors that people see.

    Message and fields hold no password of a URL, whatever they were made of: a library's text may quote the address.

    Args:
        message: one sentence that names the thing and the value that is wrong.
        next_step: what the reader can do about it, as one imperative sentence.

    Attributes:
        code: a stable, dotted name for programs (``data.label-missing``).
        fields: the values the message speaks of, for JSON output.
    """

    code = "error"

    def __init__(self, message: str, *, next_step: str = "", code: str | None = None, **fields: object) -> None:
        message = _as_text(message)
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.code = code or type(self).code
        self.fields = {name: _as_text(value) if isinstance(value, str) else value for name, value in fields.items()}

    def to_dict(self) -> dict[str, object]:
        """The error as JSON-ready data."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step, **self.fields}


def _as_text(text: str) -> str:
    """A file name may hold bytes that are not text; messages can only hold text, without the passwords of URLs."""
    return without_passwords(text.encode(errors="backslashreplace").decode())


class UsageError(TiltyardError):
    """The call cannot be carried out as written: a bad option, name or combination."""

    code = "usage"


class ProjectError(UsageError):
    """The project file is missing or has content that cannot be used."""

    code = "project.invalid"


class DataError(TiltyardError):
    """The data cannot be read or is not what the project file says it is."""

    code = "data.invalid"


class InputError(TiltyardError):
    """One input of a request cannot be scored (wrong type, missing column, too long)."""

    code = "input.invalid"


class NotFoundError(TiltyardError):
    """A version, alias, run or record does not exist."""

    code = "not-found"


class ArtifactError(TiltyardError):
    """A stored version is damaged, unsafe or cannot be used here; it was not loaded."""

    code = "artifact.refused"


class UnavailableError(TiltyardError):
    """A thing that is needed is away for now: a registry, a database, a full queue."""

    code = "unavailable"


class MissingExtraError(TiltyardError):
    """An optional part of the installation is needed for this call."""

    code = "extra.missing"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the optional dependencies '{extra}', which are not installed.",
            next_step=f"Install them with: pip install 'tiltyard[{extra}]'",
            extra=extra,
        )
