"""What all tests may use.

The process that starts the workers imports this module too, and they start after it: what is slow to import is imported
where it is used.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import fork_server, whole_files
from tests.pgbouncer import pgbouncer
from tests.postgres import postgres
from tests.prefect_server import prefect_server

if TYPE_CHECKING:
    from tests.project_env import ProjectEnv

__all__ = ["pgbouncer", "postgres", "prefect_server"]

pytest.register_assert_rewrite("tiltyard.testing.ledger_contract")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start what the workers share: it compiles the kernels once where numba's cache is empty, before they all would.

    The workers import and collect meanwhile, so this process must not import what they do: they start after it.
    """
    if _is_worker(session) or not session.config.getoption("numprocesses", None):
        return
    # Workers share the cores: several threads of BLAS or OpenMP in each would mostly wait for each other, and use half
    # of the processor time of the tests that fit models. A run without workers has all threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    fork_server.share_helper()


def pytest_configure(config: pytest.Config) -> None:
    """No test fails because the machine is busy: examples of Hypothesis have no deadline.

    The process that only starts the workers leaves the import to them.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        from hypothesis import settings

        settings.register_profile("any-machine", settings.default, deadline=None)
        settings.load_profile("any-machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Workers are forks of the helper, so that each need not import everything again.

    Not where coverage is measured: lines that run while modules are imported would be missing.
    """
    if sys.platform == "linux" and not config.getoption("cov_source", None):
        for spec in specs:
            if spec.popen and not spec.python:
                spec.python = shlex.join(fork_server.worker_command())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """The first test of a worker waits for the kernels."""
    if _is_worker(session):
        fork_server.wait_for_helper()


def _is_worker(session: pytest.Session) -> bool:
    return hasattr(session.config, "workerinput")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the modules that all tests share out of each collection of garbage, and collect less often.

    The former is an eighth of the time of all tests. What tests make is short-lived: with Python's thresholds another
    fifteenth goes into collections that find little.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 10, 25)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first: one that came last would keep one worker busy alone."""
    whole_files.put_longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadfile`` a worker has a file at a time, in the order of the tests."""
    return whole_files.make_scheduler(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's empty tables, made once for all workers of pytest: MLflow takes seconds for them."""
    from tiltyard.registry.mlflow_backend.mlflow_client import open_client

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file, made = shared / "mlflow.db", shared / "mlflow.made"
    with (shared / "mlflow.making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            open_client(f"sqlite:///{file}")
            made.touch()
    return file


@pytest.fixture(scope="module")
def project_env(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """A project, an MLflow store and a ledger for each module."""
    from tests.project_env import open_project_env

    with open_project_env(tmp_path_factory.mktemp("project_env"), fresh_store) as made:
        yield made
