"""What the operator decides, from what it sees."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster.observing import BROKEN, IMAGE, NEWER, UID, Sandbox, json_copy, make_model
from tiltyard.cluster.build_objects import digest_objects
from tiltyard.cluster.course import render_model
from tiltyard.cluster.observed import Apply, Delete, Health, WriteStatus
from tiltyard.cluster.plan import plan

NO_MODEL = Health(responded=True, version=None)
ROOT = Path(__file__).parents[2]
PROJECT = '[project]\nname = "films"\n'


def up(**spec: object) -> Sandbox:
    """A model that runs."""
    box = Sandbox(make_model(**spec))
    box.settle_all()
    assert box.condition("Available") == ("True", "Ready")
    return box


@pytest.mark.requirement("R-DEPLOY-13")
def test_a_model_is_brought_about_and_then_left_alone() -> None:
    """All its objects are applied, the status says what is served, and looking again does nothing."""
    box = up()
    kinds = sorted({kind for kind, _ in box.objects})
    assert kinds == [
        "ConfigMap",
        "ControllerRevision",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    ]
    status = box.model["status"]
    assert (status["servers"], status["image"], status["champion"]["version"]) == ("2/2", IMAGE, "1")
    assert status["revision"] == status["goodRevision"]
    assert box.condition("Progressing") == ("False", "Settled")
    assert box.condition("FollowsChampion") == ("True", "OneVersion")
    assert box.said() == ["ChampionChanged", "RolledOut"] or box.said() == ["RolledOut", "ChampionChanged"]
    assert plan(box.observe()).actions == ()


def test_every_object_belongs_to_the_model() -> None:
    """The cluster removes them with it: each names its owner, and no finalizer keeps the resource."""
    box = up()
    assert all(item["metadata"]["ownerReferences"][0]["uid"] == UID for item in box.objects.values())
    assert "finalizers" not in box.model["metadata"]
    box.model["metadata"]["deletionTimestamp"] = "2026-12-01T12:00:00Z"
    box.objects.clear()
    assert plan(box.observe()).actions == ()


def test_what_somebody_changed_is_put_back() -> None:
    """An object that differs or is gone is applied again; what others add to it stays."""
    box = up()
    box.objects["Service", "films-api"]["spec"]["ports"][0]["port"] = 81
    del box.objects["ConfigMap", "films"]
    box.objects["Deployment", "films-loop"]["metadata"]["annotations"]["other"] = "kept"
    applied = [action.item["metadata"]["name"] for action in plan(box.observe()).actions if isinstance(action, Apply)]
    assert sorted(applied) == ["films", "films-api"]
    box.reconcile()
    assert box.objects["Service", "films-api"]["spec"]["ports"][0]["port"] == 80


@pytest.mark.requirement("R-DEPLOY-13")
def test_a_change_that_does_not_come_up_is_taken_back_whole() -> None:
    """Images, configuration, added and removed parts: all is as it was before, and the status says why."""
    box = up()
    before = box.running()
    box.change(image=BROKEN, configuration={"TILTYARD_LOG": "quiet"}, schedules={"monitoring": "0 * * * *"})
    box.reconcile()
    assert ("CronJob", "films-loop-once") in box.objects
    assert ("Deployment", "films-loop") not in box.objects
    box.settle()
    box.reconcile()
    box.wait(600)
    box.reconcile()
    assert box.condition("Progressing") == ("True", "RollingOut")
    box.wait(301)
    box.settle_all()
    assert box.running() == before
    assert box.condition("RolledBack") == ("True", "ChangeFailed")
    assert box.condition("Available") == ("True", "Ready")
    assert "ImagePullBackOff" in box.model["status"]["failed"]["reason"]
    assert box.said()[-1] == "RolledBack"
    # It is not tried again by itself, and another specification is.
    box.wait(10_000)
    assert not [one for one in plan(box.observe()).actions if not isinstance(one, WriteStatus)]
    box.change(image=NEWER)
    box.settle_all()
    assert box.condition("RolledBack") == ("False", "NothingFailed")
    assert box.model["status"]["image"] == NEWER


def test_a_change_that_was_taken_back_is_tried_again_when_a_person_says_so() -> None:
    """What was missing is there now: the annotation starts the same specification anew."""
    box = up()
    box.change(image=BROKEN)
    box.reconcile()
    box.settle()
    box.reconcile()
    box.wait(901)
    box.settle_all()
    assert box.model["status"]["image"] == IMAGE
    box.model["metadata"]["annotations"] = {"tiltyard.github.io/retry": "1"}
    for _ in range(3):
        box.reconcile()
        box.settle(broken="none")
    box.reconcile()
    assert box.model["status"]["image"] == BROKEN
    assert box.condition("RolledBack") == ("False", "NothingFailed")


def test_a_change_with_progress_is_waited_for() -> None:
    """The deadline begins anew with each pod that comes up."""
    box = up(replicas=3)
    box.change(image=NEWER)
    box.reconcile()
    servers = box.objects["StatefulSet", "films-api"]
    number = servers["metadata"]["generation"]
    for ready in (1, 2):
        box.wait(800)
        servers = box.objects["StatefulSet", "films-api"]
        servers["status"] = {"observedGeneration": number, "replicas": 3, "readyReplicas": 3, "updatedReplicas": ready}
        servers["status"] |= {"currentRevision": "1", "updateRevision": "2"}
        box.reconcile()
    assert box.condition("RolledBack")[0] == "False"
    box.settle_all()
    assert box.model["status"]["image"] == NEWER


def test_the_first_specification_has_nothing_to_return_to() -> None:
    """It is kept, the status says that it is late, and it counts when it comes up after all."""
    box = Sandbox(make_model(image=BROKEN))
    box.reconcile()
    box.settle()
    box.reconcile()
    box.wait(1000)
    box.reconcile()
    assert box.condition("Progressing") == ("False", "DeadlineExceeded")
    assert box.condition("RolledBack")[0] == "False"
    box.settle(broken="none")
    box.reconcile()
    assert box.condition("Progressing") == ("False", "Settled")


def test_what_the_cluster_refuses_is_taken_back_at_once() -> None:
    """A field that cannot be changed: what was applied before it is undone, and the message is the cluster's."""
    box = up()
    before = box.running()
    box.refuses = lambda item: "Forbidden: updates to statefulset spec" if "50Gi" in str(item) else ""
    box.change(storage={"size": "50Gi"}, configuration={"TILTYARD_LOG": "quiet"})
    box.settle_all()
    assert box.running() == before
    assert "Forbidden" in box.model["status"]["failed"]["reason"]


