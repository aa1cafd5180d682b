"""The registry's process of a server, with a real registry over MLflow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.serving.fake_registry import MODEL
from tiltyard.errors import NotFoundError, UnavailableError
from tiltyard.registry import MlflowRegistry
from tiltyard.registry.package.manifest import MANIFEST
from tiltyard.registry.package.manifest import digest as digest_of
from tiltyard.registry.package.signing import NO_KEYS
from tiltyard.registry.version_cache import find_copy
from tiltyard.serving.process.registry_process import RegistryProcessConfig
from tiltyard.serving.process.registry_service import RegistryService
from tiltyard.serving.process.remote_registry import VERSION_INFO
from tiltyard.settings import Settings
from tiltyard.sqlite import open_sqlite

LONG = 600.0
# The supervisor of a server, in a process from scratch: what it has imported after a lookup and a fetch.
SUPERVISOR = """
import json, sys
from pathlib import Path
import tiltyard.cli.predictions.serve
from tiltyard.serving.process.registry_process import RegistryProcessConfig
from tiltyard.serving.process.registry_service import RegistryService
from tiltyard.settings import Settings
from tiltyard.sqlite import open_sqlite

root = Path(sys.argv[1])
service = RegistryService(Settings.load(root), RegistryProcessConfig(root=root, log="quiet"))
info = service.handlers["get_version"](name=sys.argv[2], version=None, alias="champion")
folder = service.handlers["fetch"](info=info, cache=str(root / "cache"))
service.close()
print(json.dumps([info["version"], folder, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
NOT_IN_THE_SUPERVISOR = {"mlflow", "sqlalchemy", "alembic", "sklearn", "scipy", "pandas", "pyarrow", "numpy", "numba"}


@pytest.fixture
def root(tmp_path: Path, text_package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder whose registry has two versions; the first is champion."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    registry = _open_registry(tmp_path)
    for _ in range(2):
        registry.register_model(text_package.as_uri(), MODEL)
    registry.set_alias(MODEL, "champion", "1")
    return tmp_path


@pytest.fixture
def service(root: Path) -> Iterator[RegistryService]:
    """A service that ends its process only when the test says so."""
    made = _make_service(root, LONG)
    yield made
    made.close()


def test_the_supervisor_holds_no_mlflow_and_no_library_of_models(root: Path) -> None:
    """The process that supervises a server looks versions up and fetches them without importing what they need."""
    words = [sys.executable, "-c", SUPERVISOR, str(root), MODEL]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=240)
    version, folder, imported = json.loads(done.stdout)
    assert version == "1"
    assert (Path(folder) / "model.skops").is_file()
    assert NOT_IN_THE_SUPERVISOR & set(imported) == set()


def test_a_registry_file_that_did_not_change_is_not_queried_again(root: Path) -> None:
    """What the registry said holds while its SQLite file is as it was, and no longer: no process starts for it."""
    service = _make_service(root, 0.0)
    assert _champion(service) == "1"
    _wait_until_ended(service)
    service.close()
    assert _look_up_champion(root) == ("1", False)
    _open_registry(root).set_alias(MODEL, "champion", "2")
    assert _look_up_champion(root) == ("2", True)
    _open_registry(root).delete_alias(MODEL, "champion")
    assert _look_up_champion(root) == ("none", True)
    assert _look_up_champion(root) == ("none", False)


def test_a_registry_that_the_first_call_changed_is_not_queried_again(root: Path) -> None:
    """In a folder that was moved the first call corrects paths in the registry's file: the next needs no process."""
    file = root / ".tiltyard" / "mlflow.db"
    with closing(open_sqlite(file)) as connection:
        connection.execute("update experiments set artifact_location = ?", (str(root / "gone/.tiltyard/artifacts"),))
    before = file.read_bytes()
    assert _look_up_champion(root) == ("1", True)
    assert _look_up_champion(root) == ("1", False)
    assert file.read_bytes() != before


def test_a_registry_process_that_died_is_started_again(root: Path, service: RegistryService) -> None:
    """A call that finds the process dead starts another one."""
    assert _champion(service) == "1"
    pid = service.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    info = service.handlers["get_version"](name=MODEL, version="2", alias=None)
    assert (info["version"], service.pid == pid) == ("2", False)


def test_a_registry_process_serves_calls_at_the_same_time_and_ends_with_its_service(
    root: Path, service: RegistryService
) -> None:
    """Workers that ask at once share one process; after the end of the service there is none, and none is started."""
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda number=number: found.append(
                service.handlers["get_version"](name=MODEL, version=number, alias=None)["version"]
            )
        )
        for number in ("1", "2")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pid = service.pid
    assert (sorted(found), pid is not None) == (["1", "2"], True)
    service.close()
    assert service.pid is None
    with pytest.raises(UnavailableError):
        service.handlers["get_version"](name=MODEL, version="3", alias=None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)


def _champion(service: RegistryService) -> str:
    return str(service.handlers["get_version"](name=MODEL, version=None, alias="champion")["version"])


def _make_service(root: Path, idle_seconds: float) -> RegistryService:
    config = RegistryProcessConfig(root=root, log="quiet")
    return RegistryService(Settings.load(root), config, idle_seconds=idle_seconds)


def _look_up_champion(root: Path) -> tuple[str, bool]:
    """The champion's version as the next service finds it, or none; and whether that took the registry's process."""
    service = _make_service(root, LONG)
    try:
        found = _champion(service)
    except NotFoundError:
        found = "none"
    started = service.pid is not None
    service.close()
    return found, started


def _open_registry(root: Path) -> MlflowRegistry:
    return MlflowRegistry(settings=Settings.load(root))


def _wait_until_ended(service: RegistryService) -> None:
    waited = threading.Event()
    for _ in range(3000):
        if service.pid is None:
            return
        waited.wait(0.02)
    raise AssertionError("the process did not end")


def test_a_server_that_starts_again_starts_no_process_for_what_is_known(root: Path) -> None:
    """What the registry said and what was compiled holds for the next server, while the registry's file is the same."""
    first = _make_service(root, LONG)
    before = _look_up_and_compile(root, first)
    with pytest.raises(NotFoundError) as missing:
        first.handlers["get_version"](name=MODEL, version=None, alias="challenger")
    first.close()
    second = _make_service(root, LONG)
    assert _look_up_and_compile(root, second) == before
    assert Path(before[1]["file"]).is_file()
    with pytest.raises(NotFoundError) as still_missing:
        second.handlers["get_version"](name=MODEL, version=None, alias="challenger")
    assert still_missing.value.to_dict() == missing.value.to_dict()
    assert second.pid is None
    second.close()


def _look_up_and_compile(root: Path, service: RegistryService) -> tuple[dict[str, Any], dict[str, Any]]:
    """As a worker does: it fetches a version only where there is no whole copy of it."""
    info = service.handlers["get_version"](name=MODEL, version=None, alias="champion")
    cache = Settings.load(root).cache
    copy = find_copy(VERSION_INFO.validate_python(info), cache, NO_KEYS)
    folder = copy or Path(service.handlers["fetch"](info=info, cache=str(cache)))
    digest = digest_of(folder / MANIFEST)
    return info, service.handlers["compile_version"](info=info, folder=str(folder), digest=digest)
