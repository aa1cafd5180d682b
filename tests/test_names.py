"""Functions are named by what they do, and names use the field's words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def check(*files: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "docs/check_names.py", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_all_names_say_what_they_name() -> None:
    """No function of the package is named by a bare participle, and no name has an old word."""
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


def test_an_old_word_is_reported_where_the_name_is_given(tmp_path: Path) -> None:
    """A module, a class, a function, a parameter, a variable, an attribute and an import cannot have an old word."""
    file = tmp_path / "keeper.py"
    file.write_text(
        "import json as told\n"
        "class HTTPAnswer: ...\n"
        "def test_a_champion_that_is_judged(beside): ...\n"
        "every_look = 1\n"
        "file.asked = every_look\n"
    )
    code, lines = check(file)
    assert code == 1
    names = ["keeper", "told", "HTTPAnswer", "beside", "test_a_champion_that_is_judged", "every_look", "asked"]
    assert [line.split(": ")[1] for line in lines] == names


def test_stored_keys_and_plain_english_are_allowed(tmp_path: Path) -> None:
    """Keys of files and responses may be names, and a key of the project file may be a field; so may look_up."""
    file = tmp_path / "good.py"
    file.write_text(
        "class Section:\n"
        "    answer: str\n"
        "    not_judged: tuple\n"
        "def test_could_not_judge_is_not_found(answer_field): ...\n"
        "def look_up_version(looks_like_date): ...\n"
    )
    assert check(file)[0] == 0
    file.write_text("answer = 1\n")
    assert check(file)[0] == 1


def test_two_public_things_of_one_name_are_reported(tmp_path: Path) -> None:
    """Classes and functions of two modules that share a name are reported with both places; private ones may."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(
            "def main(): ...\ndef _read_rows(): ...\nclass Row: ...\ndef read_rows(): ...\n"
        )
    code, lines = check(tmp_path / "one.py", tmp_path / "two.py")
    assert code == 1
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    assert lines == [f"{one}:3: Row: also in {two}:3", f"{one}:4: read_rows: also in {two}:4"]


def test_a_test_that_is_too_short_for_a_law_is_reported(tmp_path: Path) -> None:
    """A test named by two words or fewer is reported; three can state a law."""
    file = tmp_path / "test_rows.py"
    file.write_text("def test_rows(): ...\ndef test_damaged_rows(): ...\ndef test_rows_are_kept(): ...\n")
    code, lines = check(file)
    assert code == 1
    assert [line.split(": ")[1] for line in lines] == ["test_rows", "test_damaged_rows"]


def test_a_project_is_not_the_name_of_a_model(tmp_path: Path) -> None:
    """A parameter ``project`` that is a text is reported; a ``Project`` and a ``model_name`` are not."""
    file = tmp_path / "rows.py"
    file.write_text(
        "def count_rows(project: str | None = None): ...\n"
        "def find_rows(*, project: 'Project', model_name: str): ...\n"
        "def read_rows(*, project: str): ...\n"
    )
    code, lines = check(file)
    assert code == 1
    assert [line.split(": ")[1] for line in lines] == ["count_rows", "read_rows"]
