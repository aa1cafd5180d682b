"""A new champion is watched: failures, latency, labels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv
from tiltyard.errors import NotFoundError
from tiltyard.findings import Finding
from tiltyard.ledger import LabelRequest
from tiltyard.ledger.records import finding_record
from tiltyard.pipeline.remediation.canary_checks import check_new_champion
from tiltyard.pipeline.remediation.service_tally import ServiceTally


def watch(
    model_env: ModelEnv, tally: ServiceTally | None = None, *, hours: float = 0, group: str | None = None
) -> dict[str, Finding]:
    responder = model_env.responder()
    now = datetime.now(UTC) + timedelta(hours=hours)
    project = model_env.project()
    project = project.model_copy(update={"split": project.split.model_copy(update={"group": group})})
    found = check_new_champion(project, responder._workspace, responder.history(), now, tally)
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


def test_rows_of_one_request_are_one_piece_of_evidence(replaced: ModelEnv) -> None:
    """A single request or caller with many rows on which the new version is wrong does not bring the previous back."""
    replaced.label(100, version="3", unit="r0000000000000001")
    replaced.label(150, version="3", unit="c0000000000000002")
    worse = watch(replaced)["champion.worse"]
    assert (worse.status, worse.evidence["only_previous"], worse.evidence["units"]) == ("clear", 250, 2)
    assert "250 labelled predictions of 2 requests, callers or groups" in worse.message
    more = worse.evidence["units_needed"] - 2
    assert f"{more:,} more." in worse.message


def test_a_request_of_many_groups_is_many_pieces_of_evidence(replaced: ModelEnv) -> None:
    """Where the project says what belongs together, a batch of unrelated rows counts by these; else it is one piece."""
    replaced.label(120, version="3", unit="r0000000000000001", groups=60)
    assert watch(replaced)["champion.worse"].evidence["units"] == 1
    by_group = watch(replaced, group="film")["champion.worse"]
    assert (by_group.status, by_group.evidence["units"]) == ("found", 60)
    assert "of 60 requests, callers or groups" in by_group.message


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
    """Failures and slow model calls of this time as champion are found, with the version to go back to."""
    seen = watch(replaced, make_tally(replaced, good=91, bad=9, seconds="0.5"))
    assert seen["champion.slow"].is_found
    assert seen["champion.errors"].is_found
    assert "--to 2" in seen["champion.errors"].next_step
    assert not watch(replaced, make_tally(replaced, good=97, bad=3))["champion.errors"].is_found
    other = make_tally(replaced, good=1, bad=90).model_copy(update={"version": "2"})
    assert "champion.errors" not in watch(replaced, other)


def test_what_is_found_stays_under_watch(replaced: ModelEnv) -> None:
    """A champion that fails is watched until it no longer does, also when it is not new any more."""
    failing = make_tally(replaced, good=5, bad=60)
    found = watch(replaced, failing)["champion.errors"]
    assert watch(replaced, failing, hours=25) == {}
    replaced.ledger.findings.record([finding_record(found, model_name=MODEL, at=datetime.now(UTC), version="3")])
    assert watch(replaced, failing, hours=25)["champion.errors"].is_found


def make_tally(env: ModelEnv, *, good: int, bad: int, seconds: str = "0.001") -> ServiceTally:
    period = env.responder().history().aliases.champion
    assert period is not None
    return ServiceTally(
        version="3",
        since=period.since,
        gone={"predicted": good, "model-error": bad},
        gone_calls={"1": {seconds: good}},
        previous_calls={"1": {"0.001": 60}},
    )


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
