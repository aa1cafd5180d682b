"""What the pages show, without any page."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.console.data import (
    WINDOWS,
    PredictionQuery,
    decisions_view,
    format_input,
    gates_of,
    metric_history,
    predictions_stamp,
    predictions_view,
    versions_view,
)
from tiltyard.console.data.decisions import decision_title
from tiltyard.console.data.predictions import MAX_LISTED, RECENT
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import SqlLedger
from tiltyard.promotion.gates import GateResult, Verdict
from tiltyard.registry import VersionInfo
from tiltyard.sqlite import open_sqlite
from tiltyard.testing import NOON, MemoryLedger, make_event, make_prediction
from tiltyard.testing.registry import MemoryRegistry

AddVersion = Callable[..., VersionInfo]


def query(window: str = "day", search: str = "", **changes: object) -> PredictionQuery:
    return PredictionQuery("films", window, NOON + timedelta(**changes), search)  # type: ignore[arg-type]


def test_versions_come_newest_first_with_their_champion(registry: MemoryRegistry, add_version: AddVersion) -> None:
    """Versions are listed newest first, and the one that the alias names is the champion."""
    add_version(accuracy=0.8)
    add_version("champion", accuracy=0.9)
    add_version("challenger", accuracy=0.85)
    view = versions_view(registry, "films", "accuracy")
    assert [info.version for info in view.versions] == ["3", "2", "1"]
    assert view.champion is not None
    assert view.champion.version == "2"


def test_a_model_without_versions_is_an_empty_view(registry: MemoryRegistry) -> None:
    """A model without a training has no versions, no metrics and no champion."""
    view = versions_view(registry, "films", "accuracy")
    assert (view.versions, view.metrics, view.champion) == ((), (), None)


def test_the_projects_metric_leads_and_details_stay_out(registry: MemoryRegistry, add_version: AddVersion) -> None:
    """The project's metric leads, then come the common ones that some version has; those of single classes do not."""
    add_version(recall=0.7, accuracy=0.8, **{"positive.f1": 0.6, "fit_seconds": 3.0})
    add_version(f1_macro=0.75, log_loss=0.4)
    assert versions_view(registry, "films", "f1_macro").metrics == ("f1_macro", "accuracy", "recall", "log_loss")


@pytest.mark.parametrize(("metric", "better", "worse"), [("accuracy", 0.95, 0.85), ("log_loss", 0.2, 0.5)])
def test_the_lead_is_positive_for_the_better_version(
    registry: MemoryRegistry, add_version: AddVersion, metric: str, better: float, worse: float
) -> None:
    """The difference to the champion is above 0 for a better version, whichever way its metric points."""
    add_version("champion", **{metric: 0.9 if metric == "accuracy" else 0.3})
    good, bad, silent = add_version(**{metric: better}), add_version(**{metric: worse}), add_version()
    view = versions_view(registry, "films", metric)
    assert (view.lead_over_champion(good) or 0) > 0 > (view.lead_over_champion(bad) or 0)
    assert view.lead_over_champion(silent) is None
    assert view.champion is not None
    assert view.lead_over_champion(view.champion) is None


@pytest.mark.requirement("R-DASH-05")
def test_the_history_runs_from_old_to_new_with_gaps(registry: MemoryRegistry, add_version: AddVersion) -> None:
    """A row a version, oldest first, NaN where a metric is missing, and no metric of which less is better."""
    add_version(accuracy=0.8, log_loss=0.4)
    add_version("champion", accuracy=0.9, f1=0.88)
    history = metric_history(versions_view(registry, "films", "accuracy"))
    assert list(history.columns) == ["version", "registered_at", "recipe", "champion", "accuracy", "f1"]
    assert history["version"].tolist() == ["1", "2"]
    assert history["champion"].tolist() == [False, True]
    assert history["accuracy"].tolist() == [0.8, 0.9]
    assert math.isnan(history["f1"][0])


