"""A pickle is opened once, in a process that can do little else."""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tiltyard.errors import ArtifactError
from tiltyard.registry.foreign.unpickling import PickleLimits, unpickle
from tiltyard.registry.package.skops_file import read_model
from tiltyard.registry.package.trusted_types import trusted_type_names

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the barriers are Linux's")


class RunsCode:
    """Opening it runs code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> Any:
        return exec, (self.code,)


ATTACKS = """
import ctypes, os, socket, subprocess
done = []
def attempt(name, call):
    try:
        call()
        done.append(name)
    except BaseException as error:
        pass
attempt("connect", lambda: socket.create_connection(("127.0.0.1", {port}), 2))
attempt("program", lambda: subprocess.run(["true"], check=True))
attempt("write", lambda: open({outside!r}, "w").write("x"))
attempt("remove", lambda: os.remove({secret!r}))
attempt("signal", lambda: os.kill(os.getppid(), 0))
attempt("leave group", lambda: os.setsid() if os.getpgrp() != os.getpid() else os.setpgid(0, os.getppid()))
attempt("memory", lambda: open(f"/proc/{{os.getppid()}}/mem", "r+b"))
attempt("variables", lambda: os.environ["TILTYARD_TEST_SECRET"])
if os.fork() == 0:
    import time
    time.sleep(600)
raise RuntimeError("managed: " + ", ".join(done))
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_what_a_pickle_runs_reaches_nothing(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code in a pickle reaches no network, program, file, process or secret of its caller, and none of it lives on."""
    monkeypatch.setenv("TILTYARD_TEST_SECRET", "s")
    secret = tmp_path / "kept.txt"
    secret.write_text("kept")
    code = ATTACKS.format(port=listener.getsockname()[1], outside=str(tmp_path / "written"), secret=str(secret))
    file = tmp_path / "evil.pkl"
    file.write_bytes(pickle.dumps(RunsCode(code)))
    with pytest.raises(ArtifactError, match=r"RuntimeError: managed: \.") as refused:
        unpickle(file, tmp_path)
    assert refused.value.code == "adopt.pickle-failed"
    assert "skops.io.dump" in refused.value.next_step
    assert secret.read_text() == "kept"
    assert not (tmp_path / "written").exists()
    assert not [one for one in Path("/proc").iterdir() if one.name.isdigit() and str(tmp_path) in _read_command(one)]


def test_a_model_comes_back_and_predicts_the_same(tmp_path: Path) -> None:
    """A pickled model is written anew in the skops format; the barriers that stood are named."""
    rows = np.arange(12.0).reshape(-1, 1)
    model = LogisticRegression().fit(rows, rows[:, 0] > 5)
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(model))
    written = unpickle(file, tmp_path)
    read = read_model(written.file, trusted_type_names())
    np.testing.assert_array_equal(read.predict_proba(rows), model.predict_proba(rows))
    assert {"network namespace", "seccomp"} & set(written.barriers)


@pytest.mark.parametrize(
    ("code", "said"), [("while True: pass", "seconds"), ("held = bytearray(10 ** 11)", "GB of memory")]
)
def test_time_and_memory_are_limited(tmp_path: Path, code: str, said: str) -> None:
    """A pickle that would run on, or fill the memory, is ended and named."""
    file = tmp_path / "endless.pkl"
    file.write_bytes(pickle.dumps(RunsCode(code)))
    seconds = 3 if said == "seconds" else 120
    with pytest.raises(ArtifactError, match=said) as refused:
        unpickle(file, tmp_path, PickleLimits(seconds=seconds))
    assert refused.value.code == "adopt.pickle-limits"


def test_a_pickle_without_a_model_is_named(tmp_path: Path) -> None:
    """A dictionary of a model and other things is not a model, and the error says what it holds."""
    file = tmp_path / "held.pkl"
    file.write_bytes(pickle.dumps({"model": 1, "columns": ["a"]}))
    with pytest.raises(ArtifactError, match="a dict with the keys model, columns"):
        unpickle(file, tmp_path)


def _read_command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
