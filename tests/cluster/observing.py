"""A cluster for tests of the plan: it does at once what it is to do, and pods come up as the test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.cluster.course import read_revisions
from tiltyard.cluster.observed import (
    REMOVABLE,
    Action,
    Announce,
    Apply,
    Delete,
    Health,
    KeepRevision,
    Manifest,
    Observation,
    Pod,
    Ref,
    WriteStatus,
)
from tiltyard.cluster.plan import plan

IMAGE = f"ghcr.io/acme/films@sha256:{'7' * 64}"
NEWER = f"ghcr.io/acme/films@sha256:{'8' * 64}"
BROKEN = f"ghcr.io/acme/films@sha256:{'0' * 64}"
START = datetime(2026, 12, 1, 12, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"


def make_model(**spec: Any) -> Manifest:
    """A resource as the cluster has it."""
    return {
        "apiVersion": "tiltyard.github.io/v1alpha1",
        "kind": "TiltyardModel",
        "metadata": {"name": "films", "namespace": "shop", "uid": UID, "generation": 1},
        "spec": {"image": IMAGE, "replicas": 2, **spec},
    }


@dataclass
class Sandbox:
    """Objects, revisions and a status, changed by actions; ``settle`` lets pods come up."""

    model: Manifest
    objects: dict[Ref, Manifest] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    now: datetime = START
    events: list[Announce] = field(default_factory=list)
    health: Callable[[str, str], Health] = lambda _image, _part: Health(responded=True, version="1")
    refuses: Callable[[Manifest], str] = lambda _item: ""

    def observe(self, refused: str = "") -> Observation:
        """What there is to be seen."""
        # As through the cluster: JSON, and nothing shared with what the plan made.
        seen = json.loads(json.dumps([self.model, list(self.objects.items())]))
        objects = {(kind, name): item for (kind, name), item in seen[1]}
        return Observation(seen[0], objects, read_revisions(seen[0], objects), self.pods, self.now, refused)

    def act(self, action: Action) -> str:
        """Do one thing; returns what is refused."""
        match action:
            case KeepRevision(name=name, objects=objects):
                owner = [{"uid": UID}]
                self.objects["ControllerRevision", name] = {
                    "kind": "ControllerRevision",
                    "metadata": {"name": name, "uid": name, "ownerReferences": owner},
                    "data": {"objects": json.loads(json.dumps(objects))},
                }
            case Apply(item=item):
                if self.refuses(item):
                    return self.refuses(item)
                ref = (item["kind"], item["metadata"]["name"])
                before = self.objects.get(ref, {"metadata": {"generation": 0}})
                number = before["metadata"]["generation"] + (before.get("spec") != item.get("spec"))
                meta = {**item["metadata"], "uid": f"{ref[0]}/{ref[1]}", "generation": number}
                self.objects[ref] = {**item, "metadata": meta, "status": before.get("status", {})}
            case Delete(ref=ref):
                self.objects.pop(ref, None)
                self.pods = tuple(pod for pod in self.pods if ref != ("Pod", pod.name))
            case Announce():
                if action not in self.events:
                    self.events.append(action)
            case WriteStatus(status=status):
                merged = {**self.model.get("status", {}), **dict.fromkeys(REMOVABLE), **status}
                self.model = {
                    **self.model,
                    "status": {key: value for key, value in merged.items() if value is not None},
                }
        return ""

    def reconcile(self, rounds: int = 8) -> None:
        """As the operator does it: until nothing is left to do."""
        refused = ""
        for _ in range(rounds):
            found = plan(self.observe(refused))
            again = ""
            for action in found.actions:
                if isinstance(action, Apply) and refused:
                    again = refused
                    break
                again = self.act(action)
                if again:
                    break
            if (found.settled and not again) or (again and refused):
                return
            refused = again

    def change(self, **spec: Any) -> None:
        """Another specification."""
        meta = {**self.model["metadata"], "generation": self.model["metadata"]["generation"] + 1}
        self.model = {**self.model, "metadata": meta, "spec": {**self.model["spec"], **spec}}

    def settle(self, broken: str = BROKEN) -> None:
        """Let the controllers and pods do their work; pods of a broken image do not come up."""
        pods: list[Pod] = []
        for (kind, name), item in self.objects.items():
            if kind not in ("StatefulSet", "Deployment"):
                continue
            image = item["spec"]["template"]["spec"]["containers"][0]["image"]
            wanted = item["spec"].get("replicas", 1)
            works = image != broken
            form = str(item["metadata"]["generation"])
            status: dict[str, Any] = item["status"]
            status |= {"observedGeneration": item["metadata"]["generation"], "replicas": wanted}
            status |= {"updateRevision": form, "updatedReplicas": wanted if works else 1}
            status["readyReplicas"] = wanted if works else wanted - 1
            if works:
                status["currentRevision"] = form
            part = name.removeprefix("films-")
            pods += [
                Pod(
                    f"{name}-{number}",
                    f"{name}-{number}-{form}",
                    part,
                    started=works or number > 0,
                    ready=works or number > 0,
                    waiting="" if works or number else "ImagePullBackOff",
                    address="10.0.0.1",
                    port=None if part == "console" else 8000,
                    health=None if part == "console" or not (works or number) else self.health(image, part),
                )
                for number in range(wanted)
            ]
        self.pods = tuple(pods)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def settle_all(self) -> None:
        """Work and look until all is up."""
        for _ in range(4):
            self.reconcile()
            self.settle()
        self.reconcile()

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        (found,) = (one for one in self.model["status"]["conditions"] if one["type"] == kind)
        return found["status"], found["reason"]

    def said(self) -> list[str]:
        """The reasons of all events."""
        return [one.reason for one in self.events]

    def running(self) -> Mapping[Ref, Manifest]:
        """The objects without revisions, status and marks: what a person sees."""
        found = {}
        for ref, item in self.objects.items():
            if ref[0] != "ControllerRevision":
                meta = {key: item["metadata"].get(key) for key in ("name", "labels", "annotations")}
                found[ref] = {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}
        return found

    def copy(self) -> Sandbox:
        """The same in another operator's hands."""
        return replace(self, objects=json_copy(self.objects), events=list(self.events))


def json_copy(objects: Mapping[Ref, Manifest]) -> dict[Ref, Manifest]:
    """Copies of objects."""
    return {ref: json.loads(json.dumps(item)) for ref, item in objects.items()}
