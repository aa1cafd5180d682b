"""Tensors of the Open Inference Protocol V2: from JSON or binary data to Python values, and back.

Source: https://github.com/kserve/open-inference-protocol, "HTTP/REST", and the extension "binary tensor data" as
NVIDIA's Triton documents it.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from tiltyard.formatting import format_count

# Little-endian, row by row, as the extension has it.
DTYPES: dict[str, str] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
BYTES = "BYTES"
DATATYPES = (*DTYPES, BYTES)


class TensorError(ValueError):
    """A tensor that is not what it says; the message reads on after the tensor's name."""


def tensor_from_json(datatype: str, data: Any, count: int, *, base64_coded: bool = False) -> list[Any]:
    """The elements of a tensor whose data is in the JSON, flat or nested; null is a value that is not known.

    Raises:
        TensorError: there are not ``count`` of them, or one is of another kind.
    """
    values = _flat(data)
    if len(values) != count:
        raise TensorError(f"has {format_count(len(values), 'element')}, and its shape has {count}")
    if datatype == BYTES:
        return [_text_of(value, base64_coded=base64_coded) for value in values]
    return [_number(value, datatype) for value in values]


def tensor_from_binary(datatype: str, data: bytes, count: int) -> list[Any]:
    """The elements of a tensor whose data came as bytes; a NaN is a value that is not known.

    Raises:
        TensorError: there are not ``count`` of them, or one is not a text.
    """
    if datatype == BYTES:
        return _texts(data, count)
    dtype = np.dtype(DTYPES[datatype])
    if len(data) != count * dtype.itemsize:
        raise TensorError(
            f"has {format_count(len(data), 'byte')} of data, and its shape and datatype need {count * dtype.itemsize}"
        )
    values: list[Any] = np.frombuffer(data, dtype).tolist()
    return [None if math.isnan(value) else value for value in values] if datatype.startswith("FP") else values


def tensor_to_binary(datatype: str, values: Sequence[Any]) -> bytes:
    """Elements as the bytes of a tensor; texts in UTF-8, each after its length."""
    if datatype == BYTES:
        coded = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(value)) + value for value in coded)
    return np.asarray(values, dtype=np.dtype(DTYPES[datatype])).tobytes()


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise TensorError("has data that is not a list")
    if not any(isinstance(value, list) for value in data):
        return data
    values: list[Any] = []
    pending: list[Any] = [data]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        else:
            values.append(value)
    return values


def _text_of(value: Any, *, base64_coded: bool) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TensorError(f"holds {value!r:.40}, which is not text")
    if not base64_coded:
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise TensorError(f"holds {value!r:.40}, which is not base64 of UTF-8") from None


def _number(value: Any, datatype: str) -> Any:
    if value is None:
        return None
    if datatype == "BOOL":
        if not isinstance(value, bool):
            raise TensorError(f"holds {value!r:.40}, which is neither true nor false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TensorError(f"holds {value!r:.40}, which is not a number")
    if math.isnan(value):
        return None
    if not datatype.startswith("FP") and not (math.isfinite(value) and value == int(value)):
        raise TensorError(f"holds {value!r:.40}, which is not a whole number")
    return value


def _texts(data: bytes, count: int) -> list[Any]:
    values: list[Any] = []
    place = 0
    while place < len(data) and len(values) <= count:
        if len(data) - place < 4:
            raise TensorError("ends within the length of an element")
        (size,) = struct.unpack_from("<I", data, place)
        place += 4
        if size > len(data) - place:
            raise TensorError(f"ends within element {len(values)}")
        try:
            values.append(data[place : place + size].decode())
        except UnicodeDecodeError:
            raise TensorError(f"holds an element {len(values)} that is not UTF-8") from None
        place += size
    if len(values) != count:
        raise TensorError(f"has {format_count(len(values), 'element')}, and its shape has {count}")
    return values
