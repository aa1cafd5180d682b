"""The one way from a registered version to a model in memory: fetch its files, verify them, then construct it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tiltyard.registry.package.manifest import Verified, verify
from tiltyard.registry.package.packaging import Package, read_package
from tiltyard.registry.package.signing import NO_KEYS, KeyRing
from tiltyard.registry.package.version_seal import check_identity
from tiltyard.registry.ports import VersionInfo


class VersionSource(Protocol):
    """Where versions come from: the part of a registry that loading needs, possibly in another process.

    Must be safe to use from several threads.
    """

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """The version of that number or alias; see ``Registry.get_version``."""

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """The folder in the cache that holds the version's files; see ``Registry.fetch``."""


def load_copy(info: VersionInfo, folder: Path, trusted_types: tuple[str, ...], trusted_keys: KeyRing) -> Package:
    """Verify a copy of a version that is on this host, and construct its model.

    Args:
        info: the version.
        folder: the copy.
        trusted_types, trusted_keys: as of ``VersionLoader``.

    Raises:
        ArtifactError: the copy is not what was packaged as this version; see ``read_package``.
    """
    return read_package(folder, trusted_types, trusted_keys=trusted_keys, info=info)


@dataclass(frozen=True, slots=True)
class VersionLoader:
    """Loads verified versions on one host.

    Attributes:
        source: where aliases are looked up and files fetched.
        cache: folder of this host's copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        trusted_keys: the keys by which this host verifies signatures.
    """

    source: VersionSource
    cache: Path
    trusted_types: tuple[str, ...] = ()
    trusted_keys: KeyRing = NO_KEYS

    def load(self, info: VersionInfo) -> Package:
        """Fetch a version into the cache, verify it, and construct its model.

        Raises:
            ArtifactError: the version is not what was packaged; see ``read_package``.
            UnavailableError: it is not in the cache, and the registry cannot be reached.
        """
        return self.load_copy(info, self.source.fetch(info, self.cache))

    def load_copy(self, info: VersionInfo, folder: Path) -> Package:
        """Verify a copy that is on this host already, and construct its model; the registry is not needed.

        Raises:
            ArtifactError: the copy is not what was packaged as this version; see ``read_package``.
        """
        return load_copy(info, folder, self.trusted_types, self.trusted_keys)

    def verify_copy(self, info: VersionInfo, folder: Path) -> Verified:
        """Verify a copy as ``load_copy`` does, short of its model: signature, digests of all files, and identity.

        Raises:
            ArtifactError: the copy is not what was packaged as this version.
        """
        verified = verify(folder, self.trusted_keys)
        check_identity(verified, info, self.trusted_keys)
        return verified
