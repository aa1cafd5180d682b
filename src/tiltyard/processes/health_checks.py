"""Signs of life: how a program that hangs is told from one that works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class HealthCheck:
    """Something by which a program shows that it gets on.

    Attributes:
        missing: what is said where it is missed, as the end of a sentence.
        seen: looks for it once; it must come back within seconds.
        every_seconds: the pause between two looks.
        misses: so many looks in a row that see nothing, and the program hangs. They are counted rather than timed, so
            that a machine that was asleep is no reason.
        grace_seconds: how long a program that was just started may take to its first sign.
    """

    missing: str
    seen: Callable[[], bool]
    every_seconds: float
    misses: int
    grace_seconds: float


def http_check(url: str, timeout_seconds: float) -> Callable[[], bool]:
    """Whether something answers there, with whatever status, within the time."""

    def look() -> bool:
        try:
            # A proxy that the environment names knows nothing of this host's programs.
            with httpx.Client(trust_env=False, timeout=timeout_seconds) as client, client.stream("GET", url):
                return True
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    return look


def heartbeat_check(file: Path) -> Callable[[], bool]:
    """Whether a file was touched since the last look; by its own time, since clocks may be set."""
    before = _touched(file)

    def look() -> bool:
        nonlocal before
        earlier, before = before, _touched(file)
        return before is not None and before != earlier

    return look


class Watchdog:
    """Looks for the signs of one running program until it ends or hangs.

    Args:
        signs: what is looked for; each on a thread of its own, so that a slow look hides nothing.
        on_hang: told once, on one of these threads, what is missed.
    """

    def __init__(self, signs: Sequence[HealthCheck], on_hang: Callable[[str], None]) -> None:
        self._on_hang = on_hang
        self._over = threading.Event()
        self._told = threading.Lock()
        self._threads = [threading.Thread(target=self._watch, args=(sign,), daemon=True) for sign in signs]

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop looking; a look that is under way is not waited for."""
        self._over.set()

    def _watch(self, sign: HealthCheck) -> None:
        started, ever, missed = time.monotonic(), False, 0
        while not self._over.wait(sign.every_seconds):
            if sign.seen():
                ever, missed = True, 0
                continue
            if ever:
                missed += 1
                late = missed >= sign.misses
            else:
                late = time.monotonic() - started >= sign.grace_seconds
            if late:
                self._tell(sign.missing)
                return

    def _tell(self, missing: str) -> None:
        with self._told:
            if self._over.is_set():
                return
            self._over.set()
        self._on_hang(missing)


def _touched(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None
