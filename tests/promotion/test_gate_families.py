"""Each family of gates: what it lets through, what it refuses, and what it says without enough evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.promotion.test_gates import ROWS, TRUTH, make_predictions
from tiltyard.errors import ProjectError
from tiltyard.evaluation import (
    Comparison,
    LabelledPredictions,
    compare,
    compare_bootstrap,
    compare_slices,
    evaluate_fairness,
    evaluate_predictions,
    get_metric,
    group_rows,
    label_predictions,
)
from tiltyard.evaluation.sequential_test import evaluate_shadow
from tiltyard.findings import Finding
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.project import Project, PromotionSection
from tiltyard.project.load import load_project
from tiltyard.promotion.gates import (
    Cost,
    DataFindings,
    GateInputs,
    Verdict,
    incomparable_gate,
    make_verdict,
    run_gates,
    verdict_markdown,
    verdict_rows,
    verdict_tag,
)

needs_fairlearn = pytest.mark.skipif(find_spec("fairlearn") is None, reason="the extra 'fairness' is not installed")

BETTER: dict[str, Any] = {"rule": "better"}
FAIR = np.array(["a", "b"] * (ROWS // 2))


def meet(inspection: GateInputs, **promotion: Any) -> Verdict:
    """A challenger that beats the champion meets the other gates."""
    champion, challenger = make_predictions(range(40)), make_predictions(range(100, 110))
    return run_gates(
        PromotionSection(**(BETTER | promotion)),
        evaluate_predictions(challenger),
        evaluate_predictions(champion),
        compare(get_metric("accuracy"), champion, challenger),
        metric="accuracy",
        inspection=inspection,
    )


def sliced(champion: LabelledPredictions, challenger: LabelledPredictions, values: list[str]) -> GateInputs:
    """The two on the slices of a column."""
    slices, small = compare_slices(champion, challenger, [group_rows(pd.Series(values, name="source"))])
    return GateInputs(slices=slices, small_slices=small)


def certain(sure: float) -> LabelledPredictions:
    """Predictions of which every tenth is wrong, each given with the same certainty."""
    predicted = np.where(np.arange(ROWS) % 20 < 2, np.where(TRUTH == "yes", "no", "yes"), TRUTH)
    yes = np.where(predicted == "yes", sure, 1 - sure)
    return label_predictions(TRUTH, predicted, np.column_stack([1 - yes, yes]), ("no", "yes"))


def calibrations(champion: LabelledPredictions, challenger: LabelledPredictions) -> Comparison:
    return compare_bootstrap(get_metric("calibration_error"), champion, challenger)


def fairness(share: float) -> GateInputs:
    """Predictions that give the positive label to everybody of one group and to a share of the other."""
    given = np.where((FAIR == "a") | (np.arange(ROWS) < share * ROWS), "yes", "no")
    return GateInputs(
        fairness=evaluate_fairness(label_predictions(TRUTH, given, None, ("no", "yes")), [group_rows(_groups())])
    )


def _groups() -> pd.Series:
    return pd.Series(FAIR, name="group")


COST = Cost(latency_ms=2.0, median_ms=1.0, rows=50, size_mb=3.0, scorer="scikit-learn")
WARNED = DataFindings.from_findings(
    [Finding("data.missing", "warning", "age", "Gaps", "x"), Finding("a.b", "info", "x", "y", "z")]
)


def test_a_slice_that_is_lost() -> None:
    """A challenger that wins overall and loses a slice by more than chance is refused by the slice's name."""
    values = ["film"] * 100 + ["book"] * 100
    verdict = meet(sliced(make_predictions(range(40)), make_predictions(range(100, 110)), values))
    assert not verdict.promoted
    assert verdict.reason == "it is worse than the champion on source = book"
    assert "0.9000 against 1.0000 on 100 rows" in verdict.summary
    assert meet(sliced(make_predictions(range(40)), make_predictions(range(100, 110)), values), slices="any").promoted


def test_many_slices_are_corrected_for() -> None:
    """A loss that one slice alone would show is not enough among twenty: the p-values are Holm's."""
    wrong = [100 + place for place in range(5)]
    alone = sliced(make_predictions(range(0)), _wrong(wrong), ["x"] * 200)
    assert alone.slices is not None
    assert alone.slices[0].adjusted == pytest.approx(alone.slices[0].p_value) == pytest.approx(1 / 32)
    truth = np.tile(["no", "yes"], 600)
    right = label_predictions(truth, truth, None, ("no", "yes"))
    given = truth.copy()
    given[:5] = np.where(truth[:5] == "yes", "no", "yes")
    slices, small = compare_slices(
        right,
        label_predictions(truth, given, None, ("no", "yes")),
        [group_rows(pd.Series([f"s{n // 60:02}" for n in range(1200)]))],
    )
    assert (len(slices), small) == (20, 0)
    assert slices[0].p_value == pytest.approx(1 / 32)
    assert slices[0].adjusted == pytest.approx(20 / 32)
    assert all(one.adjusted <= two.adjusted for one, two in pairwise(slices))


