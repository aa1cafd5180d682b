"""The operator as a process, against a real API server and its controllers; ``kubernetes.py`` says what is not real."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster.kubelet import Kubelet
from tests.cluster.kubernetes import OPERATOR, STRANGER, ControlPlane, control_plane, free_port, write_kubeconfig
from tests.cluster.observing import BROKEN, IMAGE, NEWER
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
pytestmark = pytest.mark.requirement("R-DEPLOY-13")


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
        config = write_kubeconfig(self.folder / f"{self.namespace}.yaml", proxy.url, token)
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


def test_a_resource_becomes_a_running_model_and_follows_the_champion(cluster: ControlPlane, tmp_path: Path) -> None:
    """With the rights of the manifests alone; the status names what is served, and looking again changes nothing."""
    world = World(cluster, tmp_path, "bring-about")
    served = {"version": "1"}
    world.apply(schedules={"training": "0 3 * * *", "batch": "*/5 * * * *"}, configuration={"TILTYARD_LOG": "quiet"})
    kubelet = Kubelet(cluster, world.namespace, version=lambda _image: served["version"])
    with make_proxy(cluster) as proxy, kubelet.running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")
        assert world.status()["champion"]["version"] == "1"
        names = set(world.objects())
        assert {"cronjobs/films-training", "cronjobs/films-batch", "statefulsets/films-api"} <= names
        assert {"deployments/films-loop", "poddisruptionbudgets/films-api", "networkpolicies/films"} <= names
        served["version"] = "2"
        wait_for(lambda: world.status()["champion"]["version"] == "2", "the new champion")
        wait_for(lambda: world.condition("FollowsChampion") == ("True", "OneVersion"), "all servers")
        done = len(proxy.changes)
        time.sleep(3)
        assert proxy.changes[done:] == []
    assert set(world.events()) == {"RolledOut", "ChampionChanged"}
    assert not [line for line in world.said() if line["event"] == "problem"]
    assert "finalizers" not in cluster.get(f"{world.place}/films")["metadata"]


def test_what_somebody_removes_or_changes_is_put_back(cluster: ControlPlane, tmp_path: Path) -> None:
    """At the next reading; the pods of the servers are not started anew for it."""
    world = World(cluster, tmp_path, "put-back")
    world.apply()
    with make_proxy(cluster) as proxy, Kubelet(cluster, world.namespace).running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")
        before = world.objects()
        base = f"/namespaces/{world.namespace}"
        cluster.client.delete(f"/apis/networking.k8s.io/v1{base}/networkpolicies/films").raise_for_status()
        change = {"spec": {"replicas": 5}}
        kind = {"Content-Type": "application/merge-patch+json"}
        cluster.client.patch(
            f"/apis/apps/v1{base}/statefulsets/films-api", json=change, headers=kind
        ).raise_for_status()
        wait_for(lambda: world.objects() == before, "what was there")


def test_a_change_that_does_not_come_up_is_taken_back(cluster: ControlPlane, tmp_path: Path) -> None:
    """An image that cannot be pulled: all objects are as before, and an event says why."""
    world = World(cluster, tmp_path, "take-back")
    world.apply()
    kubelet = Kubelet(cluster, world.namespace, works=lambda image: image != BROKEN)
    with make_proxy(cluster) as proxy, kubelet.running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")
        before = world.objects()
        world.apply(image=BROKEN, schedules={"monitoring": "0 * * * *"}, configuration={"TILTYARD_LOG": "quiet"})
        wait_for(lambda: "cronjobs/films-loop-once" in world.objects(), "the change")
        wait_for(lambda: world.condition("RolledBack")[0] == "True" and world.settled(IMAGE), "the way back")
        assert world.objects() == before
        assert "ImagePullBackOff" in world.status()["failed"]["reason"]
        assert "RolledBack" in world.events()
        # Kubernetes 1.20 makes null of a map that is applied no longer, and refuses that itself.
        world.apply(image=NEWER, configuration={"TILTYARD_LOG": "quiet"})
        wait_for(lambda: world.settled(NEWER), "the next change")
        assert world.condition("RolledBack")[0] == "False"


def test_what_the_cluster_refuses_is_taken_back_at_once(cluster: ControlPlane, tmp_path: Path) -> None:
    """The size of a volume cannot be changed: the API server's own message is in the status."""
    world = World(cluster, tmp_path, "refused")
    world.apply()
    with make_proxy(cluster) as proxy, Kubelet(cluster, world.namespace).running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")
        before = world.objects()
        world.apply(storage={"size": "50Gi"}, configuration={"TILTYARD_LOG": "quiet"})
        wait_for(lambda: world.condition("RolledBack")[0] == "True" and world.settled(IMAGE), "the way back")
        assert world.objects() == before
        assert "statefulset" in world.status()["failed"]["reason"].lower()


