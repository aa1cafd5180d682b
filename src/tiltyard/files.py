"""Writing files: whole or not at all, and durable.

This is the one way in which files are written that must survive a crash or a power cut.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
    path.parent.mkdir(parents=True, exist_ok=True)
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


def _usual_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
