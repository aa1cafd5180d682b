"""The versions of libraries at work."""

from __future__ import annotations

import importlib.metadata
import platform

import pytest

from tiltyard.libraries import installed_version, runtime_versions


def test_versions_are_those_of_the_installed_libraries_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python and each library have their installed versions, and a second reading parses nothing."""
    names = ("numpy", "skops")
    versions = runtime_versions(names)
    assert versions == {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in names
    }
    monkeypatch.setattr(importlib.metadata, "version", lambda name: pytest.fail(f"{name} is read again"))
    assert runtime_versions(names) == versions


def test_a_library_that_is_missing_is_an_error() -> None:
    """A library that is not installed has no version, however often it is looked for."""
    for _ in range(2):
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            installed_version("no-such-library")
