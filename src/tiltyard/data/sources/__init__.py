"""Reading rows into a data frame: from files, folders, globs, URLs, databases and bundled data sets.

Every error says which source, what is wrong and what to do; a secret never stands in it.
"""

from tiltyard.data.sources.detect_file import WRITING_KEYS, FileLayout, detect_layout
from tiltyard.data.sources.formats import FORMATS
from tiltyard.data.sources.read_source import read_source

__all__ = ["FORMATS", "WRITING_KEYS", "FileLayout", "detect_layout", "read_source"]
