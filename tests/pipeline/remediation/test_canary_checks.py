"""A new champion is watched: failures, latency, labels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv
from tiltyard.errors import NotFoundError
from tiltyard.findings import Finding
from tiltyard.ledger import LabelRequest
from tiltyard.pipeline.remediation.canary_checks import ServiceCounts, check_new_champion
from tiltyard.testing import make_prediction


def watch(model_env: ModelEnv, counts: ServiceCounts | None = None, *, hours: float = 0) -> dict[str, Finding]:
    responder = model_env.responder()
    now = datetime.now(UTC) + timedelta(hours=hours)
    found = check_new_champion(model_env.project(), responder._workspace, responder.history(), now, counts)
    return {finding.code: finding for finding in found}


@pytest.fixture
def replaced(model_env: ModelEnv) -> ModelEnv:
    """Version 2, always right, is followed by version 3, always wrong."""
    model_env.make_champion(model_env.register(right=True).version, before="1")
    model_env.make_champion(model_env.register(right=False).version, before="2")
    return model_env


def test_worse_on_labels(replaced: ModelEnv) -> None:
    """Labels on which the previous version would have been right and the new one was not are evidence against it."""
    assert watch(replaced)["champion.worse"].status == "could_not_judge"
    replaced.label(5, version="3")
    assert watch(replaced)["champion.worse"].status == "clear"
    replaced.label(7, version="3")
    worse = watch(replaced)["champion.worse"]
    assert (worse.status, worse.severity) == ("found", "error")
    assert (worse.evidence["only_previous"], worse.evidence["only_champion"]) == (12, 0)


def test_labels_that_were_chosen_are_no_evidence(replaced: ModelEnv) -> None:
    """On predictions that were chosen since the new version was uncertain, the previous one has an advantage."""
    replaced.label(12, version="3")
    rows = [row for row, _ in replaced.ledger.labelled_predictions(version="3")]
    replaced.ledger.label_requests.record([LabelRequest("q", row.id, row.at, "uncertain") for row in rows])
    undecided = watch(replaced)["champion.worse"]
    assert undecided.status == "could_not_judge"
    assert "All 12 labels" in undecided.message
    assert "--random 1" in undecided.next_step
    replaced.ledger.label_requests.record([LabelRequest("r", row.id, row.at, "random", 1.0) for row in rows])
    assert watch(replaced)["champion.worse"].status == "found"


def test_better_on_labels_is_clear(model_env: ModelEnv) -> None:
    """A champion that is right where the previous one would not have been is left in peace."""
    model_env.make_champion(model_env.register(right=True).version, before="1")
    model_env.label(40, version="2", says="good")
    assert watch(model_env)["champion.worse"].status == "clear"


@pytest.mark.requirement("R-MON-21")
def test_slow_and_failing(replaced: ModelEnv) -> None:
    """A 95th percentile of three times the previous one's, or more failures than chance allows, are found."""
    now = datetime.now(UTC)
    for version, milliseconds in (("2", 2.0), ("3", 9.0)):
        rows = [make_prediction(project=MODEL, version=version, at=now, latency_ms=milliseconds) for _ in range(60)]
        replaced.ledger.record(rows)
    seen = watch(replaced, ServiceCounts("3", requests=100, failures=9))
    assert seen["champion.slow"].is_found
    assert seen["champion.errors"].is_found
    assert not watch(replaced, ServiceCounts("3", requests=100, failures=3))["champion.errors"].is_found
    assert "champion.errors" not in watch(replaced, ServiceCounts("2", requests=100, failures=9))


def test_only_a_new_champion_is_watched(model_env: ModelEnv, replaced: ModelEnv) -> None:
    """A champion without a predecessor, one that has been for a while, and one by rollback are not watched."""
    assert watch(replaced)
    assert watch(replaced, hours=25) == {}
    alone = ModelEnv(model_env.folder / "alone")
    alone.make_champion(alone.register(right=True).version)
    assert watch(alone) == {}


def test_a_previous_version_that_is_gone(replaced: ModelEnv) -> None:
    """Where the previous version cannot predict, the check says that it could not compare, and why."""
    replaced.label(5, version="3")
    del replaced.registry._models[MODEL].versions["2"]
    with pytest.raises(NotFoundError):
        replaced.registry.get_version(MODEL, version="2")
    assert watch(replaced)["champion.worse"].status == "could_not_judge"
