"""This host's copies of versions: fetched once, replaced only when damaged, never half there."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.registry.fitted import fitted, package
from tiltyard.errors import UnavailableError
from tiltyard.registry.package.manifest import MANIFEST, verify
from tiltyard.registry.package.signing import KeyRing
from tiltyard.registry.ports import VersionInfo
from tiltyard.registry.version_cache import fetch_version

INFO = VersionInfo("films", "1", (), "run", datetime(2026, 11, 26, tzinfo=UTC), source="somewhere")


@dataclass
class Store:
    """A folder of files that is slow to hand them out, and counts how often it did."""

    files: Path
    away: bool = False
    served: list[Path] = field(default_factory=list)

    def download(self, folder: Path) -> Path:
        if self.away:
            raise UnavailableError("The registry is away.", next_step="Wait.")
        self.served.append(folder)
        time.sleep(0.05)
        return Path(shutil.copytree(self.files, folder))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    package(tmp_path / "store", fitted("logistic regression").model)
    return Store(tmp_path / "store")


def test_eight_readers_wait_for_one_download(store: Store, tmp_path: Path) -> None:
    """Eight who ask at once wait for one download, and nobody's copy is taken away again."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: fetch_version(INFO, tmp_path / "c", KeyRing(), store.download), range(8)))
    assert len(set(folders)) == 1
    assert len(store.served) == 1
    verify(folders[0], KeyRing())


def test_a_damaged_copy_is_fetched_once(store: Store, tmp_path: Path) -> None:
    """A damaged copy is fetched anew, once, by the first process that finds it."""
    folder = fetch_version(INFO, tmp_path / "c", KeyRing(), store.download)
    (folder / MANIFEST).write_text("{}")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fetch_version(INFO, tmp_path / "c", KeyRing(), store.download), range(8)))
    assert len(store.served) == 2
    verify(folder, KeyRing())


def test_damaged_and_away(store: Store, tmp_path: Path) -> None:
    """Without the registry a damaged copy stays for its reader to refuse; a missing one is an error."""
    folder = fetch_version(INFO, tmp_path / "c", KeyRing(), store.download)
    (folder / MANIFEST).write_text("{}")
    store.away = True
    assert fetch_version(INFO, tmp_path / "c", KeyRing(), store.download) == folder
    with pytest.raises(UnavailableError, match="away"):
        fetch_version(INFO, tmp_path / "other", KeyRing(), store.download)


def test_a_cache_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    """A cache that cannot be written is named, with what to do."""
    (tmp_path / "c").write_text("a file where a folder should be")
    with pytest.raises(UnavailableError, match="Version 1 of films cannot be written to") as caught:
        fetch_version(INFO, tmp_path / "c", KeyRing(), store.download)
    assert caught.value.code == "cache.unwritable"
