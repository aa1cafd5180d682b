"""How a kernel finds what was compiled for the types of its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tiltyard.kernels.argument_types import UnknownTypeError, describe_key, describe_types, key_of_types, list_types
from tiltyard.kernels.jit import compile_kernel, lowest_bit
from tiltyard.kernels.kernel import _ARRAY, _TUPLE, _find_mark

NUMBERS = np.arange(12.0).reshape(3, 4)


@compile_kernel
def _weigh(parts: Any, factor: Any) -> Any:
    values, (weight, more) = parts
    total = more * 0.0
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            total += values[row, column] * weight * (row + 1)
    return total * factor


def _mark(*arguments: Any) -> int:
    return _find_mark()(id(arguments), _TUPLE, _ARRAY)


@pytest.mark.parametrize(
    "values",
    [NUMBERS, np.asfortranarray(NUMBERS), NUMBERS[:, ::2], NUMBERS.astype(np.float32), NUMBERS.astype(np.int64)],
    ids=["C", "Fortran", "strided", "float32", "int64"],
)
def test_each_type_of_arguments_gets_its_own_code(values: Any) -> None:
    """Arrays of another layout or dtype, and integers in place of floats, are read as what they are, in any order."""
    for weight, factor in ((2, 3), (2.0, 3), (2, 3.0)):
        expected = float((values * np.arange(1, 4)[:, np.newaxis]).sum() * weight * factor)
        assert _weigh((values, (weight, 1)), factor) == expected
        assert _weigh((NUMBERS, (weight, 1)), factor) == float((NUMBERS * [[1], [2], [3]]).sum() * weight * factor)


def test_marks_tell_types_apart_and_not_values() -> None:
    """Arguments of the same types have one mark whatever their values and lengths; no two lists of types share one."""
    read_only = NUMBERS.copy()
    read_only.flags.writeable = False
    kinds: list[tuple[Any, ...]] = [
        (), (1,), (1.0,), (True,), (1, 1), ((1, 1),), ((1,), 1), (np.float64(1),), (np.float32(1),),
        (NUMBERS,), (NUMBERS[0],), (NUMBERS.T,), (NUMBERS[::2, ::2],), (read_only,), (NUMBERS.astype(np.uint8),),
        (NUMBERS.astype(">f8"),), ((NUMBERS,),), (((NUMBERS,),),), (((NUMBERS,), 1),),
    ]  # fmt: skip
    assert len({_mark(*kind) for kind in kinds}) == len(kinds)
    assert _mark(NUMBERS, (1, NUMBERS[0])) == _mark(np.zeros((9, 9)), (5, np.ones(1)))
    assert _mark(((((1,),),),)) == 0


def test_what_a_mark_names_is_held() -> None:
    """A kernel holds the types and dtypes that its marks name by address, so that no other one gets their places."""
    other = np.zeros((2, 2), np.dtype("f8", metadata={"mine": 1}))
    assert list_types((other, (1, 2.0))) == [np.ndarray, other.dtype, tuple, int, float]
    _weigh((other, (1, 2)), 3)
    assert any(one is other.dtype for held in _weigh._held for one in held)


def test_both_sides_write_types_alike() -> None:
    """What a process with numba writes of a signature, one without it finds by the arguments."""
    from numba import typeof

    arguments = ((NUMBERS, (NUMBERS.T, NUMBERS[::2, ::2], 1)), 2.0, True, np.uint8(3), np.zeros(3, np.bool_))
    assert describe_types([typeof(one) for one in arguments]) == describe_key(key_of_types(arguments))
    for unknown in ("text", None, np.zeros(2, "U3"), np.zeros(1).view(np.matrix), 2**63):
        with pytest.raises(UnknownTypeError):
            describe_key(key_of_types([unknown]))


def test_an_instruction_is_for_kernels_alone() -> None:
    """An instruction that is called outside of a kernel says so."""
    with pytest.raises(TypeError, match="lowest_bit"):
        lowest_bit(4)
