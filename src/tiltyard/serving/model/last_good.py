"""The last good version of this host, kept across restarts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from tiltyard.files import write_atomically
from tiltyard.registry.ports import VersionInfo
from tiltyard.serving.model.served_version import ServedVersion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LastGoodRecord:
    """A version that was served on this host, and the folder of its files."""

    info: VersionInfo
    folder: Path


class LastGood:
    """A small file that names the version which was served last.

    Args:
        file: the file; its folder is made when a version is saved.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def save(self, version: ServedVersion) -> bool:
        """Save which version is served now; a reader sees the old file or the new one, never a part.

        Returns:
            Whether it is saved. Where it is not, the log has the reason.
        """
        content = _FORMAT.dump_json(LastGoodRecord(version.info, version.folder), indent=1)
        try:
            write_atomically(self._file, content)
        except OSError as error:
            # The version is served all the same; only a restart without the registry would miss it.
            log.warning("The last good version could not be saved in %s: %s", self._file, error)
            return False
        return True

    def load(self) -> LastGoodRecord | None:
        """The version that was saved; None if there is none, or if the file cannot be read."""
        try:
            found = _FORMAT.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", self._file, error)
            return None
        # The cache may have been moved or copied since: its versions lie next to this file.
        here = self._file.parent / found.folder.name
        return replace(found, folder=here) if here.is_dir() else found


_FORMAT = TypeAdapter(LastGoodRecord)
