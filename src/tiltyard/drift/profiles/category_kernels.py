"""The compiled loop that counts categories.

This module imports numba and is imported only where categories are about to be counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline, compile_kernel, eight_bytes

_STIR = np.uint64(0x9E3779B97F4A7C15)  # an odd multiplier of splitmix64 (Steele, Lea and Flood, 2014)
_HALF = np.uint64(32)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_TOP = np.uint64(1 << 63)
_WORD = 8


@compile_kernel
def count_distinct(data: Any, bounds: Any, owners: Any, keys: Any, counts: Any) -> Any:
    """Count how often each of n byte strings occurs, by open addressing.

    Strings are compared by their bytes. Up to seven bytes are their own key, with their number in the eighth; longer
    ones have a hash for a key, with the top bit set, and are compared where keys are equal.

    Args:
        data: uint8, the strings one after the other; bounds: int32 or int64 (n + 1,), where each begins.
        owners: int64 (size,), written: the number of the first string of its kind; size is a power of two.
        keys: uint64 (size,), written: its key; all are zero, and remain so where there is no owner.
        counts: int64 (size,), added to: how many there are of its kind.

    Returns:
        Whether half of the table was enough; if not, the counts are not complete.
    """
    mask = np.uint64(keys.size - 1)
    room = keys.size >> 1
    # A product's upper bits are those that depend on all of the key.
    shift = np.uint64(64)
    while mask >> (np.uint64(64) - shift):
        shift -= np.uint64(1)
    last = data.size - _WORD
    end = np.int64(bounds[0])
    for number in range(bounds.size - 1):
        start, end = end, np.int64(bounds[number + 1])
        size = end - start
        short = size < _WORD
        if short and start <= last:
            key = eight_bytes(data, start) & ~(_ALL << np.uint64(8 * size))
            key |= np.uint64(size + 1) << np.uint64(56)
        elif short:
            key = _by_byte(data, start, size) | (np.uint64(size + 1) << np.uint64(56))
        else:
            key = _hash_string(data, start, end) | _TOP
        place = (key * _STIR) >> shift
        while keys[place] != key or not (short or _are_equal(data, bounds, number, owners[place])):
            if not keys[place]:
                if not room:
                    return False
                room -= 1
                owners[place] = number
                keys[place] = key
                break
            place = (place + np.uint64(1)) & mask
        counts[place] += 1
    return True


@compile_inline
def _by_byte(data: Any, start: Any, size: Any) -> Any:
    word = np.uint64(0)
    for k in range(size):
        word |= np.uint64(data[start + k]) << np.uint64(8 * k)
    return word


@compile_inline
def _hash_string(data: Any, start: Any, end: Any) -> Any:
    """A hash of eight bytes at least; the last eight may be read twice."""
    code = np.uint64(end - start)
    for place in range(start, end - _WORD, _WORD):
        code = (code ^ eight_bytes(data, place)) * _STIR
        code ^= code >> _HALF
    return (code ^ eight_bytes(data, end - _WORD)) * _STIR


@compile_inline
def _are_equal(data: Any, bounds: Any, one: Any, other: Any) -> Any:
    """Whether two strings of eight bytes at least are the same."""
    start, begin = np.int64(bounds[one]), np.int64(bounds[other])
    end, until = np.int64(bounds[one + 1]), np.int64(bounds[other + 1])
    if end - start != until - begin:
        return False
    for place in range(0, end - start - _WORD, _WORD):
        if eight_bytes(data, start + place) != eight_bytes(data, begin + place):
            return False
    return eight_bytes(data, end - _WORD) == eight_bytes(data, until - _WORD)
