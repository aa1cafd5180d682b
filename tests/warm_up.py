"""Compile the kernels once before the tests.

In a fresh checkout the cache of numba is empty. Without this, each process that the tests start at once would compile
the same kernels, and a command that takes a second would take half a minute. The work is cut in parts, since compiling
takes longer than all else before the first test.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

from tiltyard.scoring.compile_kernels import compile_boosters, compile_models_of_texts, compile_profiles_and_tables

# Where numba keeps the compiled kernels of one package; those of the others are made with them.
_CACHE = Path(__file__).parents[1] / "src" / "tiltyard" / "scoring" / "table" / "__pycache__"


def start_compiling() -> list[int]:
    """Compile in one process for each part where numba's cache is empty; returns the ids of these children."""
    if any(_CACHE.glob("*.nbi")):
        return []
    return [_fork(part) for part in (compile_models_of_texts, compile_profiles_and_tables, compile_boosters)]


def wait_until_compiled(children: list[int]) -> None:
    """Wait for the processes that compile.

    Raises:
        RuntimeError: one has failed; the tests would only fail later, and less clearly.
    """
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        raise RuntimeError("the kernels cannot be compiled; the reason is above")


def _fork(part: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            part()
            code = 0
        except Exception:  # noqa: BLE001 - the process that waits raises
            traceback.print_exc()
        finally:
            os._exit(code)  # not the exit of the process that it is a copy of
    return child
