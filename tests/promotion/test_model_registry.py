"""The public model registry: whatever moves an alias is a recorded decision."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tiltyard import ModelRegistry, Project
from tiltyard.errors import NotFoundError, UsageError
from tiltyard.ledger import Event
from tiltyard.registry import MlflowRegistry
from tiltyard.registry.chain_anchors import check_chain, read_anchors
from tiltyard.registry.lineage import read_lineage
from tiltyard.registry.outside_changes import find_mismatches, record_outside_changes, unexplained_champion
from tiltyard.registry.ports import ARCHIVED_TAG
from tiltyard.settings import Settings
from tiltyard.testing.registry import write_example_package
from tiltyard.wiring import open_ledger

ALERTS = {"decisions": ["team"], "destinations": {"team": {"kind": "webhook"}}}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("package") / "model"
    write_example_package(folder)
    return str(folder)


@pytest.fixture
def settings(fresh_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Another host, on which grace acts."""
    monkeypatch.setenv("TILTYARD_ACTOR", "grace")
    made = Settings.load(tmp_path)
    made.state.mkdir()
    shutil.copyfile(fresh_store, made.state / "mlflow.db")
    return made


@pytest.fixture(scope="module")
def three_versions(fresh_store: Path, package: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a host on which grace has registered three versions of the model films."""
    made = Settings.load(tmp_path_factory.mktemp("three_versions"))
    made.state.mkdir()
    shutil.copyfile(fresh_store, made.state / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILTYARD_ACTOR", "grace")
        registry = ModelRegistry(settings=made)
        for _ in range(3):
            registry.register_model(package, "films", "films of the last year")
    return made.state


@pytest.fixture
def registry(settings: Settings, three_versions: Path) -> ModelRegistry:
    """Three versions of the model films, in copies of the stores."""
    shutil.copytree(three_versions, settings.state, dirs_exist_ok=True)
    return ModelRegistry(settings=settings)


def aliases(registry: MlflowRegistry) -> dict[str, tuple[str, ...]]:
    return {info.version: info.aliases for info in registry.list_versions("films")}


def decisions(registry: ModelRegistry) -> list[Event]:
    with open_ledger(registry._settings) as ledger:
        return [event for event in ledger.events(subject="films") if event.kind != "registered"]


def check_explained(registry: ModelRegistry) -> None:
    """What ``doctor`` and ``history --verify`` check: no change is unexplained, and the chain is whole."""
    champion = registry.champion("films")
    named = {alias: version for version, names in aliases(registry).items() for alias in names}
    events = decisions(registry)
    assert find_mismatches(events, "films", named) == ()
    assert champion is None or unexplained_champion(events, champion) is None
    with open_ledger(registry._settings) as ledger:
        assert record_outside_changes(registry, ledger, "films", "test") == []
        assert not check_chain(ledger, "films", read_anchors(registry.list_versions("films"))).broken


@pytest.mark.requirement("R-REG-04", "R-REG-05")
def test_production_makes_the_champion_and_keeps_the_previous_one(registry: ModelRegistry) -> None:
    """Production makes a version champion, and the champion before it stays as previous."""
    assert registry.promote_model("films", "1", "Production").aliases == ("champion",)
    registry.promote_model("films", "2", "Production")
    assert aliases(registry) == {"1": ("previous",), "2": ("champion",), "3": ()}
    registry.promote_model("films", "3", "production")
    assert aliases(registry) == {"1": (), "2": ("previous",), "3": ("champion",)}


def test_a_version_may_be_a_number(registry: ModelRegistry) -> None:
    """A version may be given as a number: it is the same version, and previous is never the champion itself."""
    for version in (1, 2, 2):
        assert registry.promote_model("films", version, "Production").version == str(version)
    assert aliases(registry) == {"1": ("previous",), "2": ("champion",), "3": ()}
    assert registry.get_version("films", version=3).version == "3"
    assert registry.load_model("films", version=3) is not None


@pytest.mark.requirement("R-REG-04")
def test_the_stage_none_removes_the_aliases(registry: ModelRegistry) -> None:
    """Python's None and the word None are one stage: the version keeps no alias."""
    for stage in (None, "None"):
        registry.promote_model("films", "1", "Staging")
        assert registry.promote_model("films", "1", stage).aliases == ()


def test_to_promote_the_champion_again_changes_nothing(registry: ModelRegistry) -> None:
    """To promote the champion once more changes nothing; previous is never the champion itself."""
    registry.promote_model("films", "1", "Production")
    registry.promote_model("films", "2", "Production")
    before = decisions(registry)
    registry.promote_model("films", "2", "Production")
    assert aliases(registry) == {"1": ("previous",), "2": ("champion",), "3": ()}
    assert decisions(registry) == before


@pytest.mark.requirement("R-REG-04")
def test_staging_makes_the_challenger(registry: ModelRegistry) -> None:
    """Staging makes a version challenger, and leaves the champion alone."""
    registry.promote_model("films", "1", "Production")
    registry.promote_model("films", "2", "Staging")
    assert aliases(registry) == {"1": ("champion",), "2": ("challenger",), "3": ()}


def test_archived_removes_the_aliases(registry: ModelRegistry) -> None:
    """Archived removes a version's aliases and tags it."""
    registry.promote_model("films", "1", "Production")
    info = registry.promote_model("films", "1", "Archived")
    assert info.aliases == ()
    assert ARCHIVED_TAG in info.tags
    assert registry.champion("films") is None


def test_an_unknown_stage_is_refused(registry: ModelRegistry) -> None:
    """An unknown stage is refused with the nearest known one."""
    with pytest.raises(UsageError, match="Did you mean 'Production'"):
        registry.promote_model("films", "1", "Producton")


def test_an_unknown_version_is_refused(registry: ModelRegistry) -> None:
    """A version that does not exist cannot be promoted, and the champion stays."""
    registry.promote_model("films", "1", "Production")
    with pytest.raises(NotFoundError, match="9"):
        registry.promote_model("films", "9", "Production")
    assert aliases(registry)["1"] == ("champion",)


@pytest.mark.requirement("R-REG-05")
def test_promote_model_records_who_why_and_that_no_gate_was_run(registry: ModelRegistry) -> None:
    """A champion set by ``promote_model`` is a recorded decision, and does not look like a change outside Tiltyard."""
    registry.promote_model("films", "1", "Production")
    registry.promote_model("films", "2", "Production", reason="the first one is slow")
    first, second = decisions(registry)
    assert [(event.kind, event.subject, event.actor) for event in (first, second)] == [
        ("alias-set", "films/1", "grace"),
        ("alias-set", "films/2", "grace"),
    ]
    assert first.reason == "set by ModelRegistry.promote_model, without the gates"
    assert second.reason == "the first one is slow"
    assert (second.evidence["before"], second.evidence["gates"]) == ("1", "not run")
    check_explained(registry)


def test_every_other_move_is_recorded_too(registry: ModelRegistry) -> None:
    """``set_alias``, ``delete_alias`` and the stages Staging, Archived and None record their decisions."""
    registry.set_alias("films", "champion", "1")
    registry.promote_model("films", "2", "Staging")
    registry.promote_model("films", "2", "None")
    registry.set_alias("films", "shadow", "3")
    registry.delete_alias("films", "shadow")
    registry.delete_alias("films", "shadow")
    registry.promote_model("films", "1", "Archived")
    assert [event.kind for event in decisions(registry)] == [
        "alias-set", "alias-set", "alias-removed", "alias-set", "alias-removed", "alias-removed", "archived",
    ]  # fmt: skip
    check_explained(registry)


def test_a_champion_set_outside_tiltyard_can_be_confirmed(registry: ModelRegistry) -> None:
    """``promote_model`` on a champion that no decision made records the decision."""
    registry.promote_model("films", "1", "Production")
    MlflowRegistry.set_alias(registry, "films", "champion", "3")
    champion = registry.champion("films")
    assert champion is not None
    assert unexplained_champion(decisions(registry), champion) is not None
    registry.promote_model("films", "3", "Production")
    assert unexplained_champion(decisions(registry), champion) is None


def test_a_champion_set_by_hand_is_notified_like_a_promoted_one(settings: Settings, package: str) -> None:
    """The project's destinations of decisions get the notification ``model.promoted`` for it."""
    project = Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": "films"},
            "data": {"source": "films.csv", "text": "text", "label": "label"},
            "alerts": ALERTS,
        }
    )
    registry = ModelRegistry(settings=settings, project=project)
    registry.register_model(package, "films")
    registry.promote_model("films", "1", "Staging")
    registry.promote_model("films", "1", "Production")
    with open_ledger(settings) as ledger:
        (item,) = ledger.outbox.items()
    assert (item.notice.topic, item.notice.destination) == ("model.promoted", "team")
    assert item.notice.payload["title"] == "films: version 1 is champion"
    assert item.notice.payload["data"]["actor"] == "grace"


