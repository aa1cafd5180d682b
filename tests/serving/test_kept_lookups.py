"""What a server keeps for the next one on this host: replies of the registry, and compiled scorers."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tiltyard._version import __version__
from tiltyard.errors import NotFoundError
from tiltyard.serving.process.compiled_files import Compiled, CompiledFiles
from tiltyard.serving.process.known_replies import KnownReplies, Question, Reply
from tiltyard.sqlite import open_sqlite

CHAMPION: Question = ("films", None, "champion")
DIGEST = "d" * 64


def commit(registry: Path, words: str = "insert into t values (1)") -> None:
    with closing(sqlite3.connect(registry)) as connection, connection:
        connection.execute("create table if not exists t (x)")
        connection.execute(words)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    commit(tmp_path / "mlflow.db")
    return tmp_path / "mlflow.db"


def know(registry: Path | None, folder: Path, content: Any = "1") -> KnownReplies:
    """The replies of a server that has looked the champion up."""
    replies = KnownReplies(registry, folder)
    replies.note(CHAMPION, Reply(replies.read_state(), content))
    return replies


def find(replies: KnownReplies) -> Any:
    found = replies.find(CHAMPION, replies.read_state())
    return None if found is None else found.take()


def _move(registry: Path) -> None:
    registry.rename(registry.with_name("moved.db"))
    registry.with_name("moved.db").rename(registry)


def _copy(registry: Path) -> None:
    shutil.copy2(registry, registry.with_name("copy.db"))
    registry.with_name("copy.db").replace(registry)


def test_a_reply_holds_for_the_next_server(registry: Path, tmp_path: Path) -> None:
    """A server that starts again knows what the registry said, and what it does not have."""
    first = know(registry, tmp_path / "kept", {"version": "1"})
    error = ("No challenger.", "Train one.", "alias.missing")
    first.note(("films", None, "challenger"), Reply(first.read_state(), error=error))
    second = KnownReplies(registry, tmp_path / "kept")
    assert find(second) == {"version": "1"}
    missing = second.find(("films", None, "challenger"), second.read_state())
    assert missing is not None
    with pytest.raises(NotFoundError) as caught:
        missing.take()
    assert (caught.value.message, caught.value.next_step, caught.value.code) == error


@pytest.mark.parametrize("change", [commit, _copy, Path.unlink])
def test_no_reply_holds_when_the_registry_changed(
    registry: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """After a commit, a restored copy, or the loss of the file, this server and the next query the registry."""
    first = know(registry, tmp_path / "kept")
    assert find(first) == "1"
    change(registry)
    assert find(first) is None
    assert find(KnownReplies(registry, tmp_path / "kept")) is None


def test_a_commit_that_is_still_in_the_log_counts(registry: Path, tmp_path: Path) -> None:
    """Where the registry's file has a write-ahead log, a commit is seen before it reaches the file itself."""
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("insert into t values (2)")
        replies = know(registry, tmp_path / "kept")
        assert find(replies) == "1"
        writer.execute("insert into t values (3)")
        assert find(replies) is None


def test_a_registry_at_another_place_has_said_nothing(registry: Path, tmp_path: Path) -> None:
    """A registry that was moved, or that has no file, is queried: paths in its reply may be of the place before."""
    know(registry, tmp_path / "kept")
    moved = registry.rename(tmp_path / "elsewhere.db")
    assert find(KnownReplies(moved, tmp_path / "kept")) is None
    assert find(know(None, tmp_path / "kept")) is None


def test_replies_that_another_user_could_have_written_do_not_hold(registry: Path, tmp_path: Path) -> None:
    """A version that somebody else wrote into the file of replies is not served as champion."""
    know(registry, tmp_path / "kept")
    assert find(KnownReplies(registry, tmp_path / "kept")) == "1"
    (tmp_path / "kept").chmod(0o777)
    assert find(KnownReplies(registry, tmp_path / "kept")) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        json.dumps({"build": __version__, "replies": [[1]]}),
        json.dumps({"build": "0.0.0", "replies": [[list(CHAMPION), None, "1", None]]}),
    ],
)
def test_a_file_of_replies_that_cannot_be_used_is_none(registry: Path, tmp_path: Path, content: str) -> None:
    """A file that is damaged, in another form, or of another build is as good as none, and is written anew."""
    know(registry, tmp_path / "kept")
    [file] = (tmp_path / "kept").iterdir()
    file.write_text(content, encoding="utf-8")
    assert find(KnownReplies(registry, tmp_path / "kept")) is None
    know(registry, tmp_path / "kept")
    assert find(KnownReplies(registry, tmp_path / "kept")) == "1"


