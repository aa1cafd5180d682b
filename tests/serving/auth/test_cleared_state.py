"""A host whose state folder is cleared while something of it runs, and had keys, is not open afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import monotonic, sleep

import httpx

from tests.serving.conftest import Start
from tests.serving.fake_registry import FakeRegistry
from tiltyard.project import ServingSection
from tiltyard.serving.auth import KeyFile, NewKey, guard_for


def test_a_process_that_serves_writes_the_mark_again_without_a_request(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start
) -> None:
    """Where the state folder is cleared, what starts next there knows that there were keys, though no request came."""
    state = tmp_path / "state"
    file, mark = KeyFile(state / "api-keys.json"), state / "api-keys-were-made"
    file.add(NewKey.generate(["predict"]).key)
    registry.point_alias("champion", registry.add(text_package))
    address = start(api_keys=file.path, api_keys_mark=mark).url
    assert httpx.get(f"{address}/health", timeout=30).status_code == 200
    shutil.rmtree(state)
    deadline = monotonic() + 60
    while not mark.exists():
        assert monotonic() < deadline
        sleep(0.05)
    assert not guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark).is_open


def test_a_worker_whose_supervisor_knew_keys_is_closed(tmp_path: Path) -> None:
    """A worker finds neither keys nor mark and is closed all the same, until keys are made or given up on purpose."""
    file, mark = KeyFile(tmp_path / "state" / "api-keys.json"), tmp_path / "state" / "api-keys-were-made"
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark, knew_keys=True)
    assert not guard.is_open
    assert mark.exists()
    file.empty()
    mark.unlink()
    assert guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark, knew_keys=True).is_open
