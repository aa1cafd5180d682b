"""What a kernel was compiled from: its source, that of the functions it calls, and the constants it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import CodeType
from typing import Any

# What every kernel is made of.
_OF_ALL = tuple(str(Path(__file__).with_name(name)) for name in ("intrinsics.py", "jit.py"))


def note_source(function: Callable[..., Any]) -> None:
    """Read the file of a function now: later it may be another one than the process has imported."""
    _digest_file(function.__code__.co_filename)


def stamp_sources(function: Callable[..., Any]) -> str:
    """A digest that is another one when the kernel, or what is compiled into it, was changed."""
    seen: dict[Any, None] = {}
    constants: list[str] = []
    _collect(function, seen, constants)
    files = {*(one.__code__.co_filename for one in seen), *_OF_ALL}
    digests = sorted(f"{Path(file).name} {_digest_file(file)}" for file in files)
    return sha256("\n".join([*digests, *sorted(set(constants))]).encode()).hexdigest()


def _collect(function: Callable[..., Any], seen: dict[Any, None], constants: list[str]) -> None:
    if function in seen:
        return
    seen[function] = None
    for name in sorted(set(_list_names(function.__code__))):
        value = function.__globals__.get(name)
        inner = getattr(value, "function", None)
        if inner is not None and hasattr(inner, "__code__"):
            _collect(inner, seen, constants)
        elif type(value) in (int, float, bool, str, tuple) or type(value).__module__ == "numpy":
            constants.append(f"{name} {type(value).__name__} {value!r}")


def _list_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _list_names(constant)


@cache
def _digest_file(file: str) -> str:
    try:
        return sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