def test_without_a_champion_servers_that_run_are_enough() -> None:
    """Before the first champion no server is ready, and the objects count as up; later one without a version fails."""
    box = Sandbox(make_model())
    box.health = lambda _image, _part: NO_MODEL
    box.reconcile()
    box.settle()
    servers = box.objects["StatefulSet", "films-api"]
    servers["status"]["readyReplicas"] = 0
    box.pods = tuple(dataclasses.replace(pod, ready=pod.part != "api") for pod in box.pods)
    box.reconcile()
    assert box.condition("Available") == ("False", "NoChampion")
    assert box.model["status"]["goodRevision"]
    working = up()
    working.health = lambda image, _part: NO_MODEL if image == NEWER else Health(responded=True, version="1")
    working.change(image=NEWER)
    working.reconcile()
    working.settle()
    working.reconcile()
    working.wait(901)
    working.settle_all()
    assert working.model["status"]["image"] == IMAGE
    assert "serves no version" in working.model["status"]["failed"]["reason"]


@pytest.mark.requirement("R-DEPLOY-13")
def test_the_status_follows_the_champion() -> None:
    """It names what the pods say that they serve, and says so when they differ."""
    box = up()
    box.health = lambda _image, _part: Health(responded=True, version="2")
    box.settle()
    first, *others = box.pods
    box.pods = (dataclasses.replace(first, health=Health(responded=True, version="3")), *others)
    box.reconcile()
    assert box.condition("FollowsChampion") == ("False", "SeveralVersions")
    box.settle()
    box.reconcile()
    assert box.model["status"]["champion"] == {**box.model["status"]["champion"], "version": "2", "servers": "2/2"}
    assert box.said()[-1] == "ChampionChanged"


