"""Walking through a fitted model: every object that it holds, however deep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

# What can hold nothing further; most of a model's objects are of these.
_LEAVES = (str, bytes, int, float, complex, bool, type(None), np.generic, type)


def walk_objects(model: Any) -> Iterator[Any]:
    """The model and all that it holds: attributes, items of containers and of object arrays; each once."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _LEAVES) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting.extend(_children(part))


def _children(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    if isinstance(part, (list, tuple, set, frozenset)):
        return list(part)
    if isinstance(part, np.ndarray):
        return list(part.flat) if part.dtype == object else []
    return list(getattr(part, "__dict__", {}).values())
