"""Profiles: what rows look like, in a few kilobytes, so that those of parts add up to that of the whole."""

from tiltyard.monitoring.profiles.layout import Layout
from tiltyard.monitoring.profiles.profile import Profile
from tiltyard.monitoring.profiles.reference import FILE, Reference, build_reference
from tiltyard.monitoring.profiles.rows import Rows, frame_of, profile_rows
from tiltyard.monitoring.profiles.sketch import QuantileSketch

__all__ = [
    "FILE",
    "Layout",
    "Profile",
    "QuantileSketch",
    "Reference",
    "Rows",
    "build_reference",
    "frame_of",
    "profile_rows",
]
