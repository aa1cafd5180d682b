"""What `import tiltyard` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tiltyard

ELSEWHERE = {"evaluate": "evaluate_on_rows", "score": "score_source"}
"""Public names of functions that have another name in their module, since a function of the package has it already."""


@pytest.mark.parametrize("name", [name for name in tiltyard.__all__ if name != "__version__"])
def test_a_public_name_is_the_thing_of_its_part(name: str) -> None:
    """The names of the requirements are the real classes and functions, importable from the package itself."""
    found = getattr(tiltyard, name)
    assert isinstance(found, type) == name[0].isupper()
    assert found.__name__ == ELSEWHERE.get(name, name)


def test_the_package_itself_imports_nothing_heavy() -> None:
    """A name costs its import only when it is used."""
    probe = "import sys, tiltyard; assert not {'numpy', 'pandas', 'mlflow', 'sklearn'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], timeout=600, check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as Python's own do."""
    with pytest.raises(AttributeError, match="ModelRegistri"):
        _ = tiltyard.ModelRegistri  # type: ignore[attr-defined]  # mypy: an unused ignore, were it Any
