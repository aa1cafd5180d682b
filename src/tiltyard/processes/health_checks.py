"""Health checks: how a supervisor tells a process that hangs from one that works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HealthCheck:
    """One sign by which a process shows that it works.

    Attributes:
        failure: what the process fails to do, as the end of a sentence: "it did not respond for 30 seconds".
        probe: checks once whether it does; returns within seconds.
        every_seconds: the pause between two probes.
        misses: after so many failed probes in a row the process hangs. Misses are counted and not timed, because a
            machine may sleep, or hold all its processes for a while.
        grace_seconds: how long a process that was just started may take until its first probe passes.
    """

    failure: str
    probe: Callable[[], bool]
    every_seconds: float
    misses: int
    grace_seconds: float


def http_check(url: str, timeout_seconds: float) -> Callable[[], bool]:
    """A probe that passes when a server responds at the address, with any status, within the timeout."""
    import httpx  # noqa: PLC0415 - a tenth of a second, which a supervisor without HTTP checks need not wait

    def probe() -> bool:
        try:
            # A proxy that the environment names does not know the programs of this host. Without TLS no certificates
            # are read: for each client that takes a fortieth of a second of processor time.
            verify = not url.startswith("http://")
            with (
                httpx.Client(trust_env=False, timeout=timeout_seconds, verify=verify) as client,
                client.stream("GET", url),
            ):
                return True
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    return probe


def heartbeat_check(file: Path) -> Callable[[], bool]:
    """A probe that passes when a file was touched since the last probe.

    It compares the file's own times with each other, because clocks may be set.
    """
    before = _modified_at(file)

    def probe() -> bool:
        nonlocal before
        earlier, before = before, _modified_at(file)
        return before is not None and before != earlier

    return probe


class MissCounter:
    """Decides from the results of one health check whether the process hangs.

    Args:
        check: the check.
        started: when the process was started, in seconds on a clock that only rises.
    """

    def __init__(self, check: HealthCheck, started: float) -> None:
        self._check = check
        self._started = started
        self._ever_passed = False
        self._missed = 0

    def record(self, *, passed: bool, now: float) -> bool:
        """Count one probe.

        Args:
            passed: whether it passed.
            now: the time, on the same clock as ``started``.

        Returns:
            Whether the process hangs.
        """
        if passed:
            self._ever_passed, self._missed = True, 0
            return False
        if not self._ever_passed:
            return now - self._started >= self._check.grace_seconds
        self._missed += 1
        return self._missed >= self._check.misses


class Watchdog:
    """Runs the health checks of one process until it hangs or ``stop`` is called.

    Args:
        checks: the checks; each runs on its own thread, so that a slow probe does not hold up the others.
        on_hang: called at most once, on one of these threads, with the ``failure`` of the check.
    """

    def __init__(self, checks: Sequence[HealthCheck], on_hang: Callable[[str], None]) -> None:
        self._on_hang = on_hang
        self._stopped = threading.Event()
        self._reporting = threading.Lock()
        self._threads = [
            threading.Thread(target=self._watch, args=(check,), name="tiltyard-watchdog", daemon=True)
            for check in checks
        ]

    def start(self) -> None:
        """Start the checks; the first probe comes after the first pause."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the checks, without waiting for a probe that is under way; its result no longer counts."""
        self._stopped.set()

    def _watch(self, check: HealthCheck) -> None:
        counter = MissCounter(check, time.monotonic())
        while not self._stopped.wait(check.every_seconds):
            if counter.record(passed=check.probe(), now=time.monotonic()):
                self._report(check.failure)
                return

    def _report(self, failure: str) -> None:
        with self._reporting:
            if self._stopped.is_set():
                return
            self._stopped.set()
        self._on_hang(failure)


def _modified_at(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None
