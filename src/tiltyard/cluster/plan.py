"""What is to be done about a model now: it follows from what was seen alone, so that it can begin at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tiltyard.cluster.conditions import write_time
from tiltyard.cluster.course import Course, choose_course, is_owned, read_retry
from tiltyard.cluster.differences import is_applied, mark_applied
from tiltyard.cluster.evaluate_rollout import evaluate_rollout, find_hanging, find_served, list_silent
from tiltyard.cluster.observed import (
    Action,
    Announce,
    Apply,
    Delete,
    KeepRevision,
    Manifest,
    Observation,
    RolloutState,
    WriteStatus,
)
from tiltyard.cluster.spec import GROUP, KIND, VERSION, Rollout
from tiltyard.cluster.status import summarise


@dataclass(frozen=True)
class ModelPlan:
    """What is to be done.

    Attributes:
        actions: in this order; each may be done twice.
        settled: whether all objects are as they are to be, so that only time or the pods bring something new.
    """

    actions: tuple[Action, ...]
    settled: bool


def plan(seen: Observation) -> ModelPlan:
    """What is to be done about a model now.

    Args:
        seen: the model and what was seen of it.
    """
    if seen.model["metadata"].get("deletionTimestamp"):
        return ModelPlan((), settled=True)  # the cluster removes what belongs to it
    course = choose_course(seen)
    changes = [*_list_applies(seen, course), *_list_removals(seen, course)]
    verdict = evaluate_rollout(course.objects, seen.objects, seen.pods, champion=bool(seen.status.get("champion")))
    if changes:  # what runs is still of the form before
        verdict = RolloutState(complete=False, progress=0, missing=(_describe_changes(changes),))
    status, news = _move_on(seen, course, verdict, begun=not any(isinstance(one, Apply) for one in changes))
    taken_back = course.is_own and (status.get("failed") or {}).get("revision") == course.target
    if taken_back:
        changes = []
    begin: list[Action] = []
    if course.target and course.target not in seen.revisions:
        number = int(seen.model["metadata"].get("generation", 1))
        begin = [KeepRevision(course.target, number, course.target_objects)]
    patience = (course.spec.rollout if course.spec is not None else Rollout()).hang_seconds
    status["silent"] = list_silent(seen.pods, seen.status.get("silent") or [], seen.now)
    hanging = find_hanging(seen.pods, status["silent"], seen.now, patience)
    replacements: list[Action] = []
    if hanging is not None:
        said = f"{hanging['pod']} is replaced: {hanging['reason']} Since {hanging['since']}."
        replacements = [
            Announce("Warning", "PodReplaced", said, f"{hanging['uid']}{hanging['since']}"),
            Delete(("Pod", hanging["pod"]), hanging["uid"]),
        ]
    version, serving, responding = find_served(seen.pods)
    served = seen.status.get("champion") or {}
    if version is not None and version != served.get("version"):
        before = f" instead of {served['version']}" if served else ""
        said = f"{serving} of {responding} servers serve version {version}{before}."
        news.append(Announce("Normal", "ChampionChanged", said, f"{served.get('since')}>{version}"))
    full = summarise(seen, course, verdict, status)
    writes: list[Action] = [WriteStatus(full)] if full != seen.status else []
    # What was decided is on record before it is done: after a kill the next operator decides the same.
    return ModelPlan((*begin, *news, *writes, *changes, *replacements), settled=not (changes or begin or taken_back))


def _list_applies(seen: Observation, course: Course) -> list[Action]:
    owner = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": seen.name,
        "uid": seen.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    found: list[Action] = []
    for item in course.objects:
        wanted = mark_applied(item)
        live = seen.objects.get((item["kind"], item["metadata"]["name"]))
        if live is None or not is_owned(live, seen.uid) or not is_applied(wanted, live):
            sent = {**wanted, "metadata": {**wanted["metadata"], "ownerReferences": [owner]}}
            found.append(Apply(_keep_replicas(sent, live, course.objects)))
    return found


def _keep_replicas(item: Manifest, live: Manifest | None, objects: list[Manifest]) -> Manifest:
    """The servers with the number that the autoscaler has set: without one the cluster would fall back to one."""
    if item["kind"] != "StatefulSet" or "replicas" in item["spec"]:
        return item
    (limits,) = (one["spec"] for one in objects if one["kind"] == "HorizontalPodAutoscaler")
    running = int(live["spec"].get("replicas", 0)) if live is not None else 0
    replicas = min(max(running, limits["minReplicas"]), limits["maxReplicas"])
    return {**item, "spec": {**item["spec"], "replicas": replicas}}


def _list_removals(seen: Observation, course: Course) -> list[Action]:
    """What belongs to the model and is not wanted any more."""
    if not course.active:
        return []
    wanted = {(item["kind"], item["metadata"]["name"]) for item in course.objects}
    status = seen.status
    kept = {course.target, course.active, status.get("goodRevision"), (status.get("failed") or {}).get("revision")}
    found: list[Action] = []
    for ref, live in seen.objects.items():
        owned = is_owned(live, seen.uid)
        # A record of ours that says something else than its name is written anew.
        recorded = ref[1] in kept and ref[1] in seen.revisions
        if owned and (ref not in wanted if ref[0] != "ControllerRevision" else not recorded):
            found.append(Delete(ref, live["metadata"]["uid"]))
    return found


def _describe_changes(changes: list[Action]) -> str:
    """What is being changed, by names: where something changes it back each time, its name is what helps."""
    names = [f"{one.item['kind']} {one.item['metadata']['name']}" for one in changes if isinstance(one, Apply)]
    names += [" ".join(one.ref) for one in changes if isinstance(one, Delete)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"being applied: {', '.join(names[:3])}{more}"


def _move_on(seen: Observation, course: Course, verdict: RolloutState, *, begun: bool) -> tuple[Manifest, list[Action]]:
    """What the status remembers after this look, and the news of it; ``begun`` once all objects are applied."""
    status = seen.status
    good = status.get("goodRevision")
    kept: Manifest = {key: status[key] for key in ("goodRevision", "failed") if status.get(key) is not None}
    if not course.is_own or course.spec is None:
        return kept, []
    kept.pop("failed", None)  # the course would be another one, had it been given up
    started = _read_rollout(status, course.target, seen.now)
    if course.target == good:
        return kept, []
    news: list[Action] = []
    if verdict.progress > started["ready"]:
        started = {**started, "ready": verdict.progress, "progressedAt": write_time(seen.now)}
    late = (seen.now - datetime.fromisoformat(started["progressedAt"])).total_seconds()
    overdue = late >= course.spec.rollout.deadline_seconds
    if overdue and not begun and not started["resumed"]:
        # No operator ran to apply it: it has its time from now on, once.
        started, overdue = {**started, "progressedAt": write_time(seen.now), "resumed": True}, False
    if verdict.complete and not seen.refused:
        said = f"{course.target} is up, with {verdict.progress} pods."
        news.append(Announce("Normal", "RolledOut", said, f"{course.target}{started['startedAt']}"))
        return {**kept, "goodRevision": course.target}, news
    if (overdue or seen.refused) and good in seen.revisions:
        why = seen.refused or "; ".join(verdict.missing)
        said = f"{course.target} is taken back, and {good} is restored: {why}"
        news.append(Announce("Warning", "RolledBack", said, f"{course.target}{started['startedAt']}"))
        return {**kept, "failed": {"revision": course.target, "retry": read_retry(seen), "reason": why[:1000]}}, news
    return {**kept, "rollout": {**started, "overdue": overdue}}, news


def _read_rollout(status: Manifest, target: str, now: datetime) -> Manifest:
    rollout = status.get("rollout") or {}
    if rollout.get("revision") == target:
        return {"resumed": False, **rollout}
    moment = write_time(now)
    return {"revision": target, "startedAt": moment, "progressedAt": moment, "ready": 0, "resumed": False}
