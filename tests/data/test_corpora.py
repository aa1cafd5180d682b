"""Fetching a corpus from a web server: broken off, resumed, wrong, too large."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from tiltyard.cli.data.fetch import show_progress
from tiltyard.cli.data.group import data_group as command
from tiltyard.data import load_dataset, split_dataset
from tiltyard.data.corpora import IMDB, Corpus
from tiltyard.data.corpora.fetch_corpus import fetch_corpus
from tiltyard.errors import DataError, UsageError
from tiltyard.project import load_project

NO_WAIT = (0.0, 0.0, 0.0)


def packed(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as content:
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            content.addfile(about, io.BytesIO(text.encode()))
    return stream.getvalue()


def reviews() -> dict[str, str]:
    """A small corpus of the layout of aclImdb; noise keeps it from being compressed to nothing."""
    members = {"aclImdb/README": "Reviews.", "aclImdb/train/unsup/0_0.txt": "No label."}
    for side in ("train", "test"):
        for label in ("neg", "pos"):
            for number in range(20):
                noise = hashlib.sha512(f"{side}{label}{number}".encode()).hexdigest()
                members[f"aclImdb/{side}/{label}/{number}_{number % 10}.txt"] = f"A {label} film. {noise}"
    return members


ARCHIVE = packed(reviews())
SMALL = replace(
    IMDB, size=len(ARCHIVE), digests={name: hashlib.new(name, ARCHIVE).hexdigest() for name in IMDB.digests}, unpacked=1
)


@dataclass
class Web:
    """What the server does, and which requests it received.

    Attributes:
        address: of the archive.
        content: what it gives.
        ranges: whether it does Range requests.
        cuts: after how many bytes it breaks off each response, one a response; then it breaks off no more.
        status: responds with this status instead.
        requested: the Range headers of the requests, in order.
    """

    address: str = ""
    content: bytes = ARCHIVE
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    status: int = 0
    requested: list[str | None] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    web: Web

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.web.requested.append(wanted)
        if self.web.status:
            self.send_error(self.web.status)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.web.ranges else 0  # type: ignore[index]
        size = len(self.web.content)
        self.send_response(206 if wanted and self.web.ranges else 200)
        if wanted and self.web.ranges:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        until = start + self.web.cuts.pop(0) if self.web.cuts else size
        self.wfile.write(self.web.content[start:until])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    state = Web()
    handler = type("WebHandler", (Handler,), {"web": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        state.address = f"http://127.0.0.1:{server.server_address[1]}/{IMDB.archive}"
        yield state
        server.shutdown()
        thread.join()


class Progress:
    """Remembers its progress."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, int, int]] = []

    def __call__(self, activity: str, done: int, total: int) -> None:
        self.reported.append((activity, done, total))


def fetch(web: Web, to: Path, corpus: Corpus = SMALL, watch: Progress | None = None) -> Path:
    return fetch_corpus(corpus, to, watch or Progress(), url=web.address, pauses=NO_WAIT).folder


@pytest.mark.requirement("R-TRAIN-15")
def test_a_fetched_corpus_is_a_project_with_the_official_split(web: Web, tmp_path: Path) -> None:
    """The folder, and a project file that trains on its train half and tests on its test half; nothing else stays."""
    fetched = fetch_corpus(SMALL, tmp_path / "imdb", Progress(), url=web.address)
    assert (fetched.downloaded, fetched.described) == (True, True)
    project = load_project(fetched.project_file)
    split = split_dataset(load_dataset(project), project.split)
    assert (len(split.train), len(split.test)) == (40, 40)
    assert split.train.classes == ("neg", "pos")
    assert set(split.test.frame["split"]) == {"test"}
    assert sorted(path.name for path in (tmp_path / "imdb").iterdir()) == ["aclImdb", "tiltyard.toml"]


def test_progress_is_reported_from_the_first_byte_to_the_last_file(web: Web, tmp_path: Path) -> None:
    """Download, verification and unpacking each end at their totals."""
    watch = Progress()
    fetch(web, tmp_path, watch=watch)
    assert list(dict.fromkeys(activity for activity, _, _ in watch.reported)) == ["download", "verify", "unpack"]
    ends = {activity: (done, total) for activity, done, total in watch.reported}
    assert set(ends.values()) == {(len(ARCHIVE), len(ARCHIVE))}


