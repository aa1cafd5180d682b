"""The check of ``tiltyard doctor`` on the SQLite library that keeps ledger and spools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check

if TYPE_CHECKING:
    from tiltyard.sqlite import SqliteLibrary


def check_sqlite(library: SqliteLibrary) -> Check:
    """Say which SQLite it is, and that one which can damage files is used with care."""
    from tiltyard.sqlite.libraries import CARE, REMEDY

    if library.resets_safely:
        return Check("sqlite", "ok", str(library))
    return Check("sqlite", "note", f"{library}. {CARE.removesuffix('.')}", REMEDY)
