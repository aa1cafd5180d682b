"""Calls between two processes over a stream socket, in both directions: a JSON message a line."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any

import msgspec

from tiltyard.errors import ArtifactError, NotFoundError, TiltyardError, UnavailableError, UsageError

Handler = Callable[..., Any]

# The errors that callers tell apart; any other arrives as a plain ``TiltyardError``.
_KINDS: dict[str, type[TiltyardError]] = {
    kind.__name__: kind for kind in (ArtifactError, NotFoundError, UnavailableError, UsageError)
}

log = logging.getLogger(__name__)


class IpcChannel:
    """One end of a channel. Safe to use from several threads.

    Each call of the other end is handled on its own thread, so that a slow one does not hold up the others.

    Args:
        connection: a connected stream socket; the channel closes it.
        handlers: the functions that the other end may call, by name; arguments and results are JSON values.
        on_disconnect: called once when the other end is gone.
        peer: what the other end is, for the messages of errors.
    """

    def __init__(
        self,
        connection: socket.socket,
        handlers: Mapping[str, Handler],
        on_disconnect: Callable[[], object] | None = None,
        *,
        peer: str = "other process",
    ) -> None:
        self._connection = connection
        self._handlers = handlers
        self._on_disconnect = on_disconnect
        self._peer = peer
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[Any]] = {}
        self._sending = Lock()
        self._disconnected = False
        self._thread = Thread(target=self._read_messages, name="tiltyard-ipc", daemon=True)

    def start(self) -> None:
        """Start to read messages."""
        self._thread.start()

    def call(self, name: str, /, *, seconds: float, **arguments: Any) -> Any:
        """Call a handler of the other end, and wait for its result.

        Args:
            name: the name of the handler.
            seconds: how long to wait.
            **arguments: its arguments.

        Raises:
            UnavailableError: the other end is gone, or took too long.
            TiltyardError: the error that the handler raised.
        """
        number = next(self._numbers)
        result: Future[Any] = Future()
        self._pending[number] = result
        try:
            if self._disconnected:
                raise self._gone()
            self._send({"call": name, "number": number, "arguments": arguments})
            return result.result(seconds)
        except TimeoutError:
            raise UnavailableError(
                f"The {self._peer} did not reply to '{name}' within {seconds:g} seconds.",
                next_step="Try again.",
                code="registry.unavailable",
            ) from None
        except OSError:
            raise self._gone() from None
        finally:
            self._pending.pop(number, None)

    def close(self) -> None:
        """Close the connection; closing twice is a no-op."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._sending:
            self._connection.sendall(msgspec.json.encode(message) + b"\n")

    def _read_messages(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._receive(msgspec.json.decode(line))
        except (OSError, ValueError, msgspec.DecodeError):
            pass
        self._disconnected = True
        for result in list(self._pending.values()):
            with contextlib.suppress(Exception):
                result.set_exception(self._gone())
        if self._on_disconnect is not None:
            self._on_disconnect()

    def _receive(self, message: dict[str, Any]) -> None:
        if "call" in message:
            Thread(target=self._handle, args=(message,), name="tiltyard-ipc-call", daemon=True).start()
            return
        result = self._pending.get(message["number"])
        if result is None:
            return
        if "error" in message:
            result.set_exception(_read_error(message["error"]))
        else:
            result.set_result(message["result"])

    def _handle(self, message: Mapping[str, Any]) -> None:
        reply: dict[str, Any] = {"number": message["number"]}
        try:
            reply["result"] = self._handlers[message["call"]](**message["arguments"])
        except TiltyardError as error:
            kind = next((name for name, kind in _KINDS.items() if isinstance(error, kind)), "")
            reply["error"] = {"kind": kind, "message": error.message, "next_step": error.next_step, "code": error.code}
        except Exception as error:
            log.exception("The call '%s' failed", message["call"])
            reply["error"] = {
                "kind": "UnavailableError",
                "message": f"{type(error).__name__}: {error}",
                "next_step": "See the log.",
                "code": "internal",
            }
        with contextlib.suppress(OSError):
            self._send(reply)

    def _gone(self) -> UnavailableError:
        return UnavailableError(
            f"The {self._peer} is gone.", next_step="Start the server again.", code="registry.unavailable"
        )


def read_first_line(connection: socket.socket) -> bytes:
    """The first message on a connection, read byte by byte: what follows it belongs to the channel.

    Returns:
        The line; without its end where the other end is gone.
    """
    read = bytearray()
    while not read.endswith(b"\n"):
        some = connection.recv(1)
        if not some:
            break
        read += some
    return bytes(read)


def _read_error(content: Mapping[str, str]) -> TiltyardError:
    kind = _KINDS.get(content["kind"], TiltyardError)
    return kind(content["message"], next_step=content["next_step"], code=content["code"])
