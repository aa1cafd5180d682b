"""Read what a model has and do what the plan says, until nothing is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx

from tiltyard.cluster.api_server import CONFLICT, OWNED, REFUSED, Cluster
from tiltyard.cluster.build_objects import MANAGED_BY, PART_OF
from tiltyard.cluster.course import read_revisions
from tiltyard.cluster.observed import (
    Action,
    Announce,
    Apply,
    Delete,
    KeepRevision,
    Manifest,
    Observation,
    WriteStatus,
)
from tiltyard.cluster.plan import ModelPlan, plan
from tiltyard.cluster.pods import ask_pods, read_pod
from tiltyard.cluster.spec import KIND
from tiltyard.errors import UnavailableError, UsageError

ROUNDS = 6
"""Most rounds in a row; what is left then has its turn later."""
Report = Callable[[str, str, Action], None]
"""Takes namespace, name and what was done."""


class Reconciler:
    """Keeps models as their specifications say. It remembers nothing: all that counts is on the cluster.

    Args:
        cluster: the API server.
        pods: asks pods for their health.
        report: is called with each action, after it.
        clock: the time, UTC.
    """

    def __init__(
        self,
        cluster: Cluster,
        pods: httpx.AsyncClient,
        report: Report,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster, self._pods, self._report, self._clock = cluster, pods, report, clock

    async def reconcile(self, namespace: str, name: str) -> bool:
        """Read what a model has and do what is to be done; False where there is none of the name.

        Raises:
            UnavailableError: the cluster does not respond; to be tried again.
            UsageError: the operator may not do what it has to.
        """
        refused = ""
        for _ in range(ROUNDS):
            seen = await self.observe(namespace, name, refused)
            if seen is None:
                return False
            found = await self._make_plan(seen)
            try:
                again = await self._act(seen, found, apply=not refused)
            except UnavailableError as error:
                if error.code != CONFLICT:
                    raise
                continue  # what was decided may not hold any more
            if again and refused:
                return True  # nothing to return to: the status says what was refused
            if found.settled and not again:
                return True
            refused = again
        return True

    async def observe(self, namespace: str, name: str, refused: str = "") -> Observation | None:
        """What is to be seen of a model now; None where there is none of the name.

        Args:
            namespace: where it is.
            name: its name.
            refused: what the cluster refused before.
        """
        model = await self._cluster.read(KIND, namespace, name)
        if model is None:
            return None
        ours = ",".join(f"{key}={value}" for key, value in self._labels(name).items())
        lists = await asyncio.gather(*(self._cluster.list_objects(kind, namespace, ours) for kind in OWNED))
        objects = {(item["kind"], item["metadata"]["name"]): item for items in lists for item in items}
        items = await self._cluster.list_objects("Pod", namespace, f"{PART_OF}={name}")
        pods = await ask_pods([read_pod(item, name) for item in items], self._pods)
        return Observation(model, objects, read_revisions(model, objects), pods, self._clock(), refused)

    @staticmethod
    def _labels(name: str) -> dict[str, str]:
        return {PART_OF: name, **MANAGED_BY}

    async def _make_plan(self, seen: Observation) -> ModelPlan:
        """The plan, with objects of others in view that have a name which is to be used."""
        found = plan(seen)
        refs = [(one.item["kind"], one.item["metadata"]["name"]) for one in found.actions if isinstance(one, Apply)]
        namespace = seen.model["metadata"]["namespace"]
        strangers = {
            ref: item
            for ref in refs
            if ref not in seen.objects and (item := await self._cluster.read(ref[0], namespace, ref[1])) is not None
        }
        return plan(replace(seen, objects={**seen.objects, **strangers})) if strangers else found

    async def _act(self, seen: Observation, found: ModelPlan, *, apply: bool) -> str:
        """Do what is planned; what the cluster refused to apply, or nothing.

        Raises:
            UsageError: something else was refused. An event that is refused holds nothing up: the rest is done before.
        """
        untold: UsageError | None = None
        for action in found.actions:
            if isinstance(action, Apply) and not apply:
                return seen.refused
            try:
                await self._do(seen.model, action, seen.now)
            except UsageError as error:
                if isinstance(action, Apply) and error.code == REFUSED:
                    return error.message
                if not isinstance(action, Announce):
                    raise
                untold = error
                continue
            self._report(seen.model["metadata"]["namespace"], seen.name, action)
        if untold is not None:
            raise untold
        return ""

    async def _do(self, model: Manifest, action: Action, now: datetime) -> None:
        match action:
            case KeepRevision():
                await self._cluster.keep_revision(model, self._labels(model["metadata"]["name"]), action)
            case Apply():
                await self._cluster.apply(action.item)
            case Delete():
                await self._cluster.delete(model["metadata"]["namespace"], action)
            case Announce():
                await self._cluster.announce(model, action, now)
            case WriteStatus():
                await self._cluster.write_status(model, action.status)
