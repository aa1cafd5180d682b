"""The operator as a process: kopf watches the cluster and says which model to reconcile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import kopf

from tiltyard.cluster.access import open_api_client
from tiltyard.cluster.api_server import Cluster
from tiltyard.cluster.build_objects import MANAGED_BY, PART_OF
from tiltyard.cluster.pods import SECONDS
from tiltyard.cluster.reconcile import Reconciler, Report
from tiltyard.cluster.spec import GROUP, KIND, PLURAL, VERSION
from tiltyard.errors import TiltyardError, UsageError

Key = tuple[str, str]
"""Namespace and name of a model."""
Problem = Callable[[str, str, TiltyardError], None]
"""Takes namespace, name and what went wrong."""

WORKERS = 4
"""Models that are read at once: one whose pods do not respond holds up no other."""
# What changes by itself as pods come and go; the rest is seen at the next reading.
_WATCHED = (("apps", "v1", "statefulsets"), ("apps", "v1", "deployments"))


@dataclass(frozen=True)
class OperatorScope:
    """What an operator keeps.

    Attributes:
        namespaces: where; empty for the whole cluster.
        every_seconds: longest time between two readings of a model.
        alive: file that is touched while the operator makes progress; None for none.
    """

    namespaces: Sequence[str] = ()
    every_seconds: float = 15.0
    alive: Path | None = None


def run_operator(access: kopf.ConnectionInfo, watch: OperatorScope, report: Report, problem: Problem) -> None:
    """Run until a signal says to end.

    Args:
        access: the API server, and the credentials.
        watch: what is looked after.
        report: is called with each action, after it.
        problem: is called where that failed; it is tried again.

    Raises:
        UsageError: the cluster does not know the kind ``TiltyardModel``, or does not let the operator in.
    """
    asyncio.run(_run(access, watch, report, problem))


async def _run(access: kopf.ConnectionInfo, watch: OperatorScope, report: Report, problem: Problem) -> None:
    async with open_api_client(access) as client, httpx.AsyncClient(timeout=SECONDS, trust_env=False) as pods:
        await _require_kind(client)
        queue = _ModelQueue(Reconciler(Cluster(client), pods, report), watch, problem)
        settings = kopf.OperatorSettings()
        settings.scanning.disabled = True  # it may list neither kinds nor namespaces
        settings.posting.enabled = False
        settings.peering.standalone = True
        work = asyncio.create_task(queue.run())
        try:
            await kopf.operator(
                registry=_handlers(access, queue),
                settings=settings,
                standalone=True,
                clusterwide=not watch.namespaces,
                namespaces=list(watch.namespaces),
            )
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


class _ModelQueue:
    """The models that are known, and which of them are to be looked at now."""

    def __init__(self, reconciler: Reconciler, watch: OperatorScope, problem: Problem) -> None:
        self._reconciler, self._watch, self._problem = reconciler, watch, problem
        self._known: set[Key] = set()
        self._reported: dict[Key, str] = {}
        self._due: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()

    def add(self, key: Key) -> None:
        """A model is there, or has changed."""
        self._known.add(key)
        self.wake(key)

    def remove(self, key: Key) -> None:
        """A model is gone; what belongs to it is removed by the cluster."""
        self._known.discard(key)

    def wake(self, key: Key) -> None:
        """Something of a model has changed."""
        if key in self._busy:
            self._again.add(key)  # never two at once for one model
        elif key in self._known and key not in self._waiting:
            self._waiting.add(key)
            self._due.put_nowait(key)

    async def run(self) -> None:
        """Reconcile what has changed, and each model once in a while."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._due.get()
            self._waiting.discard(key)
            self._busy.add(key)
            try:
                await self._reconcile(key)
            finally:
                self._busy.discard(key)
            self._touch()
            if key in self._again:
                self._again.discard(key)
                self.wake(key)

    async def _reconcile(self, key: Key) -> None:
        """Reconcile a model, and report what went wrong; nothing of one model ends the care for the others."""
        try:
            if not await self._reconciler.reconcile(*key):
                self._known.discard(key)
            self._reported.pop(key, None)
            return
        except TiltyardError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - a form that nobody thought of
            problem = TiltyardError(
                f"The operator cannot read what is there ({type(error).__name__}: {error}).",
                next_step="Compare the resource's status and ControllerRevisions with what the operator writes.",
                code="cluster.unexpected",
            )
        if self._reported.get(key) != problem.message:  # an outage is reported once
            self._problem(*key, problem)
        self._reported[key] = problem.message

    def _touch(self) -> None:
        if self._watch.alive is not None:
            self._watch.alive.touch()

    async def _tick(self) -> None:
        while True:
            if not self._due.qsize():
                self._touch()
            await asyncio.sleep(self._watch.every_seconds)
            for key in list(self._known):
                self.wake(key)


def _handlers(access: kopf.ConnectionInfo, queue: _ModelQueue) -> kopf.OperatorRegistry:
    """What kopf calls: only events, so that it neither adds finalizers nor writes into the resources."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def log_in(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
        # The token of a service account is renewed; kopf comes again where one has ended.
        return kopf.login_with_service_account(settings=settings) or access

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)  # type: ignore[arg-type]
    async def see_model(type: str | None, name: str, namespace: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        (queue.remove if type == "DELETED" else queue.add)((namespace, name))

    def see_object(labels: dict[str, str], namespace: str, **_: Any) -> None:
        queue.wake((namespace, labels.get(PART_OF, "")))

    for place in _WATCHED:
        kopf.on.event(*place, registry=registry, labels=dict(MANAGED_BY))(see_object)  # type: ignore[arg-type]
    return registry


async def _require_kind(client: httpx.AsyncClient) -> None:
    """Refuse a cluster that does not know the kind: kopf would wait for it for ever."""
    try:
        response = await client.get(f"/apis/{GROUP}/{VERSION}")
    except (httpx.HTTPError, OSError) as error:
        raise UsageError(
            f"The cluster at {client.base_url} does not respond: {error or type(error).__name__}.",
            next_step="Check its address in the kubeconfig: kubectl cluster-info",
            code="cluster.access",
        ) from None
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise UsageError(
            f"The cluster at {client.base_url} refuses the operator's credentials ({response.status_code}).",
            next_step="Check them: kubectl auth whoami",
            code="cluster.access",
        )
    if response.status_code not in (httpx.codes.OK, httpx.codes.NOT_FOUND):
        raise UsageError(
            f"The cluster at {client.base_url} fails ({response.status_code}).",
            next_step="See what it says: kubectl get --raw /readyz",
            code="cluster.access",
        )
    if response.status_code != httpx.codes.OK:
        raise UsageError(
            f"The cluster does not know the kind {KIND} ({GROUP}/{VERSION}).",
            next_step="Apply its definition: kubectl apply --server-side -k deploy/kubernetes/operator",
            code="cluster.no-kind",
        )
