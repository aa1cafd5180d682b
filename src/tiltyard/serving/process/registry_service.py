"""The supervisor's side of ``RemoteRegistry``: it passes the calls of the workers on to the registry's process.

MLflow takes 150 MB and seconds to import, and a server needs it a few times a day. So a separate process has it
(``registry_process``), which is ended after a while without calls. Where the registry is an SQLite file of this host,
no call is repeated while the file is as it was, and no version is compiled twice: not by the next server either.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tiltyard.errors import NotFoundError, UnavailableError
from tiltyard.processes.ipc import Handler, IpcChannel
from tiltyard.serving.process.compiled_files import CompiledFiles
from tiltyard.serving.process.known_replies import KnownReplies, Question, Reply, State
from tiltyard.serving.process.registry_process import RegistryProcessConfig
from tiltyard.settings import Settings

SQLITE = "sqlite:///"
# Workers ask one thing after the other, and then not for a minute.
IDLE_SECONDS = 10.0
# The process takes seconds to import MLflow, on a busy machine many; a worker that waits has its own, shorter limit.
CALL_SECONDS = 600.0
END_SECONDS = 5.0
# How often a file that changes during a call is looked up anew; then the next call of a worker does it.
STATES = 3
KEPT = ".serving"  # below the cache; no model has a name that begins with a dot


class RegistryService:
    """Looks versions up and fetches them for workers. Safe to use from several threads.

    Args:
        settings: the settings of this host.
        config: what the process is started with.
        idle_seconds: the process is ended when it was not called for so long.
    """

    def __init__(
        self, settings: Settings, config: RegistryProcessConfig, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        scorers = settings.cache / KEPT / "scorers"
        compiles = not any(scorers.glob("*.json"))
        self._process = _RegistryProcess(config.model_copy(update={"compiles": compiles}), idle_seconds)
        file = settings.registry_uri.removeprefix(SQLITE)
        registry = Path(file) if file != settings.registry_uri else None
        self._known = KnownReplies(registry, settings.cache / KEPT / "replies")
        self._files = CompiledFiles(scorers, settings.trusted_types)

    @property
    def handlers(self) -> dict[str, Handler]:
        """The functions that a worker may call."""
        return {
            "get_version": self._get_version,
            "fetch": self._fetch,
            "check_champion": self._check_champion,
            "compile_version": self._compile_version,
        }

    @property
    def pid(self) -> int | None:
        """The id of the process that has MLflow; None while there is none."""
        return self._process.pid

    def warm_up(self, model_name: str) -> None:
        """Start the process and connect, so that the first call of a worker need not wait for that."""
        with contextlib.suppress(Exception):  # the worker meets the same error, and reports it
            self._get_version(model_name, None, "champion")

    def close(self) -> None:
        """End the process; calls fail afterwards. Closing twice is a no-op."""
        self._process.close()
        self._files.close()

    def _get_version(self, name: str, version: str | None, alias: str | None, *, again: bool = False) -> Any:
        question = (name, version, alias)
        state = self._known.read_state()
        known = None if again else self._known.find(question, state)
        if known is None:
            known = self._query(question, state)
            self._known.note(question, known)
        return known.take()

    def _query(self, question: Question, state: State | None) -> Reply:
        """Call the process; the reply is of the file's state after the call.

        The process writes to the file when it opens it first: it migrates it, or corrects the paths of a project that
        was moved. A reply of the state before would not hold at the next call, a minute later, and the process would
        take seconds from a server that has just begun to respond.
        """
        for _ in range(STATES):
            reply = self._call_once(question, state)
            now = self._known.read_state()
            if now == state:
                break
            state = now
        return reply

    def _call_once(self, question: Question, state: State | None) -> Reply:
        name, version, alias = question
        try:
            return Reply(state, self._process.call("get_version", name=name, version=version, alias=alias))
        except NotFoundError as error:
            return Reply(state, error=(error.message, error.next_step, error.code))

    def _fetch(self, info: dict[str, Any], cache: str) -> Any:
        return self._process.call("fetch", info=info, cache=cache)

    def _compile_version(self, info: dict[str, Any], folder: str, digest: str) -> Any:
        """The compiled scorer of a version as a file, compiled once for all workers."""

        def compile_version(file: Path) -> dict[str, Any]:
            found = self._process.call("compile_version", info=info, folder=folder, file=str(file))
            return dict(found)

        return self._files.find(digest, compile_version)

    def _check_champion(self, info: dict[str, Any]) -> None:
        self._process.call("check_champion", info=info)


class _RegistryProcess:
    """The process that has MLflow: started by a call, and ended when there were none for a while."""

    def __init__(self, config: RegistryProcessConfig, idle_seconds: float) -> None:
        self._config = config
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], IpcChannel] | None = None
        self._under_way = 0
        self._timer: threading.Timer | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        running = self._running
        return None if running is None else running[0].pid

    def call(self, name: str, /, **arguments: Any) -> Any:
        channel = self._begin()
        try:
            return channel.call(name, seconds=CALL_SECONDS, **arguments)
        finally:
            self._finish()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._end()

    def _begin(self) -> IpcChannel:
        """The channel for a call, to a process that runs; it is not ended before ``_finish``."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._running is not None and self._running[0].poll() is not None and not self._under_way:
                self._end()
            if self._running is None and not self._closed:
                self._running = _start(self._config)
            if self._running is None:
                raise _closed_error()
            self._under_way += 1
            return self._running[1]

    def _finish(self) -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way and not self._closed:
                timer = self._timer = threading.Timer(self._idle_seconds, lambda: self._end_idle(timer))
                timer.name, timer.daemon = "tiltyard-registry-idle", True
                timer.start()

    def _end_idle(self, timer: threading.Timer) -> None:
        with self._lock:
            if self._timer is timer:  # no call has begun since it was set
                self._timer = None
                self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is None:
            return
        process, channel = self._running
        self._running = None
        channel.close()  # it ends by itself then
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(config: RegistryProcessConfig) -> tuple[subprocess.Popen[bytes], IpcChannel]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", "-m", "tiltyard.serving.process.registry_process", str(theirs.fileno())]
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        except OSError as error:
            ours.close()
            raise UnavailableError(
                f"The process that calls the registry cannot be started: {error.strerror or error}.",
                next_step="Make room: this host has no memory or no process to spare.",
                code="registry.unavailable",
            ) from error
    channel = IpcChannel(ours, {}, peer="process that calls the registry")
    ours.sendall(config.model_dump_json().encode() + b"\n")
    channel.start()
    return process, channel


def _closed_error() -> UnavailableError:
    return UnavailableError("The server ends.", next_step="Start it again.", code="registry.unavailable")