def _wrong(rows: list[int]) -> LabelledPredictions:
    predicted = TRUTH.copy()
    predicted[rows] = np.where(TRUTH[rows] == "yes", "no", "yes")
    return label_predictions(TRUTH, predicted, None, ("no", "yes"))


def test_small_slices_are_left_out_and_counted() -> None:
    """A slice of fewer than thirty rows is not evaluated, and the gate says how many there were."""
    inspection = sliced(make_predictions(range(40)), make_predictions(range(100, 105)), ["big"] * 180 + ["small"] * 20)
    verdict = meet(inspection)
    assert verdict.promoted
    assert "1 are too small to check" in verdict.gates[-1].message


def test_calibration_errors_have_a_limit_and_may_not_rise() -> None:
    """The calibration error has its own limit, and may not be significantly worse than the champion's."""
    honest, boastful = certain(0.9), certain(0.999)
    worse = meet(GateInputs(calibration=calibrations(honest, boastful)), calibration="not-worse")
    assert worse.reason == "its probabilities are worse calibrated than the champion's"
    assert meet(GateInputs(calibration=calibrations(boastful, honest)), calibration="not-worse").promoted
    assert meet(GateInputs(calibration=calibrations(honest, honest)), calibration="not-worse").promoted
    assert meet(GateInputs(), calibration="not-worse").reason == "its calibration could not be checked"
    assert meet(GateInputs(), calibration_error=0.06).promoted
    limited = meet(GateInputs(), calibration_error=0.04)
    assert limited.reason == "its probabilities are badly calibrated"
    assert "off by 0.0500 on the average, at most 0.0400" in limited.summary


@needs_fairlearn
def test_differences_between_groups_have_a_limit() -> None:
    """A difference between groups has a limit, a ratio a least value; what cannot be evaluated refuses."""
    limits = {"demographic_parity_difference": 0.2}
    assert meet(fairness(0.9), fairness=limits).promoted
    refused = meet(fairness(0.5), fairness=limits)
    assert refused.reason == "groups of group are treated too differently"
    assert "is 0.500 (a against b" in refused.summary
    assert not meet(fairness(0.5), fairness={"demographic_parity_ratio": 0.8}).promoted
    assert meet(fairness(0.9), fairness={"demographic_parity_ratio": 0.8}).promoted
    assert meet(GateInputs(), fairness=limits).reason == "fairness could not be checked"


def test_time_and_size_have_limits() -> None:
    """Time for a prediction and size of the files have limits, each reached exactly is kept."""
    assert meet(GateInputs(cost=COST), latency_ms=2.0, size_mb=3.0).promoted
    assert meet(GateInputs(cost=COST), latency_ms=1.9).reason == "it predicts too slowly"
    assert meet(GateInputs(cost=COST), size_mb=2.9).reason == "it is too large"
    assert meet(GateInputs(cost=replace(COST, latency_ms=None)), latency_ms=9).reason.startswith("its latency could")
    assert not meet(GateInputs(), size_mb=9).promoted


def test_grave_findings_in_the_data_refuse() -> None:
    """Findings in the training data that are graver than the grade that may be refuse, by name."""
    assert meet(GateInputs(findings=WARNED), data_findings="warning").promoted
    refused = meet(GateInputs(findings=WARNED), data_findings="info")
    assert refused.reason == "its data has grave findings"
    assert "1 warning, 1 info findings: data.missing (age)" in refused.summary
    assert meet(GateInputs(), data_findings="warning").reason == "its data could not be checked"
    stored = json.loads(json.dumps(to_json_object(WARNED)))
    assert list(stored) == ["counts", "named"]
    assert list(stored["counts"]) == ["info", "warning", "error"]
    assert from_jsonable(DataFindings, stored) == WARNED
    others: list[object] = [{}, None, [], {"counts": {}}, {"counts": {"info": "many"}, "named": []}]
    for other in others:
        with pytest.raises(ValueError, match=r"Expected|missing"):
            from_jsonable(DataFindings, other)


HELD = evaluate_shadow(40, 30, 2, 10)
OPEN = evaluate_shadow(40, 3, 2, 10)
WON = evaluate_shadow(40, 2, 30, 10)


def test_a_champion_that_held_live_refuses() -> None:
    """A champion that held live refuses by default; without a challenge it passes; 'wins' requires a victory."""
    assert [verdict.decision for verdict in (HELD, OPEN, WON)] == ["champion holds", "go on", "challenger wins"]
    for required, found, passed in (
        ("not-worse", HELD, False),
        ("not-worse", OPEN, True),
        ("not-worse", WON, True),
        ("wins", HELD, False),
        ("wins", OPEN, False),
        ("wins", WON, True),
        ("wins", None, False),
    ):
        verdict = meet(GateInputs(live=found), live=required)
        assert verdict.promoted is passed
        gate = verdict.gates[-1]
        assert (gate.code, gate.passed) == ("gate.live", passed)
        assert bool(gate.reason) is not passed
    for required, found in (("not-worse", None), ("off", HELD)):
        assert "gate.live" not in {gate.code for gate in meet(GateInputs(live=found), live=required).gates}
    gate = meet(GateInputs(live=HELD)).gates[-1]
    assert gate.reason == "the champion holds live"
    assert (gate.evidence["champion_rows"], gate.evidence["e_value"]) == (82, HELD.e_value)
    assert {"low", "high", "alpha"} <= set(gate.evidence)
    assert "on 82 labelled rows" in verdict_markdown(meet(GateInputs(live=HELD)), "films", "refused")


