"""How far the objects of a model have come up, and which of its pods hang."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tiltyard.cluster.observed import Manifest, Pod, Ref, RolloutState

_WORKLOADS = ("StatefulSet", "Deployment")


def evaluate_rollout(
    objects: Iterable[Manifest], live: Mapping[Ref, Manifest], pods: Sequence[Pod], *, champion: bool
) -> RolloutState:
    """How far objects that were applied have come up.

    Args:
        objects: what was applied.
        live: what the cluster has.
        pods: the pods of the model.
        champion: whether a version was served before; without one, servers that wait for the first count as up.
    """
    workloads = [(item, live.get((item["kind"], item["metadata"]["name"]))) for item in objects]
    found = [(item, seen) for item, seen in workloads if item["kind"] in _WORKLOADS]
    servers = [pod for pod in pods if pod.part == "api" and not pod.leaving]
    missing, waits, progress = [], False, 0
    for item, seen in found:
        name = item["metadata"]["name"]
        if seen is None:
            missing.append(f"{name} does not exist")
            continue
        settled, ready, wanted = _count_ready(seen)
        progress += ready
        if settled and ready >= wanted:
            continue
        if item["kind"] == "StatefulSet" and settled and not champion and _wait_for_champion(servers, wanted):
            waits = True
            continue
        missing.append(f"{name} has {ready} of {wanted} pods of its present form{_explain(name, pods)}")
    missing += [
        f"{pod.name} is ready and serves no version"
        for pod in servers
        if pod.ready and pod.health is not None and pod.health.responded and pod.health.version is None
    ]
    return RolloutState(not missing, progress, tuple(missing), waits and not missing)


def _count_ready(workload: Manifest) -> tuple[bool, int, int]:
    """Whether all pods have the present form, how many of those are ready, and how many there are to be."""
    status: dict[str, Any] = workload.get("status", {})
    wanted = int(workload["spec"].get("replicas", 1))
    seen = int(status.get("observedGeneration", 0)) >= int(workload["metadata"].get("generation", 0))
    updated, ready = int(status.get("updatedReplicas", 0)), int(status.get("readyReplicas", 0))
    if workload["kind"] == "StatefulSet":
        current = status.get("currentRevision") == status.get("updateRevision")
        updated = wanted if seen and current else updated
    settled = seen and updated >= wanted and int(status.get("replicas", 0)) == wanted
    return settled, min(ready, updated) if seen else 0, wanted


def _wait_for_champion(servers: Sequence[Pod], wanted: int) -> bool:
    """Whether all servers run and have nothing to serve yet."""
    health = [pod.health for pod in servers]
    return len(servers) >= wanted and all(one is not None and one.responded and one.version is None for one in health)


def _explain(workload: str, pods: Sequence[Pod]) -> str:
    """Why pods of a workload do not run, as the cluster says it."""
    why = Counter(pod.waiting for pod in pods if pod.waiting and pod.name.startswith(f"{workload}-"))
    return f" ({', '.join(sorted(why))})" if why else ""


def find_served(pods: Sequence[Pod]) -> tuple[str | None, int, int]:
    """The version that most servers serve, how many serve it, and how many respond."""
    said = [pod.health.version for pod in pods if pod.part == "api" and pod.health is not None and pod.health.responded]
    served = Counter(version for version in said if version is not None)
    if not served:
        return None, 0, len(said)
    version, count = max(served.items(), key=lambda one: (one[1], one[0]))
    return version, count, len(said)


def list_silent(pods: Sequence[Pod], before: Sequence[Manifest], now: datetime) -> list[Manifest]:
    """The pods that do not respond, or say that they hang, and since when: as the status keeps it.

    Args:
        pods: the pods of the model.
        before: what this returned before.
        now: the moment, UTC.
    """
    since = {(one["pod"], one["uid"]): one["since"] for one in before}
    return [
        {
            "pod": pod.name,
            "uid": pod.uid,
            "since": since.get((pod.name, pod.uid), now.isoformat()),
            "reason": pod.health.reason or "It says that it makes no progress.",
        }
        for pod in pods
        if pod.started
        and not pod.leaving
        and pod.health is not None
        and not (pod.health.responded and pod.health.alive)
    ]


def find_hanging(pods: Sequence[Pod], silent: Sequence[Manifest], now: datetime, patience: float) -> Manifest | None:
    """The pod that hangs for longest and is to be replaced; None for none.

    One that does not respond is replaced only while another pod of the model does: otherwise it may be the network of
    the operator that is broken.

    Args:
        pods: the pods of the model.
        silent: those that do not respond, and since when.
        now: the moment, UTC.
        patience: seconds that a pod has.
    """
    responding = {pod.name for pod in pods if pod.health is not None and pod.health.responded}
    overdue = [
        one
        for one in silent
        if (now - datetime.fromisoformat(one["since"])).total_seconds() >= patience
        and (one["pod"] in responding or responding)
    ]
    leaving = any(pod.leaving for pod in pods)
    return min(overdue, key=lambda one: str(one["since"])) if overdue and not leaving else None
