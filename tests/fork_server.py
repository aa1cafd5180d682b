"""Commands of tests as real processes that do not import everything again.

Most of what a short command costs is importing scikit-learn, MLflow and their companions. One helper process imports
them once, starts no thread of Python, opens no database, and forks a server for each process of pytest. That forks a
child for every command: a process with its own arguments, environment, folder, files, signals and exit code. ``popen``
falls back to a process from scratch where the command is not one of ours, where a variable has an effect while modules
are imported, and on systems other than Linux. Run as a program, this file is that helper.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.zygote import FILES, MESSAGE, PlainPopen, prepare_child, start_zygote

MODULES = (
    "benchmarks.power.starter",
    "mlflow",
    "tests.promotion.dying",
    "tests.serving.bodies.hostile",
    "tiltyard",
    "tiltyard.engines.worker",
    "tiltyard.serving",
    "tiltyard.serving.process.registry_process",
    "tiltyard.serving.process.worker",
    "uvicorn",
)
ROOT = Path(__file__).parents[1]
_SHARED = "TESTS_FORK_HELPER"  # where the helper is that a process shares with others
_OF_WORKERS = "-of-workers"  # the address, after that of the helper, where workers of pytest are forked
_FORKED_WORKER = Path(__file__).with_name("forked_worker.py")
# What these variables say is read while modules are imported, or when Python starts.
AT_IMPORT = (
    *("COVERAGE_", "LANG", "LC_", "LD_", "MKL_", "NUMBA_", "OMP_", "OPENBLAS_", "PYTHON"),
    *("MLFLOW_CONFIGURE_LOGGING", "MLFLOW_DISABLE_", "MLFLOW_LOGGING_", "MLFLOW_WEBHOOK_SECRET_"),
)
# The tables of MLflow take the key for secrets of webhooks when they are imported: the helper's is that of the tests.
WEBHOOK_KEY = {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"k" * 32).decode()}
# Of make and of shell scripts: which Python they start. And what Ray sets in the process that connects to it.
NOT_AT_IMPORT = ("PYTHON", "PYTHONBREAKPOINT")

# Not the console and Prefect: few tests need them, and they start threads when they are imported.
PRELOAD = (
    "fastapi",
    "mlflow.entities",
    "mlflow.sklearn",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "numba",
    "pandas",
    "scipy.stats",
    "skops.io",
    "tiltyard.models.tfidf",
    "tiltyard.pipeline",
    "tiltyard.serving.process.registry_process",
    "tiltyard.serving.process.supervisor",
    "tiltyard.serving.process.worker",
    "uvicorn.protocols.http.httptools_impl",
)

# Commands that start others: supervisors, what runs at its time, and what works in several processes.
STARTING = (
    *(("mlflow", "server"), ("mlflow", "ui")),
    *(("tiltyard", "loop"), ("tiltyard", "score"), ("tiltyard", "serve"), ("tiltyard", "up")),
)

# Of the workers of pytest: its plugins, and what many modules of tests import.
OF_TESTS = (
    "hypothesis.strategies",
    "pytest",
    "pytest_cov.plugin",
    "river.drift",
    "schemathesis.pytest.plugin",
    "xdist.remote",
)

_COMMAND = """#!{python}
import os, signal, sys
sys.path.insert(0, {root!r})
from tests import fork_server
process = fork_server.popen([sys.executable, "-m", "tiltyard", *sys.argv[1:]])
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda received, _: os.kill(process.pid, received))
sys.exit(process.wait())
"""


class ForkedPopen(subprocess.Popen[str]):
    """A ``Popen`` whose process is forked from the helper, which waits for it and sends its exit status."""

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:
        _, _, _, pass_fds, cwd, env, _, _, _, reading, stdin, stdout, writing, stderr, erring = rest[:15]
        request = {
            "arguments": list(args)[1:],
            "cwd": str(Path(cwd or ".").absolute()),
            "env": dict(os.environ if env is None else env),
            "targets": [0, 1, 2, *pass_fds],
        }
        standard = [own if given == -1 else given for given, own in ((reading, 0), (writing, 1), (erring, 2))]
        self._status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a message is received whole
        with theirs:
            files = [theirs.fileno(), *standard, *pass_fds]
            socket.send_fds(_find_server(os.getpid()).requests, [json.dumps(request).encode()], files)
        self._close_pipe_fds(reading, stdin, stdout, writing, stderr, erring)  # type: ignore[attr-defined]
        pid = self._status.recv(16)
        assert pid, "the fork server has ended"
        self.pid = int(pid)
        self._child_created = True

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            status = self._status.recv(16)
            assert status, "the fork server has ended"
            self.returncode = os.waitstatus_to_exitcode(int(status))
            self._status.close()
        return self.returncode

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        try:
            return self._wait(0)
        except subprocess.TimeoutExpired:
            return None


def popen(command: Sequence[str], *, fresh: bool = False, **options: Any) -> subprocess.Popen[str]:
    """Start a command as ``subprocess.Popen`` does, with text; forked where it can be, and is not to be ``fresh``."""
    plain = {"cwd", "env", "stdin", "stdout", "stderr", "pass_fds"}
    forks = sys.platform == "linux" and not fresh and _is_ours(command) and plain.issuperset(options)
    if forks and _at_import(options.get("env") or os.environ) == _find_server(os.getpid()).at_import:
        return ForkedPopen(list(command), text=True, **options)
    return PlainPopen(list(command), text=True, **options)


def run(
    command: Sequence[str], *, timeout: float, stdin: str | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and take what it writes."""
    pipe = subprocess.PIPE
    source = subprocess.DEVNULL if stdin is None else pipe
    with popen(command, stdin=source, stdout=pipe, stderr=pipe, **options) as process:
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)