class Compiling:
    """Writes a file as the registry's process does, and counts how often."""

    def __init__(self, content: bytes = b"arrays" * 99) -> None:
        self.content, self.times = content, 0

    def __call__(self, file: Path) -> Compiled:
        self.times += 1
        assert not file.exists()
        file.write_bytes(self.content)
        return {"file": str(file), "digest": DIGEST, "reason": ""}

    def find(self, folder: Path, trusted_types: tuple[str, ...] = (), digest: str = DIGEST) -> Path:
        """The file of a server that starts."""
        found = CompiledFiles(folder, trusted_types).find(digest, self)
        assert found["digest"] == DIGEST
        return Path(found["file"])


def test_a_version_is_compiled_once_for_all_servers_of_a_host(tmp_path: Path) -> None:
    """The next server maps the file that an earlier one had written; that there is no compiled form is kept too."""
    compiling = Compiling()
    file = compiling.find(tmp_path / "kept")
    assert compiling.find(tmp_path / "kept") == file
    assert (compiling.times, file.read_bytes()) == (1, compiling.content)
    none = {"file": None, "digest": DIGEST, "reason": "it has no compiled form"}
    assert CompiledFiles(tmp_path / "kept", ()).find("e" * 64, lambda _: dict(none)) == none
    assert CompiledFiles(tmp_path / "kept", ()).find("e" * 64, compiling) == none


@pytest.mark.parametrize("how", ["other files", "other trusted types", "cut off", "changed", "gone"])
def test_a_file_of_something_else_is_not_used(tmp_path: Path, how: str) -> None:
    """Other files of a version, other settings, and a file that a power cut damaged have the version compiled again."""
    compiling = Compiling()
    file = compiling.find(tmp_path / "kept")
    if how == "cut off":
        file.write_bytes(compiling.content[:-64])
    elif how == "changed":
        file.write_bytes(b"x" + compiling.content[1:])
    elif how == "gone":
        file.unlink()
    digest = "e" * 64 if how == "other files" else DIGEST
    again = compiling.find(tmp_path / "kept", ("their.Model",) if how == "other trusted types" else (), digest)
    assert (compiling.times, again.read_bytes()) == (2, compiling.content)
    assert (again == file) == (not how.startswith("other"))


@pytest.mark.parametrize("opened", ["kept", "kept/scorers"])
def test_a_file_that_another_user_could_have_written_is_not_used(tmp_path: Path, opened: str) -> None:
    """Where others could write, nothing that was kept is believed, now or after the folder was closed again."""
    compiling, folder = Compiling(), tmp_path / "kept" / "scorers"
    theirs = b"theirs"
    file = compiling.find(folder)
    note = file.with_suffix(".json")
    note.write_text(
        json.dumps(json.loads(note.read_text("utf-8")) | {"sha256": hashlib.sha256(theirs).hexdigest()}), "utf-8"
    )
    file.write_bytes(theirs)
    assert compiling.find(folder).read_bytes() == theirs  # this user's own folder is believed
    (tmp_path / opened).chmod(0o777)
    for _ in range(2):
        files = CompiledFiles(folder, ())
        assert Path(files.find(DIGEST, compiling)["file"]).read_bytes() == compiling.content
        files.close()
        (tmp_path / opened).chmod(0o700)


def test_files_that_no_server_needs_are_removed(tmp_path: Path) -> None:
    """The versions that were used last are kept, and no more than a few."""
    compiling, folder = Compiling(), tmp_path / "kept"
    for version in range(20):
        compiling.find(folder, digest=f"{version:064d}")
    assert len(list(folder.glob("*.json"))) == len(list(folder.glob("*.scorer"))) == 8
    assert compiling.times == 20
    compiling.find(folder, digest=f"{19:064d}")
    assert compiling.times == 20


def test_locks_on_a_file_that_holds_the_ledger_too_survive(registry: Path) -> None:
    """Where this process has the registry's file open as its ledger, looking at it takes no lock of the ledger away."""
    replies = KnownReplies(registry, registry.parent / "kept")
    with closing(open_sqlite(registry, wal=True)) as ledger:
        ledger.execute("begin immediate")
        assert replies.read_state() is None
        code = (
            "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], timeout=0)\n"
            "try: connection.execute('begin immediate')\n"
            "except sqlite3.OperationalError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code, registry], capture_output=True, text=True, check=True)
        assert "locked" in done.stdout
        ledger.execute("rollback")
    assert replies.read_state() is not None