def test_a_loop_that_hangs_is_replaced(cluster: ControlPlane, tmp_path: Path) -> None:
    """Its heartbeat has stopped: the pod is removed, and its controller makes another."""
    world = World(cluster, tmp_path, "hangs")
    world.apply()
    kubelet = Kubelet(cluster, world.namespace)
    with make_proxy(cluster) as proxy, kubelet.running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")

        def loops() -> list[str]:
            pods = cluster.get(f"/api/v1/namespaces/{world.namespace}/pods")["items"]
            return [pod["metadata"]["name"] for pod in pods if "-loop-" in pod["metadata"]["name"]]

        (old,) = loops()
        kubelet.hung.add(old)
        wait_for(lambda: loops() and old not in loops(), "another pod")
        assert "PodReplaced" in world.events()


def test_what_belongs_to_a_resource_goes_with_it(cluster: ControlPlane, tmp_path: Path) -> None:
    """Also while no operator runs, since nothing holds it up; the volumes with unshipped predictions stay."""
    world = World(cluster, tmp_path, "goes")
    world.apply()
    with make_proxy(cluster) as proxy, Kubelet(cluster, world.namespace).running():
        with world.operator(proxy):
            wait_for(lambda: world.settled(IMAGE), "the model")
        cluster.client.delete(f"{world.place}/films").raise_for_status()
        wait_for(lambda: world.objects() == {}, "the end of all objects")
    claims = cluster.get(f"/api/v1/namespaces/{world.namespace}/persistentvolumeclaims")["items"]
    assert [claim["metadata"]["name"] for claim in claims] == ["state-films-api-0", "state-films-api-1"]


def test_a_stranger_learns_which_right_is_missing(cluster: ControlPlane, tmp_path: Path) -> None:
    """An operator without its rights changes nothing; it says what was refused."""
    world = World(cluster, tmp_path, "stranger")
    world.apply()
    with make_proxy(cluster) as proxy, world.operator(proxy, STRANGER) as process:
        wait_for(lambda: process.poll() is not None or "forbidden" in (tmp_path / "stranger.log").read_text(), "a word")
        assert proxy.changes == []
    assert world.objects() == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_killed_at_each_step_is_finished_by_the_next(
    cluster: ControlPlane, tmp_path: Path, when: Any
) -> None:
    """SIGKILL before a change is sent, or when it is done and not confirmed: the next operator ends at the same."""
    whole = World(cluster, tmp_path, f"whole-{when}")
    whole.apply()
    with make_proxy(cluster) as proxy, Kubelet(cluster, whole.namespace).running(), whole.operator(proxy):
        wait_for(lambda: whole.settled(IMAGE), "the model")
        wanted, steps = whole.objects(), len(proxy.changes)
    assert steps > 15
    world = World(cluster, tmp_path, f"cut-{when}")
    with Kubelet(cluster, world.namespace).running():
        for step in range(1, 15):
            cluster.client.delete(f"{world.place}/films")
            wait_for(lambda: world.objects() == {}, "an empty namespace")
            with make_proxy(cluster, kill_at=step, when=when) as proxy:
                world.apply()
                with world.operator(proxy) as process:
                    process.wait(150)
                    assert process.returncode == -signal.SIGKILL, step
                with world.operator(make_quiet(proxy)):
                    wait_for(lambda: world.settled(IMAGE), f"step {step}")
            assert world.objects() == wanted, step


def make_quiet(proxy: Proxy) -> Proxy:
    """The proxy, which kills nobody any more."""
    proxy.kill_at = None
    return proxy
