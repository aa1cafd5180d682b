"""Work for engines that can go wrong in several ways."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tiltyard.errors import DataError


@dataclass
class Square:
    """Squares a number; a process dies at some of them, the first times that they come."""

    folder: Path
    deadly: tuple[int, ...] = ()
    deaths: int = 1
    wrong: int | None = None

    def __call__(self, number: int) -> int:
        if number == self.wrong:
            raise DataError(f"{number} is wrong", next_step="Correct it.", code="data.wrong", row=number)
        if number in self.deadly:
            with (self.folder / str(number)).open("a") as stream:
                stream.write("x")
            if len((self.folder / str(number)).read_text()) <= self.deaths:
                os.kill(os.getpid(), signal.SIGKILL)
        return number * number
