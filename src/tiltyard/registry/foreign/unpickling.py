"""Opening a pickle once, in a process without network that can do little else, and taking what it holds as skops.

What a pickle names is called when it is opened, so it can run any code. It is opened only because the user says so, in
a process that gave up the network, the files of others, other programs, and all but a little memory and time
(``unpickle_child``). What comes back is a skops file, which is inspected like any file of a stranger.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiltyard.choices import UNPICKLE_GB, UNPICKLE_SECONDS
from tiltyard.errors import ArtifactError
from tiltyard.formatting import shorten_name
from tiltyard.registry.package.manifest import digest
from tiltyard.registry.package.skops_archive import MAX_UNPACKED

_CHILD = Path(__file__).with_name("unpickle_child.py")
_PACKAGES = Path(__file__).parents[3]
_MOST_RESULT = 64 * 1024
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True)
class PickleLimits:
    """What a pickle may take.

    Attributes:
        seconds: time, by the clock and of the processor.
        memory_gb: memory, libraries included.
    """

    seconds: int = UNPICKLE_SECONDS
    memory_gb: float = UNPICKLE_GB


@dataclass(frozen=True)
class UnpickledModel:
    """A pickle that was written anew.

    Attributes:
        file: the skops file, not inspected yet.
        digest: SHA-256 of the pickle, in hexadecimal.
        barriers: what stood around the process that opened it.
        fitted_with: the versions of scikit-learn that wrote it, where these are other than the present one.
    """

    file: Path
    digest: str
    barriers: tuple[str, ...]
    fitted_with: tuple[str, ...]


def unpickle(source: Path, folder: Path, limits: PickleLimits = PickleLimits()) -> UnpickledModel:
    """Open a pickle in a separate process, and get its model in the skops format.

    Args:
        source: the file, as pickle, cloudpickle or joblib wrote it.
        folder: where the skops file is written; it must exist.
        limits: what the process may take.

    Raises:
        ArtifactError: this platform has no barrier to the network (``adopt.no-barrier``); the file takes too much
            memory or time (``adopt.pickle-limits``), cannot be opened (``adopt.pickle-failed``), holds no model
            (``adopt.no-model``), or one that skops cannot store (``adopt.unsupported-type``).
    """
    with tempfile.TemporaryDirectory(prefix="tiltyard-pickle-") as private:
        home = Path(private)
        copy = home / "model.pickle"
        shutil.copyfile(source, copy)
        found = digest(copy)
        code, said = _run(copy, home, limits)
        result = _read_result(home / "result.json")
        if result is None:
            raise _describe_end(source, code, said, limits)
        _refuse_problem(source, result, limits)
        written = home / "model.skops"
        if not written.is_file() or written.is_symlink() or written.stat().st_size > MAX_UNPACKED:
            raise _describe_end(source, code, said, limits)
        target = folder / "model.skops"
        shutil.copyfile(written, target, follow_symlinks=False)
    return UnpickledModel(target, found, _texts(result.get("barriers")), _texts(result.get("fitted_with")))


def _run(copy: Path, home: Path, limits: PickleLimits) -> tuple[int | None, str]:
    """Run the process to its end; its exit code, None where its time ran out, and the last of what it said."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    threads["JOBLIB_MULTIPROCESSING"] = "0"  # it may have no semaphores, and would warn
    with (home / "said.txt").open("w+b") as said:
        child = subprocess.Popen(  # noqa: S603 - our own file, by this interpreter
            [
                *(sys.executable, "-I", "-B", str(_CHILD), str(copy), str(home), str(_PACKAGES)),
                *(str(int(limits.memory_gb * 1024**3)), str(limits.seconds)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=home,
            env={**kept, **threads, "HOME": str(home), "TMPDIR": str(home)},
            start_new_session=True,
        )
        try:
            code: int | None = child.wait(timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end_group(child)
        said.seek(0)
        return code, said.read(_MOST_RESULT).decode("utf-8", "replace")


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End what the pickle may have started: the process may not leave its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read_result(file: Path) -> Mapping[str, Any] | None:
    """What the process says of itself; None where it did not, or the pickle wrote something else there."""
    try:
        if file.is_symlink() or file.stat().st_size > _MOST_RESULT:
            return None
        result = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _refuse_problem(source: Path, result: Mapping[str, Any], limits: PickleLimits) -> None:
    problem = result.get("problem")
    if problem is None:
        return
    why, kind = (
        shorten_name(str(result.get("why", "")), 300).rstrip("."),
        shorten_name(str(result.get("kind", "")), 200),
    )
    if problem == "no-barrier":
        raise ArtifactError(
            f"{source.name} was not opened: this system has no way to keep a process from the network (Linux has: a "
            "network namespace, or seccomp).",
            next_step=save_as_skops(source),
            code="adopt.no-barrier",
        )
    if problem == "memory":
        raise _describe_limit(source, f"more than {limits.memory_gb:g} GB of memory")
    if problem == "no-model":
        raise ArtifactError(
            f"{source.name} holds no model: it holds a {kind}.",
            next_step="Save the fitted estimator or pipeline itself:\n" + save_as_skops(source),
            code="adopt.no-model",
        )
    if problem == "unsupported":
        raise ArtifactError(
            f"{source.name} holds a {kind}, of which a part cannot be stored without a pickle: {why}.",
            next_step="Leave that part out or replace it by an estimator of scikit-learn, fit again, and save it:\n"
            + save_as_skops(source),
            code="adopt.unsupported-type",
        )
    if problem == "missing-module":
        raise ArtifactError(
            f"{source.name} needs the module '{why}', which is not installed here.",
            next_step="Install it into this environment, or save the model where it is installed:\n"
            + save_as_skops(source),
            code="adopt.pickle-failed",
        )
    raise ArtifactError(
        f"{source.name} cannot be opened: {why or 'its content is damaged'}.",
        next_step="Save it again where it was fitted:\n" + save_as_skops(source),
        code="adopt.pickle-failed",
    )


def _describe_end(source: Path, code: int | None, said: str, limits: PickleLimits) -> ArtifactError:
    """Why a process ended without a result."""
    if code is None or code == -signal.SIGXCPU:
        return _describe_limit(source, f"more than {limits.seconds} seconds")
    if code < 0:
        return ArtifactError(
            f"{source.name} was not adopted: the process that opened it was ended by {signal.Signals(-code).name}.",
            next_step="Find out who made it, or save it again where it was fitted:\n" + save_as_skops(source),
            code="adopt.pickle-failed",
        )
    last = said.strip().splitlines()[-1:] or ["it said nothing"]
    return ArtifactError(
        f"{source.name} cannot be opened: {shorten_name(last[0], 300)}.",
        next_step="Save it again where it was fitted:\n" + save_as_skops(source),
        code="adopt.pickle-failed",
    )


def _describe_limit(source: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{source.name} was not adopted: opening it takes {what}.",
        next_step="Allow more (--unpickle-seconds, --unpickle-gb), or save it where it was fitted:\n"
        + save_as_skops(source),
        code="adopt.pickle-limits",
    )


def save_as_skops(source: Path) -> str:
    """The three lines that make a file of a model that opens without running code."""
    name = f"{source.stem}.skops"
    return f'  import skops.io\n  skops.io.dump(model, "{name}")  # where it was fitted\n  tiltyard adopt {name} …'
