"""Bodies that are cheap to send and costly to decode, and a server in a separate process that gets them.

``python -m tests.serving.bodies.hostile FOLDER PACKAGE`` serves until its input ends; it writes its port first.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import run_server

SIZE = 60_000_000
V2 = f"/v2/models/{MODEL}/infer"
INVOCATIONS = "/invocations"
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


def repeat(begin: bytes, piece: bytes, end: bytes, size: int = SIZE) -> bytes:
    """A body of about ``size`` bytes."""
    return begin + piece * (size // len(piece)) + end


def uint8_tensor() -> bytes:
    """A tensor whose every byte is an element."""
    head = b'{"inputs":[{"name":"age","shape":[%d],"datatype":"UINT8","parameters":{"binary_data_size":%d}}]}'
    return head % (SIZE, SIZE) + bytes(SIZE)


def texts_tensor() -> bytes:
    """A tensor of empty texts, of four bytes each."""
    count = SIZE // 4
    head = b'{"inputs":[{"name":"age","shape":[%d],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}'
    return head % (count, SIZE) + bytes(4 * count)


def header_length(body: bytes) -> dict[str, str]:
    """The header of a body whose JSON is followed by tensors."""
    return {"Inference-Header-Content-Length": str(body.index(b"]}") + 2)}


Body = tuple[str, Callable[[], bytes], dict[str, str], int]

BODIES: dict[str, Body] = {
    "small numbers": ("/invocations", lambda: repeat(b'{"inputs":[1', b",1", b"]}"), JSON, 413),
    "numbers": ("/predict/batch", lambda: repeat(b'{"instances":[{"age":[1', b",1.5", b"]}]}"), JSON, 413),
    "empty objects": ("/predict/batch", lambda: repeat(b'{"instances":[{}', b",{}", b"]}"), JSON, 413),
    "empty texts": (INVOCATIONS, lambda: repeat(b'{"instances":[""', b',"a,"', b"]}"), JSON, 413),
    "open lists": (INVOCATIONS, lambda: b"[" * SIZE, JSON, 413),
    "nested lists": (INVOCATIONS, lambda: b"[" * (SIZE // 2) + b"]" * (SIZE // 2), JSON, 413),
    "one text": ("/predict/batch", lambda: repeat(b'{"instances":[{"town":"', "é,[ü".encode(), b'"}]}'), JSON, 422),
    "columns": (INVOCATIONS, lambda: repeat(b'{"dataframe_split":{"columns":[0', b",1", b'],"data":[]}}'), JSON, 413),
    "keys": (INVOCATIONS, lambda: repeat(b'{"dataframe_records":[{"a":1', b',"b":1', b"}]}"), JSON, 413),
    "tensors": (V2, lambda: repeat(b'{"inputs":[{}', b",{}", b"]}"), JSON, 413),
    "elements": (
        V2,
        lambda: repeat(b'{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":[1', b",1", b"]}]}"),
        JSON,
        413,
    ),
    "bytes": (V2, uint8_tensor, {}, 413),
    "texts as bytes": (V2, texts_tensor, {}, 413),
    "cells": (INVOCATIONS, lambda: repeat(b"age", b",", b"\n"), CSV, 413),
    "lines": (INVOCATIONS, lambda: repeat(b"age\n", b"12\n", b""), CSV, 413),
    "labels": ("/feedback", lambda: repeat(b'{"labels":[{}', b",{}", b"]}", 8_000_000), JSON, 413),
    "packed": (
        "/predict/batch",
        lambda: gzip.compress(repeat(b'{"instances":[{}', b",{}", b"]}"), 1),
        {**JSON, "Content-Encoding": "gzip"},
        413,
    ),
    "file": ("/predict/file?name=a.csv.gz", lambda: gzip.compress(repeat(b"age", b",", b"\n"), 1), {}, 413),
    "file of objects": (
        "/predict/file?name=a.json.gz",
        lambda: gzip.compress(repeat(b'[{"age":[1', b",1", b"]}]"), 1),
        {},
        413,
    ),
}


if __name__ == "__main__":
    with run_server(Path(sys.argv[1]), Path(sys.argv[2])) as running:
        sys.stdout.write(f"{running.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
