"""Children of a forked command as real children that do not import everything again.

A command that starts others (a supervisor its workers, a script its commands) forks one process before it does
anything: the zygote. ``subprocess.Popen`` of the command then has the zygote fork what it is to start, where that is
Python with one of our modules, and starts everything else as usual. The kernel makes the command the parent of such a
process, since the command is its next ancestor that takes orphans: ``wait``, ``poll``, signals and ``psutil`` work as
for any other child.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

PlainPopen = subprocess.Popen  # of a command that starts others, ``subprocess`` has another one
_SET_NAME, _TAKE_ORPHANS = 15, 36  # PR_SET_NAME and PR_SET_CHILD_SUBREAPER of Linux's prctl
_NAME = "test-zygote"
_NAME_LENGTH = 15  # bytes of a process's name that the kernel keeps
_REGISTRY = "tiltyard.serving.process.registry_process"
FILES = 16  # the most descriptors that come with one request
MESSAGE = 180_000  # bytes; a command with its environment is far smaller

Request = tuple[dict[str, Any], list[int]]


def list_children(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    """The children of a process, without zygotes."""
    found = []
    for child in psutil.Process(pid).children(recursive=recursive):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if child.name() != _NAME:
                found.append(child)
    return found


def list_workers(pid: int) -> list[psutil.Process]:
    """The workers of a server: its children but the one that calls the registry, which comes and goes."""
    found = []
    for child in list_children(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            # One that was forked has the command line of its zygote, and the name that it was given.
            if child.name() != name_process(["-m", _REGISTRY]) and _REGISTRY not in child.cmdline():
                found.append(child)
    return found


def name_process(arguments: Sequence[str]) -> str:
    """The name of a forked Python with these arguments: its module or program, as far as the kernel keeps it."""
    program = arguments[1].rpartition(".")[2] if arguments[0] == "-m" else Path(arguments[0]).stem
    return program[:_NAME_LENGTH]


def start_zygote(can_fork: Callable[[Sequence[str], dict[str, str]], bool]) -> Request | None:
    """Fork the zygote of this process, which has no threads yet.

    Returns None in this process; in each child that the zygote forks, what it is to become.

    Args:
        can_fork: whether a command with that environment is one that need not import everything again.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = os.getpid()
    zygote = os.fork()
    if zygote == 0:
        ours.close()
        return _fork_on_request(theirs, command)
    theirs.close()
    subprocess.Popen = _make_popen(ours, can_fork)  # type: ignore[misc]
    atexit.register(_end_zygote, ours, zygote)
    return None


def _end_zygote(requests: socket.socket, zygote: int) -> None:
    requests.close()
    os.waitpid(zygote, 0)


def _fork_on_request(requests: socket.socket, command: int) -> Request:
    """Fork a child for each request until the command is gone; returns in each child."""
    _call_kernel(_SET_NAME, _NAME.encode())
    with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123 - the pipes of the command end with it
        for standard in (0, 1, 2):
            os.dup2(nothing.fileno(), standard)
    own = requests.fileno()
    os.closerange(3, own)
    os.closerange(own + 1, 1000)
    while True:
        message, files, _, _ = socket.recv_fds(requests, MESSAGE, FILES)
        if not message:
            os._exit(0)
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            pid = os.fork()
            if pid:
                os.write(writing, str(pid).encode())
                os._exit(0)  # this makes the child an orphan
            os.close(reading)
            os.close(writing)
            requests.close()
            request = json.loads(message)
            # Before it is a child of the command, so that nobody sees it under another name.
            _call_kernel(_SET_NAME, name_process(request["arguments"]).encode())
            _wait_for_parent(command)
            return request, files
        for file in (writing, *files):
            os.close(file)
        pid_ = os.read(reading, 16)
        os.close(reading)
        os.waitpid(between, 0)
        with contextlib.suppress(BrokenPipeError):
            requests.send(pid_)


def _wait_for_parent(command: int) -> None:
    for _ in range(10_000):
        if os.getppid() == command:
            return
        time.sleep(0.001)
    os._exit(1)


def prepare_child(request: dict[str, Any]) -> None:
    """What ``Popen`` does in a child between fork and exec, as far as ours use it.

    Tests in the background of a shell inherit that interrupts are ignored; a command that a test starts does not.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request.get("start_new_session"):
        os.setsid()
    if request.get("preexec"):
        module, _, name = request["preexec"].partition(":")
        getattr(importlib.import_module(module), name)()


def _make_popen(requests: socket.socket, can_fork: Callable[[Sequence[str], dict[str, str]], bool]) -> type[Any]:
    lock = threading.Lock()
    command = os.getpid()

    class ZygotePopen(subprocess.Popen[Any]):
        """Has the zygote fork the process where that is possible."""

        def _execute_child(self, args: Any, *rest: Any) -> None:
            (_, preexec, _, pass_fds, cwd, env, _, _, shell, reading, stdin, stdout, writing, stderr, erring) = rest[
                :15
            ]
            _, gid, gids, uid, umask, start_new_session, process_group = rest[15:]
            environment = {os.fsdecode(name): os.fsdecode(value) for name, value in (env or os.environ).items()}
            # In a copy of the command, made by a fork, the child would be one of the command.
            plain = os.getpid() == command and not shell
            plain = plain and (gid, gids, uid, umask, process_group) == (None, None, None, -1, -1)
            if not (
                plain and not isinstance(args, str | bytes | Path) and can_fork([str(arg) for arg in args], environment)
            ):
                return super()._execute_child(args, *rest)  # type: ignore[misc,no-any-return]
            request = {
                "arguments": [str(arg) for arg in args][1:],
                "cwd": str(Path(cwd or ".").absolute()),
                "env": environment,
                "targets": [0, 1, 2, *pass_fds],
                "start_new_session": start_new_session,
                "preexec": f"{preexec.__module__}:{preexec.__qualname__}" if preexec else "",
            }
            standard = [own if given == -1 else given for given, own in ((reading, 0), (writing, 1), (erring, 2))]
            sys.stdout.flush()
            with lock:
                _call_kernel(_TAKE_ORPHANS, 1)
                try:
                    socket.send_fds(requests, [json.dumps(request).encode()], [*standard, *pass_fds])
                    self.pid = int(requests.recv(16))
                finally:
                    _call_kernel(_TAKE_ORPHANS, 0)
            self._child_created = True
            self._close_pipe_fds(reading, stdin, stdout, writing, stderr, erring)  # type: ignore[attr-defined]
            return None

    return ZygotePopen


def _call_kernel(option: int, value: int | bytes) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
