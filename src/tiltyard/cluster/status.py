"""What a ``TiltyardModel`` says of itself in its status."""

from __future__ import annotations

from tiltyard.cluster.conditions import Condition, write_conditions, write_time
from tiltyard.cluster.course import Course
from tiltyard.cluster.evaluate_rollout import find_served
from tiltyard.cluster.observed import Manifest, Observation, RolloutState


def summarise(seen: Observation, course: Course, verdict: RolloutState, remembered: Manifest) -> Manifest:
    """The whole status.

    Args:
        seen: the model and what was seen of it.
        course: which objects it is to have.
        verdict: how far they have come up.
        remembered: what the next reading needs to know.
    """
    servers = [pod for pod in seen.pods if pod.part == "api" and not pod.leaving]
    ready = sum(pod.ready for pod in servers)
    generation = int(seen.model["metadata"].get("generation", 1))
    found = [
        _describe_acceptance(seen, course),
        _progressing(course, verdict, remembered),
        _available(seen, ready, verdict),
        _rolled_back(remembered),
        _follows(seen),
    ]
    status: Manifest = {
        "observedGeneration": generation,
        **remembered,
        "servers": f"{ready}/{_count_servers(seen)}",
        "conditions": write_conditions(found, seen.status.get("conditions") or [], generation, seen.now),
    }
    if course.active:
        status["revision"] = course.active
        status["image"] = _find_image(course)
    champion = _find_champion(seen)
    if champion:
        status["champion"] = champion
    return status


def _find_image(course: Course) -> str:
    (servers,) = (item for item in course.objects if item["kind"] == "StatefulSet")
    return str(servers["spec"]["template"]["spec"]["containers"][0]["image"])


def _count_servers(seen: Observation) -> int:
    live = seen.objects.get(("StatefulSet", f"{seen.name}-api"))
    return int(live["spec"].get("replicas", 0)) if live is not None else 0


def _find_champion(seen: Observation) -> Manifest:
    """What the servers serve; the last that is known while none responds."""
    version, serving, responding = find_served(seen.pods)
    before: Manifest = seen.status.get("champion") or {}
    if version is None:
        return before
    since = before["since"] if before.get("version") == version else write_time(seen.now)
    return {"version": version, "servers": f"{serving}/{responding}", "since": since}


def _describe_acceptance(seen: Observation, course: Course) -> Condition:
    if course.problem:
        return Condition("Accepted", False, course.reason, course.problem)
    if seen.refused and course.is_own:
        return Condition("Accepted", False, "Refused", seen.refused)
    return Condition("Accepted", True, "Accepted", "The specification can be used.")


def _progressing(course: Course, verdict: RolloutState, remembered: Manifest) -> Condition:
    missing = "; ".join(verdict.missing)
    rollout = remembered.get("rollout")
    if rollout is not None:
        reason = "DeadlineExceeded" if rollout["overdue"] else "RollingOut"
        return Condition("Progressing", not rollout["overdue"], reason, missing)
    if missing and course.active:
        return Condition("Progressing", True, "Restoring", missing)
    return Condition("Progressing", False, "Settled", "Nothing is being changed.")


def _available(seen: Observation, ready: int, verdict: RolloutState) -> Condition:
    wanted = _count_servers(seen)
    said = f"{ready} of {wanted} servers are ready."
    if verdict.waiting_for_champion:
        return Condition("Available", False, "NoChampion", "The servers run, and no version is champion yet.")
    return Condition("Available", ready > 0, "Ready" if ready >= wanted > 0 else "PodsMissing", said)


def _rolled_back(remembered: Manifest) -> Condition:
    failed = remembered.get("failed")
    if failed:
        said = f"{failed['revision']} was taken back, {remembered.get('goodRevision')} runs: {failed['reason']}"
        return Condition("RolledBack", True, "ChangeFailed", said)
    return Condition("RolledBack", False, "NothingFailed", "What the specification says is what runs or starts.")


def _follows(seen: Observation) -> Condition:
    version, serving, responding = find_served(seen.pods)
    if not responding:
        return Condition("FollowsChampion", None, "NoResponse", "No server responds to the operator.")
    if version is None:
        return Condition("FollowsChampion", False, "NoChampion", "No server serves a version.")
    said = f"{serving} of {responding} servers serve version {version}."
    return Condition(
        "FollowsChampion", serving == responding, "OneVersion" if serving == responding else "SeveralVersions", said
    )
