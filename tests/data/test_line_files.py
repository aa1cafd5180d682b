"""Files of one text a line, one file a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.data import load_dataset
from tiltyard.data.sources import detect_layout
from tiltyard.data.sources.folders.labelled_texts import name_classes
from tiltyard.errors import DataError
from tiltyard.project import Project

POSITIVE = ['the rock is destined to be the new " conan "', "gorgeous, vast, and, well, long", "if you like it, go"]
NEGATIVE = ["simplistic, silly and tedious", "it's laddish", "a café without a soul", "dull"]


def write(folder: Path, names: tuple[str, str], encoding: str = "utf-8") -> Path:
    folder.mkdir()
    for name, lines in zip(names, (NEGATIVE, POSITIVE), strict=True):
        (folder / name).write_bytes(("\n".join(lines) + "\n\n").encode(encoding))
    return folder


def load(root: Path, source: str, **data: object) -> tuple[list[str], list[str]]:
    whole = {
        "project": {"name": "films", "task": "text-classification"},
        "data": {"source": source, "text": "text", **data},
        "root": root,
    }
    dataset = load_dataset(Project.model_validate(whole))
    return list(dataset.inputs), list(dataset.labels)


@pytest.mark.parametrize("names", [("rt-polarity.neg", "rt-polarity.pos"), ("neg.txt", "pos.txt")])
def test_a_line_is_a_row_and_the_file_names_its_class(tmp_path: Path, names: tuple[str, str]) -> None:
    """Each line that is not blank is a text, quotes and commas included; the class is what names of files differ in."""
    write(tmp_path / "films", names)
    (tmp_path / "films" / "README.txt").write_text("About these films.\n")
    assert load(tmp_path, "films") == (NEGATIVE + POSITIVE, ["neg"] * 4 + ["pos"] * 3)
    write(tmp_path / "older", names, "latin-1")
    with pytest.raises(DataError, match="is not utf-8"):
        load(tmp_path, "older")
    assert detect_layout(tmp_path / "older", {}).options == {"format": "folder", "encoding": "windows-1252"}
    assert load(tmp_path, "older", encoding="windows-1252")[0] == NEGATIVE + POSITIVE


@pytest.mark.parametrize(
    ("files", "classes"),
    [
        (["rt-polarity.neg", "rt-polarity.pos"], ["neg", "pos"]),
        (["reviews_bad_2024.txt", "reviews_good_2024.txt"], ["bad", "good"]),
        (["spam.txt", "ham.txt"], ["spam", "ham"]),
        (["topic-news.txt", "topic-sport-ski.txt", "topic-sport.txt"], ["news", "sport-ski", "sport"]),
        (["train.en", "train.de", "train.fr"], ["en", "de", "fr"]),
        (["a.txt", "a.text"], ["a", "a.text"]),
    ],
)
def test_classes_are_what_the_names_of_files_differ_in(files: list[str], classes: list[str]) -> None:
    """Words that all names begin or end with are not parts of a class, and no two files have one class."""
    assert name_classes(files) == classes


@pytest.mark.parametrize("name", ["rt-polarity.pos", "positive.txt", "reviews"])
def test_a_lone_file_of_lines_is_refused_with_the_folder(tmp_path: Path, name: str) -> None:
    """A file of one text a line has no class; the error says to put one file for each class into a folder."""
    (tmp_path / name).write_text("\n".join(POSITIVE + NEGATIVE * 3))
    with pytest.raises(DataError, match="one text a line") as caught:
        detect_layout(tmp_path / name, {})
    assert caught.value.code == "data.lines"
    assert "tiltyard init FOLDER" in caught.value.next_step


@pytest.mark.parametrize("files", [["alone.txt"], ["README.txt", "LICENSE"], ["page.html", "b.pdf"], []])
def test_a_folder_without_two_files_of_lines_is_refused(tmp_path: Path, files: list[str]) -> None:
    """A folder of one file, of notes, of documents or of nothing is refused; the error says what a folder holds."""
    (tmp_path / "films").mkdir()
    for name in files:
        (tmp_path / "films" / name).write_text("one\ntwo\n")
    with pytest.raises(DataError, match="one folder a label, or one file a label"):
        load(tmp_path, "films")