@pytest.mark.requirement("R-REG-17")
@needs_fairlearn
def test_the_ways_in_which_a_promotion_can_be_refused() -> None:
    """Eight families of gates refuse, each with its own message, and what passed is listed too."""
    lost = sliced(make_predictions(range(40)), make_predictions(range(100, 110)), ["film"] * 100 + ["book"] * 100)
    ahead_by_one = run_gates(
        PromotionSection(),
        evaluate_predictions(make_predictions(range(100, 109))),
        evaluate_predictions(make_predictions(range(10))),
        compare(get_metric("accuracy"), make_predictions(range(10)), make_predictions(range(100, 109))),
        metric="accuracy",
    )
    ways = {
        "accuracy misses its floor": meet(GateInputs(), floors={"accuracy": 0.99}),
        "the lead may be chance": ahead_by_one,
        "it is worse than the champion on source = book": meet(lost),
        "its probabilities are badly calibrated": meet(GateInputs(), calibration_error=0.01),
        "groups of group are treated too differently": meet(
            fairness(0.5), fairness={"demographic_parity_difference": 0.1}
        ),
        "it predicts too slowly": meet(GateInputs(cost=COST), latency_ms=0.5, size_mb=10.0),
        "its data has grave findings": meet(GateInputs(findings=WARNED), data_findings="info"),
        "the champion holds live": meet(GateInputs(live=HELD)),
    }
    assert [verdict.reason for verdict in ways.values()] == list(ways)
    assert len({verdict.refusals[0].code for verdict in ways.values()}) == 8
    assert not any(verdict.promoted for verdict in ways.values())
    assert all(len(verdict.refusals) == 1 for verdict in ways.values())
    assert len({verdict.summary for verdict in ways.values()}) == 8


def test_a_champion_that_cannot_predict() -> None:
    """A champion that cannot read today's rows is a refusal that says what it lacks and what to do."""
    verdict = make_verdict([incomparable_gate("3", "it was trained on the column 'age', which the data does not have")])
    assert verdict.reason == "the champion cannot predict these rows"
    assert "version 3" in verdict.summary
    assert "set-alias" in verdict.summary


def test_a_verdict_is_shown_safely_and_comes_back_from_json() -> None:
    """A verdict is shown as rows and as Markdown that nothing in it can break, and comes back from JSON."""
    verdict = meet(
        sliced(make_predictions(range(40)), make_predictions(range(100, 110)), ["<b>|x|"] * 100 + ["b"] * 100)
    )
    assert [row[1] for row in verdict_rows(verdict)] == ["yes", "no"]
    page = verdict_markdown(verdict, "films, version 2", "Not promoted\n(worse)")
    assert page.startswith("### films, version 2\n\n❌ **Not promoted (worse)**\n")
    assert all(line.replace("\\|", "").count("|") == 4 for line in page.splitlines() if line.startswith("|"))
    assert "<b>" not in page.replace("\\<b\\>", "")
    assert from_jsonable(Verdict, json.loads(json.dumps(to_json_object(verdict)))) == replace(
        verdict, gates=tuple(replace(gate, evidence=json.loads(json.dumps(gate.evidence))) for gate in verdict.gates)
    )


def test_a_verdict_fits_into_a_tag() -> None:
    """However long the messages are, the tag is JSON of at most 4,800 characters with the outcome."""
    gate = meet(GateInputs()).gates[0]
    for count, length in ((1, 10), (3, 5_000), (30, 5_000), (2_000, 10)):
        long = make_verdict([replace(gate, message="x" * length)] * count)
        text = verdict_tag(long, at="now")
        assert len(text) <= 4_800
        assert json.loads(text)["promoted"] is True


def test_limits_are_checked_where_they_are_written(tmp_path: Any) -> None:
    """A measure that does not exist, or a limit without groups, is a mistake of the project file."""
    text = '[project]\nname = "x"\ntask = "tabular-classification"\n[data]\nsource = "x.csv"\nlabel = "y"\n'
    for limit, word in (
        ("[promotion.fairness]\nparity = 0.1\n", "parity"),
        ("[promotion.fairness]\ndemographic_parity_difference = 0.1\n", "data.sensitive"),
    ):
        (tmp_path / "tiltyard.toml").write_text(text + limit)
        with pytest.raises(ProjectError, match=word):
            load_project(tmp_path)
    (tmp_path / "tiltyard.toml").write_text(text)
    assert isinstance(load_project(tmp_path), Project)
