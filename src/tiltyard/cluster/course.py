"""Which objects a model is to have now: those of its specification, or those of the one before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

from pydantic import ValidationError

from tiltyard.choices import PROJECT_FILE
from tiltyard.cluster.api_server import OWNED
from tiltyard.cluster.build_objects import build_objects, digest_objects
from tiltyard.cluster.observed import Manifest, Observation, Ref
from tiltyard.cluster.spec import (
    GROUP,
    KIND,
    LONGEST_NAME,
    NAME_PATTERN,
    RESERVED_LABELS,
    RESERVED_VARIABLES,
    VERSION,
    ModelSpec,
)
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
    target = _name_revision(seen.name, objects)
    taken = _find_taken(seen, objects)
    if taken:
        return replace(before, spec=spec, problem=taken, reason="NameTaken")
    failed = status.get("failed") or {}
    given_up = failed.get("revision") == target and failed.get("retry", "") == read_retry(seen)
    if given_up and good and good != target:
        return Course(spec, target, objects, good, seen.revisions[good])
    return Course(spec, target, objects, target, objects)


def read_revisions(model: Manifest, objects: Mapping[Ref, Manifest]) -> dict[str, list[Manifest]]:
    """The forms of a model that are on record, by name: the objects of each.

    Only what the operator wrote counts, with its digest in its name: it is applied with the operator's rights. Others,
    such as the records of a StatefulSet, may have the same labels.

    Args:
        model: the resource.
        objects: all that was found with its labels.
    """
    name, namespace, uid = (str(model["metadata"][key]) for key in ("name", "namespace", "uid"))
    found = {}
    for (kind, revision), item in objects.items():
        if kind != "ControllerRevision" or not is_owned(item, uid):
            continue
        data = item.get("data")
        kept = data.get("objects") if isinstance(data, dict) else None
        if _is_form(kept, namespace) and revision == _name_revision(name, kept):
            found[revision] = kept
    return found


def _is_form(kept: object, namespace: str) -> TypeGuard[list[Manifest]]:
    """Whether a record holds objects of the kinds and the namespace that a model has."""
    return isinstance(kept, list) and all(
        isinstance(item, dict)
        and item.get("kind") in OWNED
        and isinstance(item.get("metadata"), dict)
        and item["metadata"].get("namespace") == namespace
        for item in kept
    )


def _name_revision(name: str, objects: list[Manifest]) -> str:
    return f"{name}-{digest_objects(objects)[:10]}"


def render_model(model: object) -> list[Manifest]:
    """The objects of a resource as a file has it.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    if not isinstance(model, dict) or model.get("kind") != KIND or not isinstance(model.get("metadata"), dict):
        raise ValueError(f"it holds no {KIND}.")
    if model.get("apiVersion") != f"{GROUP}/{VERSION}":
        raise ValueError(f"apiVersion: {model.get('apiVersion')!r} is not {GROUP}/{VERSION}.")
    name, namespace = model["metadata"].get("name"), model["metadata"].get("namespace") or "default"
    if not isinstance(name, str):
        raise ValueError("metadata.name: a name is missing.")
    return build_objects(name, str(namespace), _read_spec(name, model.get("spec")))


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
    _check_reserved(spec)
    scaling = spec.autoscaling
    if scaling is not None and scaling.max_replicas < scaling.min_replicas:
        raise ValueError("spec.autoscaling: maxReplicas is less than minReplicas.")
    if spec.project is not None:
        try:
            parse_project(spec.project, Path(PROJECT_FILE))
        except ProjectError as error:
            raise ValueError(f"spec.project: {error.message}") from None
    return spec


def _check_reserved(spec: ModelSpec) -> None:
    """Refuse what would be without effect, or take the pods out of the operator's sight.

    Raises:
        ValueError: it is there; the message names it.
    """
    label = next((key for key in spec.identity.pod_labels if key.startswith(RESERVED_LABELS)), None)
    if label is not None:
        raise ValueError(f"spec.identity.podLabels: {label} is set by Tiltyard, which knows its pods by it.")
    variable = next((name for name in RESERVED_VARIABLES if name in spec.configuration), None)
    if variable is not None:
        raise ValueError(f"spec.configuration: {variable} is set by Tiltyard, where the volumes are: leave it out.")


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
