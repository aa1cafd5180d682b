"""The compiled loops of the text vectoriser and scorer: scan, extend, gather, weigh, score.

This module imports numba, so it is itself imported only where a text is about to be read. Every loop releases the
GIL, allocates nothing that its caller could share, and checks each index against the arrays it is given: a text
that is not valid UTF-8 yields other tokens, never a read out of bounds.

An n-gram is a chain: a word has an id, and a longer n-gram is the pair (id of the n-gram without its last word, id
of the last word), which is 64 bits and therefore an exact key. Words are found by a 64-bit hash and then compared
byte by byte. Nothing is ever taken for something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from tiltyard.models.text_alphabet import MARK, SKIP, WIDE, Alphabet


class WordTable(NamedTuple):
    """Words by hash, open addressing with linear probing.

    Attributes:
        slots: shape (2 * capacity,), pairs (hash, id + 1), id + 1 == 0 where free; capacity is a power of two.
        hashes: shape (most words,), the hash of each id.
        starts: shape (most words + 1,), word ``i`` is ``letters[starts[i]:starts[i + 1]]``.
        letters: the words' bytes.
    """

    slots: NDArray[np.uint64]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    letters: NDArray[np.uint8]


class PairTable(NamedTuple):
    """Longer n-grams by (prefix id << 32 | word id): ``slots`` as in WordTable, ``keys[id]`` the key."""

    slots: NDArray[np.uint64]
    keys: NDArray[np.uint64]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no writable place for its cache: compile anew in each process
        return njit(nogil=True)(function)  # type: ignore[no-any-return]


def _inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    return njit(forceinline=True, nogil=True)(function)  # type: ignore[no-any-return]


@intrinsic
def _lowest_bit(context: Any, word: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def _prefetch(context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(base, [arguments[1]]), ir.IntType(8).as_pointer())
        integer = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, integer, integer, integer])
        name = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(name, [pointer, integer(0), integer(3), integer(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


_PRIME = np.uint64(0x100000001B3)  # FNV-1a, Fowler, Noll and Vo
_BASIS = np.uint64(0xCBF29CE484222325)
_STIR_1 = np.uint64(0x9E3779B97F4A7C15)  # odd multipliers of splitmix64 (Steele, Lea and Flood, 2014)
_STIR_2 = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_NOTHING = np.uint64(0)
_BYTE = np.uint64(8)
_PACKED = 7  # a word of so many bytes is its own key; a longer one has a hash with the top bit set
_TOP = np.uint64(1 << 63)
_SPACE, _WORD, _OTHER = 2, 1, 0  # the kinds of characters in Alphabet.kinds
_BLOCK = 32  # n-grams whose table rows are asked for at once, so that memory answers them side by side


@_inlined
def _stir(key: Any) -> Any:
    key = (key ^ (key >> _HALF)) * _STIR_1
    key = (key ^ (key >> _HALF)) * _STIR_2
    return key ^ (key >> _HALF)


@_compiled
def _cut_plain(text: Any, pos: Any, end: Any, table: Any, shortest: Any, out: Any) -> Any:
    keys, spans = out
    count = 0
    while pos < end and count < keys.size:
        meaning = table[text[pos]]
        if meaning <= WIDE:
            if meaning == MARK:
                keys[count], spans[count, 0], spans[count, 1] = text[pos], pos, pos + 1
                count += 1
            pos += 1
            continue
        start = pos
        packed = _NOTHING
        code = _BASIS
        while pos < end:
            meaning = table[text[pos]]
            if meaning <= WIDE:
                break
            packed = (packed << _BYTE) | np.uint64(meaning)
            code = (code ^ np.uint64(meaning)) * _PRIME
            pos += 1
        if pos - start >= shortest:
            keys[count] = packed if pos - start <= _PACKED else code | _TOP
            spans[count, 0], spans[count, 1] = start, pos
            count += 1
    return count, pos


@_inlined
def _character(text: Any, pos: Any, end: Any, table: Any, kinds: Any) -> Any:
    meaning = table[text[pos]]
    if meaning != WIDE:
        return (_WORD if meaning > WIDE else (_OTHER if meaning == MARK else _SPACE)), 1
    lead = np.int64(text[pos])
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if pos + size > end:
        return _SPACE, end - pos
    code = lead & (0xFF >> (size + 1))
    for k in range(1, size):
        code = (code << 6) | (np.int64(text[pos + k]) & 0x3F)
    return (np.int64(kinds[code]) if code < kinds.size else _SPACE), size


@_compiled
def _cut_wide(text: Any, pos: Any, end: Any, letters: Any, out: Any) -> Any:
    keys, spans = out
    table, kinds, shortest, marks = letters
    count = 0
    while pos < end and count < keys.size:
        kind, size = _character(text, pos, end, table, kinds)
        start, length = pos, 0
        packed = _NOTHING
        code = _BASIS
        while kind == _WORD or (kind == _OTHER and marks and length == 0):
            for k in range(pos, pos + size):
                letter = np.uint64(_lowered(table, text[k]))
                packed = (packed << _BYTE) | letter
                code = (code ^ letter) * _PRIME
            pos += size
            length += 1
            if kind == _OTHER or pos >= end:
                break
            kind, size = _character(text, pos, end, table, kinds)
            if kind == _OTHER:
                break
        if length == 0:
            pos += size
        elif length >= shortest:
            keys[count] = packed if pos - start <= _PACKED else code | _TOP
            spans[count, 0], spans[count, 1] = start, pos
            count += 1
    return count, pos


@_inlined
def _lowered(table: Any, byte: Any) -> Any:
    meaning = table[byte]
    return meaning if meaning > WIDE else byte


@_inlined
def _find_word(text: Any, span: Any, key: Any, slot: Any, letters: Any, words: Any) -> Any:
    slots, _, starts, known = words
    mask = np.int64(slots.size // 2 - 1)
    while True:
        number = np.int64(slots[2 * slot + 1]) - 1
        if number < 0:
            return number, slot
        if slots[2 * slot] == key:
            if key < _TOP:
                return number, slot
            first = starts[number]
            same = starts[number + 1] - first == span[1] - span[0]
            k = span[0]
            while same and k < span[1]:
                same = known[first + k - span[0]] == _lowered(letters[0], text[k])
                k += 1
            if same:
                return number, slot
        slot = (slot + 1) & mask


@_compiled
def scan(texts: Any, letters: Any, words: Any, ids: Any, tokens: Any, state: Any) -> Any:
    """Cut texts into words and write each word's id, -1 for one that is not in the table.

    Args:
        texts: (uint8 bytes of all texts, int64 (texts + 1,) where each begins, bool (texts,) whether it is ASCII).
        letters: the Alphabet; words: the WordTable.
        ids: int32 (at least one per byte), out; tokens: int64 (texts + 1,), out, where each text's ids begin.
        state: int64 (3,): text to start with, words known, bytes of letters used. The number of words is
            negative when nothing is to be learned.

    Returns:
        False when the table is full: make room and call again, the text in work is read anew.
    """
    text, bounds, plain = texts
    slots, hashes, starts, known = words
    mask = np.int64(slots.size // 2 - 1)
    keys = np.empty(_BLOCK, np.uint64)
    spans = np.empty((_BLOCK, 2), np.int64)
    seats = np.empty(_BLOCK, np.int64)
    for text_number in range(state[0], bounds.size - 1):
        pos, end = bounds[text_number], bounds[text_number + 1]
        at = tokens[text_number]
        while pos < end:
            if plain[text_number]:
                count, pos = _cut_plain(text, pos, end, letters[0], letters[2], (keys, spans))
            else:
                count, pos = _cut_wide(text, pos, end, letters, (keys, spans))
            for k in range(count):
                seats[k] = np.int64(_stir(keys[k])) & mask
                _prefetch(slots, 2 * seats[k])
            for k in range(count):
                span = (spans[k, 0], spans[k, 1])
                number, slot = _find_word(text, span, keys[k], seats[k], letters, words)
                if number < 0 <= state[1]:
                    number = state[1]
                    if number >= hashes.size or state[2] + span[1] - span[0] > known.size:
                        state[0] = text_number
                        return False
                    for place in range(span[0], span[1]):
                        known[state[2]] = _lowered(letters[0], text[place])
                        state[2] += 1
                    slots[2 * slot] = keys[k]
                    slots[2 * slot + 1] = np.uint64(number + 1)
                    hashes[number] = keys[k]
                    starts[number + 1] = state[2]
                    state[1] = number + 1
                ids[at + k] = number
            at += count
        tokens[text_number + 1] = at
    return True


@_compiled
def reseat(slots: Any, codes: Any, count: Any, stirred: Any) -> Any:
    """Fill free slots with the first ``count`` codes (ids 0, 1, ...); keys are stirred, hashes already are."""
    mask = np.int64(slots.size // 2 - 1)
    for number in range(count):
        code = codes[number]
        slot = np.int64(code if stirred else _stir(code)) & mask
        while slots[2 * slot + 1] != 0:
            slot = (slot + 1) & mask
        slots[2 * slot] = code
        slots[2 * slot + 1] = np.uint64(number + 1)


@_compiled
def extend(ids: Any, level: Any, tokens: Any, pairs: Any, known: Any, state: Any) -> Any:
    """Find the n-grams of ``level + 1`` words from those of ``level``, -1 where there is none.

    Args:
        ids: int32 (levels, tokens): row 0 the words, row ``level - 1`` the prefixes, row ``level`` is written.
        level: from 1; tokens: where each text's tokens begin.
        pairs: the PairTable.
        known: whether only pairs already in the table count; else each one is learned whose suffix
            (the ``level`` words from the second on) has an id too, as no other can be frequent.
        state: int64 (2,): text to start with, pairs known.

    Returns:
        False when the table is full: make room and call again.
    """
    slots = pairs.slots
    mask = np.int64(slots.size // 2 - 1)
    limit = pairs.keys.size
    keys = np.empty(_BLOCK, np.uint64)
    seats = np.empty(_BLOCK, np.int64)
    for text_number in range(state[0], tokens.size - 1):
        first, end = tokens[text_number], tokens[text_number + 1]
        last = max(first, end - level)
        for k in range(last, end):
            ids[level, k] = -1
        for block in range(first, last, _BLOCK):
            size = min(_BLOCK, last - block)
            for k in range(size):
                prefix, word = ids[level - 1, block + k], ids[0, block + k + level]
                if prefix < 0 or word < 0 or (not known and ids[level - 1, block + k + 1] < 0):
                    seats[k] = -1
                    continue
                keys[k] = (np.uint64(prefix) << _HALF) | np.uint64(word)
                seats[k] = np.int64(_stir(keys[k])) & mask
                _prefetch(slots, 2 * seats[k])
            for k in range(size):
                slot = seats[k]
                if slot < 0:
                    ids[level, block + k] = -1
                    continue
                key = keys[k]
                while slots[2 * slot + 1] != 0 and slots[2 * slot] != key:
                    slot = (slot + 1) & mask
                number = np.int64(slots[2 * slot + 1]) - 1
                if number < 0 and not known:
                    number = state[1]
                    if number >= limit:
                        state[0] = text_number
                        return False
                    slots[2 * slot] = key
                    slots[2 * slot + 1] = np.uint64(number + 1)
                    pairs.keys[number] = key
                    state[1] = number + 1
                ids[level, block + k] = number
    return True


@_compiled
def count(ids: Any, level: Any, tokens: Any, first_text: Any, tally: Any) -> Any:
    """Add to the tally, int32 (n-grams, 3): the last text seen in (from 1), texts, occurrences."""
    for text_number in range(tokens.size - 1):
        mark = first_text + text_number + 1
        for k in range(tokens[text_number], tokens[text_number + 1]):
            number = ids[level, k]
            if number >= 0:
                if tally[number, 0] != mark:
                    tally[number, 0] = mark
                    tally[number, 1] += 1
                tally[number, 2] += 1


@_compiled
def gather(ids: Any, tokens: Any, columns: Any, offsets: Any, room: Any, out: Any) -> Any:
    """Write each text's distinct columns in ascending order with their counts: the rows of a CSR matrix.

    Columns are put in order by a bitmap of two tiers, which costs no comparison.

    Args:
        ids: int32 (levels, tokens); tokens: where each text begins.
        columns: int32, the column of each n-gram or -1; offsets: int64 (levels,), where a level's begin there.
        room: (counts int32 (columns,), bits uint64 (columns / 64 + 1,), tiers uint64 (columns / 4096 + 1,)), all
            zero, and zero again afterwards.
        out: (ends int64 (texts,), indices int32, counts int32, at int64 (1,)): where each row ends, its
            columns and counts, and the position to begin at, which is moved on.
    """
    counts, bits, tiers = room
    ends, indices, amounts, cursor = out
    at = cursor[0]
    for text_number in range(tokens.size - 1):
        for level in range(offsets.size):
            if offsets[level] < 0:
                continue
            for k in range(tokens[text_number], tokens[text_number + 1]):
                number = ids[level, k]
                column = columns[offsets[level] + number] if number >= 0 else -1
                if column >= 0:
                    counts[column] += 1
                    bits[column >> 6] |= np.uint64(1) << np.uint64(column & 63)
                    tiers[column >> 12] |= np.uint64(1) << np.uint64((column >> 6) & 63)
        for tier in range(tiers.size):
            upper = tiers[tier]
            tiers[tier] = 0
            while upper:
                cell = 64 * tier + _lowest_bit(upper)
                upper &= upper - np.uint64(1)
                lower = bits[cell]
                bits[cell] = 0
                while lower:
                    column = 64 * cell + _lowest_bit(lower)
                    lower &= lower - np.uint64(1)
                    indices[at] = column
                    amounts[at] = counts[column]
                    counts[column] = 0
                    at += 1
        ends[text_number] = at
    cursor[0] = at


@_compiled
def weigh(indptr: Any, indices: Any, amounts: Any, factors: Any, norm: Any, out: Any) -> Any:
    """Fill ``out`` with tf times idf, each row divided by its norm, in scikit-learn's order of operations.

    Args:
        indptr: where each row begins; indices: columns; amounts: counts.
        factors: (tf weight by count, idf by column or of size 0 for none), both of out's type.
        norm: 0 for none, 1 for l1, 2 for l2.
        out: float64 or float32, as long as indices.
    """
    by_count, idf = factors
    for row in range(indptr.size - 1):
        total = 0.0
        for k in range(indptr[row], indptr[row + 1]):
            value = by_count[amounts[k]]
            if idf.size:
                value = value * idf[indices[k]]
            out[k] = value
            total += abs(value) if norm == 1 else value * value
        if norm and total != 0.0:
            total = total if norm == 1 else np.sqrt(total)
            for k in range(indptr[row], indptr[row + 1]):
                out[k] = out[k] / total


@_inlined
def tally_columns(ids: Any, first: Any, last: Any, columns: Any, found: Any, counts: Any) -> Any:
    """Distinct columns and their counts of the n-grams ``ids[:, first:last]``, in order of appearance.

    ``found`` and ``counts`` are int32 of the same power-of-two size, more than the n-grams; found is all -1.
    """
    mask = found.size - 1
    for level in range(ids.shape[0]):
        for k in range(first, last):
            number = ids[level, k]
            column = columns[number] if number >= 0 else -1
            if column >= 0:
                slot = (np.int64(column) * 0x9E3779B1 >> 15) & mask
                while found[slot] >= 0 and found[slot] != column:
                    slot = (slot + 1) & mask
                if found[slot] < 0:
                    found[slot] = column
                    counts[slot] = 0
                counts[slot] += 1


@_compiled
def score(text: Any, bounds: Any, vocabulary: Any, model: Any, out: Any) -> Any:
    """Decision values of a linear model over TF-IDF, without a matrix in between.

    Args:
        text, bounds: the texts, as for scan.
        vocabulary: (Alphabet, WordTable, PairTable, columns by n-gram, tf weight by count, idf or size 0).
        model: (weights float64 (columns, classes), intercept float64 (classes,), levels, least words, norm code,
            binary).
        out: float64 (texts, classes).
    """
    letters, words, pairs, columns, by_count, idf = vocabulary
    weights, intercept, levels, least, norm, binary = model
    out[:] = intercept
    tokens = np.zeros(2, np.int64)
    scan_state = np.zeros(3, np.int64)
    scan_state[1] = -1
    pair_state = np.zeros(2, np.int64)
    longest = 1
    for number in range(bounds.size - 1):
        longest = max(longest, bounds[number + 1] - bounds[number])
    ids = np.empty((levels, longest), np.int32)
    size = 64
    while size < 2 * longest * (levels - least + 1):
        size *= 2
    found = np.full(size, -1, np.int32)
    counts = np.empty(size, np.int32)
    for number in range(bounds.size - 1):
        scan_state[0] = 0
        scan(text, bounds[number : number + 2], letters, words, ids[0], tokens, scan_state)
        for level in range(1, levels):
            pair_state[0] = 0
            extend(ids, level, tokens, pairs, True, pair_state)
        size = 64
        while size < 2 * tokens[1] * (levels - least + 1):
            size *= 2
        tally_columns(ids[least - 1 :], 0, tokens[1], columns, found[:size], counts[:size])
        total = 0.0
        row = np.zeros(out.shape[1])
        for slot in range(size):
            column = found[slot]
            if column < 0:
                continue
            found[slot] = -1
            amount = 1 if binary else counts[slot]
            value = by_count[amount] if amount < by_count.size else 1.0 + np.log(amount)
            if idf.size:
                value *= idf[column]
            total += abs(value) if norm == 1 else value * value
            for k in range(row.size):
                row[k] += value * weights[column, k]
        if norm and total != 0.0:
            row /= total if norm == 1 else np.sqrt(total)
        out[number] += row
