"""The check of ``tiltyard doctor`` on the SQLite library that keeps ledger and spools."""

from __future__ import annotations

from tiltyard.cli.host.doctor_decisions import Check
from tiltyard.sqlite import SqliteLibrary
from tiltyard.sqlite.libraries import CARE, REMEDY


def check_sqlite(library: SqliteLibrary) -> Check:
    """Say which SQLite it is, and that one which can damage files is used with care."""
    if library.resets_safely:
        return Check("sqlite", "ok", str(library))
    return Check("sqlite", "note", f"{library}. {CARE.removesuffix('.')}", REMEDY)