@given(
    ages=st.lists(st.integers(0, 3 * 365 * 86400), max_size=30),
    window=st.sampled_from(sorted(WINDOWS)),
    now=st.integers(0, 10**7),
)
def test_the_timeline_counts_every_prediction_of_its_window_once(ages: list[int], window: str, now: int) -> None:
    """The bins of any window join without gap or overlap, hold now, and together count what the ledger counts."""
    ledger, summary_query = MemoryLedger(), query(window, seconds=now)
    labels = ("good", "bad", "mixed")
    ledger.record(
        [
            make_prediction(
                at=summary_query.now - timedelta(seconds=age), label=labels[age % 3], confidence=age % 100 / 100
            )
            for age in ages
        ]
    )
    view = predictions_view(ledger, summary_query)
    span = WINDOWS[window].span or timedelta(days=9999)
    young = sum(timedelta(seconds=age) <= span - view.step for age in ages)
    assert young <= view.stats.total <= sum(timedelta(seconds=age) <= span for age in ages)
    assert view.stats.total == view.timeline["count"].sum() == sum(view.stats.by_label.values())
    if view.stats.total:
        starts = sorted(set(view.timeline["start"]))
        assert all(later - earlier == view.step for earlier, later in pairwise(starts))
        assert starts[-1] <= summary_query.now < starts[-1] + view.step
        assert len(starts) <= 61
        whole = ledger.prediction_stats("films", starts[0], starts[-1] + view.step)
        assert (view.stats.by_label, view.stats.by_version) == (whole.by_label, whole.by_version)
        assert (view.stats.first_at, view.stats.last_at) == (whole.first_at, whole.last_at)
        assert view.stats.mean_confidence == pytest.approx(whole.mean_confidence)
        assert view.stats.mean_latency_ms == pytest.approx(whole.mean_latency_ms)
        assert (view.stats.min_confidence, view.stats.max_confidence) == (whole.min_confidence, whole.max_confidence)


def test_predictions_of_other_models_do_not_count(ledger: MemoryLedger) -> None:
    """A page is about one model, in a ledger that several share."""
    ledger.record([make_prediction(project="books"), make_prediction(label="good")])
    view = predictions_view(ledger, query())
    assert view.stats.by_label == {"good": 1}
    assert [prediction.label for prediction in view.recent] == ["good"]


def test_the_latest_predictions_come_first(ledger: MemoryLedger) -> None:
    """Predictions are listed newest first; the rest is only counted."""
    ledger.record([make_prediction(at=NOON - timedelta(seconds=age), label=str(age)) for age in range(40)])
    view = predictions_view(ledger, query())
    assert [prediction.label for prediction in view.recent] == [str(age) for age in range(30)]
    assert (view.read, view.stats.total) == (40, 40)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", {"a", "b", "c"}),
        ("warm", {"a", "c"}),
        ("WARM comedy", {"a"}),
        ("drama 7", {"b"}),
        ("negative", {"c"}),
        ("straße", {"b"}),
        ("STRASSE", {"b"}),
        ("nothing like it", set()),
    ],
)
def test_a_search_needs_every_word(ledger: MemoryLedger, search: str, found: set[str]) -> None:
    """A search finds a prediction whose input, label, version and id together hold every word, in any case."""
    ledger.record(
        [
            make_prediction(key="a", input={"text": "A warm Comedy"}),
            make_prediction(key="b", input={"text": "Drama in der Straße"}, version="7"),
            make_prediction(key="c", input={"place": "warm", "rooms": 3}, label="negative"),
        ]
    )
    view = predictions_view(ledger, query(search=search))
    assert {prediction.key for prediction in view.recent} == found
    assert view.searched_since is None
    assert view.read == view.stats.total == 3


def test_a_search_covers_the_whole_period(ledger: MemoryLedger) -> None:
    """A search reaches every prediction of the period, however many are newer, and says where it had found enough."""
    old = make_prediction(input={"text": "a warm comedy"}, at=NOON - timedelta(hours=20))
    ledger.record([old, *(make_prediction(at=NOON - timedelta(seconds=second)) for second in range(RECENT + 50))])
    view = predictions_view(ledger, query(search="warm"))
    assert [row.id for row in view.recent] == [old.id]
    assert view.searched_since is None
    many = predictions_view(ledger, query(search=old.label))
    assert len(many.recent) == MAX_LISTED
    assert many.searched_since == many.recent[-1].at


def test_the_histogram_counts_every_prediction_it_read(ledger: MemoryLedger) -> None:
    """Each prediction is in one bin of its label; confidence 1 is in the last bin, and empty low bins are left out."""
    confidences = {"good": (0.5, 0.549, 0.55, 1.0), "bad": (0.95, 0.9999)}
    ledger.record(
        [make_prediction(label=label, confidence=value) for label, values in confidences.items() for value in values]
    )
    histogram = predictions_view(ledger, query()).bins
    counts = histogram.set_index(["label", "low"])["count"]
    assert (counts["good", 0.5], counts["good", 0.55], counts["good", 0.95], counts["bad", 0.95]) == (2, 1, 1, 2)
    assert histogram["count"].sum() == 6
    assert (histogram["low"].min(), histogram["high"].max()) == (0.5, 1.0)


