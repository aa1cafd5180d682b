"""What all tests may use."""

import fcntl
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fork_server
from tests.postgres import postgres
from tests.prefect_server import prefect_server
from tests.project_env import project_env
from tiltyard.registry.mlflow_backend.mlflow_client import open_client

__all__ = ["postgres", "prefect_server", "project_env"]

# Where numba keeps the compiled kernels of one package; those of the others are made with them.
_KERNELS = Path(__file__).parents[1] / "src" / "tiltyard" / "scoring" / "table" / "__pycache__"

pytest.register_assert_rewrite("tiltyard.testing.ledger_contract")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels once where numba's cache is empty, before all workers would, and start what they share."""
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or not session.config.getoption("numprocesses", None):
        return
    # Workers share the cores: several threads of BLAS or OpenMP in each would mostly wait for each other, and use half
    # of the processor time of the tests that fit models. A run without workers has all threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not any(_KERNELS.glob("*.nbi")):
        subprocess.run([sys.executable, "-m", "tests.warm_up"], cwd=Path(__file__).parents[1], check=True, timeout=280)
    fork_server.share_helper()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the modules that all tests share out of each collection of garbage, an eighth of the time of all tests."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys come first: they are the longest, and one that came last would keep one worker busy alone."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's empty tables, made once for all workers of pytest: MLflow takes seconds for them."""
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
