"""From a corpus' name to its files and a project that trains on them."""

from __future__ import annotations

import errno
import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tiltyard.choices import PROJECT_FILE
from tiltyard.data.corpora.catalog import Corpus
from tiltyard.data.corpora.download import PAUSES, Watcher, download
from tiltyard.errors import DataError


@dataclass(frozen=True)
class FetchedCorpus:
    """A corpus that is there.

    Attributes:
        folder: the unpacked data.
        project_file: the project file that describes it.
        downloaded: whether it was brought now; false where it was there already.
        described: whether the project file was written now; one that was there is left as it is.
    """

    folder: Path
    project_file: Path
    downloaded: bool
    described: bool


def fetch_corpus(
    corpus: Corpus, to: Path, watch: Watcher, *, url: str | None = None, pauses: tuple[float, ...] = PAUSES
) -> FetchedCorpus:
    """Bring a corpus into a folder, and write a project file for it.

    The data's folder appears only when it is complete: one that is there is not fetched again.

    Args:
        corpus: what to bring.
        to: folder to bring it into.
        watch: receives the progress of the activities download, verify and unpack.
        url: another address of the same archive, such as a mirror; its size and digests must be the published ones.
        pauses: seconds to wait before each further attempt in a row that brought nothing.

    Raises:
        UsageError: the address is not one of the web.
        DataError: the archive cannot be fetched, is not the published one, or there is no room for it.
    """
    folder = to / corpus.folder
    there = folder.is_dir()
    with _writing_errors(to):
        to.mkdir(parents=True, exist_ok=True)
        if not there:
            archive = to / corpus.archive
            _require_room(corpus, to, archive)
            download(url or corpus.url, archive, corpus.size, corpus.digests, watch, pauses)
            _unpack(archive, folder, watch)
            archive.unlink()
        project_file = to / PROJECT_FILE
        described = not project_file.exists()
        if described:
            project_file.write_text(corpus.project_file, encoding="utf-8")
    return FetchedCorpus(folder, project_file, downloaded=not there, described=described)


def _require_room(corpus: Corpus, to: Path, archive: Path) -> None:
    part = archive.with_name(archive.name + ".part")
    have = sum(file.stat().st_size for file in (archive, part) if file.exists())
    needed = max(0, corpus.size - have) + corpus.unpacked
    free = shutil.disk_usage(to).free
    if needed > free:
        raise DataError(
            f"{corpus.title} needs {needed / 1e6:,.0f} MB in {to}, where {free / 1e6:,.0f} MB are free.",
            next_step="Make room, or choose another place with --to.",
            code="data.no-space",
            needed_bytes=needed,
            free_bytes=free,
        )


def _unpack(archive: Path, folder: Path, watch: Watcher) -> None:
    """Unpack an archive that holds one folder, which appears only when it is complete."""
    unpacking = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(unpacking, ignore_errors=True)
    try:
        with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as content:
            # "data" refuses members that would land outside the folder, devices, and links that lead out of it.
            content.extractall(
                unpacking, members=_report_progress(content, file, archive.stat().st_size, watch), filter="data"
            )
        if not (unpacking / folder.name).is_dir():
            raise tarfile.TarError(f"it has no folder {folder.name}")
        (unpacking / folder.name).replace(folder)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{archive} cannot be unpacked: {error}.",
            next_step=f"Remove {archive} and run the command again.",
            code="data.archive",
        ) from None
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)


def _report_progress(content: tarfile.TarFile, file: IO[bytes], size: int, watch: Watcher) -> Iterator[tarfile.TarInfo]:
    for member in content:
        watch("unpack", min(file.tell(), size), size)
        yield member
    watch("unpack", size, size)


@contextmanager
def _writing_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        step = "Make room, or choose another place with --to." if full else "Choose another place with --to."
        raise DataError(
            f"The corpus cannot be kept in {folder}: {error.strerror or error}.",
            next_step=step + (" What was brought is kept." if full else ""),
            code="data.no-space" if full else "data.folder-unusable",
        ) from None