@pytest.mark.requirement("R-REG-04")
def test_archived_ends_when_a_version_goes_up_again(registry: ModelRegistry) -> None:
    """Archived is shown as the stage of a version until it serves, competes or is developed again."""
    for stage, shown in (("Staging", "Staging"), ("PRODUCTION", "Production"), ("development", "None")):
        assert registry.promote_model("films", "2", "archived").stage == "Archived"
        assert registry.promote_model("films", "2", stage).stage == shown
    registry.promote_model("films", "3", "Archived")
    registry.set_alias("films", "challenger", "3")
    assert registry.get_version("films", version="3").stage == "Staging"
    check_explained(registry)


@pytest.mark.requirement("R-REG-02")
def test_every_registered_version_has_lineage_a_label_and_a_record(registry: ModelRegistry) -> None:
    """A version that a caller registers has its description, lineage, the next semantic label, and an event."""
    registry.promote_model("films", "1", "Production")
    first, *_, newest = reversed(registry.list_versions("films"))
    assert (first.label, newest.label) == ("1.0.0", "1.0.2")
    assert {info.description for info in registry.list_versions("films")} == {"films of the last year"}
    lineage = read_lineage(newest)
    assert lineage is not None
    assert (lineage.data["fingerprint"], lineage.parent) == ("0" * 32, "2")
    assert "scikit-learn" in lineage.environment
    with open_ledger(registry._settings) as ledger:
        kinds = [event.kind for event in ledger.events(subject="films/3")]
    assert kinds == ["registered"]


