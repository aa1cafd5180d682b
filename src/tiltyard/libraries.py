"""Which versions of libraries are at work."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable
from functools import cache


@cache
def installed_version(library: str) -> str:
    """The version of an installed library, read once a process: each reading parses all that describes the library.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    return importlib.metadata.version(library)


def runtime_versions(libraries: Iterable[str]) -> dict[str, str]:
    """The version of Python, as ``python``, and those of installed libraries by their names.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed.
    """
    return {"python": platform.python_version(), **{name: installed_version(name) for name in libraries}}
