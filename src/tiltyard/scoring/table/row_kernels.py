"""The compiled loops from rows as Python has them to numbers: usual cells of usual types."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import (
    compile_holding_lock,
    compile_inline,
    find_item,
    find_type,
    list_item,
    read_float,
    take_error,
)

DICT, FLOAT, INT, NONE, FIRST = range(5)  # of the addresses: of types, of None, and where those of columns begin
NAME, CODES, KIND, A_COLUMN = range(4)


@compile_inline
def _read_cell(cell: Any, addresses: Any, place: Any, missing: Any) -> Any:
    """Whether a cell is a usual one, and its number."""
    kind, codes = find_type(cell), addresses[place + CODES]
    if cell == addresses[NONE]:
        return True, missing
    if codes != 0:
        if kind != addresses[place + KIND]:
            return False, 0.0
        cell = find_item(codes, cell)
        if cell == 0:
            take_error()
            return False, 0.0
        return True, read_float(cell)
    if kind == addresses[FLOAT]:
        return True, read_float(cell)
    if kind == addresses[INT]:
        number = read_float(cell)
        return not (number == -1.0 and take_error()), number
    return False, 0.0


@compile_inline
def read_row(row: Any, addresses: Any, missing: Any, out: Any) -> Any:
    """Read a row; whether all of its cells are usual ones.

    Args:
        row: the address of a dictionary.
        addresses: int64, of the types dict, float and int and of None; then of each column its name, the dictionary of
            its codes, or 0 where numbers stand for themselves, and the type of its usual cells.
        missing: float64 (columns,), what stands for None.
        out: float64 (columns,).
    """
    if find_type(row) != addresses[DICT]:
        return False
    for column in range(out.size):
        place = FIRST + A_COLUMN * column
        cell = find_item(row, addresses[place + NAME])
        if cell == 0:
            take_error()
            return False
        usual, out[column] = _read_cell(cell, addresses, place, missing[column])
        if not usual:
            return False
    return True


@compile_holding_lock
def read_usual_rows(rows: Any, addresses: Any, missing: Any, out: Any) -> Any:
    """Read n rows; whether all of their cells are usual ones.

    Args:
        rows: the address of a list of as many rows as ``out`` has.
        addresses, missing: see ``read_row``.
        out: float64 (rows, columns).
    """
    for number in range(out.shape[0]):
        if not read_row(list_item(rows, np.intp(number)), addresses, missing, out[number]):
            return False
    return True
