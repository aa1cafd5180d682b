"""The operator as a process, against a real API server and its controllers; ``kubernetes.py`` says what is not real."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubelet import Kubelet
from tests.cluster.kubernetes import STRANGER, ControlPlane
from tests.cluster.observing import BROKEN, IMAGE, NEWER
from tests.cluster.world import World, cluster, make_proxy, make_quiet, wait_for

__all__ = ["cluster"]
pytestmark = pytest.mark.requirement("R-DEPLOY-13")


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
