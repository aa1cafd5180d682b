"""A folder of texts: one subfolder a label, one text file a row."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from tiltyard.data.sources.memory import PEAK, MemoryBudget
from tiltyard.errors import DataError
from tiltyard.project import DataSection

# aclImdb keeps its unlabelled reviews next to the folders of the classes.
UNLABELLED_FOLDER = "unsup"
CHECKED_EVERY = 1000  # files between two checks of the memory


def read_folder(path: Path, section: DataSection, budget: MemoryBudget) -> pd.DataFrame:
    """One row a text file; ``train`` and ``test`` folders above the labels' folders become a column ``split``.

    Raises:
        DataError: there are no such files, or more than memory holds.
    """
    sides = [side for side in ("train", "test") if (path / side).is_dir()]
    parts = [(side, path / side) for side in sides] or [("", path)]
    found = [
        (side, group.name, file)
        for side, folder in parts
        for group in _list_groups(folder)
        for file in _read_texts(group)
    ]
    if not found:
        raise DataError(
            f"{path} holds no folders of .txt files, one folder a label.",
            next_step="Point data.source at the folder whose subfolders are the labels.",
            code="data.empty",
        )
    columns = {
        section.text or "text": _read_text(found, section.encoding, budget),
        section.label: [label for _, label, _ in found],
        "path": [file.relative_to(path).as_posix() for _, _, file in found],
    }
    return pd.DataFrame({**columns, "split": [side for side, _, _ in found]} if sides else columns)


def _list_groups(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name != UNLABELLED_FOLDER)


def _read_texts(group: Path) -> list[Path]:
    return sorted(group.glob("*.txt"))


def _read_text(found: list[tuple[str, str, Path]], encoding: str, budget: MemoryBudget) -> list[str]:
    texts: list[str] = []
    memory = 0
    for _, _, file in found:
        texts.append(file.read_text(encoding=encoding))
        memory += sys.getsizeof(texts[-1])
        if len(texts) % CHECKED_EVERY == 0:
            budget.require(memory / len(texts) * len(found), PEAK, f"{len(found):,} files")
    return texts
