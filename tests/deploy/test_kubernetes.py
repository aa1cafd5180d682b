"""The Kubernetes manifests: valid, and about the program as it is."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.scripts import DEPLOY, ROOT, run
from tiltyard.cli.main import COMMANDS
from tiltyard.ledger.spools.spool_shipper import Shipper
from tiltyard.serving.auth.scopes import required_scope
from tiltyard.serving.process import worker_handle
from tiltyard.settings import Settings

STAGES = ("staging", "production")
IMAGE = f"ghcr.io/acme/films@sha256:{'7' * 64}"


def render(folder: Path) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


@pytest.fixture(scope="module", params=STAGES)
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """All manifests of a stage."""
    return render(DEPLOY / "kubernetes" / "overlays" / request.param)


@pytest.fixture(scope="module")
def with_components(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Production with every optional part."""
    root = tmp_path_factory.mktemp("manifests")
    shutil.copytree(DEPLOY / "kubernetes", root / "kubernetes")
    file = root / "kubernetes/overlays/production/kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    parts = sorted((root / "kubernetes/components").iterdir())
    file.write_text(yaml.safe_dump(content | {"components": [f"../../components/{part.name}" for part in parts]}))
    return render(file.parent)


def named(found: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(item for item in found if item["kind"] == kind and item["metadata"]["name"] == name)


def pods(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The specification of each pod."""
    specs = []
    for item in found:
        spec = item.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            specs.append(template["spec"])
    return specs


def routes() -> set[str]:
    """Paths that the server serves without a key, as probes have none."""
    text = "".join(path.read_text("utf-8") for path in (ROOT / "src/tiltyard/serving/http/routes").glob("*.py"))
    return {
        path for path in ("/health", "/ping", "/v2/health/live", "/v2/health/ready") if path.removeprefix("/v2") in text
    }


@pytest.mark.requirement("R-DEPLOY-12", "R-DEPLOY-14")
def test_the_manifests_are_valid(manifests: list[dict[str, Any]], with_components: list[dict[str, Any]]) -> None:
    """By Kubernetes' own schemas, strictly: no field that it does not know."""
    validate = pytest.importorskip("kubernetes_validate", reason="it is in the lock: make setup")
    for item in [*manifests, *with_components]:
        validate.validate(item, "1.34", strict=True)


def test_every_pod_keeps_the_strictest_rules(with_components: list[dict[str, Any]]) -> None:
    """No root, no privileges, a root that is not written to, no token of the cluster's API, limits of memory."""
    found = pods(with_components)
    # The API, the console, scheduled tables and trainings, streams, and the pass by the clock, which replaces the loop.
    assert len(found) == 6
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            places = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/tmp", "/var/lib/tiltyard"} <= places
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "USER 10001:10001" in dockerfile
    assert "TILTYARD_HOME=/var/lib/tiltyard" in dockerfile


@pytest.mark.parametrize(
    ("kind", "name", "probes"),
    [
        ("StatefulSet", "tiltyard-api", ("startupProbe", "readinessProbe", "livenessProbe")),
        ("Deployment", "tiltyard-stream", ("startupProbe", "livenessProbe")),
    ],
)
def test_probes_request_what_is_served(
    with_components: list[dict[str, Any]], kind: str, name: str, probes: tuple[str, ...]
) -> None:
    """Each path exists and needs no key; the port is the one that it listens on."""
    (container,) = named(with_components, kind, name)["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == container["args"][container["args"].index("--port") + 1]
    for probe in probes:
        request = container[probe]["httpGet"]
        assert request["port"] == port["name"]
        assert request["path"] in routes()
        assert required_scope(request["path"]) == "public"
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 900


def test_services_lead_to_the_port_that_is_served(manifests: list[dict[str, Any]]) -> None:
    """By its name, and by labels that the pods have."""
    api = named(manifests, "StatefulSet", "tiltyard-api")["spec"]
    for service in (item for item in manifests if item["kind"] == "Service"):
        assert service["spec"]["selector"].items() <= api["template"]["metadata"]["labels"].items()
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    assert api["serviceName"] in {item["metadata"]["name"] for item in manifests if item["kind"] == "Service"}


def test_environment_names_are_settings(with_components: list[dict[str, Any]]) -> None:
    """A name that the program does not know would be without effect, and nobody would notice."""
    known = {str(field.validation_alias or f"TILTYARD_{name.upper()}") for name, field in Settings.model_fields.items()}
    given = set(named(with_components, "ConfigMap", "tiltyard")["data"])
    for pod in pods(with_components):
        for container in pod["containers"]:
            given |= {variable["name"] for variable in container.get("env", ())}
            assert {"configMapRef": {"name": "tiltyard"}} in container["envFrom"]
            assert {"secretRef": {"name": "tiltyard"}} in container["envFrom"]
            words = container["args"] if "args" in container else container["command"][-1].split()[1:]
            assert words[0] in COMMANDS
    assert "MLFLOW_TRACKING_URI" in given
    assert given <= known, given - known


@pytest.mark.requirement("R-DEPLOY-12")
def test_production_has_three_replicas_or_more(manifests: list[dict[str, Any]]) -> None:
    """Either they are counted, or the autoscaler counts them, and then nothing else does."""
    replicas = named(manifests, "StatefulSet", "tiltyard-api")["spec"].get("replicas")
    scalers = [item for item in manifests if item["kind"] == "HorizontalPodAutoscaler"]
    if named(manifests, "StatefulSet", "tiltyard-api")["metadata"]["namespace"] == "tiltyard-production":
        assert replicas is None
        assert scalers[0]["spec"]["minReplicas"] == 3
    else:
        assert (replicas, scalers) == (2, [])
    base = yaml.safe_load_all((DEPLOY / "kubernetes/base/api.yaml").read_text())
    assert named(list(base), "StatefulSet", "tiltyard-api")["spec"]["replicas"] == 3


def test_what_was_predicted_outlives_its_pod(manifests: list[dict[str, Any]]) -> None:
    """The spool lies in its own volume for each replica, which stays when replicas go; and a pod has the time to
    end its workers and to ship what they left."""
    api = named(manifests, "StatefulSet", "tiltyard-api")["spec"]
    (claim,) = api["volumeClaimTemplates"]
    (container,) = api["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == "/var/lib/tiltyard"
    assert api["persistentVolumeClaimRetentionPolicy"] == {"whenScaled": "Retain", "whenDeleted": "Retain"}
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    ship = inspect.signature(Shipper.stop).parameters["seconds"].default
    assert api["template"]["spec"]["terminationGracePeriodSeconds"] >= pause + worker_handle.STOP_SECONDS + 2 * ship


# A cluster with two workloads, of which the one in BROKEN does not come up. There is no real one where tests run.
KUBECTL = """#!/bin/sh
echo "$@" >> "$ASKED"
case "$*" in
  *" get "*) printf 'statefulset.apps/tiltyard-api\\ndeployment.apps/tiltyard-loop\\n' ;;
  *"rollout status $BROKEN "*) exit 1 ;;
esac
"""


def test_a_rollout_that_does_not_come_up_is_undone(tmp_path: Path) -> None:
    """Each workload is waited for; the first that fails goes back to what ran before, and the job fails."""
    program, called = tmp_path / "kubectl", tmp_path / "asked"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    secret = {"PATH": path, "ASKED": str(called), "KUBE_CONFIG": "token: not-to-be-shown"}
    good = run("rollout.sh", "staging", IMAGE, env={**secret, "BROKEN": "none"})
    assert (good.returncode, f"staging runs {IMAGE}." in good.stdout) == (0, True), good.stderr
    assert "apply --server-side -k" in called.read_text()
    assert "undo" not in called.read_text()
    bad = run("rollout.sh", "staging", IMAGE, env={**secret, "BROKEN": "statefulset.apps/tiltyard-api"})
    assert bad.returncode == 1
    assert "--namespace tiltyard-staging rollout undo statefulset.apps/tiltyard-api" in called.read_text()
    assert "not-to-be-shown" not in good.stdout + good.stderr + bad.stdout + bad.stderr
    assert not list((DEPLOY / "kubernetes").glob(".rollout-*"))


@pytest.mark.requirement("R-DEPLOY-15")
def test_a_rollout_names_one_image_everywhere() -> None:
    """By its digest, and leaves nothing behind; without a cluster it says so and is not a failure."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = run("rollout.sh", "production", IMAGE, "--print")
    assert done.returncode == 0, done.stderr
    images = {
        container["image"] for pod in pods(list(yaml.safe_load_all(done.stdout))) for container in pod["containers"]
    }
    assert images == {IMAGE}
    assert not list((DEPLOY / "kubernetes").glob(".rollout-*"))
    nowhere = run("rollout.sh", "staging", IMAGE)
    assert (nowhere.returncode, "No cluster is configured" in nowhere.stdout) == (0, True)
    assert run("rollout.sh", "staging", "ghcr.io/acme/films:latest").returncode == 2
    assert run("rollout.sh", "elsewhere", IMAGE).returncode == 2
