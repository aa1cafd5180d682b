"""What the registry said of a version, and the state that its SQLite file had: the reply holds while that is the same.

Replies are kept on this host too. A server that starts again then need not wait for MLflow, which takes seconds to
import, as long as nothing was registered, promoted or logged.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from tiltyard._version import __version__
from tiltyard.errors import NotFoundError
from tiltyard.files import find_writer, make_private_folder, write_atomically
from tiltyard.sqlite import is_open

Question = tuple[str, str | None, str | None]
"""A model, and a version or an alias of it."""

State = list[str | int]

_HEADER = 100  # bytes of an SQLite file: the count of its changes is among them
_MOST = 20  # replies that are kept: those to the questions that were put last

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the registry said: a version as JSON values, or that there is none.

    Attributes:
        state: of the registry's file, read before the registry was queried.
        content: the version; None where there is none.
        error: message, next step and code of the error where there is none.
    """

    state: State | None
    content: Any = None
    error: tuple[str, str, str] | None = None

    def take(self) -> Any:
        """The version.

        Raises:
            NotFoundError: there is none.
        """
        if self.error is not None:
            message, next_step, code = self.error
            raise NotFoundError(message, next_step=next_step, code=code)
        return self.content


class KnownReplies:
    """The latest reply to each question. Safe to use from several threads.

    Args:
        registry: the SQLite file of the registry; None where it is none, and no reply holds.
        folder: where replies are kept between servers: a folder of this user alone.
    """

    def __init__(self, registry: Path | None, folder: Path) -> None:
        self._registry = registry
        self._file = folder / "replies.json"
        self._lock = Lock()
        self._known: dict[Question, Reply] | None = None

    def read_state(self) -> State | None:
        """What changes with every commit to the registry's file; None where it has none, or cannot be read."""
        return None if self._registry is None else _read_state(self._registry)

    def find(self, question: Question, state: State | None) -> Reply | None:
        """The reply that holds in this state of the file."""
        if state is None:
            return None
        with self._lock:
            known = self._load().get(question)
        return known if known is not None and known.state == state else None

    def note(self, question: Question, reply: Reply) -> None:
        """Know a reply, and keep it."""
        if reply.state is None:
            return
        with self._lock:
            known = self._load()
            known.pop(question, None)
            known[question] = reply
            for old in list(known)[:-_MOST]:
                del known[old]
            self._save(known)

    def _load(self) -> dict[Question, Reply]:
        if self._known is None:
            self._known = {}
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                if not find_writer(self._file.parent):
                    self._known = _read_replies(json.loads(self._file.read_bytes()))
        return self._known

    def _save(self, known: Mapping[Question, Reply]) -> None:
        replies = [[list(question), reply.state, reply.content, reply.error] for question, reply in known.items()]
        try:
            make_private_folder(self._file.parent)
            if not find_writer(self._file.parent):
                write_atomically(self._file, json.dumps({"build": __version__, "replies": replies}), owner_only=True)
        except OSError as error:
            # Only the next start is slower.
            log.info("What the registry said cannot be kept in %s: %s", self._file, error)


def _read_replies(content: Mapping[str, Any]) -> dict[Question, Reply]:
    """The replies of a file; none of those that another build wrote."""
    if content["build"] != __version__:
        return {}
    return {
        (name, version, alias): Reply(state, version_info, None if error is None else (error[0], error[1], error[2]))
        for (name, version, alias), state, version_info, error in content["replies"]
    }


def _read_state(file: Path) -> State | None:
    if is_open(file):
        # The ledger is in the registry's file: to open it here and close it would take the ledger's locks from it. Its
        # times alone do not tell two commits of one moment apart.
        return None
    try:
        with file.open("rb") as stream:
            header, found = stream.read(_HEADER), os.fstat(stream.fileno())
        state: State = [str(file.absolute()), header.hex(), found.st_ino, found.st_size, found.st_mtime_ns]
        with contextlib.suppress(FileNotFoundError):
            written = file.with_name(f"{file.name}-wal").stat()
            state += [written.st_size, written.st_mtime_ns]
    except OSError:
        return None
    return state
