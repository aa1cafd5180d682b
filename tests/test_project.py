"""The project file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.errors import ProjectError
from tiltyard.project import Project, load_project
from tiltyard.project.serving import ChallengerOptions

GOOD = '[project]\nname = "films"\ntask = "text-classification"\n[data]\nsource = "rows.csv"\ntext = "text"\n'


def write(folder: Path, content: str, name: str = "tiltyard.toml") -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def test_a_file_that_names_only_what_it_must_is_enough(tmp_path: Path) -> None:
    """Everything else has a default, and the folder of the file is known."""
    project = load_project(write(tmp_path, GOOD))
    assert (project.name, project.model_name, project.split.test) == ("films", "films-classifier", 0.2)
    assert project.root == tmp_path
    assert project.serving.host == "127.0.0.1"


def test_the_file_is_found_from_folders_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command works anywhere inside the project."""
    write(tmp_path, GOOD)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert load_project().root == tmp_path


def test_pyproject_may_hold_the_project(tmp_path: Path) -> None:
    """[tool.tiltyard] means the same as a separate file."""
    lines = GOOD.replace("[project]", "[tool.tiltyard.project]").replace("[data]", "[tool.tiltyard.data]")
    write(tmp_path, lines, "pyproject.toml")
    assert load_project(tmp_path).name == "films"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (GOOD + "[trainning]\n", "unknown key 'trainning'. Did you mean 'training'?"),
        (GOOD + "[split]\ntset = 0.2\n", "unknown key 'split.tset'. Did you mean 'test'?"),
        (GOOD + "[split]\ntest = 1.5\n", "'split.test' = 1.5"),
        (GOOD + '[split]\nby = "luck"\n', '"content", "time" or "column:NAME"'),
        (GOOD + '[split]\nby = "time"\n', "needs data.time"),
        (GOOD.replace('name = "films"\n', ""), "'project.name' is missing"),
        (GOOD.replace("text-classification", "regression"), "'project.task' = 'regression'"),
        (GOOD.replace('text = "text"\n', ""), "names the column of its texts"),
        (
            GOOD.replace("text-classification", "tabular-classification"),
            "a tabular-classification project has no text column",
        ),
        (GOOD.replace('text = "text"', 'text = "text"\ntimezone = "Paris/Europe"'), "is not a time zone"),
        (GOOD + "[split\n", "not valid TOML"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, change: str, words: str) -> None:
    """The error names the key and the value, and the nearest known key."""
    with pytest.raises(ProjectError) as caught:
        load_project(write(tmp_path, change))
    assert words in caught.value.message
    assert caught.value.next_step


def test_the_positive_class_may_be_written_as_what_it_is(tmp_path: Path) -> None:
    """A positive class that is a number or a boolean needs no quotes."""
    for written, read in (("1", "1"), ("true", "True"), ('"yes"', "yes")):
        project = load_project(write(tmp_path, GOOD.replace('text = "text"', f'text = "text"\npositive = {written}')))
        assert project.data.positive == read


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    """All errors of a file are reported at once."""
    with pytest.raises(ProjectError) as caught:
        load_project(write(tmp_path, GOOD + "[split]\ntest = 2\n[serving]\nport = 99999\n"))
    assert "split.test" in caught.value.message
    assert "serving.port" in caught.value.message


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The next step names the command that writes a project file."""
    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path / "tiltyard.toml")
    assert "does not exist" in caught.value.message


def test_every_key_is_documented() -> None:
    """Each key of the project file has a description: it is the reference that people read."""
    for section in Project.model_fields.values():
        fields = getattr(section.annotation, "model_fields", {})
        undocumented = [name for name, field in fields.items() if not field.description]
        assert not undocumented


def test_the_share_of_a_challenger_depends_on_its_mode() -> None:
    """Without a share, a shadow predicts for all inputs and a split gives a tenth of the callers to the challenger."""
    assert ChallengerOptions(mode="shadow").share_or_default == 1.0
    assert ChallengerOptions(mode="split").share_or_default == 0.1
    assert ChallengerOptions(mode="split", share=0.4).share_or_default == 0.4