def write_command(folder: Path) -> Path:
    """Write a program ``tiltyard`` into a new folder, for the search path of shell scripts; it forks the command."""
    folder.mkdir()
    program = folder / "tiltyard"
    program.write_text(_COMMAND.format(python=sys.executable, root=str(ROOT)), encoding="utf-8")
    program.chmod(0o755)
    return folder


def _is_ours(command: Sequence[str]) -> bool:
    """Whether a command is a program of Python that can be forked: a file, code, or one of our modules."""
    if len(command) < 2 or command[0] != sys.executable:
        return False
    program, *rest = command[1:]
    if program == "-m":
        return bool(rest) and rest[0] in MODULES
    return program.endswith(".py") or (program == "-c" and bool(rest))


def _starts_others(command: Sequence[str]) -> bool:
    """Whether a command starts commands, as scripts of this project do too."""
    script = Path(command[1])
    of_project = script.suffix == ".py" and script.parent.name in ("benchmarks", "deploy", "examples", "scripts")
    return of_project or tuple(command[2:4]) in STARTING


def _at_import(environment: Mapping[str, str]) -> dict[str, str]:
    from tiltyard.registry import mlflow_env

    known = (mlflow_env.DEFAULTS | WEBHOOK_KEY).items()
    found = {
        name: value
        for name, value in environment.items()
        if name.startswith(AT_IMPORT) and name not in NOT_AT_IMPORT and (name, value) not in known
    }
    if set(found.get("PYTHONPATH", "").split(os.pathsep)) <= set(sys.path):  # it adds nothing
        found.pop("PYTHONPATH", None)
    return found


def share_helper() -> None:
    """Start the helper, for this process and those that it starts."""
    os.environ[_SHARED] = _start_helper()


def worker_command(arguments: Sequence[str] = ()) -> list[str]:
    """The command that starts a Python as a fork of the shared helper, for workers of pytest."""
    return [sys.executable, "-I", "-S", str(_FORKED_WORKER), f"{os.environ[_SHARED]}{_OF_WORKERS}", *arguments]


def wait_for_helper() -> None:
    """Wait until the helper serves this process: then the kernels are compiled."""
    _find_server(os.getpid())


@dataclass(frozen=True)
class Server:
    """The server of this process: where requests go, and what the helper found in its environment."""

    requests: socket.socket
    at_import: dict[str, str]


