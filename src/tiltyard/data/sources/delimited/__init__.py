"""Reading delimited text into a data frame, without a shifted, lost or swallowed row."""

from tiltyard.data.sources.delimited.dialect import SEPARATORS
from tiltyard.data.sources.delimited.read_delimited import Verbatim, read_delimited, read_delimited_sample
from tiltyard.data.sources.delimited.reread import NUMBER_GAPS

__all__ = ["NUMBER_GAPS", "SEPARATORS", "Verbatim", "read_delimited", "read_delimited_sample"]
