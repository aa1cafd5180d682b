"""Profiles: what rows look like, in a few kilobytes, so that those of parts add up to that of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.drift.profiles.profile import Profile
    from tiltyard.drift.profiles.reference import FILE, Reference, build_reference
    from tiltyard.drift.profiles.rows import Rows, profile_rows, rows_frame
    from tiltyard.drift.profiles.schema import Layout

__all__ = [
    "FILE",
    "Layout",
    "Profile",
    "Reference",
    "Rows",
    "build_reference",
    "profile_rows",
    "rows_frame",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "profile": ("Profile",),
            "reference": (
                "FILE",
                "Reference",
                "build_reference",
            ),
            "rows": (
                "Rows",
                "profile_rows",
                "rows_frame",
            ),
            "schema": ("Layout",),
        },
    )
