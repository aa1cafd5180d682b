"""``tiltyard doctor``: who else can read what was recorded on this host."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check

if TYPE_CHECKING:
    from tiltyard.settings import Settings


def check_state_access(settings: Settings) -> Iterator[Check]:
    """A check of the state folder, and of a ledger in another folder; nothing of what is not there."""
    from tiltyard.sqlite import file_of_url

    shared = settings.state_access == "group"
    forbidden = stat.S_IRWXO if shared else stat.S_IRWXO | stat.S_IRWXG
    places = [(settings.state, forbidden, "the state folder")]
    ledger = file_of_url(settings.ledger) if settings.ledger else None
    if ledger is not None:
        places.append((ledger, stat.S_IROTH | stat.S_IWOTH, "the ledger"))
    for place, bits, what in places:
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
        except OSError:
            continue
        if not mode & bits:
            yield Check("privacy", "ok", f"{what} {place} is closed to other users (mode {mode:04o})")
            continue
        # Volumes of containers belong to root, and their group is the container's.
        wrong = mode & stat.S_IRWXO and place.parent.stat().st_mode & stat.S_IXOTH
        yield Check(
            "privacy",
            "wrong" if wrong else "note",
            f"{what} {place} holds recorded inputs, and other users may open it (mode {mode:04o})",
            f"Run as its owner: chmod {mode & ~bits:04o} {place}",
        )
