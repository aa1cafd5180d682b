"""The simulated world: one task runs at a time, a seed chooses which, and time is a number.

A task is code of Tiltyard in a greenlet. Wherever it meets the world (a store, a clock, another thread) it takes a
step: it yields, and the world continues with any task that is ready, lets time pass, and now and then pauses or kills a
process, sets its clock, or takes a store away. The same seed gives the same steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

TROUBLE = 0.01
"""Share of the steps before which something happens to a process or a store."""
# 2026-03-01 12:00 UTC; an episode has its own time.
START = 1_772_366_400.0
STORES = ("registry", "database")


class Crash(BaseException):
    """The process that runs this died: nothing it does from here on reaches the world."""


@dataclass(eq=False)
class Process:
    """A process on a separate host, as ``name`` in its nth life.

    Attributes:
        name: what it is.
        life: how often it was started before.
        alive: False once it died or ended.
        paused_until: when it continues, in seconds of the world.
        clock_offset: by how much the clock of its host is ahead, in seconds.
        tasks: its threads.
    """

    name: str
    life: int = 0
    alive: bool = True
    paused_until: float = 0.0
    clock_offset: float = 0.0
    tasks: list[Task] = field(default_factory=list)

    @property
    def holder(self) -> str:
        """Its identity as a holder of leases."""
        return f"{self.name}#{self.life}"

    @property
    def ended(self) -> bool:
        """Whether all of its threads have ended."""
        return not self.alive or all(task.dead for task in self.tasks)


class Task(greenlet):  # type: ignore[misc]
    """A thread of a process."""

    def __init__(self, process: Process, work: Callable[[], object], parent: greenlet) -> None:
        super().__init__(self._work, parent)
        self.process = process
        self.wake_at = 0.0
        self.wakes: Callable[[], bool] | None = None
        self._target = work

    def is_ready(self, now: float) -> bool:
        """Whether it may run: its process is not paused, and its time or what it waits for has come."""
        return self.process.paused_until <= now and (self.wake_at <= now or (self.wakes is not None and self.wakes()))

    def _work(self) -> None:
        with suppress(Crash):
            self._target()


class World:
    """See the module.

    Args:
        seed: chooses everything that happens.

    Attributes:
        now: the true time, in seconds.
        steps: how often a task met the world.
        happened: how often what was done to the processes and stores.
        away_until: when each store is there again.
        closing: whether tasks are to end after what they are at.
    """

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.now = START
        self.steps = 0
        self.happened: Counter[str] = Counter()
        self.away_until = dict.fromkeys(STORES, 0.0)
        self.closing = False
        self._tasks: list[Task] = []
        self._main = getcurrent()
        self._births: Counter[str] = Counter()
        self._doomed: list[Process] = []
        self._lives: dict[str, tuple[Callable[[Process], object], float]] = {}

    def start(self, name: str, work: Callable[[Process], object], again: float | None = None) -> Process:
        """Start a process; with ``again``, it is started anew that many seconds after it died."""
        process = Process(name, self._births[name], clock_offset=self.random.uniform(-2, 2))
        self._births[name] += 1
        if again is not None:
            self._lives[name] = (work, again)
        self.spawn(process, lambda: work(process))
        return process

    def spawn(self, process: Process, work: Callable[[], object]) -> Task:
        """Start a thread of a process."""
        task = Task(process, work, self._main)
        process.tasks.append(task)
        self._tasks.append(task)
        return task

    @property
    def current(self) -> Process | None:
        """The process whose code runs; None outside of all of them."""
        task = getcurrent()
        return task.process if isinstance(task, Task) else None

    def step(self) -> None:
        """Let the world continue; outside of a task it is a no-op.

        Raises:
            Crash: the process has died.
        """
        task = getcurrent()
        if not isinstance(task, Task):
            return
        if not task.process.alive:
            raise Crash
        self.steps += 1
        self._main.switch()
        if not task.process.alive:
            raise Crash

    def sleep(self, seconds: float) -> None:
        """Let time pass for the thread that runs."""
        task = getcurrent()
        if isinstance(task, Task):
            task.wake_at = self.now + seconds
        self.step()

    def wait(self, is_true: Callable[[], bool], seconds: float | None = None) -> bool:
        """Let time pass until something is true, at most so long; whether it is."""
        task = getcurrent()
        if not isinstance(task, Task):
            return is_true()
        until = float("inf") if seconds is None else self.now + seconds
        while not is_true():
            if self.now >= until:
                return False
            task.wake_at, task.wakes = until, is_true
            self.step()
        return True

    def pause(self, process: Process) -> None:
        """Let a process stand still, as a machine that is moved or that swaps."""
        self.happened["pause"] += 1
        process.paused_until = self.now + self.random.choice((1.0, 30.0, 89.0, 95.0, 300.0))

    def is_away(self, store: str) -> bool:
        """Whether a store cannot be reached now."""
        return self.now < self.away_until[store]

    def knows_gone(self, holder: str) -> bool:
        """Whether the host of the process that runs knows that a holder is gone: its own earlier life."""
        here, (name, _, life) = self.current, holder.partition("#")
        return here is None or (name == here.name and life != str(here.life))

    def run(self, steps: int) -> None:
        """Run tasks until so many steps were taken in all, in a world that is not kind."""
        while self.steps < steps:
            self._trouble()
            self._run_one()

    def settle(self, most: int) -> bool:
        """Let all tasks end in a world that is kind; False if they do not within so many steps more."""
        self.closing = True
        self.away_until = dict.fromkeys(STORES, 0.0)
        self._lives.clear()
        for task in self._tasks:
            task.process.paused_until = 0.0
        most += self.steps
        while any(not task.dead for task in self._tasks):
            if self.steps > most:
                return False
            self._run_one()
        return True

    def doom(self, process: Process) -> None:
        """Let a process die before anything else happens; for tasks."""
        self._doomed.append(process)
        self.step()

    def bury(self, process: Process) -> None:
        """Let a process die because another one did; for tasks, also of a process that is dead."""
        self._doomed.append(process)

    def kill(self, process: Process) -> None:
        """Let a process die, with all its threads; not for tasks."""
        if not process.alive:
            return
        process.alive = False
        for task in process.tasks:
            while task and not task.dead:  # a task that has not begun is false, and never will
                task.switch()
        if process.name in self._lives and not self.closing:
            work, seconds = self._lives[process.name]
            init = Process("init")
            self.spawn(init, lambda: self._revive(process.name, work, seconds))

    def _revive(self, name: str, work: Callable[[Process], object], seconds: float) -> None:
        self.sleep(self.random.uniform(0.2, 2.0) * seconds)
        if not self.closing:
            self.start(name, work, seconds)

    def _run_one(self) -> None:
        while self._doomed:
            self.kill(self._doomed.pop())
        self._tasks = [task for task in self._tasks if not task.dead and task.process.alive]
        ready = [task for task in self._tasks if task.is_ready(self.now)]
        if not ready:
            times = [max(task.wake_at, task.process.paused_until) for task in self._tasks]
            self.now = max(self.now + 0.001, min(times, default=self.now + 1.0))
            return
        self.now += self.random.expovariate(100.0)
        task = self.random.choice(ready)
        task.wake_at, task.wakes = 0.0, None
        task.switch()

    def _trouble(self) -> None:
        chance = self.random.random()
        if chance > TROUBLE or not self._tasks:
            return
        process = self.random.choice(self._tasks).process
        if process.name == "init":
            return
        if chance < 0.15 * TROUBLE:
            self.happened["crash"] += 1
            self.kill(process)
        elif chance < 0.5 * TROUBLE:
            self.pause(process)
        elif chance < 0.65 * TROUBLE:
            self.happened["clock jump"] += 1
            process.clock_offset += self.random.choice((-3600.0, -91.0, 91.0, 3600.0))
        else:
            self.happened["outage"] += 1
            store = self.random.choice(STORES)
            self.away_until[store] = self.now + self.random.choice((0.5, 2.0, 5.0, 100.0))
