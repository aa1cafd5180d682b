"""The Helm chart: one source with Kustomize and the operator, whatever the values."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.scripts import BIN, DEPLOY, run
from tests.deploy.test_kubernetes import render
from tiltyard.cluster.build_objects import CHECKSUM, build_objects
from tiltyard.cluster.spec import ModelSpec

CHART = DEPLOY / "helm" / "tiltyard"
IMAGE = f"ghcr.io/acme/films@sha256:{'7' * 64}"
PROJECT = '[project]\nname = "films"\n\n[data]\nsource = "s3://rows/films.parquet"\ntext = "text"\nlabel = "label"\n'
VALUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled": {"autoscaling": {"maxReplicas": 20, "queueInputs": 100}, "storage": {"className": "gp3"}},
    "empty parts": {"autoscaling": {}, "stream": {}},
    "scheduled": {
        "schedules": {"training": "0 3 * * 0", "batch": "*/5 * * * *", "monitoring": "0 * * * *"},
        "promotion": "Manual",
        "console": False,
    },
    "everything": {
        "replicas": 5,
        "project": PROJECT,
        "configuration": {"MLFLOW_TRACKING_URI": "https://mlflow.example.org", "TILTYARD_ARTIFACTS": "s3://kept"},
        "secret": "films-environment",
        "apiKeysSecret": "films-keys",
        "stream": {"replicas": 4},
        "ingress": {"host": "films.example.org", "className": "alb", "tlsSecret": "tls", "annotations": {"a/b": "yes"}},
        "identity": {
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/films"},
            "podLabels": {"x/y": "true"},
        },
        "schedules": {"training": "0 3 * * 0", "timeZone": "Europe/Berlin"},
    },
}


def find_helm() -> str:
    """The program, from the path or of ``make helm``."""
    found = shutil.which("helm", path=os.pathsep.join([os.environ["PATH"], str(BIN.parent / "helm")]))
    if found is None:
        pytest.skip("Helm is not installed: make helm")
    return found


def helm(*words: str, values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Helm with values, without anything of the user's."""
    file = folder / "values.yaml"
    file.write_text(json.dumps(values))
    env = {**os.environ, "HOME": str(folder)}
    command = [find_helm(), *words, str(CHART), "--values", str(file)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def render_chart(values: dict[str, Any], folder: Path, name: str = "films") -> list[dict[str, Any]]:
    """The objects of the chart."""
    done = helm("template", name, "--namespace", "shop", values=values, folder=folder)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def plain(value: Any) -> Any:
    """Objects whose parts stand in one order, without what says who applied them."""
    if isinstance(value, dict):
        apart = ("app.kubernetes.io/managed-by", "namespace")
        found = {key: plain(one) for key, one in value.items() if key not in apart}
        return {key: ("…" if key == CHECKSUM else one) for key, one in found.items()}
    if isinstance(value, list):
        items = [plain(one) for one in value]
        named = all(isinstance(one, dict) and "name" in one for one in items)
        return sorted(items, key=lambda one: str(one["name"])) if named else items
    return value


def by_name(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Objects by kind and name."""
    return {f"{item['kind']}/{item['metadata']['name']}": plain(item) for item in objects}


@pytest.mark.requirement("R-DEPLOY-12")
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_chart_and_the_operator_make_the_same_objects(values: dict[str, Any], tmp_path: Path) -> None:
    """The values of the chart are the specification of the resource: each object is equal, by whichever way."""
    ours = build_objects("films", "shop", ModelSpec.model_validate({"image": IMAGE, **values}))
    assert by_name(render_chart({"image": IMAGE, **values}, tmp_path)) == by_name(ours)


@pytest.mark.requirement("R-DEPLOY-12")
def test_the_chart_and_kustomize_make_the_same_objects(tmp_path: Path) -> None:
    """With the values of the overlays; Kustomize's annotation-free pods are those of the chart without its checksum."""
    stages: dict[str, dict[str, Any]] = {
        "staging": {"replicas": 2},
        "production": {"autoscaling": {"minReplicas": 3, "maxReplicas": 9}},
    }
    for stage, values in stages.items():
        there = by_name(render(DEPLOY / "kubernetes/overlays" / stage))
        (configuration,) = (item["data"] for name, item in there.items() if name.startswith("ConfigMap/"))
        here = by_name(render_chart({"image": IMAGE, "configuration": configuration, **values}, tmp_path, "tiltyard"))
        there = {name: item for name, item in there.items() if not name.startswith("Namespace/")}
        assert strip(here) == strip(there)


def strip(objects: dict[str, Any]) -> dict[str, Any]:
    """Objects without images and the checksum, which Kustomize does not have."""
    text = json.dumps(objects)
    for image in (IMAGE, "ghcr.io/tiltyard/tiltyard:latest", "ghcr.io/tiltyard/tiltyard:production"):
        text = text.replace(image, "IMAGE")
    found: dict[str, Any] = json.loads(text)
    for item in found.values():
        template = item.get("spec", {}).get("template", {})
        template.get("metadata", {}).pop("annotations", None)
    return found


def test_all_that_the_chart_makes_is_valid(tmp_path: Path) -> None:
    """By Kubernetes' own schemas, strictly, with all values at once; Helm's own check finds nothing either."""
    validate = pytest.importorskip("kubernetes_validate", reason="it is in the lock: make setup")
    values = {"image": IMAGE, **VALUES["everything"], **VALUES["scaled"], **VALUES["scheduled"], "console": True}
    for item in render_chart(values, tmp_path):
        validate.validate(item, "1.34", strict=True)
    done = helm("lint", "--strict", values=values, folder=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "image"),
        ({"image": "films:latest"}, "image"),
        ({"image": IMAGE, "replicsa": 3}, "replicsa"),
        ({"image": IMAGE, "replicas": 0}, "replicas"),
        ({"image": IMAGE, "storage": {"sise": "1Gi"}}, "sise"),
        ({"image": IMAGE, "promotion": "Always"}, "promotion"),
        ({"image": IMAGE, "identity": {"agent": "AKS"}}, "agent"),
        ({"image": IMAGE, "identity": {"podLabels": {"app.kubernetes.io/name": "a"}}}, "app.kubernetes.io/name"),
        ({"image": IMAGE, "configuration": {"TILTYARD_HOME": "/data"}}, "TILTYARD_HOME"),
    ],
)
def test_wrong_values_are_refused_with_their_names(values: dict[str, Any], named: str, tmp_path: Path) -> None:
    """Helm checks them against the schema before anything is rendered."""
    done = helm("template", "films", values=values, folder=tmp_path)
    assert done.returncode != 0
    assert named in done.stderr


def test_what_follows_from_the_manifests_is_up_to_date() -> None:
    """The chart, the definition of the resource and the operator's copies: python deploy/manifests.py writes them."""
    done = run("manifests.py", "--check")
    assert done.returncode == 0, done.stderr
