"""A folder of texts: one subfolder a label and one text a file, or one file a label and one text a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tiltyard.data.sources.memory import PEAK, MemoryBudget
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.project import DataSection

# aclImdb keeps its unlabelled reviews next to the folders of the classes.
UNLABELLED_FOLDER = "unsup"
CHECKED_EVERY = 1000  # texts between two checks of the memory

_NOTES = re.compile(r"(readme|licen[cs]e|notice|copying|changelog|citation)(\W.*)?", re.IGNORECASE)
_TABLES = (
    ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods",
    ".gz", ".bz2", ".xz", ".zst", ".zip", ".md", ".toml", ".py", ".pdf", ".html",
)  # fmt: skip
_WORD_ENDS = re.compile(r"([._\s-]+)")


@dataclass(frozen=True)
class _LabelledText:
    """One text of a folder, not read yet.

    Attributes:
        side: ``train`` or ``test``, empty where the folder does not say.
        label: its class.
        file: the file that holds it.
    """

    side: str
    label: str
    file: Path


def read_folder(path: Path, section: DataSection, budget: MemoryBudget) -> pd.DataFrame:
    """The texts of a folder, a row each.

    With one subfolder a label, each text file is a row; ``train`` and ``test`` folders above the labels' folders become
    a column ``split``. With one file a label, each line that is not blank is a row, without outer white space.

    Raises:
        DataError: there are no such files, or more than memory holds.
    """
    sides = [side for side in ("train", "test") if (path / side).is_dir()]
    parts = [(side, path / side) for side in sides] or [("", path)]
    found = [
        _LabelledText(side, group.name, file)
        for side, folder in parts
        for group in _list_groups(folder)
        for file in _list_texts(group)
    ]
    if found:
        return _read_files(path, found, section, budget)
    files = list_line_files(path)
    if not files:
        raise DataError(
            f"{path} holds no texts with their labels: no .txt files in one folder a label, or one file a label with "
            "one text a line.",
            next_step="Point data.source at a folder of two subfolders or files, named by their labels.",
            code="data.empty",
        )
    return _read_lines(files, section, budget)


def list_line_files(path: Path) -> list[Path]:
    """The files of a folder that may hold one text a line, in the order of their names; none if there are not two."""
    if not path.is_dir():
        return []
    files = sorted(
        entry
        for entry in path.iterdir()
        if entry.is_file()
        and not entry.name.startswith(".")
        and entry.suffix.lower() not in _TABLES
        and not _NOTES.fullmatch(entry.name)
    )
    return files if len(files) > 1 else []


def name_classes(files: Sequence[str]) -> list[str]:
    """The class that each of n names of files stands for: what is left without the words that all of them share.

    The ending ``.txt`` belongs to no class. ``rt-polarity.neg`` and ``rt-polarity.pos`` are ``neg`` and ``pos``.
    """
    stems = [name.removesuffix(".txt") for name in files]
    if len(set(stems)) < len(stems) or not all(stems):
        return list(files)
    parts = [_WORD_ENDS.split(stem) for stem in stems]
    start = _count_shared(parts)
    end = _count_shared([words[start:][::-1] for words in parts])
    classes = ["".join(words[start : len(words) - end]).strip("._- ") for words in parts]
    return classes if all(classes) and len(set(classes)) == len(classes) else stems


def _count_shared(parts: Sequence[Sequence[str]]) -> int:
    """How many words, each with the characters after it, all names begin with; every name keeps one."""
    shared = 0
    for words in zip(*(names[:-1] for names in parts), strict=False):
        if len(set(words)) > 1:
            break
        shared += 1
    return shared - shared % 2


def _read_files(path: Path, found: Sequence[_LabelledText], section: DataSection, budget: MemoryBudget) -> pd.DataFrame:
    texts: list[str] = []
    memory = 0
    for one in found:
        texts.append(one.file.read_text(encoding=section.encoding))
        memory += sys.getsizeof(texts[-1])
        if len(texts) % CHECKED_EVERY == 0:
            budget.require(memory / len(texts) * len(found), PEAK, f"{format_count(len(found), 'file')}")
    columns = {
        section.text or "text": texts,
        section.label: [one.label for one in found],
        "path": [one.file.relative_to(path).as_posix() for one in found],
    }
    if any(one.side for one in found):
        columns["split"] = [one.side for one in found]
    return pd.DataFrame(columns)


def _read_lines(files: Sequence[Path], section: DataSection, budget: MemoryBudget) -> pd.DataFrame:
    texts: list[str] = []
    labels: list[str] = []
    places: list[str] = []
    memory = 0
    for file, label in zip(files, name_classes([file.name for file in files]), strict=True):
        for number, text in _find_texts(file, section.encoding):
            texts.append(text)
            labels.append(label)
            places.append(f"{file.name}:{number}")
            memory += sys.getsizeof(text)
            if len(texts) % CHECKED_EVERY == 0:
                budget.require(memory, PEAK, f"{format_count(len(texts), 'line')}")
    return pd.DataFrame({section.text or "text": texts, section.label: labels, "path": places})


def _find_texts(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    with file.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding) as lines:
        for number, line in enumerate(lines, start=1):
            if text := line.strip():
                yield number, text


def _list_groups(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name != UNLABELLED_FOLDER)


def _list_texts(group: Path) -> list[Path]:
    return sorted(group.glob("*.txt"))
