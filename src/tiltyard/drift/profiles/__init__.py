"""Profiles: what rows look like, in a few kilobytes, so that those of parts add up to that of the whole."""

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
