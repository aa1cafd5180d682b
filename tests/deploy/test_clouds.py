"""The overlays for Amazon, Google and Azure: rendered three ways from one source, and held against the schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.scripts import DEPLOY
from tests.deploy.test_helm import IMAGE, by_name, render_chart, strip
from tests.deploy.test_kubernetes import named, pods, render
from tiltyard.cluster.build_objects import build_objects
from tiltyard.cluster.spec import ModelSpec
from tiltyard.data.sources.location import SCHEMES

CLOUDS = ("aws", "azure", "google")


def load_values(cloud: str) -> dict[str, Any]:
    """The values of the chart for a cloud."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "helm" / "clouds" / f"{cloud}.yaml").read_text("utf-8"))
    return {"image": IMAGE, **found}


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> str:
    """A cloud."""
    return str(request.param)


@pytest.fixture(scope="module")
def overlay(cloud: str) -> list[dict[str, Any]]:
    """The objects of its overlay."""
    return render(DEPLOY / "kubernetes" / "overlays" / cloud)


@pytest.mark.requirement("R-DEPLOY-14")
def test_overlay_chart_and_operator_make_the_same_objects(
    cloud: str, overlay: list[dict[str, Any]], tmp_path: Path
) -> None:
    """By each way of installing every object is equal: storage, identity, ingress and addresses of the cloud."""
    there = {name: item for name, item in by_name(overlay).items() if not name.startswith("Namespace/")}
    chart = by_name(render_chart(load_values(cloud), tmp_path, "tiltyard"))
    ours = by_name(build_objects("tiltyard", "shop", ModelSpec.model_validate(load_values(cloud))))
    assert strip(chart) == strip(there)
    assert strip(ours) == strip(there)


@pytest.mark.requirement("R-DEPLOY-14")
def test_each_overlay_is_valid(overlay: list[dict[str, Any]]) -> None:
    """By Kubernetes' own schemas, strictly: no field that it does not know."""
    validate = pytest.importorskip("kubernetes_validate", reason="it is in the lock: make setup")
    for item in overlay:
        validate.validate(item, "1.34", strict=True)


def test_each_overlay_has_what_its_cloud_needs(cloud: str, overlay: list[dict[str, Any]]) -> None:
    """An identity of the cloud, block storage, HTTPS alone, and stores that Tiltyard reads, each by name."""
    account = named(overlay, "ServiceAccount", "tiltyard")["metadata"]["annotations"]
    keys = {"aws": "eks.amazonaws.com/role-arn", "azure": "azure.workload.identity/client-id"}
    assert set(account) == {keys.get(cloud, "iam.gke.io/gcp-service-account")}
    (claim,) = named(overlay, "StatefulSet", "tiltyard-api")["spec"]["volumeClaimTemplates"]
    classes = {"aws": "gp3", "azure": "managed-csi-premium", "google": "premium-rwo"}
    assert claim["spec"]["storageClassName"] == classes[cloud]
    configuration = named(overlay, "ConfigMap", "tiltyard")["data"]
    for name in ("TILTYARD_ARTIFACTS", "TILTYARD_SNAPSHOTS"):
        assert configuration[name].partition("://")[0] in SCHEMES
    ingress = named(overlay, "Ingress", "tiltyard-api")
    https = {
        "aws": ingress["metadata"]["annotations"].get("alb.ingress.kubernetes.io/listen-ports") == '[{"HTTPS":443}]',
        "azure": bool(ingress["spec"].get("tls")),
        "google": ingress["metadata"]["annotations"].get("kubernetes.io/ingress.allow-http") == "false",
    }
    assert https[cloud]


def test_every_pod_on_azure_has_the_label_of_its_identity() -> None:
    """Entra's webhook gives a token to pods with the label alone."""
    objects = render(DEPLOY / "kubernetes" / "overlays" / "azure")
    templates = [item["spec"]["template"] for item in objects if "template" in item.get("spec", {})]
    assert len(templates) == len(pods(objects)) == 3
    assert {template["metadata"]["labels"].get("azure.workload.identity/use") for template in templates} == {"true"}


@pytest.mark.parametrize(("agent", "address"), [("EKS", "169.254.170.23/32"), ("GKE", "169.254.169.254/32")])
def test_pods_may_reach_the_agent_that_gives_credentials(agent: str, address: str, tmp_path: Path) -> None:
    """The policies close all other addresses of the node; without an agent none of them is open."""
    values = {"image": IMAGE, "identity": {"agent": agent}}
    objects = build_objects("films", "shop", ModelSpec.model_validate(values))
    assert by_name(render_chart(values, tmp_path)) == by_name(objects)
    policy = named(objects, "NetworkPolicy", f"films-identity-{agent.lower()}")["spec"]
    assert policy["podSelector"] == named(objects, "NetworkPolicy", "films")["spec"]["podSelector"]
    assert address in {block["ipBlock"]["cidr"] for rule in policy["egress"] for block in rule["to"]}
    without = build_objects("films", "shop", ModelSpec.model_validate({"image": IMAGE}))
    assert "ipBlock" not in str(without)
