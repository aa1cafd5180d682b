"""The compiled loops that read texts: scan for words, extend to n-grams, score.

A word of up to seven bytes is its own 64-bit key; a longer one has a 64-bit hash for a key and is then compared byte
by byte. An n-gram is a chain: the pair (id of the n-gram without its last word, id of that word), which is 64 bits
again and therefore exact. No two different things are ever confused.

Every loop releases the GIL and keeps no state. A text that is not valid UTF-8 would yield other tokens,
never a read out of bounds. The loops that call each other are in this one file, because numba's cache notices a
change of the file that a loop is in, not of others. They take arrays in plain tuples, the ``arrays`` of the classes
named, because numba's cache would stumble over a class that has since moved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline, compile_kernel, prefetch
from tiltyard.models.tfidf.alphabet import MARK, WIDE

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
_AHEAD = 16  # n-grams whose column is prefetched
_BLOCK = 32  # n-grams whose table rows are prefetched at once, so that memory loads them in parallel


@compile_inline
def _stir(key: Any) -> Any:
    key = (key ^ (key >> _HALF)) * _STIR_1
    key = (key ^ (key >> _HALF)) * _STIR_2
    return key ^ (key >> _HALF)


@compile_kernel
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


@compile_inline
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


@compile_kernel
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
                letter = np.uint64(_lower_character(table, text[k]))
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


@compile_inline
def _lower_character(table: Any, byte: Any) -> Any:
    meaning = table[byte]
    return meaning if meaning > WIDE else byte


@compile_inline
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
                same = known[first + k - span[0]] == _lower_character(letters[0], text[k])
                k += 1
            if same:
                return number, slot
        slot = (slot + 1) & mask


@compile_kernel
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
    slots, word_keys, starts, known = words
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
                prefetch(slots, 2 * seats[k])
            for k in range(count):
                span = (spans[k, 0], spans[k, 1])
                number, slot = _find_word(text, span, keys[k], seats[k], letters, words)
                if number < 0 <= state[1]:
                    number = state[1]
                    if number >= word_keys.size or state[2] + span[1] - span[0] > known.size:
                        state[0] = text_number
                        return False
                    for position in range(span[0], span[1]):
                        known[state[2]] = _lower_character(letters[0], text[position])
                        state[2] += 1
                    slots[2 * slot] = keys[k]
                    slots[2 * slot + 1] = np.uint64(number + 1)
                    word_keys[number] = keys[k]
                    starts[number + 1] = state[2]
                    state[1] = number + 1
                ids[at + k] = number
            at += count
        tokens[text_number + 1] = at
    return True


@compile_kernel
def seat(slots: Any, keys: Any, count: Any, first: Any) -> Any:
    """Put the first ``count`` keys into free slots, with the ids ``first``, ``first + 1`` and so on."""
    mask = np.int64(slots.size // 2 - 1)
    for number in range(count):
        slot = np.int64(_stir(keys[number])) & mask
        while slots[2 * slot + 1] != 0:
            slot = (slot + 1) & mask
        slots[2 * slot] = keys[number]
        slots[2 * slot + 1] = np.uint64(first + number + 1)


@compile_kernel
def name(letters: Any, starts: Any, keys: Any) -> Any:
    """Write the key of each word ``letters[starts[i]:starts[i + 1]]``, as scan makes it."""
    for number in range(keys.size):
        packed = _NOTHING
        code = _BASIS
        for k in range(starts[number], starts[number + 1]):
            packed = (packed << _BYTE) | np.uint64(letters[k])
            code = (code ^ np.uint64(letters[k])) * _PRIME
        keys[number] = packed if starts[number + 1] - starts[number] <= _PACKED else code | _TOP


@compile_inline
def _seek(ids: Any, level: Any, positions: Any, known: Any, slots: Any, out: Any) -> Any:
    keys, seats = out
    mask = np.int64(slots.size // 2 - 1)
    for k, position in enumerate(positions):
        prefix, word = ids[level - 1, position], ids[0, position + level]
        if prefix < 0 or word < 0 or (not known and ids[level - 1, position + 1] < 0):
            seats[k] = -1
        else:
            keys[k] = (np.uint64(prefix) << _HALF) | np.uint64(word)
            seats[k] = np.int64(_stir(keys[k])) & mask
            prefetch(slots, 2 * seats[k])


@compile_kernel
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
    slots, pair_keys = pairs
    mask = np.int64(slots.size // 2 - 1)
    keys = np.empty(_BLOCK, np.uint64)
    seats = np.empty(_BLOCK, np.int64)
    for text_number in range(state[0], tokens.size - 1):
        first, end = tokens[text_number], tokens[text_number + 1]
        last = max(first, end - level)
        for k in range(last, end):
            ids[level, k] = -1
        for block in range(first, last, _BLOCK):
            size = min(_BLOCK, last - block)
            _seek(ids, level, range(block, block + size), known, slots, (keys, seats))
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
                    if number >= pair_keys.size:
                        state[0] = text_number
                        return False
                    slots[2 * slot] = key
                    slots[2 * slot + 1] = np.uint64(number + 1)
                    pair_keys[number] = key
                    state[1] = number + 1
                ids[level, block + k] = number
    return True


@compile_inline
def _distinct(ids: Any, last: Any, columns: Any, cells: Any, idf: Any, weights: Any) -> Any:
    found, counts, used = cells
    mask = found.size - 1
    distinct = 0
    classes = weights.shape[1]
    flat = weights.reshape(-1)
    for level in range(ids.shape[0]):
        for k in range(min(last, _AHEAD)):
            if ids[level, k] >= 0:
                prefetch(columns, np.int64(ids[level, k]))
        for k in range(last):
            if k + _AHEAD < last and ids[level, k + _AHEAD] >= 0:
                prefetch(columns, np.int64(ids[level, k + _AHEAD]))
            number = ids[level, k]
            column = columns[number] if number >= 0 else -1
            if column >= 0:
                slot = (np.int64(column) * 0x9E3779B1 >> 15) & mask
                while found[slot] >= 0 and found[slot] != column:
                    slot = (slot + 1) & mask
                if found[slot] < 0:
                    # Both are read once all are counted. Asking for what is not there does no harm.
                    prefetch(idf, np.int64(column))
                    prefetch(flat, np.int64(column) * classes)
                    found[slot] = column
                    counts[slot] = 0
                    used[distinct] = slot
                    distinct += 1
                counts[slot] += 1
    return distinct


@compile_inline
def _add_up(cells: Any, distinct: Any, factors: Any, weights: Any, settings: Any, row: Any) -> Any:
    found, counts, used = cells
    by_count, idf = factors
    norm, binary, sublinear = settings
    total = 0.0
    for position in range(distinct):
        slot = used[position]
        column = found[slot]
        found[slot] = -1
        amount = 1 if binary else counts[slot]
        if amount < by_count.size:
            value = by_count[amount]
        else:
            value = 1.0 + np.log(amount) if sublinear else np.float64(amount)
        if idf.size:
            value *= idf[column]
        total += abs(value) if norm == 1 else value * value
        for k in range(row.size):
            row[k] += value * weights[column, k]
    if norm and total != 0.0:
        total = total if norm == 1 else np.sqrt(total)
        for k in range(row.size):
            row[k] /= total


@compile_inline
def _make_cells(size: Any) -> Any:
    found = np.empty(size, np.int32)
    for k in range(size):
        found[k] = -1
    return found, np.empty(size, np.int32), np.empty(size, np.int32)


@compile_kernel
def score(texts: Any, vocabulary: Any, factors: Any, model: Any, settings: Any, out: Any) -> Any:
    """Decision values of a linear model over TF-IDF, without a matrix in between.

    Args:
        texts: as for scan.
        vocabulary: (Alphabet, WordTable, PairTable, int32 column of each n-gram or -1).
        factors: (float64 tf weight by count, for small counts; float64 idf by column, of size 0 for none).
        model: (weights float64 (columns, classes), intercept float64 (classes,)).
        settings: (least words of a term, most words, norm as for weigh, binary, sublinear).
        out: float64 (texts, classes).
    """
    text, bounds, plain = texts
    letters, words, pairs, columns = vocabulary
    weights, intercept = model
    least, levels, norm, binary, sublinear = settings
    # Loops over numbers compile in a third of the time that numba takes for whole arrays: their errors are texts.
    tokens = np.empty(2, np.int64)
    tokens[0] = tokens[1] = 0
    learn_nothing = np.empty(3, np.int64)
    learn_nothing[0], learn_nothing[1], learn_nothing[2] = 0, -1, 0
    longest = 1
    for number in range(bounds.size - 1):
        longest = max(longest, bounds[number + 1] - bounds[number])
    ids = np.empty((levels, longest), np.int32)
    found, counts, used = _make_cells(1024)
    row = np.empty(intercept.size, np.float64)
    for number in range(bounds.size - 1):
        one = (text, bounds[number : number + 2], plain[number : number + 1])
        scan(one, letters, words, ids[0], tokens, learn_nothing)
        for level in range(1, levels):
            extend(ids, level, tokens, pairs, True, learn_nothing)
        size = 64
        while size < 2 * tokens[1] * (levels - least + 1):
            size *= 2
        if size > found.size:
            found, counts, used = _make_cells(size)
        cells = (found[:size], counts[:size], used)
        distinct = _distinct(ids[least - 1 :], tokens[1], columns, cells, factors[1], weights)
        for k in range(row.size):
            row[k] = 0.0
        _add_up(cells, distinct, factors, weights, (norm, binary, sublinear), row)
        for k in range(row.size):
            out[number, k] = row[k] + intercept[k]