@functools.cache
def _find_server(_of: int) -> Server:
    """Connect a process with the helper, which it starts where none is shared; its server ends with the process."""
    requests = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if _SHARED not in os.environ:
        share_helper()
    requests.connect(os.environ[_SHARED])
    atexit.register(requests.close)
    known = requests.recv(MESSAGE)
    assert known, "the fork server could not start"
    return Server(requests, json.loads(known))


def _start_helper() -> str:
    """Start a helper that ends with this process, as no other process holds its socket; returns its address."""
    left_out = ("TILTYARD_", "MLFLOW_", "PREFECT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    folder = tempfile.TemporaryDirectory(prefix="tests-")
    address = f"{folder.name}/helper"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, _listen(address) as listener, _listen(address + _OF_WORKERS) as for_workers:
        files = [listener.fileno(), for_workers.fileno(), theirs.fileno()]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", *map(str, files)],
            pass_fds=files,
            env=environment | WEBHOOK_KEY,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
        )

    def end() -> None:
        ours.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it is still importing for a run that has ended early
            process.kill()
            process.wait()
        folder.cleanup()

    atexit.register(end)
    return address


def _listen(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    return listener


def _accept(listener: socket.socket, control: socket.socket) -> socket.socket:
    """Fork a server for each process that connects, until ``control`` is closed; returns in each server."""
    known = json.dumps(_at_import(os.environ)).encode()
    while True:
        if control in select.select([listener, control], [], [])[0]:
            os._exit(0)
        requests, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            control.close()
            requests.send(known)
            return requests
        requests.close()


def _serve(requests: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork a child for each request, until the other end is closed; returns in each child, with what it is to be."""
    with selectors.DefaultSelector() as events:
        events.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in events.select():
                if key.fileobj is requests:
                    message, files, _, _ = socket.recv_fds(requests, MESSAGE, FILES)
                    if not message:
                        os._exit(0)
                    pid = os.fork()
                    if pid == 0:
                        # The sockets of its elders are closed with all files; as objects they would warn of that.
                        for elder in events.get_map().values():
                            if elder.data:
                                elder.data[1].detach()
                        return json.loads(message), files[1:]
                    for file in files[1:]:
                        os.close(file)
                    status = socket.socket(fileno=files[0])
                    status.send(str(pid).encode())
                    events.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
                else:
                    pid, status = key.data
                    events.unregister(key.fd)
                    os.close(key.fd)
                    with status, contextlib.suppress(BrokenPipeError):
                        status.send(str(os.waitpid(pid, 0)[1]).encode())


def _become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Make this child the process that was requested, all but its program."""
    above = max([499, *request["targets"]]) + 1  # a process that has many files open may want a high number
    high = [fcntl.fcntl(file, fcntl.F_DUPFD, above) for file in files]
    os.closerange(3, above)
    for file, target in zip(high, request["targets"], strict=True):
        os.dup2(file, target)
    os.closerange(above, above + 500)
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None  # TMPDIR may be another one
    os.chdir(request["cwd"])
    prepare_child(request)


def _run_to_the_end(arguments: list[str]) -> NoReturn:
    """Run a program, and end as Python does, but for one thing: what the helper has imported is not taken apart.

    That would copy all memory that the process shares with the helper, which costs more than most commands do.
    """
    code: object = 0
    try:
        _run_program(arguments)
    except SystemExit as left:
        code = left.code
    except Exception as error:  # noqa: BLE001 - of a program, Python reports any
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    if code is None or isinstance(code, int):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):  # a closed pipe or file: Python itself says so below
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit((code or 0) & 0xFF)
    sys.exit(code)  # type: ignore[arg-type]


def _run_program(arguments: list[str]) -> None:
    if arguments[:2] == ["-u", "-c"]:  # a worker of pytest
        sys.path[0] = ""
        sys.argv = ["-c", *arguments[3:]]
        exec(arguments[2], vars(sys.modules["__main__"]))
    elif arguments[0] == "-c":
        sys.path[0] = ""
        sys.argv = ["-c", *arguments[2:]]
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), vars(sys.modules["__main__"]))
    elif arguments[0] == "-m":
        sys.path[0] = os.getcwd()  # noqa: PTH109 - as Python writes it
        sys.argv = arguments[1:]
        is_package = hasattr(sys.modules.get(arguments[1]), "__path__")
        # It may have been imported, and is to run as the program.
        sys.modules.pop(f"{arguments[1]}.__main__" if is_package else arguments[1], None)
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(arguments[0]).parent)
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def _preload() -> list[int]:
    """Import what commands and tests need; returns the processes that compile kernels meanwhile."""
    from tests import mlflow_tables, warm_up
    from tiltyard.cli.main import COMMANDS

    gc.disable()
    compiling = warm_up.start_compiling()
    commands = {place.split(":")[0] for place, _ in COMMANDS.values() if "prefect" not in place}
    _import_all(PRELOAD)
    tables = mlflow_tables.start_making()
    _import_all(sorted(commands))
    mlflow_tables.copy_from_now_on(*tables)
    if not compiling:
        _warm_up()
    _prepare_to_fork()
    return compiling


