"""Files that change while they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import pandas as pd
import pytest

from tiltyard.data.sources.files import SourceFile, local_files
from tiltyard.data.sources.formats import read_file
from tiltyard.data.sources.location import resolve_location
from tiltyard.data.sources.storage import remote_files
from tiltyard.errors import DataError
from tiltyard.project import DataSection

ROWS = "text,label\n" + "fine,yes\ndull,no\n" * 20


def cut(path: Path) -> None:
    path.write_text(ROWS[:100])


def append(path: Path) -> None:
    path.write_text(ROWS + "new,yes\n")


def replace_by_another(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_text(ROWS.replace("dull", "drab"))
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def rewrite(path: Path) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(ROWS.replace("dull", "drab"))
    os.utime(path, ns=(before + 1, before + 1))


def remove(path: Path) -> None:
    path.unlink()


def open_then(file: SourceFile, change: Callable[[], None]) -> SourceFile:
    """The file; the first time that it is opened for its rows, it changes right after."""
    opened: list[object] = []

    def opener() -> IO[bytes]:
        stream = file.opener()
        opened.append(stream)
        if len(opened) == 2:
            change()
        return stream

    return replace(file, opener=opener)


@pytest.mark.parametrize("change", [cut, append, replace_by_another, rewrite, remove])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Cut, longer, replaced, rewritten in place or removed: the error names the file, not what the parser met."""
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    (file,) = local_files(resolve_location("rows.csv", tmp_path), tmp_path)
    section = DataSection(source="rows.csv", text="text")
    assert len(read_file(file, "csv", section)) == 40
    with pytest.raises(DataError, match=r"rows.csv .* while it was read") as caught:
        read_file(open_then(file, lambda: change(path)), "csv", section)
    assert caught.value.code == "data.changed"


def test_a_remote_file_that_changes_while_it_is_read_is_refused() -> None:
    """What the store says of a file (size, ETag, time) is the same before and after reading, or the file is refused."""
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/changing/rows.csv", ROWS.encode())
    try:
        (file,) = remote_files(resolve_location("memory://changing/rows.csv", Path()))
        section = DataSection(source="memory://changing/rows.csv")
        assert isinstance(read_file(file, "csv", section), pd.DataFrame)
        with pytest.raises(DataError, match="while it was read"):
            read_file(
                open_then(file, lambda: memory.pipe_file("/changing/rows.csv", ROWS[:100].encode())), "csv", section
            )
    finally:
        memory.rm("/changing", recursive=True)
