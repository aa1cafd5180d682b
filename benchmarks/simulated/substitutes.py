"""Clocks, threads and processes of the simulated world, in place of the host's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from subprocess import TimeoutExpired
from types import SimpleNamespace
from typing import Any

from benchmarks.simulated.world import Process, Task, World

from tiltyard.ledger import lease_guard
from tiltyard.processes import supervisor
from tiltyard.promotion import alias_change
from tiltyard.registry import alias_history, outside_changes


class WorldEvent:
    """``threading.Event``."""

    def __init__(self, world: World) -> None:
        self._world, self._set = world, False

    def set(self) -> None:
        """See ``threading.Event``."""
        self._set = True

    def is_set(self) -> bool:
        """See ``threading.Event``."""
        return self._set

    def wait(self, seconds: float | None = None) -> bool:
        """See ``threading.Event``."""
        return self._world.wait(self.is_set, seconds)


class WorldThread:
    """``threading.Thread``, as far as it is used."""

    def __init__(self, world: World, target: Callable[[], object]) -> None:
        self._world, self._target = world, target
        self._task: Task | None = None

    def start(self) -> None:
        """Begin, as a thread of the process that runs."""
        process = self._world.current
        if process is not None:
            self._task = self._world.spawn(process, self._target)

    def join(self) -> None:
        """Wait for its end."""
        task = self._task
        if task is not None:
            self._world.wait(lambda: task.dead)


class WorldPopen:
    """``subprocess.Popen`` of a process of the world; a process that died cannot reach it."""

    stdout = None

    def __init__(self, world: World, process: Process) -> None:
        self._world, self.process = world, process
        self.pid = id(process)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        self._world.step()
        return -9 if self.process.ended else None

    def terminate(self) -> None:
        """End it at once."""
        self._world.doom(self.process)

    kill = terminate

    def wait(self, seconds: float) -> int:
        """Wait for its end."""
        if not self._world.wait(lambda: self.process.ended, seconds):
            raise TimeoutExpired("simulated", seconds)
        return -9


def read_wall_clock(world: World) -> datetime:
    """What the clock of the host shows on which the running process is."""
    process = world.current
    return datetime.fromtimestamp(world.now + (process.clock_offset if process is not None else 0.0), UTC)


@contextmanager
def take_place(world: World) -> Iterator[None]:
    """While the block lasts, Tiltyard's modules use the world's clocks and threads."""
    clock = SimpleNamespace(monotonic=lambda: world.now, sleep=world.sleep)
    threads = SimpleNamespace(
        Event=lambda: WorldEvent(world), Thread=lambda target, **_options: WorldThread(world, target)
    )
    dates = SimpleNamespace(now=lambda _zone: read_wall_clock(world))

    def holder() -> str:
        return world.current.holder if world.current is not None else "nobody#0"

    replaced: list[tuple[Any, str, Any]] = [
        (lease_guard, "time", clock),
        (lease_guard, "threading", threads),
        (lease_guard, "_PAUSE_SECONDS", 3.0),  # fewer steps while one waits for another
        (lease_guard, "current_holder", holder),
        (lease_guard, "is_gone", world.knows_gone),
        (alias_change, "current_holder", holder),
        (alias_change, "is_gone", world.knows_gone),
        (alias_change, "_now", lambda: read_wall_clock(world)),
        (alias_history, "datetime", dates),
        (outside_changes, "datetime", dates),
        (supervisor, "time", clock),
        (supervisor, "Watchdog", lambda _checks, _report: SimpleNamespace(start=lambda: None, stop=lambda: None)),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
