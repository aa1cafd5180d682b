"""Functions are named by what they do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def check(*files: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "docs/check_names.py", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_no_function_of_the_package_is_named_by_a_bare_participle() -> None:
    """Every function and method of the package is named by a verb and its noun."""
    code, lines = check()
    assert code == 0, "\n".join(lines)


@pytest.mark.parametrize("name", ["located", "_held", "of", "about", "one", "__given"])
def test_a_bare_participle_is_reported_with_its_place(tmp_path: Path, name: str) -> None:
    """A function, a method and a nested function named by a participle are reported with file, line and name."""
    file = tmp_path / "bad.py"
    file.write_text(
        f"def {name}(): ...\nclass Row:\n    async def {name}(self): ...\ndef find():\n    def {name}(): ...\n"
    )
    code, lines = check(file)
    assert code == 1
    assert [line.split(": ")[:2] for line in lines] == [[f"{file}:{line}", name] for line in (1, 3, 5)]


def test_verbs_and_properties_are_allowed(tmp_path: Path) -> None:
    """Verbs that end in -ed, two words, and properties named by a participle are not faults."""
    file = tmp_path / "good.py"
    file.write_text(
        "import functools\n"
        "def feed(): ...\n"
        "def embed(): ...\n"
        "def read(): ...\n"
        "def is_held(): ...\n"
        "class Row:\n"
        "    @property\n"
        "    def kept(self): ...\n"
        "    @kept.setter\n"
        "    def kept(self, value): ...\n"
        "    @functools.cached_property\n"
        "    def fitted(self): ...\n"
    )
    code, lines = check(file)
    assert code == 0, "\n".join(lines)
