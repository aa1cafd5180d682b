"""Health checks: when failed probes mean that a process hangs."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tiltyard.processes.health_checks import HealthCheck, MissCounter, Watchdog

PATIENCE = 30.0


def check(misses: int, grace_seconds: float) -> HealthCheck:
    return HealthCheck("gone", lambda: True, 1.0, misses, grace_seconds)


def record(counter: MissCounter, probes: Sequence[tuple[bool, float]]) -> list[bool]:
    return [counter.record(passed=passed, now=now) for passed, now in probes]


def test_misses_count_only_after_the_first_probe_that_passed() -> None:
    """Before its first passed probe a process has its grace, whatever fails; after it misses in a row count."""
    counter = MissCounter(check(misses=2, grace_seconds=600), started=1000)
    assert not any(record(counter, [(False, 1000 + second) for second in range(1, 600)]))
    assert record(counter, [(True, 1600), (False, 1601), (True, 1602), (False, 1603)]) == [False] * 4
    assert counter.record(passed=False, now=1604)


def test_a_pause_of_the_machine_is_no_hang() -> None:
    """Misses are counted and not timed: one miss after a long sleep of the machine ends nothing."""
    counter = MissCounter(check(misses=2, grace_seconds=600), started=0)
    assert record(counter, [(True, 1), (False, 100_000), (True, 100_001)]) == [False] * 3


def test_a_process_that_never_passes_hangs_after_its_grace() -> None:
    """A process without any passed probe hangs once its grace is over, and not before."""
    counter = MissCounter(check(misses=2, grace_seconds=60), started=1000)
    assert record(counter, [(False, 1030), (False, 1059.9), (False, 1060)]) == [False, False, True]


def test_a_watchdog_reports_the_first_failed_check_once() -> None:
    """A hang is reported once, with the failure of its check; the other checks end."""
    reports: list[str] = []
    reported, second_probed = threading.Event(), threading.Event()
    results = iter([True, False, False])

    def fails_twice() -> bool:
        assert second_probed.wait(PATIENCE)  # a watchdog that has reported starts no further probe
        return next(results)

    def slow() -> bool:
        second_probed.set()
        assert reported.wait(PATIENCE)
        return False

    def report(failure: str) -> None:
        reports.append(failure)
        reported.set()

    checks = [
        HealthCheck("it hangs", fails_twice, 0.001, 2, 600),
        HealthCheck("it is slow", slow, 0.001, 1, 0),
    ]
    watchdog = Watchdog(checks, report)
    watchdog.start()
    assert reported.wait(PATIENCE)
    for thread in watchdog._threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert reports == ["it hangs"]


def test_a_stopped_watchdog_reports_nothing() -> None:
    """A probe that fails after the watchdog was stopped is not a hang."""
    reports: list[str] = []
    probing, stopped = threading.Event(), threading.Event()

    def probe() -> bool:
        probing.set()
        assert stopped.wait(PATIENCE)
        return False

    watchdog = Watchdog([HealthCheck("it hangs", probe, 0.001, 1, 0)], reports.append)
    watchdog.start()
    assert probing.wait(PATIENCE)
    watchdog.stop()
    stopped.set()
    for thread in watchdog._threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert reports == []
