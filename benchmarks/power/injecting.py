"""Builds and arms ``inject.c``, which makes one system call of this process fail without a tracer."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("inject.c")


@dataclass(frozen=True)
class Injection:
    """What is to happen at one system call of the thread that runs a story.

    Attributes:
        name: name of the call, as the kernel has it: ``pwrite64``.
        number: at the how many-th call of this name, from 1, as strace counts.
        error: name of the error, ``EIO``; empty where the process is killed before the call.
    """

    name: str
    number: int
    error: str


def build_injection(folder: Path) -> Path | None:
    """Compile the library into a folder; None where there is no compiler, or this system cannot do it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = folder / "inject.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return None
    return library if _works(library, folder) else None


def arm_injection(library: Path, injection: Injection, report: Path) -> None:
    """Arm this process, for good.

    Args:
        library: from ``build_injection``.
        injection: what is to happen.
        report: the file that then gets the path of the file that the call meant.

    Raises:
        OSError: this system does not let a process filter its system calls.
    """
    code = getattr(errno, injection.error) if injection.error else 0
    arm = ctypes.CDLL(os.fspath(library)).arm
    arm.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_char_p)
    failed = arm(injection.name.encode(), injection.number, code, os.fsencode(report))
    if failed:
        raise OSError(failed, f"The injection cannot be armed: {os.strerror(failed)}")


def _works(library: Path, folder: Path) -> bool:
    """Whether a process that arms itself meets the error; containers may forbid the filter."""
    tried = folder / "tried"
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            arm_injection(library, Injection("mkdir", 1, "ENOSPC"), folder / "tried-report")
            tried.mkdir()
        except OSError as error:
            status = 0 if error.errno == errno.ENOSPC and not tried.exists() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0
