"""What one body costs is bounded by the inputs that a request may hold, not by its bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import fork_server
from tests.serving.bodies.hostile import BODIES, V2, header_length

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")

# The body, once more while it arrives or is unpacked, and a text of it with two bytes a character.
MOST_BYTES = 300_000_000


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, table_package: Path) -> Iterator[tuple[int, httpx.Client]]:
    """A server in a separate process: its id, and a client."""
    folder = tmp_path_factory.mktemp("hostile")
    command = [sys.executable, "-m", "tests.serving.bodies.hostile", str(folder), str(table_package)]
    with fork_server.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            yield process.pid, client
        process.communicate()
    assert process.returncode == 0


def read_memory(pid: int, name: str) -> int:
    """One figure of a process's memory, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_costs_a_few_times_its_bytes(name: str, towns: tuple[int, httpx.Client]) -> None:
    """A large body that would become millions of objects is refused, and the process grows by little meanwhile."""
    pid, client = towns
    path, make, headers, status = BODIES[name]
    body = make()
    if path == V2 and not headers:
        headers = header_length(body)
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # from here on, the peak is this request's
    before = read_memory(pid, "VmRSS")
    response = client.post(path, content=body, headers=headers)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert read_memory(pid, "VmHWM") - before < MOST_BYTES
