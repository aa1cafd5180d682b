"""Reading rows into a data frame: from files, folders, globs, URLs, databases and bundled data sets.

Every error says which source, what is wrong and what to do; a secret never stands in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.data.sources.detect_file import WRITING_KEYS, FileLayout, detect_layout
    from tiltyard.data.sources.formats import FORMATS
    from tiltyard.data.sources.source_reading import read_source

__all__ = ["FORMATS", "WRITING_KEYS", "FileLayout", "detect_layout", "read_source"]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "detect_file": ("WRITING_KEYS", "FileLayout", "detect_layout"),
            "formats": ("FORMATS",),
            "source_reading": ("read_source",),
        },
    )
