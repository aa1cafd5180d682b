"""A namespace of a real control plane, with a resource, a kubelet's part of it, and operators."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster.kubernetes import OPERATOR, ControlPlane, control_plane, free_port, write_kubeconfig
from tests.cluster.observing import IMAGE
from tests.cluster.proxy import Proxy
from tests.deploy.scripts import DEPLOY

MODELS = "/apis/tiltyard.github.io/v1alpha1"
KINDS = {
    "serviceaccounts": "/api/v1",
    "configmaps": "/api/v1",
    "services": "/api/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "statefulsets": "/apis/apps/v1",
    "deployments": "/apis/apps/v1",
    "poddisruptionbudgets": "/apis/policy/v1beta1",
    "cronjobs": "/apis/batch/v1beta1",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that knows the kind and has the operator's rights, as the documentation installs them."""
    folder = tmp_path_factory.mktemp("control-plane")
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    with control_plane(folder) as found:
        env = {**os.environ, "KUBECONFIG": str(folder / "admin.yaml")}
        folder_of_operator = str(DEPLOY / "kubernetes" / "operator")
        rendered = subprocess.run(
            [kubectl, "kustomize", folder_of_operator], check=True, capture_output=True, text=True
        )
        items = [item for item in yaml.safe_load_all(rendered.stdout) if item]
        if found.version < (1, 25):
            items = [without_rules(item) for item in items]
        words = [kubectl, "apply", "--server-side", "-f", "-"]
        sent = yaml.safe_dump_all(items)
        done = subprocess.run(words, env=env, input=sent, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: found.get(MODELS), "the kind")
        yield found


def without_rules(item: Any) -> Any:
    """An object without the rules that Kubernetes before 1.25 does not know."""
    if isinstance(item, dict):
        return {key: without_rules(one) for key, one in item.items() if key != "x-kubernetes-validations"}
    return [without_rules(one) for one in item] if isinstance(item, list) else item


def wait_for(see: Callable[[], Any], what: str, seconds: float = 150) -> Any:
    """What is seen as soon as there is something to see."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = see()
        if seen:
            return seen
        time.sleep(0.1)
    raise AssertionError(f"it did not come: {what}")


class World:
    """A namespace, its kubelet, and a resource in it.

    Args:
        cluster: the control plane.
        folder: for files.
        namespace: its name.
    """

    def __init__(self, cluster: ControlPlane, folder: Path, namespace: str) -> None:
        self.cluster, self.folder, self.namespace = cluster, folder, namespace
        self.place = f"{MODELS}/namespaces/{namespace}/tiltyardmodels"
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, "/api/v1/namespaces")

    def apply(self, **spec: Any) -> Any:
        """Apply the resource, as a person does."""
        rollout = {"deadlineSeconds": 20, "hangSeconds": 15}
        item = {
            "apiVersion": "tiltyard.github.io/v1alpha1",
            "kind": "TiltyardModel",
            "metadata": {"name": "films", "namespace": self.namespace},
            "spec": {"image": IMAGE, "replicas": 2, "rollout": rollout, **spec},
        }
        return self.cluster.apply(item, self.place)

    def status(self) -> dict[str, Any]:
        """What the resource says of itself."""
        return dict((self.cluster.get(f"{self.place}/films") or {}).get("status") or {})

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition; empty where it is not there yet."""
        for one in self.status().get("conditions", []):
            if one["type"] == kind:
                return one["status"], one["reason"]
        return "", ""

    def settled(self, image: str, generation: int | None = None) -> bool:
        """Whether an image runs and nothing is being changed."""
        status = self.status()
        seen = generation is None or status.get("observedGeneration") == generation
        return (
            seen
            and status.get("image") == image
            and status.get("servers") == "2/2"
            and self.condition("Progressing") == ("False", "Settled")
        )

    def objects(self) -> dict[str, Any]:
        """All objects of the resource as a person sees them, without what the cluster notes."""
        found = {}
        for plural, base in KINDS.items():
            items = self.cluster.get(f"{base}/namespaces/{self.namespace}/{plural}?labelSelector={OURS}")["items"]
            for item in items:
                meta = {key: item["metadata"].get(key) for key in ("name", "labels")}
                annotations = dict(item["metadata"].get("annotations", {}))
                annotations.pop("deployment.kubernetes.io/revision", None)
                # The digest of what was sent holds the owner's number.
                annotations.pop("tiltyard.github.io/applied", None)
                content = {key: value for key, value in item.items() if key not in ("metadata", "status", "secrets")}
                for given in ("clusterIP", "clusterIPs"):
                    content.get("spec", {}).pop(given, None)
                found[f"{plural}/{meta['name']}"] = {**content, "metadata": {**meta, "annotations": annotations}}
        return found

    def events(self) -> list[str]:
        """The reasons of the events about the resource."""
        items = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [item["reason"] for item in items if item["involvedObject"]["kind"] == "TiltyardModel"]

    @contextlib.contextmanager
    def operator(self, proxy: Proxy, token: str = OPERATOR) -> Iterator[subprocess.Popen[str]]:
        """Run an operator for the block; killed at its end, if it was not before."""
        config = write_kubeconfig(self.folder / f"{self.namespace}-{proxy.port}.yaml", proxy.url, token)
        words = ["--namespace", self.namespace, "--every", "1", "--json"]
        command = [sys.executable, "-m", "tiltyard", "operator", *words]
        env = {**os.environ, "KUBECONFIG": str(config)}
        log = self.folder / f"{self.namespace}.log"
        with log.open("a") as file, subprocess.Popen(command, env=env, stdout=file, stderr=file, text=True) as process:
            proxy.target = process.pid
            try:
                yield process
            finally:
                process.kill()
                process.wait(30)

    def said(self) -> list[dict[str, Any]]:
        """What the operators printed."""
        lines = (self.folder / f"{self.namespace}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


OURS = "app.kubernetes.io/managed-by=tiltyard-operator"


def make_proxy(cluster: ControlPlane, **more: Any) -> Proxy:
    """A proxy to the control plane."""
    return Proxy(cluster.url, cluster.version < (1, 25), free_port(), **more)


def make_quiet(proxy: Proxy) -> Proxy:
    """The proxy, which kills nobody any more."""
    proxy.kill_at = None
    return proxy
