"""What has to be on the cluster for a ``TiltyardModel``: the manifests of ``deploy/kubernetes``, with its values."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiltyard.choices import PROJECT_FILE
from tiltyard.cluster.spec import GROUP, Autoscaling, Ingress, ModelSpec

Manifest = dict[str, Any]

FOLDER = Path(__file__).parent / "manifests"
IMAGE = "ghcr.io/tiltyard/tiltyard"
"""The image in the manifests, in whose place the one of the specification comes."""
CHECKSUM = f"{GROUP}/configuration"
"""Annotation of pods: another configuration starts them again."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "tiltyard-operator"}
PART_OF = "app.kubernetes.io/part-of"
MANUAL_TRAINING = "tiltyard train --json"
GATED_TRAINING = 'tiltyard retrain --reason "scheduled training" --json'

# A name of ours in the manifests: the whole value, or the host of an address in the cluster.
_NAME = re.compile(r"^(http://)?tiltyard(?=$|-[a-z])")
_FIRST = ("ServiceAccount", "ConfigMap", "NetworkPolicy", "Service")
"""What the pods need when they start comes before them."""


def build_objects(name: str, namespace: str, spec: ModelSpec) -> list[Manifest]:
    """The objects of a model, in the order in which they are applied.

    Args:
        name: the name of the resource; each object is named after it.
        namespace: where they are.
        spec: what it is to look like.
    """
    found = [item for part in _list_parts(spec) for item in read_manifests(part)]
    objects: list[Manifest] = [_rename(item, name) for item in found]
    if spec.project is not None:
        objects.append(_project_file(name, spec.project))
    for item in objects:
        item["metadata"]["namespace"] = namespace
        item["metadata"].setdefault("labels", {}).update(MANAGED_BY)
        _set_values(item, name, spec)
    checksum = _digest([item["data"] for item in objects if item["kind"] == "ConfigMap"])
    for item in objects:
        template = item.get("spec", {}).get("template")
        if template:
            template["metadata"].setdefault("annotations", {})[CHECKSUM] = checksum
    return sorted(objects, key=lambda item: item["kind"] not in _FIRST)


@functools.cache
def read_manifests(part: str) -> tuple[Manifest, ...]:
    """The objects of a file of ``deploy/kubernetes``, as they are there; they are shared and not to be changed."""
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415

    text = (FOLDER / f"{part}.yaml").read_text(encoding="utf-8")
    return tuple(item for item in yaml.safe_load_all(text) if item)


def _list_parts(spec: ModelSpec) -> Iterator[str]:
    yield from ("configuration", "network", "api")
    yield "cron" if spec.schedules.monitoring else "loop"
    optional = {
        "console": spec.console,
        "stream": spec.stream is not None,
        "batch": spec.schedules.batch is not None,
        "training": spec.schedules.training is not None,
        "autoscaling": spec.autoscaling is not None,
        "ingress": spec.ingress is not None,
    }
    yield from (part for part, wanted in optional.items() if wanted)
    if spec.identity.agent is not None:
        yield f"identity-{spec.identity.agent.lower()}"


