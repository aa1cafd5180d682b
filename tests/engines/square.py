"""Work for engines that can go wrong in several ways."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tiltyard.errors import DataError, UsageError


@dataclass
class Square:
    """Squares a number; a process dies at some of them, the first times that they come."""

    folder: Path
    deadly: tuple[int, ...] = ()
    deaths: int = 1
    wrong: int | None = None
    unfit: bool = False
    pause: float = 0.0

    def check_host(self) -> None:
        """Refuse this machine, if that is requested."""
        if self.unfit:
            raise UsageError("This machine lacks what it needs.", next_step="Take another.")

    def __call__(self, number: int) -> int:
        time.sleep(self.pause)
        if number == self.wrong:
            raise DataError(f"{number} is wrong", next_step="Correct it.", code="data.wrong", row=number)
        if number in self.deadly:
            with (self.folder / str(number)).open("a") as stream:
                stream.write("x")
            if len((self.folder / str(number)).read_text()) <= self.deaths:
                os.kill(os.getpid(), signal.SIGKILL)
        return number * number


@dataclass
class Spans:
    """When a fragment was worked on: begin and end, by the clock that all processes of this machine share."""

    folder: Path

    def __call__(self, number: int) -> tuple[float, float]:
        began = time.monotonic()
        time.sleep(0.05)
        return began, time.monotonic()


@dataclass
class Prepared:
    """Tells which process prepared it, and which worked: with a thread more, that process is not forked."""

    folder: Path
    threads: int = 0
    fails: bool = False
    kills_source: int | None = None
    prepared_by: int = 0

    def prepare(self) -> None:
        """Note who prepares."""
        if self.fails:
            raise DataError("It cannot be prepared.", next_step="Correct it.", code="data.wrong")
        with (self.folder / "prepared").open("a") as stream:
            stream.write("x")
        self.prepared_by = os.getpid()
        for _ in range(self.threads):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()

    def __call__(self, number: int) -> tuple[int, int]:
        time.sleep(0.02)
        mark = self.folder / "killed"
        if number == self.kills_source and not mark.exists():
            mark.touch()
            os.kill(self.prepared_by, signal.SIGKILL)
            time.sleep(5)
        return self.prepared_by, os.getpid()
