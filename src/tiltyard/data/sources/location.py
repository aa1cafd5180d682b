"""Where a source is: as the project file writes it, as it is meant, and which words in it no message may show."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from dotenv import dotenv_values

from tiltyard.errors import DataError

SCHEMES = frozenset(
    {
        "s3", "s3a", "http", "https", "memory", "gs", "gcs", "az", "abfs", "abfss", "wasb", "wasbs", "adl", "oci",
        "hdfs", "webhdfs", "ftp", "sftp", "ssh", "smb", "hf",
    }
)  # fmt: skip
"""What stands before ``://`` in the URL of a file; any other URL is a database's."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PASSWORD = re.compile(
    r"://[^/@]*?:([^/]+)@|[?&](?:password|passwd|pwd|secret|token|sslpassword)=([^&]+)", re.IGNORECASE
)

_IN_A_PROJECT = "A project file is kept with the code, where everybody can read it."
EXPOSED = "Others can read it in a project file, a list of processes or the history of a shell."
"""Why a password must not stand in what a command line or a project file names."""


@dataclass(frozen=True)
class Location:
    """A source.

    Attributes:
        written: as the project file writes it; this is what people see.
        meant: with the values of its variables; never printed.
        secrets: what to hide, and what to show in its place.
    """

    written: str
    meant: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def scheme(self) -> str:
        """What stands before ``://`` (in small letters), or an empty string."""
        head, separator, _ = self.meant.partition("://")
        return head.lower() if separator else ""

    def hide(self, text: object) -> str:
        """A text without the secrets of this source."""
        if not self.secrets:
            return str(text)
        longest_first = sorted(self.secrets, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda match: self.secrets[match[0]], str(text))

    def reason(self, error: BaseException) -> str:
        """The first line of what an error says, without the secrets of this source and without a full stop."""
        message = str(error).strip() or type(error).__name__
        return self.hide(message.splitlines()[0]).strip().rstrip(".:")


def resolve_location(source: str, root: Path, place: str = "data.source", seen: str = _IN_A_PROJECT) -> Location:
    """Put the values of variables such as ``${PASSWORD}`` into a source.

    Values come from the environment, else from ``.env`` in ``root``, and are used as they are: a variable in the
    user part of a URL (before the ``@``) may hold any character.

    Args:
        source: the source as it is written.
        root: the folder of ``.env``.
        place: what holds it, for errors.
        seen: why a password must not stand there, as a sentence.

    Raises:
        DataError: a variable is not set, or a password stands in the source itself.
    """
    _refuse_passwords(source, place, seen)
    names = _VARIABLE.findall(source)
    values = {name: _find_value(name, root, place) for name in names}
    secrets: dict[str, str] = {}
    for name, value in values.items():
        for form in (value, quote(value, safe="")):
            secrets[form] = f"${{{name}}}"
    whole = _VARIABLE.fullmatch(source)
    meant = values[whole[1]] if whole else _put_values(source, values)
    for password in _find_passwords(meant):
        for form in (password, unquote(password)):
            secrets.setdefault(form, "***")
    return Location(source, meant, {secret: shown for secret, shown in secrets.items() if secret})


def _put_values(source: str, values: Mapping[str, str]) -> str:
    user_part = source.rfind("@")

    def value(match: re.Match[str]) -> str:
        found = values[match[1]]
        return quote(found, safe="") if match.start() < user_part else found

    return _VARIABLE.sub(value, source)


def _find_value(name: str, root: Path, place: str) -> str:
    value = os.environ.get(name)
    if value is None:
        value = dotenv_values(root / ".env", interpolate=False).get(name)
    if value is None:
        raise DataError(
            f"{place} names ${{{name}}}, which is not set.",
            next_step=f"Set {name} in the environment, or in a file .env next to the project file.",
            code="data.variable-missing",
            variable=name,
        )
    return value


def _find_passwords(url: str) -> list[str]:
    return [match[1] or match[2] for match in _PASSWORD.finditer(url)]


def _refuse_passwords(source: str, place: str, seen: str) -> None:
    if any("${" not in password for password in _find_passwords(source)):
        raise DataError(
            f"{place} holds a password. {seen}",
            next_step="Write ${NAME} in its place, and set NAME in the environment or in a file .env.",
            code="data.secret-in-project",
        )