def test_an_unknown_model_is_named_with_the_known_ones(registry: ModelRegistry) -> None:
    """A model that does not exist is not called a version that is missing."""
    with pytest.raises(
        NotFoundError, match=r"no registered model 'film'\. Registered models: films\. Did you mean 'films'"
    ):
        registry.promote_model("film", "1", "Production")
    with pytest.raises(NotFoundError, match="films has no version 9"):
        registry.load_model("films", version=9)


def test_a_model_that_tiltyard_did_not_log_is_registered_with_a_warning(
    registry: ModelRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A plain MLflow model becomes a version without a label, and a warning says that it cannot be served."""
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    made = registry.register_model(str(tmp_path), "plain")
    assert made.label is None
    assert "cannot be served" in caplog.text


def test_versions_and_models_print_shortly_and_are_tables_in_a_notebook(registry: ModelRegistry) -> None:
    """A version prints a few lines, a list a line each; a notebook shows tables, and escapes what people wrote."""
    version = registry.register_model(registry.get_version("films", version="1").source, "films", "<b>bold</b>")
    assert str(version).splitlines()[:2] == ["films", f"  version      {version.version}"]
    versions = registry.list_versions("films")
    assert [line.split()[0] for line in str(versions).splitlines()] == ["Versions", "version", "4", "3", "2", "1"]
    assert "champion" not in str(registry.list_models())
    shown: Any
    for shown in (version, versions, registry.list_models()):
        assert "<table>" in shown._repr_html_()
        assert "<b>bold" not in shown._repr_html_()
