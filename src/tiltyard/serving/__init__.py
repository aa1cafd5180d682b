"""Answers over HTTP, each of them recorded before it is given."""

from tiltyard.serving.app import create_app
from tiltyard.serving.batcher import Batcher, BatchLimits
from tiltyard.serving.live import LiveModel, Served
from tiltyard.serving.server import Address, Backing, ModelServer, bind, run
from tiltyard.serving.version import ServedVersion

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
    "run",
]
