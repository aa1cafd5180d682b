"""A command that is forked from the fork server cannot be distinguished from one that was started from scratch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.films import environment
from tests.fork_server import ForkedPopen, popen, run, wait_for_helper, worker_command

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")

SHOW = """
import json, os, sys
seen = {"arguments": sys.argv, "path": sys.path[0], "folder": os.getcwd(), "variables": dict(os.environ)}
seen |= {"stdin": sys.stdin.read(), "files": sorted(os.listdir("/proc/self/fd")), "name": __name__}
print(json.dumps(seen, sort_keys=True))
print("a warning", file=sys.stderr)
sys.exit(7)
"""
WAIT = "import sys, time\nprint('ready', flush=True)\ntime.sleep(600)\n"
RAISE = "raise ValueError('a bug')\n"


def write(folder: Path, program: str) -> list[str]:
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    return [sys.executable, str(file), "--option", "a word"]


@linux
def test_a_forked_command_sees_what_a_fresh_one_sees(tmp_path: Path) -> None:
    """Arguments, folder, environment, standard input, open files, output and exit code are those of a new process."""
    command, variables = write(tmp_path, SHOW), environment() | {"TILTYARD_HOME": "elsewhere"}
    forked, fresh = (
        run(command, cwd=tmp_path, env=variables, stdin="some words", timeout=60, fresh=fresh)
        for fresh in (False, True)
    )
    assert "some words" in fresh.stdout
    assert (forked.returncode, forked.stdout, forked.stderr) == (7, fresh.stdout, fresh.stderr)


@linux
def test_a_program_in_the_command_line_sees_what_a_fresh_one_sees(tmp_path: Path) -> None:
    """What follows `-c` is forked too, and has the same arguments, path, name and streams."""
    command = [sys.executable, "-c", SHOW, "--option", "a word"]
    forked, fresh = (
        run(command, cwd=tmp_path, env=environment(), stdin="some words", timeout=60, fresh=fresh)
        for fresh in (False, True)
    )
    assert "some words" in fresh.stdout
    assert (forked.returncode, forked.stdout, forked.stderr) == (7, fresh.stdout, fresh.stderr)


@linux
@pytest.mark.parametrize("more", [[], ["--option"]])
def test_a_program_is_forked_with_and_without_options(tmp_path: Path, more: list[str]) -> None:
    """A file, code and a module of ours are forked, also as the last word; another module and another program not."""
    file, code, module = write(tmp_path, "")[:2], [sys.executable, "-c", ""], [sys.executable, "-m", "tiltyard"]
    for command, forks in ((file, True), (code, True), (module, True), ([sys.executable, "-m", "json"], False)):
        with popen([*command, *more], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as made:
            assert isinstance(made, ForkedPopen) is forks, command
    with popen(["true", *more], env=environment()) as made:
        assert not isinstance(made, ForkedPopen)


@linux
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_signal_ends_a_forked_command_as_any_other(tmp_path: Path, ending: signal.Signals) -> None:
    """A signal reaches the process itself, and its exit status is the one that Popen gives."""
    if signal.getsignal(ending) is signal.SIG_IGN:
        pytest.skip("the shell that started these tests in the background has its processes ignore this signal")
    with popen(write(tmp_path, WAIT), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert isinstance(process, ForkedPopen)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        process.send_signal(ending)
        assert process.wait(timeout=60) == -ending
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


@linux
def test_an_error_ends_a_forked_command_with_a_traceback(tmp_path: Path) -> None:
    """A program that raises ends with exit code 1, and says why on standard error."""
    done = run(write(tmp_path, RAISE), env=environment(), timeout=60)
    assert done.returncode == 1
    assert "ValueError: a bug" in done.stderr


LATE = """
import atexit, sys, threading
atexit.register(print, "at the exit")
sys.stdout.write("not flushed ")
threading.Thread(target=lambda: (threading.main_thread().join(), print("in a thread"))).start()
sys.exit({ending})
"""


@linux
@pytest.mark.parametrize("ending", ["", "None", "3", "-1", "259", "'a reason'", "1 / 0"])
def test_a_forked_command_ends_as_a_fresh_one(tmp_path: Path, ending: str) -> None:
    """Threads are waited for, exit handlers run, output is flushed, and the exit code is that of Python."""
    command = write(tmp_path, LATE.format(ending=ending))
    forked, fresh = (run(command, env=environment(), timeout=60, fresh=fresh) for fresh in (False, True))
    assert fresh.stdout == "not flushed in a thread\nat the exit\n"
    assert (forked.stdout, forked.returncode) == (fresh.stdout, fresh.returncode)
    assert forked.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_what_has_an_effect_on_imports_needs_a_fresh_process(tmp_path: Path) -> None:
    """With another setting of Numba, MLflow or Python, a command is not forked."""
    variables = environment() | {"NUMBA_DISABLE_JIT": "1"}
    with popen(write(tmp_path, RAISE), env=variables, stderr=subprocess.DEVNULL) as process:
        assert not isinstance(process, ForkedPopen)


START = """
import json, os, subprocess, sys
reading, writing = os.pipe()
for options in ({}, {"pass_fds": [writing], "start_new_session": True}):
    options |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    started = subprocess.Popen([sys.executable, *sys.argv[2:]], **options)
    parent, leads, files = json.loads(started.communicate()[0])
    print(type(started).__name__, parent == os.getpid(), leads, len(files), started.wait())
