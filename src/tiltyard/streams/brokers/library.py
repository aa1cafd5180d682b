"""The libraries of the brokers, which are parts of an extra."""

from __future__ import annotations

from importlib.util import find_spec

from tiltyard.errors import MissingExtraError
from tiltyard.streams.address import StreamAddress

LIBRARIES = {"kafka": "aiokafka", "nats": "nats", "redis": "redis", "rabbitmq": "aio_pika"}


def require_library(address: StreamAddress) -> None:
    """Make sure that the library of a broker is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec(LIBRARIES[address.kind.broker]) is None:
        raise MissingExtraError(f"Reading and writing {address.kind.stream}s of {address.kind.title}", "streams")
