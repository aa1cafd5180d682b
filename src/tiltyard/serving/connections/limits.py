"""What a connection may keep in memory, and how long it may take, before a whole request has come over it."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field

# Ten times what browsers send; a proxy that adds more has an error.
LARGEST_HEAD = 64 * 1024
# A header of five bytes costs two hundred in memory.
MOST_HEADERS = 200
LARGEST_TRAILERS = 8 * 1024
# Common balancers keep a connection that is not used for 60 seconds, and may send the next request just then.
IDLE_SECONDS = 75
# Files, databases, the channel to the supervisor, and connections to other hosts need descriptors too.
_RESERVED_DESCRIPTORS = 128
_MOST_CONNECTIONS = 4096


def most_connections() -> int:
    """How many connections a process takes at once: below its limit of open descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(8, min(_MOST_CONNECTIONS, soft - _RESERVED_DESCRIPTORS, soft * 3 // 4))


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of the connections of one process. Times are in seconds.

    Attributes:
        connections: most that are open at once. When one more comes, the one without a whole request that has waited
            for longest is closed.
        probes: so many more are taken where all of them have a request under way; further ones get 503.
        kept_bytes: what all connections together may keep of requests that are not whole, or that wait behind an
            earlier one.
        first_byte: until the first byte of a new connection.
        head: from the first byte of a head to its end.
        body: for a body, and one second more for each ``body_rate`` bytes of it.
        body_rate: bytes a second that a slow client has to send.
        idle: between two requests.
        write: for a client that does not read its response.
        linger: for a client to read why its connection ends.
    """

    connections: int = field(default_factory=most_connections)
    probes: int = 32
    kept_bytes: int = 64 * 1024 * 1024
    first_byte: float = 30.0
    head: float = 30.0
    body: float = 30.0
    body_rate: int = 8 * 1024
    idle: float = IDLE_SECONDS
    write: float = 60.0
    linger: float = 2.0
