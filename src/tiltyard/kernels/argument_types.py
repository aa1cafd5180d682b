"""The types of a kernel's arguments: as a key that is found fast, and as a text that two processes agree on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_CONTIGUOUS, _FORTRAN, _ALIGNED, _WRITEABLE = 0x1, 0x2, 0x100, 0x400  # of numpy's ndarray.flags.num
ARRAY_FLAGS = _CONTIGUOUS | _FORTRAN | _ALIGNED | _WRITEABLE
_LEAST, _MOST = -(2**63), 2**63 - 1
_TOO_LARGE = "an int beyond int64"


class UnknownTypeError(Exception):
    """A type that has no text: only numba knows such an argument."""


def key_of_types(arguments: Sequence[Any]) -> Any:
    """A key that is equal for arguments of the same types. Arrays differ in dtype, dimensions, layout and flags."""
    return tuple([_key_of_type(argument) for argument in arguments])


def _key_of_type(argument: Any) -> Any:
    kind = type(argument)
    if kind is np.ndarray:
        return argument.dtype, argument.ndim, argument.flags.num & ARRAY_FLAGS
    if kind is tuple:
        return tuple([_key_of_type(part) for part in argument])
    if kind is int and not _LEAST <= argument <= _MOST:
        return _TOO_LARGE
    return kind


def list_types(arguments: Sequence[Any]) -> list[Any]:
    """The objects that a mark of these arguments names by their addresses: types, and dtypes of arrays."""
    found: list[Any] = []
    for argument in arguments:
        found.append(type(argument))
        if type(argument) is np.ndarray:
            found.append(argument.dtype)
        elif type(argument) is tuple:
            found += list_types(argument)
    return found


def describe_key(key: Any) -> str:
    """The text of a key of ``key_of_types``, the same as that of numba's types for those arguments.

    Raises:
        UnknownTypeError: only numba knows the type of one of the arguments.
    """
    return _join(_describe(part) for part in key)


def _describe(key: Any) -> str:
    if isinstance(key, tuple):
        if len(key) == 3 and isinstance(key[0], np.dtype):
            dtype, dimensions, flags = key
            layout = "C" if flags & _CONTIGUOUS else "F" if flags & _FORTRAN else "A"
            return _describe_array(dtype, dimensions, layout, bool(flags & _WRITEABLE), bool(flags & _ALIGNED))
        return describe_key(key)
    if key is int:
        return "i8"
    if key is float:
        return "f8"
    if key is bool:
        return "b1"
    if isinstance(key, type) and issubclass(key, np.number | np.bool_) and np.dtype(key).kind in "biuf":
        return np.dtype(key).str[1:]
    raise UnknownTypeError(str(key))


def describe_types(types: Sequence[Any]) -> str:
    """The text of numba's types of arguments.

    Raises:
        UnknownTypeError: one of them has none.
    """
    return _join(_describe_type(kind) for kind in types)


def _describe_type(kind: Any) -> str:
    from numba.core import types as numba_types  # noqa: PLC0415 - only who compiles needs numba
    from numba.np.numpy_support import as_dtype  # noqa: PLC0415 - likewise

    types: Any = numba_types
    if isinstance(kind, types.Array):
        return _describe_array(as_dtype(kind.dtype), kind.ndim, kind.layout, kind.mutable, kind.aligned)
    if isinstance(kind, types.Tuple | types.UniTuple):
        return _join(_describe_type(part) for part in kind)
    if type(kind) in (types.Integer, types.Float, types.Boolean):
        return str(as_dtype(kind).str[1:])
    raise UnknownTypeError(str(kind))


def _describe_array(dtype: np.dtype[Any], dimensions: int, layout: str, writeable: bool, aligned: bool) -> str:
    if dtype.kind not in "biuf":
        raise UnknownTypeError(str(dtype))
    return f"{dtype.str}:{dimensions}{layout}{'w' if writeable else 'r'}{'a' if aligned else 'u'}"


def _join(parts: Any) -> str:
    return f"({','.join(parts)})"