@pytest.mark.requirement("R-DEPLOY-13")
def test_a_loop_that_hangs_is_replaced_and_a_broken_network_replaces_nobody() -> None:
    """After its patience one pod is removed; where no pod responds, it may be the operator that is cut off."""
    box = up()
    silent = Health(responded=False, reason="It does not respond (ConnectTimeout).")
    box.pods = tuple(
        dataclasses.replace(pod, health=Health(responded=True, alive=False)) if pod.part == "loop" else pod
        for pod in box.pods
    )
    box.reconcile()
    box.wait(599)
    assert not [one for one in plan(box.observe()).actions if isinstance(one, Delete)]
    box.wait(2)
    (removed,) = [one for one in plan(box.observe()).actions if isinstance(one, Delete)]
    assert removed.ref == ("Pod", "films-loop-0")
    box.reconcile()
    assert "PodReplaced" in box.said()
    cut_off = up()
    cut_off.pods = tuple(pod if pod.health is None else dataclasses.replace(pod, health=silent) for pod in cut_off.pods)
    cut_off.reconcile()
    cut_off.wait(5000)
    cut_off.reconcile()
    assert "PodReplaced" not in cut_off.said()
    assert cut_off.condition("FollowsChampion") == ("Unknown", "NoResponse")


def test_an_object_of_somebody_else_is_not_touched() -> None:
    """A name that is taken is reported, and nothing is applied."""
    box = Sandbox(make_model())
    box.objects["Service", "films-api"] = {"kind": "Service", "metadata": {"name": "films-api", "uid": "x"}, "spec": {}}
    box.reconcile()
    assert box.condition("Accepted") == ("False", "NameTaken")
    assert list(box.objects) == [("Service", "films-api")]


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"project": "[project"}, "spec.project"),
        ({"project": "[data]\nsource = 3\n"}, "spec.project"),
        ({"image": "films:latest"}, "spec.image"),
        ({"autoscaling": {"minReplicas": 4, "maxReplicas": 2}}, "spec.autoscaling"),
        ({"replicsa": 3}, "spec.replicsa"),
        ({"identity": {"podLabels": {"app.kubernetes.io/managed-by": "me"}}}, "spec.identity.podLabels"),
        ({"configuration": {"TILTYARD_HOME": "/data"}}, "spec.configuration"),
    ],
)
def test_a_specification_that_cannot_be_used_changes_nothing(spec: dict[str, object], named: str) -> None:
    """The status names the field; what ran runs."""
    box = up()
    before = box.running()
    box.change(**spec)
    box.settle_all()
    assert box.running() == before
    assert box.condition("Accepted") == ("False", "InvalidSpec")
    (accepted,) = (one for one in box.model["status"]["conditions"] if one["type"] == "Accepted")
    assert named in accepted["message"]
    assert box.condition("Available") == ("True", "Ready")


def test_the_autoscaler_keeps_its_replicas() -> None:
    """The number that it has set is applied again, within its limits; the cluster would fall back to one."""
    box = up(autoscaling={"minReplicas": 2, "maxReplicas": 4})
    servers = box.objects["StatefulSet", "films-api"]
    assert servers["spec"]["replicas"] == 2
    servers["spec"]["replicas"] = 4
    box.settle()
    box.reconcile()
    box.change(image=NEWER, autoscaling={"minReplicas": 2, "maxReplicas": 3})
    box.settle_all()
    assert box.objects["StatefulSet", "films-api"]["spec"]["replicas"] == 3


