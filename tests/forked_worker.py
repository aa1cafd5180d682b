"""A worker of pytest as a fork of the helper of the tests, which has imported what the tests import.

pytest-xdist starts this file in place of Python, with Python's arguments: this small process hands its standard streams
to the worker that the helper forks (see ``tests/fork_server.py``), passes signals on, and ends with its exit code.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys


def main() -> int:
    """Have the helper fork the worker, and wait for its end."""
    address, *arguments = sys.argv[1:]
    requests = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    requests.connect(address)
    assert requests.recv(180_000), "the helper of the tests could not start"
    status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = {"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ), "targets": [0, 1, 2]}  # noqa: PTH109
    ending = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # until it is known to which process they are to go
    with theirs:
        socket.send_fds(requests, [json.dumps(request).encode()], [theirs.fileno(), 0, 1, 2])
    worker = int(status.recv(16))
    for number in ending:
        signal.signal(number, lambda received, _: os.kill(worker, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
    for stream in (0, 1):
        os.close(stream)  # the pipes are the worker's now: they end with it
    return os.waitstatus_to_exitcode(int(status.recv(16)))


if __name__ == "__main__":
    sys.exit(main() % 256)
