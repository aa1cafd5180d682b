"""What texts are made of: letters, vowels, marks, runs, damage; many texts in one pass of numpy."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

# Kinds of characters, as bits: a vowel is also Latin and a letter.
_LETTER, _LATIN, _VOWEL, _SPACE, _CONTROL, _DAMAGE = 1, 2, 4, 8, 16, 32
_CHUNK = 2_000_000
_LONG_RUN = 8


@dataclass(frozen=True, eq=False)
class CharacterCounts:
    """Counts over n texts, n values each.

    Attributes:
        length: characters.
        words: stretches between white space.
        letters: letters, ideographs and emoji of any script: what carries meaning.
        latin: letters of the Latin script.
        vowels: Latin vowels, y and accented ones among them.
        spaces: white space.
        controls: control characters but tab and line breaks, NUL among them.
        damage: U+FFFD, byte order marks inside, lone surrogates, and C1 controls, which are what cp1252's quotation
            marks and dashes become when read as Latin-1.
        run: length of the longest run of one character (0 if below 9; white space and ``-=_*.~#`` not counted).
    """

    length: Counts
    words: Counts
    letters: Counts
    latin: Counts
    vowels: Counts
    spaces: Counts
    controls: Counts
    damage: Counts
    run: Counts


def count_characters(texts: Sequence[str]) -> CharacterCounts:
    """Count over n texts, some millions of characters at a time."""
    length = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    counts = {field.name: np.zeros(len(texts), dtype=np.int64) for field in fields(CharacterCounts)}
    counts["length"] = length
    filled = np.flatnonzero(length)
    for chosen in _chunks(filled, length[filled]):
        joined = "".join([texts[place] for place in chosen]).encode("utf-32-le", "surrogatepass")
        characters = np.minimum(np.frombuffer(joined, dtype="<u4"), 0xFFFF)
        starts = np.append(0, np.cumsum(length[chosen])[:-1])
        kinds = _kinds()[characters]
        for name, bit in _COUNTED.items():
            counts[name][chosen] = _sums((kinds & bit) != 0, starts)
        space = (kinds & _SPACE) != 0
        begins = ~space
        begins[1:] &= space[:-1]
        begins[starts] = ~space[starts]
        counts["words"][chosen] = _sums(begins, starts)
        counts["run"][chosen] = _longest_runs(characters, starts)
    return CharacterCounts(**counts)


_COUNTED = {
    "letters": _LETTER,
    "latin": _LATIN,
    "vowels": _VOWEL,
    "spaces": _SPACE,
    "controls": _CONTROL,
    "damage": _DAMAGE,
}

_NEUTRAL = np.array([ord(character) for character in "-=_*.~#"], dtype=np.uint32)


def _chunks(places: Counts, lengths: Counts) -> Iterator[Counts]:
    group = np.cumsum(lengths) // _CHUNK
    yield from (part for part in np.split(places, np.flatnonzero(np.diff(group)) + 1) if len(part))


def _sums(marks: NDArray[np.bool_], starts: Counts) -> NDArray[np.uint32]:
    return np.asarray(np.add.reduceat(marks.view(np.uint8), starts, dtype=np.uint32))


def _longest_runs(characters: NDArray[np.uint32], starts: Counts) -> Counts:
    """The longest run in each text, where it is longer than eight."""
    longest = np.zeros(len(starts), dtype=np.int64)
    same = characters[1:] == characters[:-1]
    same[starts[1:] - 1] = False
    # Doubling: a position survives three times if eight repeats begin there, which hardly any does.
    reach = same
    for step in (1, 2, 4):
        if len(reach) <= step:
            return longest
        reach = reach[:-step] & reach[step:]
    for text in np.unique(np.searchsorted(starts, np.flatnonzero(reach), side="right") - 1):
        stop = starts[text + 1] if text + 1 < len(starts) else len(characters)
        own = characters[starts[text] : stop]
        edges = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
        runs = np.diff(np.append(edges, len(own)))
        heads = own[edges]
        counted = ~np.isin(heads, _NEUTRAL) & ((_kinds()[heads] & _SPACE) == 0)
        longest[text] = max(runs[counted], default=0)
    return np.where(longest > _LONG_RUN, longest, 0)


@cache
def _kinds() -> NDArray[np.uint8]:
    """The kinds of the characters up to U+FFFF; the last entry stands for all beyond (ideographs, emoji)."""
    table = np.fromiter((_kind(chr(code)) for code in range(0xFFFF)), dtype=np.uint8, count=0xFFFF)
    return np.append(table, np.uint8(_LETTER))


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    if character in "\ufffd\ufeff" or category == "Cs":
        return _DAMAGE
    if character.isspace() and character not in "\x1c\x1d\x1e\x1f\x85":
        return _SPACE
    if category == "Cc":
        return _DAMAGE if character >= "\x80" else _CONTROL
    if category[0] in "LM":
        return _LETTER | _latin(character)
    # Emoji and dingbats below U+FFFF mean something too.
    return _LETTER if "\u2600" <= character <= "\u27bf" else 0


def _latin(character: str) -> int:
    if not ("a" <= character.lower() <= "z" or "\u00c0" <= character <= "\u024f" or "\u1e00" <= character <= "\u1eff"):
        return 0
    base = unicodedata.normalize("NFD", character)[0].lower()
    return _LATIN | (_VOWEL if base in "aeiouyæøœıə" else 0)
