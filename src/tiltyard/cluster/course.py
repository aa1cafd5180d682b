"""Which objects a model is to have now: those of its specification, or those of the one before it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from tiltyard.choices import PROJECT_FILE
from tiltyard.cluster.build_objects import build_objects, digest_objects
from tiltyard.cluster.observed import Manifest, Observation
from tiltyard.cluster.spec import GROUP, KIND, LONGEST_NAME, NAME_PATTERN, ModelSpec
from tiltyard.errors import ProjectError
from tiltyard.project import parse_project

RETRY = f"{GROUP}/retry"
"""Annotation of the resource: with another value, a change that was taken back is tried again."""


@dataclass(frozen=True)
class Course:
    """What a model is to have, and how that came about.

    Attributes:
        spec: the specification; None for one that cannot be used.
        target: name of the revision that the specification means; empty for none.
        target_objects: its objects.
        active: name of the revision that is to run; empty for none.
        objects: its objects.
        problem: why the specification cannot be used; empty for nothing.
        reason: the same as one word.
    """

    spec: ModelSpec | None
    target: str
    target_objects: list[Manifest]
    active: str
    objects: list[Manifest]
    problem: str = ""
    reason: str = ""

    @property
    def is_own(self) -> bool:
        """Whether the objects of the specification itself are to run."""
        return bool(self.active) and self.active == self.target


def choose_course(seen: Observation) -> Course:
    """Which objects a model is to have now."""
    status = seen.status
    good = str(status.get("goodRevision") or "")
    good = good if good in seen.revisions else ""
    before = Course(None, "", [], good, seen.revisions.get(good, []))
    try:
        spec = _read_spec(seen.name, seen.model.get("spec"))
    except ValueError as error:
        return replace(before, problem=str(error), reason="InvalidSpec")
    objects = build_objects(seen.name, seen.model["metadata"]["namespace"], spec)
    target = f"{seen.name}-{digest_objects(objects)[:10]}"
    taken = _find_taken(seen, objects)
    if taken:
        return replace(before, spec=spec, problem=taken, reason="NameTaken")
    failed = status.get("failed") or {}
    given_up = failed.get("revision") == target and failed.get("retry", "") == read_retry(seen)
    if given_up and good and good != target:
        return Course(spec, target, objects, good, seen.revisions[good])
    return Course(spec, target, objects, target, objects)


def render_model(model: object) -> list[Manifest]:
    """The objects of a resource as a file has it.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    if not isinstance(model, dict) or model.get("kind") != KIND or not isinstance(model.get("metadata"), dict):
        raise ValueError(f"it holds no {KIND}.")
    name, namespace = model["metadata"].get("name"), model["metadata"].get("namespace", "default")
    return build_objects(str(name), str(namespace), _read_spec(str(name), model.get("spec")))


def read_retry(seen: Observation) -> str:
    """By what a person requests another try of a change that was taken back."""
    return str((seen.model["metadata"].get("annotations") or {}).get(RETRY, ""))


def _read_spec(name: str, written: object) -> ModelSpec:
    """The specification, checked.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    if len(name) > LONGEST_NAME or not re.match(NAME_PATTERN, name):
        raise ValueError(
            f"The name {name!r} cannot be used: at most {LONGEST_NAME} of a-z, 0-9 and -, the first a letter."
        )
    try:
        spec = ModelSpec.model_validate(written or {})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("spec", *first["loc"]))
        raise ValueError(f"{place}: {first['msg']}.") from None
    scaling = spec.autoscaling
    if scaling is not None and scaling.max_replicas < scaling.min_replicas:
        raise ValueError("spec.autoscaling: maxReplicas is less than minReplicas.")
    if spec.project is not None:
        try:
            parse_project(spec.project, Path(PROJECT_FILE))
        except ProjectError as error:
            raise ValueError(f"spec.project: {error.message}") from None
    return spec


def _find_taken(seen: Observation, objects: list[Manifest]) -> str:
    """An object of somebody else that has one of the names; empty for none."""
    for item in objects:
        ref = (item["kind"], item["metadata"]["name"])
        live = seen.objects.get(ref)
        if live is not None and not is_owned(live, seen.uid):
            return f"{ref[0]} {ref[1]} exists and is not of this resource: remove it, or choose another name."
    return ""


def is_owned(live: Manifest, uid: str) -> bool:
    """Whether an object belongs to the resource."""
    return any(owner.get("uid") == uid for owner in live["metadata"].get("ownerReferences", ()))
