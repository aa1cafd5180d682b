"""Which files of a source are new: each is taken once, whatever is restarted, copied or renamed meanwhile."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from tiltyard.data.sources.files import SourceFile
from tiltyard.data.sources.source_reading import find_source_files
from tiltyard.errors import DataError
from tiltyard.pipeline.schedules.memory import Memory, SeenFile
from tiltyard.project import Project
from tiltyard.project.scheduled_work import ScheduledWork

KEEP = timedelta(days=90)
"""How long a file that is gone is remembered, so that one that comes back under another name is known."""

_BLOCK = 1 << 20
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class NewFile:
    """A file that is to be scored.

    Attributes:
        path: where it is, as the source names it.
        file: the file.
        seen: what is remembered of it.
    """

    path: str
    file: SourceFile
    seen: SeenFile

    @property
    def source(self) -> str:
        """The file as a source: a name that looks like a pattern means itself."""
        return self.path if self.file.path is None else glob.escape(self.path)


@dataclass(frozen=True)
class FileCheck:
    """What a check of the files of a source found.

    Attributes:
        new: files that are to be taken now, in the order of their names.
        unsettled: how many may still be written.
    """

    new: tuple[NewFile, ...]
    unsettled: int


def list_files(project: Project, source: str) -> list[tuple[str, SourceFile]]:
    """The files of a source with their paths, relative to the project's folder in it; empty where there is none.

    Raises:
        DataError: the source is a database or a folder of texts, has columns that the names of folders hold, or cannot
            be reached.
    """
    kind = project.data.format if source == project.data.source else None
    section = project.data.model_copy(update={"source": source, "query": None, "table": None, "format": kind})
    try:
        files = find_source_files(section, project.root, apart=True)
    except DataError as error:
        if error.code not in ("data.missing", "data.no-tables"):
            raise
        return []
    if files is None or any(file.is_folder for file in files):
        raise DataError(
            f"{source} names a folder of texts or a database, and the schedule waits for new files.",
            next_step='Name a folder or a glob of tables as the source, or write schedule = "1000 new rows".',
            code="batch.no-files",
        )
    if any(file.columns for file in files):
        names = ", ".join(name for name, _ in files[0].columns)
        raise DataError(
            f"The folders of {source} hold columns ({names}), which a file that is taken alone does not have.",
            next_step='Write schedule = "1000 new rows" or a cron expression: the whole folder is read then.',
            code="batch.no-files",
        )
    return [(_name_path(file, project.root), file) for file in files]


def check_files(
    project: Project, work: ScheduledWork, memory: Memory, now: datetime, *, retry: bool = False
) -> FileCheck:
    """Read how the files of a source are, and remember it.

    A file is new once it has been unchanged for ``batch.settle_seconds``, from one check to another. Who acts on it
    holds the lease of the work. With ``retry``, files that failed are new again at once.

    Raises:
        DataError: the source cannot be reached.
    """
    found = list_files(project, work.source)
    known = memory.list_files(work)
    settle = timedelta(seconds=project.batch.settle_seconds)
    new: list[NewFile] = []
    unsettled = 0
    for path, file in found:
        state = _describe_state(file)
        seen = known.get(path)
        if seen is None or seen.state != state:
            seen = SeenFile(state, now) if seen is None else replace(seen, state=state, at=now, status="seen")
            seen = replace(seen, attempts=0, retry=None)
            memory.write_file(work, path, seen)
        if seen.status == "done":
            continue
        if seen.status == "seen" and seen.at + settle > now:
            unsettled += 1
        elif retry or seen.retry is None or seen.retry <= now:
            new.append(NewFile(path, file, seen))
    there = {path for path, _ in found}
    for path, seen in known.items():
        if path not in there and seen.at + KEEP < now:
            memory.forget_file(work, path)
    return FileCheck(tuple(new), unsettled)


def recognise(work: ScheduledWork, memory: Memory, new: NewFile, there: frozenset[str]) -> NewFile | None:
    """A new file with the digest of its content; None where its content was taken before.

    That is so where the file was only touched, or has another name than before: then the file of the earlier name is
    gone. Two files that are both there count as two, also with the same content.

    Args:
        work: the work.
        memory: what is remembered.
        new: the file.
        there: the paths of all files that are there.
    """
    digest = _digest_content(new.file)
    if new.seen.digest == digest and new.seen.result:
        memory.write_file(work, new.path, replace(new.seen, status="done"))
        return None
    for path, seen in memory.list_files(work).items():
        if path not in there and seen.status == "done" and seen.digest == digest:
            memory.write_file(work, new.path, replace(new.seen, status="done", digest=digest, result=seen.result))
            memory.forget_file(work, path)
            return None
    return replace(new, seen=replace(new.seen, digest=digest))


def name_result(source: str, path: str) -> str:
    """The name of a file for its results: its path from where the pattern begins, without its endings.

    ``in/2026/01.csv.gz`` of ``in/*/*.csv.gz`` is ``2026-01``; ``in/01.csv`` of the folder ``in`` is ``01``.
    """
    fixed, *pattern = _MAGIC.split(source.removeprefix("file://"), maxsplit=1)
    folder = PurePosixPath(fixed + "x").parent if pattern else PurePosixPath(fixed)
    there = PurePosixPath(path)
    rest = there.relative_to(folder).parts if there.is_relative_to(folder) and there != folder else (there.name,)
    endings = "".join(PurePosixPath(rest[-1]).suffixes)
    return "-".join([*rest[:-1], rest[-1].removesuffix(endings) or rest[-1]])


def require_own_name(known: dict[str, SeenFile], new: NewFile, name: str, there: Sequence[str]) -> None:
    """Refuse a file whose results would replace those of another file that is there.

    Raises:
        DataError: they would (``batch.same-name``).
    """
    for path, seen in known.items():
        if path != new.path and seen.result == name and path in there:
            raise DataError(
                f"The results of {new.path} would replace those of {path}: both are named '{name}'.",
                next_step="Rename one of the files.",
                code="batch.same-name",
            )


def _name_path(file: SourceFile, root: Path) -> str:
    """Where a file is: from the project's folder on, if it is in it, so that the folder may be moved."""
    if file.path is None:
        return file.name
    return str(file.path.relative_to(root) if file.path.is_relative_to(root) else file.path)


def _describe_state(file: SourceFile) -> str:
    found = file.find_state()
    # Of a local file its size and time: what else there is changes when a volume is mounted anew.
    kept = found[:2] if isinstance(found, tuple) else found
    return f"{file.size} {kept}"


def _digest_content(file: SourceFile) -> str:
    digest = hashlib.sha256()
    with file.opener() as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