def test_what_is_there_is_not_fetched_again(web: Web, tmp_path: Path) -> None:
    """A second call asks the server for nothing, and leaves a project file that was edited as it is."""
    fetch(web, tmp_path)
    (tmp_path / "tiltyard.toml").write_text("mine")
    again = fetch_corpus(SMALL, tmp_path, Progress(), url=web.address)
    assert (again.downloaded, again.described) == (False, False)
    assert (tmp_path / "tiltyard.toml").read_text() == "mine"
    assert len(web.requested) == 1


def test_a_cut_connection_is_taken_up_where_it_broke_off(web: Web, tmp_path: Path) -> None:
    """After each break only the rest is requested, as often as it takes as long as bytes arrive."""
    web.cuts = [1000, 500, 300, 200, 100, 50, 25]
    assert fetch(web, tmp_path).is_dir()
    starts = [0, 1000, 1500, 1800, 2000, 2100, 2150, 2175]
    assert web.requested == [None, *(f"bytes={start}-" for start in starts[1:])]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(web: Web, tmp_path: Path) -> None:
    """What arrived stays in a .part file; the message says so, and the next call asks for the rest alone."""
    web.cuts = [1000, 0, 0, 0, 0]
    with pytest.raises(DataError, match="1,000 of") as caught:
        fetch(web, tmp_path)
    assert caught.value.code == "data.unreachable"
    assert "resumes there" in caught.value.next_step
    assert not (tmp_path / "aclImdb").exists()
    web.cuts.clear()
    web.requested.clear()
    assert fetch(web, tmp_path).is_dir()
    assert web.requested == ["bytes=1000-"]


def test_a_server_without_ranges_gets_a_request_for_all_of_it(web: Web, tmp_path: Path) -> None:
    """What arrived is thrown away where the server begins anew, so that nothing is put together wrongly."""
    web.ranges = False
    web.cuts = [1000]
    assert fetch(web, tmp_path).is_dir()
    assert web.requested == [None, "bytes=1000-"]


def test_a_server_that_is_busy_gets_further_requests(web: Web, tmp_path: Path) -> None:
    """Status 503 is tried as often as there are pauses, then reported."""
    web.status = 503
    with pytest.raises(DataError, match="503") as caught:
        fetch(web, tmp_path)
    assert caught.value.code == "data.unreachable"
    assert len(web.requested) == 1 + len(NO_WAIT)


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_another_file_of_the_same_size_is_put_aside(web: Web, tmp_path: Path, digest: str) -> None:
    """An archive with a wrong digest, whichever, is not unpacked; the next call begins anew."""
    web.content = ARCHIVE[:-1] + b"?"
    changed = {**{name: hashlib.new(name, web.content).hexdigest() for name in SMALL.digests}}
    corpus = replace(SMALL, digests={**changed, digest: SMALL.digests[digest]})
    with pytest.raises(DataError, match=digest.upper()) as caught:
        fetch(web, tmp_path, corpus)
    assert caught.value.code == "data.checksum"
    assert [path.name for path in tmp_path.iterdir()] == [f"{IMDB.archive}.refused"]
    web.content = ARCHIVE
    assert fetch(web, tmp_path).is_dir()
    assert web.requested == [None, None]


def test_a_file_of_another_size_is_not_even_downloaded(web: Web, tmp_path: Path) -> None:
    """The size that the server declares is enough to refuse; a longer response without one is cut off."""
    web.content = ARCHIVE + b"more"
    with pytest.raises(DataError, match=f"has {len(ARCHIVE):,}") as caught:
        fetch(web, tmp_path)
    assert caught.value.code == "data.checksum"
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_was_put_there_by_hand_is_verified(web: Web, tmp_path: Path) -> None:
    """A machine without a network can use an archive put there by hand; it is checked like any other."""
    (tmp_path / IMDB.archive).write_bytes(ARCHIVE)
    assert fetch(web, tmp_path).is_dir()
    assert web.requested == []
    other = tmp_path / "other"
    other.mkdir()
    (other / IMDB.archive).write_bytes(ARCHIVE[:-1] + b"?")
    with pytest.raises(DataError) as caught:
        fetch(web, other)
    assert caught.value.code == "data.checksum"


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/tiltyard-outside.txt"])
def test_an_archive_cannot_write_outside_its_folder(web: Web, tmp_path: Path, name: str) -> None:
    """A member that would land elsewhere is never written there."""
    web.content = packed({**reviews(), name: "outside"})
    digests = {"sha256": hashlib.sha256(web.content).hexdigest()}
    corpus = replace(SMALL, size=len(web.content), digests=digests)
    to = tmp_path / "imdb"
    if name.startswith("/"):
        fetch(web, to, corpus)  # an absolute name is taken as a relative one
    else:
        with pytest.raises(DataError) as caught:
            fetch(web, to, corpus)
        assert caught.value.code == "data.archive"
        assert not (to / "aclImdb").exists()
    assert not (tmp_path / "outside.txt").exists()
    assert not Path("/tmp/tiltyard-outside.txt").exists()


