"""Where a server listens: addresses and sockets."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from tiltyard.errors import TiltyardError, UnavailableError, UsageError

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as people open it."""
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - a name, not a choice
        return f"http://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{self.port}"


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that listens: taken before anything is loaded, so that a port in use is known at once.

    Args:
        host: address to listen on.
        port: port to listen on, 0 for any free one.
        shared: whether other sockets may listen on the same port; the kernel then divides the connections.

    Raises:
        UnavailableError: the port is in use.
        UsageError: the address cannot be listened on.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError, OverflowError) as error:
        raise UsageError(
            f"The address {host!r} cannot be listened on: {error}.",
            next_step="Name an address of this machine, such as 127.0.0.1.",
            code="server.address",
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        # Also where the port is shared: connections that the server closed would otherwise hold it for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds a port for others to share, and takes no connections itself; see ``bind``."""
    # Without sharing first: another server that shares its port would not be noticed.
    with bind(host, port) as alone:
        family, address = alone.family, alone.getsockname()
    holder = socket.socket(family, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError as error:
        holder.close()
        raise _cannot_listen(host, address[1], error) from None
    return holder


def _cannot_listen(host: str, port: int, error: OSError) -> TiltyardError:
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(
            f"Port {port} on {host} is in use.",
            next_step="End what listens there, or choose another: --port 0 takes any free one.",
            code="server.port-in-use",
            port=port,
        )
    return UsageError(
        f"Port {port} on {host} cannot be listened on: {error.strerror}.",
        next_step="Name an address of this machine and a port above 1023.",
        code="server.address",
    )
