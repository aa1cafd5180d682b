"""The compiled loops that profile texts.

This module imports numba and is imported only where rows are about to be profiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.models.text_jit import compiled, inlined

_PRIME = np.uint64(0x100000001B3)  # FNV-1a, Fowler, Noll and Vo
_BASIS = np.uint64(0xCBF29CE484222325)
_STIR = np.uint64(0x9E3779B97F4A7C15)  # an odd multiplier of splitmix64 (Steele, Lea and Flood, 2014)
_HALF = np.uint64(32)
_LOW = np.uint64(29)
_OTHER, _LETTER, _DIGIT, _SPACE = 0, 1, 2, 3


@inlined
def _character(data: Any, pos: Any, end: Any, kinds: Any) -> Any:
    """What stands at ``pos``, and its bytes; past the end there is white space."""
    if pos >= end:
        return _SPACE, 1
    point = np.int64(data[pos])
    if point < 0x80:
        return np.int64(kinds[point]), 1
    size = 2 if point < 0xE0 else (3 if point < 0xF0 else 4)
    size = min(size, end - pos)
    point &= 0xFF >> (size + 1)
    for k in range(1, size):
        point = (point << 6) | (np.int64(data[pos + k]) & 0x3F)
    return (np.int64(kinds[point]) if point < kinds.size else _OTHER), size


@inlined
def _spelled(data: Any, pos: Any, size: Any, code: Any) -> Any:
    for k in range(pos, pos + size):
        byte = np.uint64(data[k])
        if np.uint64(65) <= byte <= np.uint64(90):
            byte += np.uint64(32)
        code = (code ^ byte) * _PRIME
    return code


@inlined
def _stirred(code: Any) -> Any:
    return (code ^ (code >> _HALF)) * _STIR


@inlined
def _known(code: Any, stirred: Any, bits: Any) -> Any:
    room = np.uint64(bits.size * 64 - 1)
    first = (stirred >> _HALF) & room
    second = (stirred ^ (code << np.uint64(7))) & room
    one = bits[first >> np.uint64(6)] >> (first & np.uint64(63))
    other = bits[second >> np.uint64(6)] >> (second & np.uint64(63))
    return np.int64(one & other & np.uint64(1))


@compiled
def read_texts(data: Any, bounds: Any, kinds: Any, filters: Any, out: Any, seen: Any) -> Any:
    """Measure n texts: length, words, letters, words that are not in the vocabulary, and which terms occur.

    A word is a run of letters and digits, of two at least; ASCII capitals are lowered. Whether it is known is asked
    of a Bloom filter of two probes (Bloom, 1970). Terms are counted once a text, by the hash of the word.

    Args:
        data: uint8, the texts in UTF-8 one after the other.
        bounds: int64 (n + 1,), where each begins.
        kinds: uint8 (0x110000,), what a code point is: other, letter, digit or space.
        filters: (bits uint64 (w,), w a power of two: the vocabulary).
        out: float64 (5, n): characters, words, mean length of a word, share of letters among what is not space,
            share of words that are not known; the last three NaN where there is no word or character.
        seen: (terms int64 (t,), t a power of two, added to; stamps int64 (t,), of the last text seen plus one).
    """
    bits = filters
    terms, stamps = seen
    mask = np.uint64(terms.size - 1)
    for number in range(bounds.size - 1):
        pos, end = bounds[number], bounds[number + 1]
        characters = words = letters = inked = unknown = in_words = 0
        length = 0
        code = _BASIS
        while pos <= end:
            kind, size = _character(data, pos, end, kinds)
            if pos < end:
                characters += 1
                inked += kind != _SPACE
                letters += kind == _LETTER
            if kind in (_LETTER, _DIGIT):
                code = _spelled(data, pos, size, code)
                length += 1
            elif length:
                if length >= 2:
                    words += 1
                    in_words += length
                    stirred = _stirred(code)
                    unknown += 1 - _known(code, stirred, bits)
                    term = np.int64((stirred ^ (stirred >> _LOW)) & mask)
                    if stamps[term] != stamps.size + number:
                        stamps[term] = stamps.size + number
                        terms[term] += 1
                length = 0
                code = _BASIS
            pos += size
        out[0, number] = characters
        out[1, number] = words
        out[2, number] = in_words / words if words else np.nan
        out[3, number] = letters / inked if inked else np.nan
        out[4, number] = unknown / words if words else np.nan


@compiled
def hash_words(data: Any, bounds: Any, kinds: Any, hashes: Any, texts: Any) -> Any:
    """Write the hash of every word of n texts and the text it stands in, as ``read_texts`` finds them.

    Args:
        data, bounds, kinds: as in ``read_texts``.
        hashes: uint64 (room,), the words' hashes; texts: int64 (room,), their texts.

    Returns:
        How many words were found; those beyond the room are counted and not written.
    """
    count = 0
    for number in range(bounds.size - 1):
        pos, end = bounds[number], bounds[number + 1]
        length = 0
        code = _BASIS
        while pos <= end:
            kind, size = _character(data, pos, end, kinds)
            if kind in (_LETTER, _DIGIT):
                code = _spelled(data, pos, size, code)
                length += 1
            elif length:
                if length >= 2:
                    if count < hashes.size:
                        hashes[count] = code
                        texts[count] = number
                    count += 1
                length = 0
                code = _BASIS
            pos += size
    return count


@compiled
def add_words(hashes: Any, bits: Any) -> Any:
    """Set the bits of words, by their hashes, in the Bloom filter that ``read_texts`` asks."""
    room = np.uint64(bits.size * 64 - 1)
    for i in range(hashes.size):
        code = hashes[i]
        stirred = _stirred(code)
        first = (stirred >> _HALF) & room
        second = (stirred ^ (code << np.uint64(7))) & room
        bits[first >> np.uint64(6)] |= np.uint64(1) << (first & np.uint64(63))
        bits[second >> np.uint64(6)] |= np.uint64(1) << (second & np.uint64(63))


@compiled
def count_texts(hashes: Any, texts: Any, table: Any) -> Any:
    """Count in how many texts each word occurs, by open addressing.

    Args:
        hashes, texts: as ``hash_words`` wrote them, text after text.
        table: (words uint64 (size,), last text int64 (size,), texts int64 (size,)), size a power of two, all zero. When
            three quarters are taken, no further words are let in.
    """
    words, last, counts = table
    mask = np.uint64(words.size - 1)
    room = words.size // 4 * 3
    taken = 0
    for i in range(hashes.size):
        code = hashes[i]
        place = np.int64((_stirred(code) >> _LOW) & mask)
        while counts[place] and words[place] != code:
            place = (place + 1) & np.int64(mask)
        if not counts[place]:
            if taken >= room:
                continue
            taken += 1
            words[place] = code
            last[place] = texts[i]
            counts[place] = 1
        elif last[place] != texts[i]:
            last[place] = texts[i]
            counts[place] += 1
