"""Files behind URLs: S3 (a real server), HTTP (a real server), memory and file."""

from __future__ import annotations

import gzip
import http.server
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.s3 import BUCKET, SECRET, S3Server, s3, s3_server
from tiltyard.data import Dataset, load_dataset
from tiltyard.errors import DataError, MissingExtraError
from tiltyard.project import Project

__all__ = ["s3", "s3_server"]

ROWS = pd.DataFrame({"text": ["A fine film.", "NA", "null, they said", 'So "bad"'], "label": ["p", "n", "n", "n"]})


def load(source: str, root: Path = Path(), **data: Any) -> Dataset:
    project = Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification"},
            "data": {"source": source, "text": "text", **data},
            "root": root,
        }
    )
    return load_dataset(project)


def write(folder: Path) -> str:
    """The rows in every format, and the fingerprint that all of them must have."""
    folder.mkdir(parents=True, exist_ok=True)
    ROWS.to_csv(folder / "rows.csv", index=False)
    ROWS.to_csv(folder / "rows.tsv", index=False, sep="\t")
    ROWS.to_json(folder / "rows.jsonl", orient="records", lines=True)
    ROWS.to_parquet(folder / "rows.parquet")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    return load("rows.parquet", folder).fingerprint


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet", "rows.csv.gz"])
def test_every_format_is_read_from_s3(s3: S3Server, name: str) -> None:
    """A file in a bucket is the same dataset as the file on this machine; AWS_ENDPOINT_URL says where S3 is."""
    expected = write(s3.folder / BUCKET / "films")
    assert load(f"s3://{BUCKET}/films/{name}").fingerprint == expected


def test_a_glob_in_s3_reads_all_files_that_fit(s3: S3Server) -> None:
    """A pattern stands for all objects that fit, in the order of their names."""
    folder = s3.folder / BUCKET / "parts"
    folder.mkdir()
    ROWS.head(2).to_parquet(folder / "1.parquet")
    ROWS.tail(2).to_parquet(folder / "2.parquet")
    (folder / "notes.txt").write_text("not rows")
    assert list(load(f"s3://{BUCKET}/parts/*.parquet").inputs) == ROWS["text"].tolist()


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("s3://nowhere/rows.csv", "data.missing", "bucket"),
        ("s3://nowhere/*.csv", "data.missing", "bucket"),
        (f"s3://{BUCKET}/nothing.csv", "data.missing", "nothing.csv"),
        (f"s3://{BUCKET}/*.csv", "data.missing", "No file fits"),
        (f"s3://{BUCKET}/folder", "data.mixed-formats", "several formats"),
        (f"s3://{BUCKET}/folder/rows.parquet", "data.unreadable", "parquet"),
        (f"s3://{BUCKET}/folder/rows.csv.gz", "data.unreadable", "csv"),
    ],
)
def test_what_is_missing_in_s3_is_named(s3: S3Server, source: str, code: str, words: str) -> None:
    """A missing bucket, a missing object and a damaged object are different errors."""
    (s3.folder / BUCKET / "folder").mkdir()
    for name in ("rows.parquet", "rows.csv.gz"):
        (s3.folder / BUCKET / "folder" / name).write_bytes(b"neither parquet nor gzip")
    with pytest.raises(DataError) as caught:
        load(source)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize("pattern", ["rows.csv", "*.csv"])
def test_wrong_credentials_are_refused_without_being_shown(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """The next step names the variables, and nothing shows what they hold; new credentials count at once."""
    write(s3.folder / BUCKET)
    load(f"s3://{BUCKET}/{pattern}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with pytest.raises(DataError, match="may not be used") as caught:
        load(f"s3://{BUCKET}/{pattern}")
    assert caught.value.code == "data.forbidden"
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.next_step
    assert "hunter2" not in repr(caught.value.to_dict())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(DataError) as caught:
        load(f"s3://{BUCKET}/{pattern}")
    assert caught.value.code == "data.forbidden"
    assert SECRET not in repr(caught.value.to_dict())


def test_an_endpoint_that_does_not_respond_is_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong AWS_ENDPOINT_URL is an error that names it, after a few seconds at most."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(DataError, match="cannot be reached") as caught:
            load(f"s3://{BUCKET}/rows.csv")
    assert caught.value.code == "data.unreachable"
    assert "AWS_ENDPOINT_URL" in caught.value.next_step


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if "forbidden" in self.path:
            self.send_error(403)
            return
        super().do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.csv.gz", "rows.csv?version=2"])
def test_files_are_read_from_the_web(web: str, tmp_path: Path, name: str) -> None:
    """A web address is a source; a question mark in it begins a query and is not a pattern."""
    pytest.importorskip("s3fs")
    expected = write(tmp_path)
    assert load(f"{web}/{name}").fingerprint == expected


def test_what_the_web_does_not_give_is_named(web: str, tmp_path: Path) -> None:
    """Missing, forbidden and unreachable are different errors."""
    pytest.importorskip("s3fs")
    for source, code in (
        (f"{web}/nothing.csv", "data.missing"),
        (f"{web}/forbidden.csv", "data.forbidden"),
        ("http://127.0.0.1:1/rows.csv", "data.unreachable"),
    ):
        with pytest.raises(DataError) as caught:
            load(source)
        assert caught.value.code == code, source


def test_file_addresses_and_absolute_patterns_are_files_of_this_machine(tmp_path: Path) -> None:
    """file:// is a path, and a pattern may start at the root."""
    expected = write(tmp_path)
    assert load((tmp_path / "rows.csv").as_uri()).fingerprint == expected
    assert load(f"{tmp_path}/*.jsonl").fingerprint == expected


def test_rows_are_numbered_from_0_whatever_names_a_file_gave_them(tmp_path: Path) -> None:
    """Names of rows that pandas kept in a Parquet file become a column; bare numbers are dropped."""
    ROWS.assign(film=list("abcd")).set_index("film").to_parquet(tmp_path / "named.parquet")
    ROWS.set_axis([7, 5, 3, 1]).to_parquet(tmp_path / "numbered.parquet")
    for name, columns in (("named", ["film", "text", "label"]), ("numbered", ["text", "label"])):
        frame = load(f"{name}.parquet", tmp_path).frame
        assert (list(frame.index), list(frame.columns)) == ([0, 1, 2, 3], columns)


@pytest.mark.parametrize("source", ["s3://films//rows.csv", "s3://films/a/../rows.csv", "gs://films/./rows.csv"])
def test_a_key_that_stores_read_in_different_ways_is_refused(source: str) -> None:
    """An empty part, `.` and `..` are another object for one store, and the same for the next."""
    with pytest.raises(DataError, match="object stores read in different ways") as error:
        load(source)
    assert error.value.code == "data.source-unknown"
    assert error.value.next_step


def test_memory_is_a_file_system_too() -> None:
    """Any file system that fsspec knows will do."""
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe_file("/test_sources_remote/rows.csv", ROWS.to_csv(index=False).encode())
    try:
        assert len(load("memory://test_sources_remote/rows.csv")) == len(ROWS)
    finally:
        fsspec.filesystem("memory").rm("/test_sources_remote", recursive=True)


def test_without_the_extra_its_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the libraries for S3 are not installed, the error says how to install them."""
    monkeypatch.setitem(sys.modules, "fsspec", None)  # Python's own way to say that a module cannot be imported
    with pytest.raises(MissingExtraError, match="Reading from S3") as caught:
        load("s3://bucket/rows.csv")
    assert "tiltyard[s3]" in caught.value.next_step
