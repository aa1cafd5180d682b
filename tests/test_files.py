"""Files and folders are written whole or not at all, and are on the disk when the call returns."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tiltyard.files import make_folder, move_folder, sync_tree, write_atomically


def test_folders_are_made_as_needed(tmp_path: Path) -> None:
    """A folder is made with those above it, and one that is there is left as it is."""
    make_folder(tmp_path / "a" / "b" / "c")
    (tmp_path / "a" / "b" / "file").write_text("kept", encoding="utf-8")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert (tmp_path / "a" / "b" / "file").read_text(encoding="utf-8") == "kept"


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path) -> None:
    """A folder cannot be made where a file is, nor below one."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(OSError, match=r"exists|Not a directory"):
            make_folder(path)


def test_several_may_make_one_folder(tmp_path: Path) -> None:
    """Threads that make the same folders at once all succeed."""
    failures: list[OSError] = []

    def make() -> None:
        try:
            make_folder(tmp_path / "a" / "b" / "c" / "d")
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_folder_moves_with_all_that_is_in_it(tmp_path: Path) -> None:
    """A folder is under its new name with what it held, and no longer under the old one."""
    write_atomically(tmp_path / "old" / "inner" / "file", "text")
    sync_tree(tmp_path / "old")
    move_folder(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new" / "inner" / "file").read_text(encoding="utf-8") == "text"