@pytest.mark.parametrize("content", [b"no archive at all", packed({"other/README": "x"}), ARCHIVE[:-2000]])
def test_an_archive_that_cannot_be_unpacked_leaves_nothing_half_done(web: Web, tmp_path: Path, content: bytes) -> None:
    """The data's folder appears only when it is complete."""
    web.content = content
    digests = {"sha256": hashlib.sha256(content).hexdigest()}
    with pytest.raises(DataError) as caught:
        fetch(web, tmp_path, replace(SMALL, size=len(content), digests=digests))
    assert caught.value.code == "data.archive"
    assert [path.name for path in tmp_path.iterdir()] == [IMDB.archive]


def test_a_disk_without_room_is_named_before_anything_is_fetched(web: Web, tmp_path: Path) -> None:
    """Room is needed for the archive and for what it unpacks to."""
    with pytest.raises(DataError, match="are free") as caught:
        fetch(web, tmp_path, replace(SMALL, unpacked=1 << 60))
    assert caught.value.code == "data.no-space"
    assert web.requested == []


def test_a_disk_that_fills_up_on_the_way_is_named(web: Web, tmp_path: Path) -> None:
    """Where others take the room meanwhile, the message says so and what to do."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, which answers every write with 'no space left'")
    (tmp_path / f"{IMDB.archive}.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left") as caught:
        fetch(web, tmp_path)
    assert caught.value.code == "data.no-space"


def test_an_address_that_gives_nothing_is_named(web: Web, tmp_path: Path) -> None:
    """A missing file, a host that does not respond and a word that is not an address are different errors."""
    web.status = 404
    with pytest.raises(DataError, match="404 Not Found") as caught:
        fetch(web, tmp_path)
    assert caught.value.code == "data.fetch-refused"
    assert len(web.requested) == 1
    web.address = "http://user:hunter2@127.0.0.1:1/a.tar.gz"
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1") as caught:
        fetch(web, tmp_path)
    assert caught.value.code == "data.unreachable"
    web.address = "ftp://host/a.tar.gz"
    with pytest.raises(UsageError):
        fetch(web, tmp_path)


def test_the_command_fetches_nothing_but_the_published_archive(web: Web, tmp_path: Path) -> None:
    """`tiltyard data fetch imdb --url` asks that address, and refuses an archive that is not the published one."""
    words = ["fetch", "imdb", "--to", str(tmp_path), "--url", web.address]
    with pytest.raises(DataError) as caught:
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert caught.value.code == "data.checksum"
    assert web.requested == [None]


def test_the_command_says_what_is_there(tmp_path: Path) -> None:
    """With --json the output is JSON alone on standard output; without it, it names the next command."""
    (tmp_path / "aclImdb").mkdir()
    words = ["fetch", "imdb", "--to", str(tmp_path)]
    done = CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False)
    printed = json.loads(done.stdout)
    assert (printed["downloaded"], printed["described"]) == (False, True)
    assert printed["digests"] == dict(IMDB.digests)
    again = CliRunner().invoke(command, words, catch_exceptions=False)
    assert "was already in" in again.stdout
    assert "tiltyard train" in again.stdout


def test_progress_is_shown_apart_from_the_output(web: Web, tmp_path: Path) -> None:
    """What a person watches goes to the console of the caller, a bar an activity."""
    shown = io.StringIO()
    with show_progress(Console(file=shown)) as watch:
        fetch_corpus(SMALL, tmp_path, watch, url=web.address)
    for word in ("Downloading", "Verifying", "Unpacking", "100%"):
        assert word in shown.getvalue()


@pytest.mark.requirement("R-TRAIN-15")
def test_imdb_is_the_published_archive() -> None:
    """The address is the authors', size and MD5 are the recorded ones."""
    assert IMDB.url == "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
    assert (IMDB.size, IMDB.digests["md5"]) == (84_125_825, "7c2ac02c03563afcf9b574c7e56c153a")
