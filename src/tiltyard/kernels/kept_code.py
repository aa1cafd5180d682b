"""Machine code of kernels as files: written where numba compiled a kernel, and read by processes without numba.

A file is a line of JSON, which names what is needed of the code, and numba's object file. Its name holds a digest of
all that it was compiled from and for: sources, types, numba, Python, the processor. It lies in a folder of ``places``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tiltyard.kernels.argument_types import UnknownTypeError, describe_types
from tiltyard.kernels.machine_code import UnlinkableError, check_linkable, link_function
from tiltyard.kernels.places import find_places
from tiltyard.kernels.sources import stamp_sources

ENDING = ".kernel"
_FORMAT = 1
_MOST = 4  # files for one function and types: of other processors and environments that share the folder
# Settings of caches and threads change no code.
_OF_NO_CODE = ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "NUMBA_NUM_THREADS")
_OF_PROCESSOR = ("vendor_id", "cpu family", "model", "stepping", "flags")

log = logging.getLogger(__name__)


def load_code(function: Callable[..., Any], types: str) -> Callable[..., Any] | None:
    """What was compiled of a function on this host, by this process or another; None where nothing was.

    Args:
        function: the function in Python.
        types: the types of its arguments, as ``argument_types`` writes them.
    """
    if not _is_for_here():
        return None
    name = _name_file(function, types)
    for place in reversed(find_places(function).read):
        file = place / name
        try:
            content = file.read_bytes()
        except OSError:
            continue
        try:
            return _link(content, function)
        except (OSError, ValueError, KeyError, TypeError, UnlinkableError) as error:
            log.info("The compiled kernel %s is not used: %s", file, error)
            with contextlib.suppress(OSError):
                file.unlink()  # it is written again
    return None


def _link(content: bytes, function: Callable[..., Any]) -> Callable[..., Any]:
    described, _, code = content.partition(b"\n")
    stated = json.loads(described)
    if stated["sha256"] != sha256(code).hexdigest():
        raise ValueError("it is damaged")  # a power cut may have cut it off
    return link_function(code, stated["wrapper"], function)


def keep_code(function: Callable[..., Any], signature: Any, compiled: Any, code: bytes) -> None:
    """Keep what numba compiled, if processes without numba can use it; a failure is logged only.

    Args:
        function: the function in Python.
        signature: numba's types of its arguments, and of what it returns.
        compiled: numba's result of the compilation.
        code: its object file.
    """
    places = find_places(function)
    if not places.writes or not _is_for_here():
        return
    try:
        arguments = signature.args if hasattr(signature, "args") else signature
        file = places.read[-1] / _name_file(function, describe_types(arguments))
        if any(one.consts for one in (compiled.environment, *(compiled.referenced_envs or ()))):
            return  # objects of Python that the code needs
        if not file.exists():
            _write(file, compiled.fndesc.llvm_cpython_wrapper_name, code)
    except UnknownTypeError:
        return
    except (OSError, UnlinkableError) as error:
        log.info("The kernel %s is not kept as machine code: %s", function.__qualname__, error)


def _write(file: Path, wrapper: str, code: bytes) -> None:
    check_linkable(code)
    stated = {"sha256": sha256(code).hexdigest(), "wrapper": wrapper}
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(json.dumps(stated).encode() + b"\n" + code)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    prefix = file.name.rpartition("-")[0]
    others = sorted(file.parent.glob(f"{prefix}-*{ENDING}"), key=lambda other: other.stat().st_mtime_ns)
    for old in others[:-_MOST]:
        old.unlink(missing_ok=True)


def _name_file(function: Callable[..., Any], types: str) -> str:
    parts = json.dumps([stamp_sources(function), *_describe_host()])
    stem = Path(function.__code__.co_filename).stem
    of_types, of_rest = (sha256(text.encode()).hexdigest()[:16] for text in (types, f"{types} {parts}"))
    return f"{stem}.{function.__qualname__}-{of_types}-{of_rest}{ENDING}"


def _is_for_here() -> bool:
    return (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and os.environ.get("NUMBA_DISABLE_JIT") in (None, "0")
    )


@cache
def _describe_host() -> tuple[str, ...]:
    """What machine code depends on, apart from its source: Python, numba and its settings, the processor."""
    versions = []
    for name in ("numba", "llvmlite", "numpy"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(name)
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    kept = [setting for setting in settings if setting.partition("=")[0] not in _OF_NO_CODE]
    return (str(_FORMAT), sys.version, *versions, *kept, *_describe_processor())


def _describe_processor() -> list[str]:
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return [platform.processor()]
    lines = [line.partition(":") for line in first.splitlines()]
    return [f"{name.strip()}:{value.strip()}" for name, _, value in lines if name.strip() in _OF_PROCESSOR]