def test_a_plan_may_be_cut_off_after_any_action() -> None:
    """Whatever part of a plan was done, the next operator ends where an undisturbed one does."""

    def walk(cut: int) -> tuple[Sandbox, int]:
        box, done = up(), 0
        box.change(image=BROKEN, configuration={"TILTYARD_LOG": "quiet"}, schedules={"monitoring": "0 * * * *"})
        for turn in range(12):
            found = plan(box.observe())
            for action in found.actions:
                box.act(action)
                done += 1
                if done == cut:
                    break
            box.settle()
            box.wait(901 if turn == 4 else 1)
        return box, done

    whole, count = walk(0)
    assert whole.condition("RolledBack")[0] == "True"
    assert count > 15
    for cut in range(1, count + 1):
        box, _ = walk(cut)
        assert box.running() == whole.running(), cut
        assert box.condition("RolledBack") == whole.condition("RolledBack"), cut
        assert box.model["status"]["goodRevision"] == whole.model["status"]["goodRevision"], cut


def test_a_change_that_nobody_was_there_to_apply_has_its_time() -> None:
    """The operator ended between its note and the first object, and was away for an hour: nothing is taken back."""
    box = up()
    box.change(image=NEWER)
    for action in plan(box.observe()).actions:
        if isinstance(action, Apply):
            break
        box.act(action)
    assert box.condition("Progressing") == ("True", "RollingOut")
    box.wait(3600)
    box.settle_all()
    assert "RolledBack" not in box.said()
    assert box.model["status"]["image"] == NEWER


def test_a_change_that_cannot_be_applied_is_taken_back_all_the_same() -> None:
    """What is changed back each time has one deadline more, and the reason names the object."""
    box = up()
    box.change(image=NEWER)

    def disturb() -> None:
        box.reconcile()
        box.settle(broken=NEWER)
        box.objects["Service", "films-api"]["spec"]["ports"][0]["port"] = 81

    for _ in range(2):
        disturb()
        assert box.condition("RolledBack")[0] == "False"
        box.wait(901)
    disturb()
    assert box.condition("RolledBack") == ("True", "ChangeFailed")
    assert "Service films-api" in box.model["status"]["failed"]["reason"]


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"spec": {"template": {}}}},
        {"data": None},
        {"data": {"objects": [{"kind": "Secret", "metadata": {"name": "a", "namespace": "shop"}}]}},
        {"metadata": {"name": "films-1234567890", "uid": "x", "ownerReferences": [{"uid": "another"}]}},
    ],
)
def test_a_record_that_the_operator_did_not_write_is_not_applied(change: dict[str, Any]) -> None:
    """What has the labels and says something else, such as a StatefulSet's own record, is not a form of the model."""
    box = up()
    good = box.model["status"]["goodRevision"]
    item = {**box.objects["ControllerRevision", good], **change}
    del box.objects["ControllerRevision", good]
    box.objects["ControllerRevision", item["metadata"]["name"]] = item
    assert box.observe().revisions == {}
    before = box.running()
    box.settle_all()
    assert good in box.observe().revisions
    assert box.running() == before


def test_a_record_in_another_namespace_is_not_applied() -> None:
    """The operator has rights there that the writer of the record may not have."""
    box = up()
    good = box.model["status"]["goodRevision"]
    record = json_copy(box.objects)["ControllerRevision", good]
    for item in record["data"]["objects"]:
        item["metadata"]["namespace"] = "kube-system"
    forged = f"films-{digest_objects(record['data']['objects'])[:10]}"
    box.objects["ControllerRevision", forged] = {**record, "metadata": {**record["metadata"], "name": forged}}
    assert set(box.observe().revisions) == {good}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"apiVersion": "tiltyard.github.io/v1"}, "apiVersion"),
        ({"kind": "Model"}, "TiltyardModel"),
        ({"metadata": {"name": None}}, "metadata.name"),
    ],
)
def test_what_is_no_resource_is_not_rendered(change: dict[str, object], named: str) -> None:
    """The error names the field."""
    with pytest.raises(ValueError, match=named):
        render_model({**make_model(), **change})


def test_the_resource_of_the_page_is_one() -> None:
    """What docs/deployment.md shows is rendered, with a digest in the place of its mark."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    (block,) = [text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "kind: TiltyardModel" in text]
    objects = render_model(yaml.safe_load(block.replace("sha256:…", IMAGE.partition("@")[2])))
    names = {f"{item['kind']}/{item['metadata']['name']}" for item in objects}
    assert {"StatefulSet/films-api", "CronJob/films-training", "CronJob/films-batch"} <= names
