"""The definition of the kind ``TiltyardModel``: a strict, structural schema that follows from the specification."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tiltyard.cluster.spec import (
    GROUP,
    KIND,
    LONGEST_NAME,
    NAME_PATTERN,
    PLURAL,
    RESERVED_LABELS,
    RESERVED_VARIABLES,
    VERSION,
    ModelSpec,
)

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_SIMPLE: Mapping[type, str] = {str: "string", int: "integer", bool: "boolean"}
_LIMITS = {"ge": "minimum", "le": "maximum"}


def make_crd() -> Schema:
    """The ``CustomResourceDefinition``."""
    names = {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower(), "shortNames": ["tym"]}
    column = {
        "Servers": (".status.servers", ""),
        "Version": (".status.champion.version", ""),
        "Available": ('.status.conditions[?(@.type=="Available")].status', ""),
        "Progressing": ('.status.conditions[?(@.type=="Progressing")].reason', ""),
        "Rolled back": ('.status.conditions[?(@.type=="RolledBack")].status', ""),
        "Image": (".status.image", "1"),
    }
    columns: list[Schema] = [
        {"name": name, "type": "string", "jsonPath": path, **({"priority": int(wide)} if wide else {})}
        for name, (path, wide) in column.items()
    ]
    columns.append({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": _make_schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def describe_values(model: type[BaseModel]) -> Schema:
    """The structural schema of a part of the specification."""
    properties = {field.alias or name: _describe_field(field) for name, field in model.model_fields.items()}
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _make_schema() -> Schema:
    pattern = NAME_PATTERN.replace("\\", "\\\\")
    rule = f"size(self.metadata.name) <= {LONGEST_NAME} && self.metadata.name.matches('{pattern}')"
    said = f"the name has at most {LONGEST_NAME} of a-z, 0-9 and -, the first a letter"
    return {
        "type": "object",
        "description": "A project on the cluster: its servers, loop, console and jobs.",
        "required": ["spec"],
        "x-kubernetes-validations": [{"rule": rule, "message": said}],
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"type": "object"},
            "spec": _spec_schema(),
            "status": _status_schema(),
        },
    }


def _spec_schema() -> Schema:
    schema = describe_values(ModelSpec)
    schema["properties"]["autoscaling"]["x-kubernetes-validations"] = [
        {"rule": "self.maxReplicas >= self.minReplicas", "message": "maxReplicas is less than minReplicas"}
    ]
    labels = schema["properties"]["identity"]["properties"]["podLabels"]
    labels["maxProperties"] = 50
    labels["x-kubernetes-validations"] = [
        {"rule": f"self.all(key, !key.startsWith('{RESERVED_LABELS}'))", "message": f"{RESERVED_LABELS}… are taken"}
    ]
    schema["properties"]["configuration"]["x-kubernetes-validations"] += [
        {"rule": f"!('{name}' in self)", "message": f"{name} is set by Tiltyard"} for name in RESERVED_VARIABLES
    ]
    return schema


def _status_schema() -> Schema:
    def part(*needed: str, **properties: Schema) -> Schema:
        return {"type": "object", "properties": properties, **({"required": list(needed)} if needed else {})}

    condition = part(
        *("type", "status", "reason", "lastTransitionTime"),
        type=_TEXT,
        status={"type": "string", "enum": ["True", "False", "Unknown"]},
        reason=_TEXT,
        message=_TEXT,
        observedGeneration={"type": "integer", "format": "int64"},
        lastTransitionTime=_TIME,
    )
    silent = part("pod", "uid", "since", "reason", pod=_TEXT, uid=_TEXT, since=_TIME, reason=_TEXT)
    return part(
        observedGeneration={"type": "integer", "format": "int64"},
        revision=_TEXT,
        goodRevision=_TEXT,
        image=_TEXT,
        servers=_TEXT,
        champion=part("version", "since", version=_TEXT, servers=_TEXT, since=_TIME),
        failed=part("revision", "reason", revision=_TEXT, retry=_TEXT, reason=_TEXT),
        rollout=part(
            *("revision", "startedAt", "progressedAt", "ready", "overdue"),
            revision=_TEXT,
            startedAt=_TIME,
            progressedAt=_TIME,
            ready={"type": "integer"},
            overdue={"type": "boolean"},
            resumed={"type": "boolean"},
        ),
        silent={"type": "array", "items": silent},
        conditions={
            "type": "array",
            "items": condition,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )


def _describe_field(field: FieldInfo) -> Schema:
    schema = _describe_type(field.annotation, field.metadata)
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    if isinstance(default, BaseModel):
        default = {}
    described: Schema = {**schema, "description": field.description or ""}
    if (default is not None and default != {}) or (isinstance(field.default, BaseModel)):
        described["default"] = default
    return described


def _describe_type(kind: Any, limits: list[Any]) -> Schema:
    """The schema of a type, with the limits that stand with it."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (kind,) = (one for one in inside if one is not type(None))
        return _describe_type(kind, limits)
    if origin is Annotated:
        return _describe_type(inside[0], [*inside[1:], *limits])
    if origin is Literal:
        return {"type": "string", "enum": list(inside)}
    if origin is not None and issubclass(origin, Mapping):
        key = _describe_type(inside[0], [])
        schema: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
        if "pattern" in key:
            rule = f"self.all(key, key.matches('{key['pattern']}'))"
            schema["maxProperties"] = 200
            schema["x-kubernetes-validations"] = [{"rule": rule, "message": "a name of a variable is like NAME_2"}]
        return schema
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return describe_values(kind)
    return {"type": _SIMPLE[kind], **_describe_limits(kind, limits)}


def _describe_limits(kind: type, limits: list[Any]) -> Schema:
    """Lengths, patterns and ranges, from pydantic's own notes of them."""
    flat = [one for limit in limits for one in (limit.metadata if isinstance(limit, FieldInfo) else [limit])]
    found: Schema = {}
    for one in flat:
        for name, key in _LIMITS.items():
            if getattr(one, name, None) is not None:
                found[key] = getattr(one, name)
        if getattr(one, "pattern", None) is not None:
            found["pattern"] = one.pattern
        for name, key in (("min_length", "minLength"), ("max_length", "maxLength")):
            if kind is str and getattr(one, name, None) is not None:
                found[key] = getattr(one, name)
    return found
