"""Operators that are disturbed: by another one, by a person who removes what they need, by what others wrote."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from tests.cluster.kubelet import Kubelet
from tests.cluster.kubernetes import ControlPlane
from tests.cluster.observing import BROKEN, IMAGE, NEWER
from tests.cluster.world import World, cluster, make_proxy, wait_for

__all__ = ["cluster"]
pytestmark = pytest.mark.requirement("R-DEPLOY-13")

MERGE = {"Content-Type": "application/merge-patch+json"}


def test_two_operators_end_where_one_does(cluster: ControlPlane, tmp_path: Path) -> None:
    """They bring a model about, change it and take a change back, at the same time; neither reports a problem."""
    world = World(cluster, tmp_path, "two")
    world.apply()
    kubelet = Kubelet(cluster, world.namespace, works=lambda image: image != BROKEN)
    with contextlib.ExitStack() as stack:
        stack.enter_context(kubelet.running())
        for _ in range(2):
            proxy = stack.enter_context(make_proxy(cluster))
            stack.enter_context(world.operator(proxy))
        wait_for(lambda: world.settled(IMAGE), "the model")
        world.apply(image=NEWER)
        wait_for(lambda: world.settled(NEWER), "the change")
        before = world.objects()
        world.apply(image=BROKEN, schedules={"monitoring": "0 * * * *"})
        wait_for(lambda: world.condition("RolledBack")[0] == "True" and world.settled(NEWER), "the way back")
        assert world.objects() == before
        time.sleep(3)
        assert world.settled(NEWER)
    assert world.events().count("RolledBack") == 1
    assert not [line for line in world.said() if line["event"] == "problem"]


def test_what_it_needs_to_go_back_is_removed_by_hand(cluster: ControlPlane, tmp_path: Path) -> None:
    """All records, the servers and the loop are gone at once: they are made anew, and a later change is taken back."""
    world = World(cluster, tmp_path, "by-hand")
    world.apply()
    kubelet = Kubelet(cluster, world.namespace, works=lambda image: image != BROKEN)
    apps = f"/apis/apps/v1/namespaces/{world.namespace}"
    with make_proxy(cluster) as proxy, kubelet.running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")
        before = world.objects()
        for kind in ("controllerrevisions", "statefulsets", "deployments"):
            cluster.client.delete(f"{apps}/{kind}").raise_for_status()
        wait_for(lambda: world.objects() == before and world.settled(IMAGE), "all of them")
        world.apply(image=BROKEN)
        wait_for(lambda: world.condition("RolledBack")[0] == "True" and world.settled(IMAGE), "the way back")
        assert world.objects() == before


def test_what_others_wrote_next_to_a_model_disturbs_no_model(cluster: ControlPlane, tmp_path: Path) -> None:
    """A record with its labels and another content is left alone; the API server refuses half a status."""
    world = World(cluster, tmp_path, "others")
    world.apply()
    record = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": "films-1234567890",
            "namespace": world.namespace,
            "labels": {
                "app.kubernetes.io/part-of": "films",
                "app.kubernetes.io/managed-by": "tiltyard-operator",
            },
        },
        "revision": 7,
        "data": {"spec": {}},
    }
    apps = f"/apis/apps/v1/namespaces/{world.namespace}/controllerrevisions"
    cluster.client.post(apps, json=record).raise_for_status()
    with make_proxy(cluster) as proxy, Kubelet(cluster, world.namespace).running(), world.operator(proxy):
        wait_for(lambda: world.settled(IMAGE), "the model")
        for half in ({"rollout": {"revision": "films-1"}}, {"silent": [{"pod": "a"}]}, {"failed": {"retry": "1"}}):
            refused = cluster.client.patch(f"{world.place}/films/status", json={"status": half}, headers=MERGE)
            assert refused.status_code == 422, half
        world.apply(image=NEWER)
        wait_for(lambda: world.settled(NEWER), "the change")
        assert cluster.get(f"{apps}/films-1234567890")
    assert not [line for line in world.said() if line["event"] == "problem"]
