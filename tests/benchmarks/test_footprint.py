"""The benchmark of memory and starts names processes, counts shared pages once, and says what it could not measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from benchmarks.serving_bench.footprints import (
    Footprint,
    measure_memory,
    memory_kind,
    name_process,
)

from benchmarks import footprint as script

# A process that has written 40 MB, and a child with which it shares them.
FAMILY = """
import mmap, os, sys, time
shared = mmap.mmap(-1, 40 << 20)
for place in range(0, len(shared), mmap.PAGESIZE):
    shared[place] = 1
if os.fork() == 0:
    for place in range(0, len(shared), mmap.PAGESIZE):
        shared[place]
    print(flush=True)
    time.sleep(600)
sys.stdin.read()
"""


def test_shared_pages_count_once() -> None:
    """Two processes that share 40 MB take 40 MB together and a few more, and have two names."""
    if memory_kind() != "proportional set size":
        pytest.skip("this system does not tell proportional memory")
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as family:
        assert family.stdout is not None
        assert family.stdin is not None
        family.stdout.readline()
        parent = psutil.Process(family.pid)
        child = parent.children()[0]
        try:
            found = measure_memory(parent)
        finally:
            child.kill()
            family.stdin.close()
    assert len(found) == 2
    assert 40 < sum(found.values()) < 70


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "-m", "tiltyard.serving.process.worker", "5"], "worker"),
        (["python", "-m", "tiltyard.serving.process.registry_process", "5"], "registry"),
        (["python", "-m", "tiltyard", "serve", "--port", "80"], "supervisor"),
        (["/usr/bin/python", "/env/bin/mlserver", "start", "/folder"], "mlserver"),
        (["gunicorn"], "gunicorn"),
    ],
)
def test_processes_are_named_by_what_they_do(command: list[str], name: str) -> None:
    """A process of ours is named by its role, another by its program."""
    assert name_process(command) == name


def test_figures_have_their_keys() -> None:
    """A footprint is written as megabytes by process with their sum, and seconds of both starts."""
    assert Footprint({"supervisor": 30.04, "worker": 60.0}, 4.567, 1.234).to_dict() == {
        "memory_mb": {"supervisor": 30.0, "worker": 60.0, "total": 90.0},
        "ready_seconds": {"first": 4.57, "later": 1.23},
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers", "0"], "numbers of workers from 1 to 64"),
        (["--workers", "two"], "numbers of workers from 1 to 64"),
        (["--systems", "torchserve"], "no system torchserve"),
        (["--texts", "absent.csv"], "absent.csv does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers of workers, systems and files that are not there are refused before anything is trained."""
    with pytest.raises(SystemExit):
        script.main(arguments)
    assert says in capsys.readouterr().err


def test_a_build_that_is_not_there_fails_the_run(tmp_path: Path) -> None:
    """A revision that git does not know is an error with its name, not a build that is left out."""
    with pytest.raises(ValueError, match="no-such-revision"):
        script._find_build("no-such-revision", tmp_path)
    with pytest.raises(ValueError, match="cannot be run"):
        script._find_build(os.fspath(tmp_path), tmp_path)


@pytest.mark.proof
def test_tiltyard_is_measured(tmp_path: Path) -> None:
    """A run starts a server of two workers twice, and writes each process's memory and the seconds of both starts."""
    out = tmp_path / "out.json"
    script.main(["--systems", "tiltyard", "--workers", "2", "--json", str(out)])
    found = json.loads(out.read_text("utf-8"))["systems"]["tiltyard"]["2"]
    assert set(found["memory_mb"]) == {"supervisor", "worker", "worker 1", "total"}
    assert 0 < found["ready_seconds"]["later"] < found["ready_seconds"]["first"]
