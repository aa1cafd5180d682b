"""Columns that are read once more, because pandas' first reading took something from them.

pandas finds out what a column holds while it reads. Where that loses a word for a gap, the zero before a code or the
last digits of a large number, only the column in question is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

import pandas as pd

from tiltyard.data.conform.big_integers import holds_whole_numbers, is_rounded, make_integers
from tiltyard.data.conform.cells import is_gap
from tiltyard.data.conform.number_texts import number_pattern
from tiltyard.data.conform.text_scan import find_words, has_leading_zero
from tiltyard.data.sources.delimited.delimited_file import DelimitedFile
from tiltyard.data.sources.delimited.layout import SURPLUS
from tiltyard.data.sources.delimited.number_columns import holds_code
from tiltyard.project import DataSection

NUMBER_GAPS = "words for gaps in columns of numbers"
"""Key of a frame's ``attrs``: the words for gaps that its columns of numbers held."""


def find_number_words(section: DataSection) -> Set[str]:
    """The words for gaps that would be read as numbers, such as ``-999``."""
    number = number_pattern(section.decimal, section.thousands)
    return {word for word in section.gaps or () if number.fullmatch(word.strip())}


def read_number_gaps(frame: pd.DataFrame, file: DelimitedFile, verbatim: Sequence[str]) -> pd.DataFrame:
    """The frame with the columns of numbers or booleans among which words for gaps stand.

    In a column of words, or of nothing else, they stay, for what they mean there is still to be decided; the words that
    stand among numbers are noted in ``attrs`` of the frame (`NUMBER_GAPS`).
    """
    names = list(_find_columns(frame, verbatim))
    cells = {name: frame[name] for name in names if _holds_texts(frame[name])}
    if find_number_words(file.section):
        # Those were missing cells from the start.
        holes = [name for name in names if frame[name].isna().any()]
        if holes:
            plain = file.read_frame((*verbatim, *holes), columns=holes)
            frame = frame.assign(**{name: plain[name] for name in holes if name in cells})
            cells |= {name: plain[name] for name in holes}
    words = file.gap_words - {""}
    found = {name: there for name, column in cells.items() if (there := find_words(column, words))}
    if not found:
        return frame
    again = file.read_frame(verbatim, columns=list(found))
    others = [name for name in found if not (_holds_texts(again[name]) or again[name].isna().all())]
    for name in others:
        frame[name] = again[name]
    frame.attrs[NUMBER_GAPS] = set().union(*(found[name] for name in others))
    return frame


def restore_codes(frame: pd.DataFrame, file: DelimitedFile, verbatim: Sequence[str]) -> pd.DataFrame:
    """The frame with the columns of codes as text, such as ``01234``, of which pandas made whole numbers."""
    whole = [name for name in _find_columns(frame, verbatim) if holds_whole_numbers(frame[name])]
    if not whole or not _has_codes(file):
        return frame
    words = file.read_frame((*verbatim, *whole), columns=whole)
    coded = [name for name in whole if holds_code(words[name])]
    return frame.assign(**{name: words[name] for name in coded})


def restore_integers(frame: pd.DataFrame, file: DelimitedFile) -> pd.DataFrame:
    """The frame with the large whole numbers that stand next to a gap exact, where pandas made floats of them."""
    rounded = [str(name) for name in frame.columns if is_rounded(frame[name])]
    if rounded:
        words = file.read_frame(rounded, columns=rounded)
        gaps = file.gap_words
        for name in rounded:
            exact = make_integers(None if is_gap(cell, gaps) else cell for cell in words[name])
            if exact is not None:
                frame[name] = exact
    return frame


def _find_columns(frame: pd.DataFrame, verbatim: Sequence[str]) -> Iterator[str]:
    """The names of the columns in which pandas decided what the cells are."""
    return (str(name) for name in frame.columns if name not in (*verbatim, SURPLUS))


def _holds_texts(column: pd.Series) -> bool:
    return pd.api.types.infer_dtype(column, skipna=True) == "string"


def _has_codes(file: DelimitedFile) -> bool:
    """Whether a cell may begin with a needless zero: by the file's bytes, so that most files are not read twice."""
    if file.section.encoding.lower().startswith("utf-16"):
        return True
    with file.open() as stream:
        return has_leading_zero(stream, file.dialect.separator.encode())
