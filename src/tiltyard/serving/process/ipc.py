"""A line between the process that keeps a server and one of its workers: questions and answers, both ways."""

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

# Those that the far end treats differently; any other comes as a plain error.
_KINDS: dict[str, type[TiltyardError]] = {
    kind.__name__: kind for kind in (ArtifactError, NotFoundError, UnavailableError, UsageError)
}

log = logging.getLogger(__name__)


class IpcChannel:
    """One end of a line over a stream socket. Safe to use from several threads.

    Questions of the other end are answered on threads of their own, so that a slow one keeps no other waiting.

    Args:
        connection: a connected stream socket; the line closes it.
        handlers: what answers each question, by name; arguments and answers are JSON values.
        on_end: called once when the other end is gone.
    """

    def __init__(
        self, connection: socket.socket, handlers: Mapping[str, Handler], on_end: Callable[[], object] | None = None
    ) -> None:
        self._connection = connection
        self._handlers = handlers
        self._on_end = on_end
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Any]] = {}
        self._sending = Lock()
        self._ended = False
        self._thread = Thread(target=self._read, name="tiltyard-line", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def ask(self, question: str, /, *, seconds: float, **arguments: Any) -> Any:
        """Ask the other end, and wait for its answer at most so long.

        Raises:
            UnavailableError: the other end is gone, or took too long.
            TiltyardError: what it answered with.
        """
        number = next(self._numbers)
        answer: Future[Any] = Future()
        self._asked[number] = answer
        try:
            if self._ended:
                raise _gone()
            self._send({"ask": question, "number": number, "arguments": arguments})
            return answer.result(seconds)
        except TimeoutError:
            raise UnavailableError(
                f"The process that keeps the server did not answer '{question}' within {seconds:g} seconds.",
                next_step="Ask again.",
                code="registry.unavailable",
            ) from None
        except OSError:
            raise _gone() from None
        finally:
            self._asked.pop(number, None)

    def close(self) -> None:
        """Hang up; closing twice is a no-op."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._sending:
            self._connection.sendall(msgspec.json.encode(message) + b"\n")

    def _read(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._take(msgspec.json.decode(line))
        except (OSError, ValueError, msgspec.DecodeError):
            pass
        self._ended = True
        for answer in list(self._asked.values()):
            with contextlib.suppress(Exception):
                answer.set_exception(_gone())
        if self._on_end is not None:
            self._on_end()

    def _take(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            Thread(target=self._answer, args=(message,), name="tiltyard-answer", daemon=True).start()
            return
        answer = self._asked.get(message["number"])
        if answer is None:
            return
        if "error" in message:
            answer.set_exception(_error(message["error"]))
        else:
            answer.set_result(message["answer"])

    def _answer(self, message: Mapping[str, Any]) -> None:
        reply: dict[str, Any] = {"number": message["number"]}
        try:
            reply["answer"] = self._handlers[message["ask"]](**message["arguments"])
        except TiltyardError as error:
            kind = next((name for name, kind in _KINDS.items() if isinstance(error, kind)), "")
            reply["error"] = {"kind": kind, "message": error.message, "next_step": error.next_step, "code": error.code}
        except Exception as error:
            log.exception("The question '%s' failed", message["ask"])
            said = f"{type(error).__name__}: {error}"
            reply["error"] = {
                "kind": "UnavailableError",
                "message": said,
                "next_step": "See the log.",
                "code": "internal",
            }
        with contextlib.suppress(OSError):
            self._send(reply)


def _error(said: Mapping[str, str]) -> TiltyardError:
    kind = _KINDS.get(said["kind"], TiltyardError)
    return kind(said["message"], next_step=said["next_step"], code=said["code"])


def _gone() -> UnavailableError:
    return UnavailableError(
        "The process that keeps the server is gone.", next_step="Start the server again.", code="registry.unavailable"
    )
