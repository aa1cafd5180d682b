"""A disk that is soon full."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mount_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of this size; tests that want it are skipped where this user may not mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    words = [str(mount), "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(words, check=False).returncode:
        pytest.skip(f"This user cannot mount a disk of {megabytes} MB.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