def _rename(value: Any, name: str) -> Any:
    """The manifest with another name in place of ``tiltyard``."""
    if isinstance(value, dict):
        return {key: _rename(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_rename(one, name) for one in value]
    return _NAME.sub(lambda found: (found[1] or "") + name, value) if isinstance(value, str) else value


def _project_file(name: str, text: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-project", "labels": {PART_OF: name}},
        "data": {PROJECT_FILE: text},
    }


def _set_values(item: Manifest, name: str, spec: ModelSpec) -> None:
    """Put what the specification says into an object."""
    match item["kind"]:
        case "ConfigMap" if item["metadata"]["name"] == name:
            item["data"] = {**item["data"], **spec.configuration}
        case "ServiceAccount" if spec.identity.annotations:
            item["metadata"]["annotations"] = dict(spec.identity.annotations)
        case "StatefulSet":
            _set_servers(item["spec"], spec)
        case "Deployment" if item["metadata"]["name"] == f"{name}-stream" and spec.stream is not None:
            item["spec"]["replicas"] = spec.stream.replicas
        case "HorizontalPodAutoscaler" if spec.autoscaling is not None:
            _set_autoscaling(item["spec"], spec.autoscaling)
        case "Ingress" if spec.ingress is not None:
            _set_ingress(item, spec.ingress)
        case "CronJob":
            _set_schedule(item, name, spec)
    inner = item.get("spec", {})
    template = inner.get("jobTemplate", {}).get("spec", inner).get("template")
    if template:
        _set_pod(template, name, spec)


def _set_servers(servers: Manifest, spec: ModelSpec) -> None:
    if spec.autoscaling is not None:
        del servers["replicas"]
    else:
        servers["replicas"] = spec.replicas
    (claim,) = servers["volumeClaimTemplates"]
    claim["spec"]["resources"]["requests"]["storage"] = spec.storage.size
    if spec.storage.class_name is not None:
        claim["spec"]["storageClassName"] = spec.storage.class_name


def _set_autoscaling(scaler: Manifest, wanted: Autoscaling) -> None:
    scaler["minReplicas"], scaler["maxReplicas"] = wanted.min_replicas, wanted.max_replicas
    (processors,) = scaler["metrics"]
    processors["resource"]["target"]["averageUtilization"] = wanted.cpu_percent
    if wanted.queue_inputs is not None:
        target = {"type": "AverageValue", "averageValue": str(wanted.queue_inputs)}
        metric = {"metric": {"name": "tiltyard_queue_inputs"}, "target": target}
        scaler["metrics"].append({"type": "Pods", "pods": metric})


def _set_ingress(item: Manifest, wanted: Ingress) -> None:
    spec = item["spec"]
    (rule,), (tls,) = spec["rules"], spec["tls"]
    rule["host"], tls["hosts"] = wanted.host, [wanted.host]
    if wanted.tls_secret is None:
        del spec["tls"]
    else:
        tls["secretName"] = wanted.tls_secret
    if wanted.class_name is not None:
        spec["ingressClassName"] = wanted.class_name
    if wanted.annotations:
        item["metadata"]["annotations"] = dict(wanted.annotations)


def _set_schedule(item: Manifest, name: str, spec: ModelSpec) -> None:
    schedules = spec.schedules
    times = {"loop-once": schedules.monitoring, "batch": schedules.batch, "training": schedules.training}
    item["spec"]["schedule"] = times[item["metadata"]["name"].removeprefix(f"{name}-")]
    item["spec"]["timeZone"] = schedules.time_zone
    if item["metadata"]["name"] == f"{name}-training" and spec.promotion == "Manual":
        (container,) = item["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        container["command"] = [word.replace(GATED_TRAINING, MANUAL_TRAINING) for word in container["command"]]


def _set_pod(template: Manifest, name: str, spec: ModelSpec) -> None:
    template["metadata"]["labels"].update(spec.identity.pod_labels)
    pod = template["spec"]
    for container in pod["containers"]:
        if container["image"] == IMAGE:
            container["image"] = spec.image
        for source in container["envFrom"]:
            if "secretRef" in source:
                source["secretRef"]["name"] = spec.secret_of(name)
        if spec.project is not None:
            place = f"/project/{PROJECT_FILE}"
            mount = {"name": "project", "mountPath": place, "subPath": PROJECT_FILE, "readOnly": True}
            container["volumeMounts"].append(mount)
    for volume in pod["volumes"]:
        if "secret" in volume:
            volume["secret"]["secretName"] = spec.api_keys_secret_of(name)
    if spec.project is not None:
        pod["volumes"].append({"name": "project", "configMap": {"name": f"{name}-project"}})


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def digest_objects(objects: list[Manifest]) -> str:
    """Sixteen hexadecimal digits that say which objects these are."""
    return _digest(objects)
