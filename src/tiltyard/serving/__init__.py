"""Answers over HTTP, each of them recorded before it is given.

The names are imported when they are used: the process that only keeps workers alive needs none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiltyard.serving.http.app import create_app
    from tiltyard.serving.model.manager import LiveModel, Served
    from tiltyard.serving.model.served_version import ServedVersion
    from tiltyard.serving.predict.batcher import Batcher, BatchLimits
    from tiltyard.serving.process.sockets import Address, bind
    from tiltyard.serving.server import Backing, ModelServer

_HOMES = {
    "Address": "listening",
    "Backing": "server",
    "BatchLimits": "batcher",
    "Batcher": "batcher",
    "LiveModel": "live",
    "ModelServer": "server",
    "Served": "live",
    "ServedVersion": "version",
    "bind": "listening",
    "create_app": "app",
}

__all__ = [
    "Address",
    "Backing",
    "BatchLimits",
    "Batcher",
    "LiveModel",
    "ModelServer",
    "Served",
    "ServedVersion",
    "bind",
    "create_app",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