"""
CHILD = """
import json, os, sys
print(json.dumps([os.getppid(), os.getsid(0) == os.getpid(), os.listdir("/proc/self/fd")]))
sys.exit(9)
"""


@linux
def test_what_a_forked_command_starts_is_its_child_as_any_other(tmp_path: Path) -> None:
    """Parent, session, open files, output and exit code of a process that a command starts are those of a fresh one."""
    (tmp_path / "examples").mkdir()
    _, *child = write(tmp_path, CHILD)
    command = [*write(tmp_path / "examples", START)[:3], *child]
    forked, fresh = (run(command, env=environment(), timeout=60, fresh=fresh) for fresh in (False, True))
    assert "ZygotePopen True" in forked.stdout, forked.stderr
    assert forked.stdout.replace("ZygotePopen", "Popen") == fresh.stdout


COPY = """
import json, os, subprocess, sys
if os.fork() == 0:
    started = subprocess.Popen([sys.executable, *sys.argv[2:]], stdout=subprocess.PIPE, text=True)
    print(json.loads(started.communicate()[0])[0] == os.getpid(), started.wait(), flush=True)
    os._exit(0)
os.wait()
"""


@linux
def test_what_a_copy_of_a_forked_command_starts_is_its_own_child(tmp_path: Path) -> None:
    """A process that a command made by a fork is the parent of what it starts, and has its exit code."""
    (tmp_path / "examples").mkdir()
    _, *child = write(tmp_path, CHILD)
    command = [*write(tmp_path / "examples", COPY)[:3], *child]
    assert run(command, env=environment(), timeout=60).stdout == "True 9\n"


@linux
def test_what_a_worker_starts_is_its_child_as_any_other(tmp_path: Path) -> None:
    """What a tested function starts is forked too: a child of the worker of pytest, with its exit code."""
    command = [sys.executable, "-m", "tiltyard", "--version"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is not None
        said = process.communicate(timeout=60)[0]
    forks = "PYTEST_XDIST_WORKER" in os.environ and "TESTS_FORK_HELPER" in os.environ
    assert type(process).__name__ == ("ZygotePopen" if forks else "Popen")
    assert (said.startswith("tiltyard"), process.returncode) == (True, 0)


BOOTSTRAP = ["-u", "-c", "import sys; exec(eval(sys.stdin.readline()))"]  # as pytest-xdist starts a worker
SAY = "import sys; print('sklearn' in sys.modules, sys.stdin.read(), flush=True); sys.exit(7)"


@linux
def test_a_forked_worker_has_imported_what_tests_need(tmp_path: Path) -> None:
    """A worker of pytest has its starter's streams and exit code, and need not import scikit-learn again."""
    wait_for_helper()
    done = subprocess.run(
        worker_command(BOOTSTRAP),
        check=False,
        cwd=tmp_path,
        input=f"{SAY!r}\nwords",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("True words\n", 7)


@linux
def test_a_signal_reaches_a_forked_worker() -> None:
    """What ends the process that pytest-xdist started ends the worker, whose exit status it has."""
    wait_for_helper()
    pipe = subprocess.PIPE
    with subprocess.Popen(worker_command(BOOTSTRAP), stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{WAIT.replace('import sys, time', 'import time')!r}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=60) == 256 - signal.SIGTERM