def test_an_empty_ledger_has_nothing_in_any_window(ledger: MemoryLedger) -> None:
    """Without predictions every window is empty and says so; earlier predictions are remembered."""
    assert not any(predictions_view(ledger, query(window)).any_ever for window in WINDOWS)
    ledger.record([make_prediction(at=NOON - timedelta(days=300))])
    view = predictions_view(ledger, query())
    assert (view.stats.total, view.any_ever, view.recent) == (0, True, ())


def test_the_stamp_changes_exactly_with_new_data(ledger: MemoryLedger) -> None:
    """The stamp changes with a new prediction, another query and the window's next bin, and otherwise stays."""
    ledger.record([make_prediction()])
    before = predictions_stamp(ledger, query())
    assert predictions_stamp(ledger, query(seconds=9)) == before
    others = {predictions_stamp(ledger, other) for other in (query("hour"), query(search="warm"), query(minutes=61))}
    ledger.record([make_prediction()])
    assert len(others | {before, predictions_stamp(ledger, query())}) == 5


@pytest.mark.parametrize("window", ["week", "all"])
def test_long_windows_are_refreshed_once_a_minute(ledger: MemoryLedger, window: str) -> None:
    """A window that is slow to count refreshes at the first prediction, and then at most once a minute."""
    stamps = [predictions_stamp(ledger, query(window))]
    for seconds in (1, 59, 60):
        ledger.record([make_prediction()])
        stamps.append(predictions_stamp(ledger, query(window, seconds=seconds)))
    assert stamps[0] != stamps[1] == stamps[2] != stamps[3]


def test_inputs_are_shown_in_one_short_line() -> None:
    """A text loses its line breaks, a table's row names its values, and what is long is cut."""
    assert format_input(make_prediction(input={"text": "one\n two\t three"})) == "one two three"
    assert format_input(make_prediction(input={"age": 31, "town": None, "text": "x"})) == "age 31, town –, text x"
    cut = format_input(make_prediction(input={"text": "long " * 100}))
    assert len(cut) <= 300
    assert cut.endswith("…")


def test_decisions_come_newest_first(ledger: MemoryLedger) -> None:
    """The latest decisions about a model are listed, newest first, and all of them are counted."""
    for number in range(1, 6):
        ledger.append(make_event(subject=f"films/{number}"))
    ledger.append(make_event(subject="films-2/1"))
    view = decisions_view(ledger, "films", limit=3)
    assert [event.subject for event in view.decisions] == ["films/5", "films/4", "films/3"]
    assert (view.total, view.broken) == (5, ())


def test_a_changed_decision_is_detected(tmp_path: Path) -> None:
    """A decision that somebody rewrites in the database breaks the chain, and the view says where."""
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.append(make_event(reason="worse"))
        assert decisions_view(ledger, "films").broken == ()
        with closing(open_sqlite(tmp_path / "ledger.db")) as database:
            database.execute("UPDATE events SET reason = 'better'")
        assert len(decisions_view(ledger, "films").broken) == 1


def test_gates_are_read_back_from_evidence(ledger: MemoryLedger) -> None:
    """What the gates said at a promotion is read back from its event; evidence of another kind has no gates."""
    verdict = Verdict(
        False, (GateResult("gate.floor", "Floor", True, "0.9"), GateResult("gate.x", "Better", False, "no"))
    )
    event = ledger.append(make_event(kind="refused", evidence={"champion": "1", "verdict": to_json_object(verdict)}))
    assert [(gate.title, gate.passed, gate.message) for gate in gates_of(event)] == [
        ("Floor", True, "0.9"),
        ("Better", False, "no"),
    ]
    for evidence in ({}, {"verdict": "yes"}, {"verdict": {"gates": 3}}, {"verdict": {"gates": [1, {"title": "x"}]}}):
        assert gates_of(make_event(evidence=evidence)) == ()


@pytest.mark.parametrize(
    ("kind", "evidence", "words"),
    [
        ("promoted", {}, "Version 2 became champion"),
        ("refused", {"verdict": {}}, "Version 2 was not promoted"),
        ("refused", {"code": "artifact.refused"}, "Version 2 was refused"),
        ("alias-set", {"alias": "challenger"}, "Alias challenger set to version 2"),
        ("rolled-back", {}, "Rolled back to version 2"),
        ("alias-changed-outside", {"alias": "champion"}, "Alias champion was moved outside Tiltyard"),
        ("served-elsewhere", {}, "Served elsewhere: films/2"),
    ],
)
def test_every_decision_has_a_title(kind: str, evidence: dict[str, object], words: str) -> None:
    """A decision has a short title; one of an unknown kind is titled by its name."""
    assert decision_title(make_event(kind=kind, evidence=evidence)) == words
