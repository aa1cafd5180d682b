"""Writing files: whole or not at all, and durable; and who else could write what lies at a path.

This is the one way in which files are written that must survive a crash or a power cut.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWNER_ALONE, WITH_GROUP = 0o700, 0o2770
MOST_LINKS = 40
"""As many symbolic links as Linux follows on one path."""


def write_atomically(path: Path, content: bytes | str, *, owner_only: bool = False) -> None:
    """Replace a file: readers see the old content or the new, never a part, and a power cut keeps one of them.

    The content is written to a file next to it, synced, renamed over it, and the folder is synced. Folders are made as
    needed.

    Args:
        path: the file.
        content: its new content; text is written as UTF-8.
        owner_only: whether only the owner may read it (mode 0600); otherwise the process's usual mode.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    make_folder(path.parent)
    # mkstemp makes a file that only its owner can read.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if not owner_only:
                os.fchmod(stream.fileno(), _usual_mode())
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder, and those above it, where they are missing; a power cut does not take them away again.

    A file in a folder survives only if the name of the folder does: syncing the file, or the folder, is not enough.

    Args:
        path: the folder.
        mode: of the folders that are made, without what the process's umask takes.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    # The process that made it may have died before it synced its name. A folder above that we cannot read is not ours.
    with suppress(PermissionError):
        sync(path.parent)
    for folder in reversed(missing):
        folder.mkdir(mode, exist_ok=True)
        sync(folder.parent)


def make_private_folder(path: Path, *, group: bool = False) -> int | None:
    """Make a folder that no other user may look into; one that is there is closed to them if it belongs to this user.

    Args:
        path: the folder.
        group: whether its group may read and write it, and what is made in it is of that group.

    Returns:
        The mode that it had, where it was open to others and no longer is.

    Raises:
        OSError: it cannot be made.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(OWNER_ALONE, exist_ok=True)
        if group:
            path.chmod(WITH_GROUP)
        sync(path.parent)
        return None
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    closed = mode & ~(stat.S_IRWXO if group else stat.S_IRWXO | stat.S_IRWXG)
    if closed == mode or found.st_uid != os.geteuid():
        return None
    path.chmod(closed)
    return mode


def move_folder(source: Path, target: Path) -> None:
    """Move a folder to a name that is free, on the same disk: after a power cut it is there whole, or not there.

    Raises:
        OSError: something cannot be read, synced or moved.
    """
    sync_tree(source)
    source.rename(target)
    sync(target.parent)


def sync_tree(folder: Path) -> None:
    """Have the operating system write a folder, and all that is below it, to the disk.

    Raises:
        OSError: something cannot be read or synced.
    """
    for path in folder.iterdir():
        if path.is_dir():
            sync_tree(path)
        else:
            sync(path)
    sync(folder)


def sync_with_names(folder: Path) -> None:
    """Sync all that is below a folder, and the names of the folders on the way to it, as far as its disk reaches.

    For what others wrote: a file survives no better than the names of the folders that lead to it.

    Raises:
        OSError: something cannot be read or synced.
    """
    sync_tree(folder)
    while not folder.is_mount():
        folder = folder.parent
        try:
            sync(folder)
        except PermissionError:
            return  # neither was it made by us


def sync(path: Path) -> None:
    """Have the operating system write a file, or the entries of a folder, to the disk.

    Raises:
        OSError: it cannot be read or synced.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_writer(path: Path) -> str:
    """Why another user than this one and root could change a folder or what lies in it; empty where none could.

    Every folder on the way counts, and every symbolic link: who can write to a folder can replace what is in it, unless
    its sticky bit is set. A group may write if this user is alone in it: volumes of a pod belong to its ``fsGroup``.

    Args:
        path: an existing folder.

    Raises:
        OSError: it is not there, or cannot be looked up.
    """
    trusted = {0, os.geteuid()}
    last = path
    for step, status in _follow(path):
        if status.st_uid not in trusted:
            return f"{step} belongs to the user {status.st_uid}"
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if not stat.S_ISLNK(status.st_mode) and _others_write(status) and not sticky:
            return f"{step} can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
        last = step
    status = last.stat()
    if _others_write(status):
        return f"{last} can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _others_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)


def _is_own_group(group: int) -> bool:
    """Whether a group is this user's private one: of the same number and name, with no other user in it.

    The number has to be the same as well, since a directory service need not list all users with a group.
    """
    if group != os.geteuid():
        return False
    try:
        user, members = pwd.getpwuid(group), grp.getgrgid(group)
    except KeyError:
        return False
    others = {entry.pw_name for entry in pwd.getpwall() if entry.pw_gid == group} | {*members.gr_mem}
    return members.gr_name == user.pw_name and user.pw_gid == group and others <= {user.pw_name}


def _follow(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every folder and symbolic link on the way to a path, from the root on; the last one is the path itself."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links
    current, pending, links = Path(absolute.anchor), list(reversed(absolute.parts[1:])), 0
    yield current, current.lstat()
    while pending:
        part = pending.pop()
        if part == "..":
            current = current.parent
            continue
        step = current / part
        status = step.lstat()
        yield step, status
        if not stat.S_ISLNK(status.st_mode):
            current = step
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError(f"{path} has more than {MOST_LINKS} symbolic links.")
        target = step.readlink()
        if target.is_absolute():
            current = Path(target.anchor)
        pending.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))


def _usual_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
