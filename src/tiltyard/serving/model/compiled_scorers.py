"""Scorers that another process compiled: a worker maps their arrays, and imports no library of models.

To load a version's model takes scikit-learn, SciPy and skops, 130 MB that no prediction of a compiled scorer needs. So
the process that calls the registry loads it, compiles it and writes the arrays (``stored_scorer``); all workers of a
server map the same file. A worker verifies the version's files itself, and holds the scorer against the version's
sample predictions before it serves.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tiltyard.errors import ArtifactError, TiltyardError
from tiltyard.registry.package.manifest import Verified
from tiltyard.registry.ports import VersionInfo
from tiltyard.scoring.factory import accept_scorer, read_columns
from tiltyard.scoring.scorer import Scorer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CompiledFile:
    """A compiled scorer as a file.

    Attributes:
        file: where it is, in a folder that only this user can write to; None where the version has no compiled form.
        digest: of the manifest that the files had which it was compiled from.
        reason: why there is none; else empty.
    """

    file: Path | None
    digest: str
    reason: str = ""


class Compiler(Protocol):
    """Compiles versions in another process. Must be safe to use from several threads."""

    def compile_version(self, info: VersionInfo, folder: Path, digest: str) -> CompiledFile:
        """The compiled scorer of a version, from this host's copy of its files; the copy is verified.

        Args:
            info: the version.
            folder: the copy.
            digest: of the manifest that the copy has, as the caller has verified it.

        Raises:
            ArtifactError: the copy is not what was packaged, or must not be loaded; see ``read_package``.
            UnavailableError: the other process cannot be reached, or failed.
        """


@dataclass(frozen=True, slots=True)
class CompiledScorers:
    """Gives the compiled scorers of verified versions.

    Attributes:
        compiler: compiles them.
    """

    compiler: Compiler

    def find(self, info: VersionInfo, folder: Path, verified: Verified) -> Scorer | None:
        """The scorer of a verified copy; None where its model has to be loaded here.

        Raises:
            ArtifactError: the copy must not be loaded.
        """
        try:
            found = self.compiler.compile_version(info, folder, verified.digest)
            if found.file is None or found.digest != verified.digest:
                log.info("Version %s of %s is loaded here: %s", info.version, info.name, found.reason or "it changed")
                return None
            from tiltyard.scoring.stored_scorer import read_scorer  # noqa: PLC0415 - imports numba

            return accept_scorer(read_scorer(found.file, read_columns(verified.manifest)), verified.manifest)
        except ArtifactError:
            raise
        except (TiltyardError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning(
                "Version %s of %s was not compiled elsewhere, and is loaded here: %s", info.version, info.name, error
            )
            return None
