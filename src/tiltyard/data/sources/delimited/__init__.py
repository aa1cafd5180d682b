"""Reading delimited text into a data frame, without a shifted, lost or swallowed row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.data.sources.delimited.delimited_reading import Verbatim, read_delimited, read_delimited_sample
    from tiltyard.data.sources.delimited.dialect import SEPARATORS
    from tiltyard.data.sources.delimited.reread import NUMBER_GAPS

__all__ = ["NUMBER_GAPS", "SEPARATORS", "Verbatim", "read_delimited", "read_delimited_sample"]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "dialect": ("SEPARATORS",),
            "delimited_reading": ("Verbatim", "read_delimited", "read_delimited_sample"),
            "reread": ("NUMBER_GAPS",),
        },
    )
