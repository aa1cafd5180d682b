"""Work on a Ray cluster. A process or a machine that is lost costs its fragments' time, and nothing else."""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tiltyard.engines.engine import Engine, Fragments, Mapped, Work
from tiltyard.engines.local_processes import MOST_ATTEMPTS, WorkerLostError
from tiltyard.errors import MissingExtraError, TiltyardError, UnavailableError

ADDRESS = "RAY_ADDRESS"
"""The environment variable, Ray's own, with the address of a cluster; without it a cluster of this machine is used."""

_IN_HAND = 2  # fragments of a processor: one that it works on, one that waits
_PROBE_SECONDS = 120.0
_REACH_SECONDS = 5.0


class RayCluster(Engine):
    """Processes of a Ray cluster that runs already.

    Every machine of it needs this version of Tiltyard; files that the work reads or writes have to be there too.

    Args:
        address: of the cluster, such as ``10.0.0.5:6379``; None for ``RAY_ADDRESS``, or else the one of this machine.
        workers: how many processes work at once; None for as many as the cluster has processors.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        self._address = address or os.environ.get(ADDRESS) or "auto"
        self._workers = workers

    @contextmanager
    def hold(self, work: Work) -> Iterator[Mapped]:
        """See ``Engine.hold``.

        Raises:
            MissingExtraError: Ray is not installed.
            UnavailableError: the cluster cannot be reached, or a machine of it cannot do the work.
        """
        with _connect(self._address) as ray:
            _probe_machines(ray, work)
            given = ray.put(work)
            token = uuid4().hex
            task = ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1, scheduling_strategy="SPREAD")(_do)
            yield lambda fragments: self._map(ray, lambda fragment: task.remote(token, [given], fragment), fragments)

    def _map(self, ray: Any, begin: Callable[[Any], Any], fragments: Fragments) -> Iterator[tuple[int, Any]]:
        waiting = iter(fragments)
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < self._count_in_hand(ray):
                    entry = next(waiting, None)
                    if entry is None:
                        break
                    number, fragment = entry
                    running[begin(fragment)] = number
                if not running:
                    return
                ready, _ = ray.wait(list(running), num_returns=1, fetch_local=True)
                for reference in ready:
                    number = running.pop(reference)
                    yield number, _take(ray, reference, number)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _count_in_hand(self, ray: Any) -> int:
        """How many fragments are given away at a time: no processor waits, and no more of them work than may."""
        there = max(1, int(ray.cluster_resources().get("CPU", 1)))
        if self._workers is not None and self._workers < there:
            return self._workers
        return _IN_HAND * there


@functools.lru_cache(maxsize=1)
def _keep(token: str, fetch: Callable[[], Work]) -> Work:  # noqa: ARG001 - the key
    return fetch()


class _Fetch:
    """Fetches the work; equal to every other, so that a process fetches each work once."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def __call__(self) -> Work:
        import ray  # noqa: PLC0415 - in a process of Ray

        work: Work = ray.get(self._given)
        return work

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fetch)

    def __hash__(self) -> int:
        return 0


def _do(token: str, given: list[Any], fragment: Any) -> tuple[Any, Exception | None]:
    """The result of a fragment, or what the work raised, in a process of the cluster."""
    from tiltyard.engines.worker import make_sendable  # noqa: PLC0415 - in a process of Ray

    try:
        return _keep(token, _Fetch(given[0]))(fragment), None
    except Exception as error:  # noqa: BLE001 - raised again where the work came from
        return None, make_sendable(error)


def _take(ray: Any, reference: Any, number: int) -> Any:
    try:
        result, error = ray.get(reference)
    except ray.exceptions.RayError as lost:
        raise WorkerLostError(
            f"Fragment {number} ended {MOST_ATTEMPTS} processes of the cluster: {_first_line(lost)}.",
            next_step="If its machines are short of memory, use fewer workers or smaller fragments, then run it again: "
            "it continues where it is.",
            fragment=number,
        ) from None
    if error is not None:
        raise error
    return result


@contextmanager
def _connect(address: str) -> Iterator[Any]:
    """Ray, connected; a connection that the caller had already is used, and kept."""
    try:
        import ray  # noqa: PLC0415 - takes a second
    except ImportError:
        raise MissingExtraError("A Ray cluster", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    shown = "on this machine" if address == "auto" else f"at {address}"
    no_cluster = f"Start one with: ray start --head. Or set {ADDRESS} to the address of one."
    _reach(address, shown, no_cluster)
    paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    surroundings = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "OMP_NUM_THREADS": "1"}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": surroundings},
        )
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise UnavailableError(
            f"No Ray cluster can be reached {shown}: {_first_line(error)}.",
            next_step=no_cluster,
            code="engine.no-cluster",
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str, shown: str, next_step: str) -> None:
    """See whether something listens where a cluster should: Ray would wait for minutes.

    Raises:
        UnavailableError: nothing does.
    """
    if address == "auto":
        # Where `ray start` writes the address of this machine's cluster; Ray looks for others by itself.
        kept = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray" / "ray_current_cluster"
        if not kept.is_file():
            return
        address = kept.read_text(encoding="utf-8").strip()
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # a name that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
    except OSError as error:
        raise UnavailableError(
            f"No Ray cluster can be reached {shown}: {error.strerror or error}.",
            next_step=next_step,
            code="engine.no-cluster",
        ) from None


def _probe_machines(ray: Any, work: Work) -> None:
    """Find out of every machine whether it can do the work, before any fragment is given away."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - takes a second

    from tiltyard import _version  # noqa: PLC0415 - compared with theirs

    task = ray.remote(num_cpus=0, max_retries=0)(_probe)
    check = getattr(work, "check_host", None)
    probes = {}
    for node in ray.nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            probes[task.options(scheduling_strategy=place).remote(check)] = node["NodeManagerAddress"]
    ready, _ = ray.wait(list(probes), num_returns=len(probes), timeout=_PROBE_SECONDS)
    for reference, host in probes.items():
        try:
            version, error = ray.get(reference) if reference in ready else (None, TimeoutError("it does not respond"))
        except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
            continue  # it was lost just now; the others do the work
        except ray.exceptions.RayError as lost:
            version, error = None, lost
        if isinstance(error, TiltyardError):
            raise error
        if error is not None:
            raise UnavailableError(
                f"The machine {host} of the Ray cluster cannot do the work: {_first_line(error)}.",
                next_step="Install the same Python environment on all its machines, or take it out of the cluster.",
                code="engine.unfit-machine",
                host=host,
            )
        if version != _version.__version__:
            raise UnavailableError(
                f"The machine {host} of the Ray cluster has Tiltyard {version}; here it is {_version.__version__}.",
                next_step="Install the same version on all its machines.",
                code="engine.unfit-machine",
                host=host,
            )


def _probe(check: Callable[[], None] | None) -> tuple[str, Exception | None]:
    from tiltyard import _version  # noqa: PLC0415 - in a process of Ray
    from tiltyard.engines.worker import make_sendable  # noqa: PLC0415 - likewise

    try:
        if check is not None:
            check()
    except Exception as error:  # noqa: BLE001 - raised again where the work came from
        return _version.__version__, make_sendable(error)
    return _version.__version__, None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
