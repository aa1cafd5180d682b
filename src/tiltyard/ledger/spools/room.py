"""How far predictions may fill the disk of the spools: the rest is left to shipping.

To take shipped rows out of a spool needs room too, for its log. Without any, a spool that had filled the disk while the
central ledger was away could not be emptied when that is back.
"""

from __future__ import annotations

import os
from pathlib import Path

from tiltyard.errors import UnavailableError

LEFT_BYTES = 32 * 2**20
"""Enough to overwrite 500 rows of 60 kB, which are shipped at once."""
LEFT_SHARE = 0.25
"""Of a disk so small that ``LEFT_BYTES`` would be most of it."""


def check_room(folder: Path) -> None:
    """Check that predictions may take more of the disk; it costs a few microseconds.

    Raises:
        UnavailableError: they would take what is left to shipping.
    """
    try:
        disk = os.statvfs(folder)
    except OSError:
        return  # writing there gives the reason
    free = disk.f_bavail * disk.f_frsize
    least = min(LEFT_BYTES, LEFT_SHARE * disk.f_blocks * disk.f_frsize)
    if free < least:
        raise UnavailableError(
            f"The disk of the spools {folder} has {free / 1e6:.1f} MB left, and the last {least / 1e6:.1f} MB are for "
            "shipping what waits.",
            next_step="Free some disk space.",
            code="ledger.full",
        )
