"""The compiled loops that profile texts.

This module imports numba and is imported only where rows are about to be profiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import ascii_kinds, bits_set, compile_inline, compile_kernel, eight_bytes, lowest_bit

_STIR = np.uint64(0x9E3779B97F4A7C15)  # an odd multiplier of splitmix64 (Steele, Lea and Flood, 2014)
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # another one
_HALF = np.uint64(32)
_LOW = np.uint64(29)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_HIGH_BITS = np.uint64(0x8080_8080_8080_8080)
_ONE, _TOP = np.uint64(1), np.uint64(63)
_WORD = 8
_WINDOW = 64
_OTHER, _LETTER, _DIGIT, _SPACE = 0, 1, 2, 3


@compile_kernel
def scan_texts(data: Any, bounds: Any, kinds: Any, filters: Any, out: Any, seen: Any) -> Any:
    """Measure n texts: length, words, letters, words that are not in the vocabulary, and which terms occur.

    A word is a run of letters and digits, of two at least; ASCII capitals are lowered. Whether it is known is looked up
    of a Bloom filter of two probes (Bloom, 1970). Terms are counted once a text, by the hash of the word.

    Texts of ASCII alone are read 64 bytes at a time, as bits that say what each byte is: a step for a word, and none
    for a letter. All others are read character by character.

    Args:
        data: uint8, the texts in UTF-8 one after the other.
        bounds: int64 (n + 1,), where each begins.
        kinds: uint8 (0x110000,), what a code point is: other, letter, digit or space.
        filters: (bits uint64 (w,), w a power of two: the vocabulary).
        out: float64 (5, n): characters, words, mean length of a word, share of letters among what is not space,
            share of words that are not known; the last three NaN where there is no word or character.
        seen: (terms int64 (t,), t a power of two, added to; stamps int64 (t,), of the last text seen plus one).
    """
    terms, stamps = seen
    found = np.empty((2, _most_words(bounds)), np.int64)
    for number in range(bounds.size - 1):
        start, end = bounds[number], bounds[number + 1]
        ascii_only, words, letters, inked = _split_ascii(data, start, end, found)
        characters = end - start
        if not ascii_only:
            characters, words, letters, inked = _split(data, start, end, kinds, found)
        unknown = in_words = 0
        mark = stamps.size + number
        for k in range(words):
            code = _hash_of_word(data, found[0, k], found[1, k])
            stirred = _stir(code)
            unknown += 1 - _is_known(code, stirred, filters)
            term = (stirred ^ (stirred >> _LOW)) & np.uint64(terms.size - 1)
            terms[term] += stamps[term] != mark
            stamps[term] = mark
            in_words += found[1, k] - found[0, k]
        if not ascii_only:
            in_words = _characters_of(data, found, words)
        out[0, number] = characters
        out[1, number] = words
        out[2, number] = in_words / words if words else np.nan
        out[3, number] = letters / inked if inked else np.nan
        out[4, number] = unknown / words if words else np.nan


@compile_kernel
def hash_words(data: Any, bounds: Any, kinds: Any, hashes: Any, texts: Any) -> Any:
    """Write the hash of every word of n texts and the text it stands in, as ``scan_texts`` finds them.

    Args:
        data, bounds, kinds: as in ``scan_texts``.
        hashes: uint64 (room,), the words' hashes; texts: int64 (room,), their texts.

    Returns:
        How many words were found; those beyond the room are counted and not written.
    """
    found = np.empty((2, _most_words(bounds)), np.int64)
    count = 0
    for number in range(bounds.size - 1):
        words = _split(data, bounds[number], bounds[number + 1], kinds, found)[1]
        for k in range(words):
            if count < hashes.size:
                hashes[count] = _hash_of_word(data, found[0, k], found[1, k])
                texts[count] = number
            count += 1
    return count


@compile_inline
def _most_words(bounds: Any) -> Any:
    """Words of two bytes at least that one of the texts can have."""
    longest = 0
    for number in range(bounds.size - 1):
        longest = max(longest, bounds[number + 1] - bounds[number])
    return longest // 3 + 2


@compile_inline
def _split_ascii(data: Any, start: Any, end: Any, found: Any) -> Any:
    """Find the words of a text if it is in ASCII: whether it is; words, letters, and characters other than spaces.

    Begins and ends of words are written to ``found``. A text near the end of the buffer counts as one that is not.
    """
    words = letters = spaces = 0
    begin = start
    inside = np.uint64(0)  # whether the byte before was of a word
    for at in range(start, end, _WINDOW):
        if at + _WINDOW > data.size:
            return False, 0, 0, 0
        letter, digit, space, foreign = ascii_kinds(data, at)
        size = min(end - at, _WINDOW)
        valid = _ALL >> np.uint64(_WINDOW - size)
        if foreign & valid:
            return False, 0, 0, 0
        letters += bits_set(letter & valid)
        spaces += bits_set(space & valid)
        word = (letter | digit) & valid
        before = (word << _ONE) | inside
        begins, ends = word & ~before, before & ~word
        while ends:
            until = at + lowest_bit(ends)
            ends &= ends - _ONE
            if not inside:
                begin = at + lowest_bit(begins)
                begins &= begins - _ONE
            inside = np.uint64(0)
            found[0, words] = begin
            found[1, words] = until
            words += until - begin >= 2
        if begins:
            begin = at + lowest_bit(begins)
        inside = word >> _TOP
    if inside:
        found[0, words] = begin
        found[1, words] = end
        words += end - begin >= 2
    return True, words, letters, end - start - spaces


@compile_inline
def _split(data: Any, start: Any, end: Any, kinds: Any, found: Any) -> Any:
    """Find the words of any text: characters, words, letters, and characters other than spaces."""
    pos = begin = start
    characters = words = letters = inked = length = 0
    while pos <= end:
        kind, size = _character(data, pos, end, kinds)
        if pos < end:
            characters += 1
            inked += kind != _SPACE
            letters += kind == _LETTER
        if kind in (_LETTER, _DIGIT):
            if not length:
                begin = pos
            length += 1
        else:
            if length >= 2:
                found[0, words] = begin
                found[1, words] = pos
                words += 1
            length = 0
        pos += size
    return characters, words, letters, inked


@compile_inline
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


@compile_inline
def _characters_of(data: Any, found: Any, words: Any) -> Any:
    """Characters of the words that were found: bytes that continue one are not counted."""
    count = 0
    for k in range(words):
        for pos in range(found[0, k], found[1, k]):
            count += (data[pos] & 0xC0) != 0x80
    return count


@compile_inline
def _hash_of_word(data: Any, begin: Any, end: Any) -> Any:
    """64 bits of a word of two bytes at least, ASCII capitals lowered."""
    size = end - begin
    code = np.uint64(size) * _MIX
    while size > _WORD:
        code = (code ^ _lower(eight_bytes(data, begin))) * _STIR
        code ^= code >> _HALF
        begin += _WORD
        size -= _WORD
    if begin + _WORD <= data.size:
        last = eight_bytes(data, begin) & (_ALL >> np.uint64(8 * (_WORD - size)))
    else:
        last = np.uint64(0)
        for k in range(size):
            last |= np.uint64(data[begin + k]) << np.uint64(8 * k)
    code = (code ^ _lower(last)) * _STIR
    return (code ^ (code >> _LOW)) * _MIX


@compile_inline
def _lower(word: Any) -> Any:
    """Eight bytes with the bit of 32 set in those that are ASCII: of letters and digits, capitals alone lack it."""
    return word | ((~word & _HIGH_BITS) >> np.uint64(2))


@compile_inline
def _stir(code: Any) -> Any:
    return (code ^ (code >> _HALF)) * _STIR


@compile_inline
def _is_known(code: Any, stirred: Any, bits: Any) -> Any:
    room = np.uint64(bits.size * 64 - 1)
    first = (stirred >> _HALF) & room
    second = (stirred ^ (code << np.uint64(7))) & room
    one = bits[first >> np.uint64(6)] >> (first & np.uint64(63))
    other = bits[second >> np.uint64(6)] >> (second & np.uint64(63))
    return np.int64(one & other & np.uint64(1))


@compile_kernel
def add_words(hashes: Any, bits: Any) -> Any:
    """Set the bits of words, by their hashes, in the Bloom filter that ``scan_texts`` asks."""
    room = np.uint64(bits.size * 64 - 1)
    for i in range(hashes.size):
        code = hashes[i]
        stirred = _stir(code)
        first = (stirred >> _HALF) & room
        second = (stirred ^ (code << np.uint64(7))) & room
        bits[first >> np.uint64(6)] |= np.uint64(1) << (first & np.uint64(63))
        bits[second >> np.uint64(6)] |= np.uint64(1) << (second & np.uint64(63))


@compile_kernel
def count_texts(hashes: Any, texts: Any, table: Any) -> Any:
    """Count in how many texts each word occurs, by open addressing.

    Args:
        hashes, texts: as ``hash_words`` wrote them, text after text.
        table: (words uint64 (size,), last text int64 (size,), texts int64 (size,)), size a power of two, all zero. When
            three quarters are used, no further words are added.
    """
    words, last, counts = table
    mask = np.uint64(words.size - 1)
    room = words.size // 4 * 3
    used = 0
    for i in range(hashes.size):
        code = hashes[i]
        place = np.int64((_stir(code) >> _LOW) & mask)
        while counts[place] and words[place] != code:
            place = (place + 1) & np.int64(mask)
        if not counts[place]:
            if used >= room:
                continue
            used += 1
            words[place] = code
            last[place] = texts[i]
            counts[place] = 1
        elif last[place] != texts[i]:
            last[place] = texts[i]
            counts[place] += 1
