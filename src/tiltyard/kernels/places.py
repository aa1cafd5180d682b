"""Where compiled code is kept: only where no other user could have written it.

Numba keeps machine code in pickles, and opening a pickle runs what it says; so does calling machine code. So a folder
is opened only if none but this user and root can write to it, every folder above it included. Without such a folder the
kernels are compiled anew.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tiltyard.files import find_writer

FOLDER, OWN_FOLDER = 0o777, 0o700

log = logging.getLogger(__name__)
_reported: set[str] = set()
_found: dict[tuple[Path, str, str], CodePlaces] = {}


@dataclass(frozen=True)
class CodePlaces:
    """The folders of one module's kernels.

    Attributes:
        read: in the order in which they are read.
        writes: whether the last one is written to.
    """

    read: tuple[Path, ...]
    writes: bool


def find_places(function: Callable[..., Any]) -> CodePlaces:
    """The folders of a function's compiled code.

    It reads what came with the package, as in an image, and what this user compiled; it writes to the first folder that
    can be written: the one of ``NUMBA_CACHE_DIR``, the package's, the user's, or one of the user's in the folder for
    temporary files.

    Args:
        function: the function before it is compiled.
    """
    source = Path(function.__code__.co_filename).absolute()
    named = os.environ.get("NUMBA_CACHE_DIR", "")
    located = os.environ.get("NUMBA_CACHE_LOCATOR_CLASSES", "")
    key = source.parent, named, located
    if key not in _found:
        _found[key] = _find_places(source, named, located)
    return _found[key]


def _find_places(source: Path, named: str, located: str) -> CodePlaces:
    packaged, *others = _list_places(source, named)
    read: list[Path] = []
    if located:
        others = []
        _report("NUMBA_CACHE_LOCATOR_CLASSES is set: its caches are not opened, since anyone may write them.")
    elif not os.access(packaged, os.W_OK) and _is_safe(packaged, named):
        read.append(packaged)
    for place in others:
        if _make_folder(place, FOLDER if place == packaged else OWN_FOLDER) and _is_safe(place, named):
            return CodePlaces((*read, place), writes=True)
    _report("No cache of compiled kernels can be used: each start compiles them anew, for some seconds.")
    return CodePlaces(tuple(read), writes=False)


def _list_places(source: Path, named: str) -> Iterator[Path]:
    """The package's folder, then all in the order in which they are tried for writing."""
    packaged = source.parent / "__pycache__"
    # Copies of the package on one host have their own.
    name = f"{source.parent.name}_{sha256(str(source.parent).encode()).hexdigest()[:40]}"
    yield packaged
    if named:
        yield Path(named) / name
    yield packaged
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - it never raises
    if os.path.isabs(home):  # noqa: PTH117 - likewise
        yield Path(home) / "tiltyard" / "kernels" / name
    yield Path(tempfile.gettempdir()) / f"tiltyard-kernels-{os.geteuid()}" / name


def _make_folder(place: Path, mode: int) -> bool:
    """Make a folder where it is not there, with this mode without what the umask takes; whether it can be written."""
    try:
        for folder in (*reversed(place.parents), place):
            if not folder.exists():
                folder.mkdir(mode, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


def _is_safe(place: Path, named: str) -> bool:
    try:
        why = find_writer(place)
    except OSError:
        return False
    if not why:
        return True
    if named and place.is_relative_to(named):
        _report(f"The cache of compiled kernels in NUMBA_CACHE_DIR is not used: {why}. Another one is.")
    else:
        log.info("The cache of compiled kernels in %s is not used: %s.", place, why)
    return False


def _report(text: str) -> None:
    if text not in _reported:
        _reported.add(text)
        log.warning(text)