def _import_all(modules: Sequence[str]) -> None:
    from tiltyard.registry import mlflow_env

    with mlflow_env.quiet_mlflow(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in modules:
            importlib.import_module(module)


def _wait_until_warm(compiling: list[int]) -> None:
    """Wait for the kernels, and use them once; the workers of pytest collect meanwhile."""
    from tests import warm_up

    warm_up.wait_until_compiled(compiling)
    if compiling:
        _warm_up()
    _prepare_to_fork()


def _prepare_to_fork() -> None:
    gc.freeze()  # what all share is not touched by the children's collections
    gc.enable()
    assert "prefect" not in sys.modules, "what PREFECT_ variables say would be read here"
    # OpenBLAS and Arrow's allocator have threads, and handlers that end or pause them when a process forks.
    assert threading.active_count() == 1, "a process with threads of Python cannot be forked safely"


def _warm_up() -> None:
    """Pack a model and predict: this reads the compiled kernels, and what MLflow finds out once in a process."""
    from tiltyard.drift.profiles.texts import character_kinds
    from tiltyard.registry import mlflow_env
    from tiltyard.testing.registry import write_example_package

    with (
        mlflow_env.quiet_mlflow(),
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory(prefix="tests-") as folder,
    ):
        warnings.simplefilter("ignore")
        character_kinds()
        write_example_package(Path(folder) / "package")


def _fork_descendants(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]] | None:
    """The zygote of a command that starts others; returns what a child of it is to become, and None in the command.

    A worker of pytest has one too: what it tests starts processes. Programs of a test's own are left to ``popen``.
    """
    is_worker = request["arguments"][:2] == ["-u", "-c"]
    if not is_worker and not _starts_others([sys.executable, *request["arguments"]]):
        return None
    known = _at_import(os.environ)

    def can_fork(command: Sequence[str], environment: Mapping[str, str]) -> bool:
        ours = _is_ours(command) and (command[1] == "-m" or not is_worker)
        return ours and _at_import(environment) == known

    return start_zygote(can_fork)


def _serve_both(
    for_commands: socket.socket, for_workers: socket.socket, control: socket.socket
) -> tuple[dict[str, Any], list[int]]:
    """Fork workers of pytest as soon as all is imported, and commands once the kernels are compiled too.

    Returns in each of them, with what it is to be.
    """
    compiling = _preload()
    if os.fork() == 0:
        for_commands.close()
        _import_all(OF_TESTS)
        _prepare_to_fork()
        return _serve(_accept(for_workers, control))
    for_workers.close()
    _wait_until_warm(compiling)
    return _serve(_accept(for_commands, control))


if __name__ == "__main__":
    next_: tuple[dict[str, Any], list[int]] | None = _serve_both(
        *(socket.socket(fileno=int(number)) for number in sys.argv[1:])
    )
    while next_:
        request_, files_ = next_
        _become(request_, files_)
        next_ = _fork_descendants(request_)
    _run_to_the_end(request_["arguments"])
