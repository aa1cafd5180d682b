"""Parts of profiles in JSON's own types and back, by their fields (msgspec); arrays are lists."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
import numpy as np

T = TypeVar("T")


def to_stored(value: Any) -> Any:
    """A dataclass, or a mapping of some, in JSON's own types; the fields keep their order."""
    return msgspec.to_builtins(value, enc_hook=_list_array)


def from_stored(kind: type[T], data: Any) -> T:
    """The value of that type that ``to_stored`` wrote down.

    Raises:
        ValueError: a field is missing or of another type (msgspec's ``ValidationError``).
    """
    # Keys of JSON are text, also those of whole numbers.
    return msgspec.convert(data, kind, dec_hook=_read_array, str_keys=True)


def _list_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError(f"a profile cannot store a {type(value).__name__}")


def _read_array(kind: Any, data: Any) -> Any:
    _, dtype = get_args(kind)
    return np.ascontiguousarray(data, get_args(dtype)[0])
