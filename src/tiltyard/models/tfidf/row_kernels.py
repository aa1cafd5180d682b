"""The compiled loops from n-gram ids to rows of a matrix: count, gather, weigh."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_kernel, lowest_bit


@compile_kernel
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


@compile_kernel
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
                cell = 64 * tier + lowest_bit(upper)
                upper &= upper - np.uint64(1)
                lower = bits[cell]
                bits[cell] = 0
                while lower:
                    column = 64 * cell + lowest_bit(lower)
                    lower &= lower - np.uint64(1)
                    indices[at] = column
                    amounts[at] = counts[column]
                    counts[column] = 0
                    at += 1
        ends[text_number] = at
    cursor[0] = at


@compile_kernel
def weigh_row(rows: Any, indices: Any, amounts: Any, factors: Any, norm: Any, out: Any) -> Any:
    """Fill ``out`` with tf times idf, each row divided by its norm, in scikit-learn's order of operations.

    Args:
        rows: int64, where each row begins; indices: columns; amounts: counts.
        factors: (tf weight by count, idf by column or of size 0 for none).
        norm: 0 for none, 1 for l1, 2 for l2.
        out: float64 or float32, as long as indices.
    """
    by_count, idf = factors
    for row in range(rows.size - 1):
        total = 0.0
        for k in range(rows[row], rows[row + 1]):
            out[k] = by_count[amounts[k]]
            if idf.size:
                out[k] = out[k] * idf[indices[k]]
            total += abs(out[k]) if norm == 1 else out[k] * out[k]
        if norm and total != 0.0:
            total = total if norm == 1 else np.sqrt(total)
            for k in range(rows[row], rows[row + 1]):
                out[k] = out[k] / total
