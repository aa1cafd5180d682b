"""What a challenger must show, and the message when it does not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tiltyard.errors import UsageError
from tiltyard.evaluation import Comparison, Evaluation, compare, evaluate_predictions, get_metric, label_predictions
from tiltyard.jsonable import to_json_object
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates import GateInputs, Verdict, guess_gate, guess_gate_after, run_gates

ROWS = 200
TRUTH = np.array(["no", "yes"] * (ROWS // 2))


def make_predictions(wrong: range) -> Any:
    """Predictions that are right but for these rows; 90 % sure of each."""
    predicted = TRUTH.copy()
    for row in wrong:
        predicted[row] = "yes" if TRUTH[row] == "no" else "no"
    sure = np.where(predicted == "yes", 0.9, 0.1)
    return label_predictions(TRUTH, predicted, np.column_stack([1 - sure, sure]), ("no", "yes"))


def meet(champion: range, challenger: range, metric: str = "accuracy", **promotion: Any) -> Verdict:
    """Let a challenger meet a champion that is wrong on other rows."""
    first, second = make_predictions(champion), make_predictions(challenger)
    section = PromotionSection(**promotion)
    return run_gates(
        section,
        evaluate_predictions(second),
        evaluate_predictions(first),
        compare(get_metric(metric), first, second),
        metric=metric,
        inspection=GateInputs(guess=guess_gate_after(section, metric, first, second, 0)),
    )


def start(wrong: range, metric: str = "accuracy", **promotion: Any) -> Verdict:
    """Let a version become the first champion."""
    section, first = PromotionSection(**promotion), make_predictions(wrong)
    inspection = GateInputs(guess=guess_gate(section, metric, first, 0))
    return run_gates(section, evaluate_predictions(first), None, None, metric=metric, inspection=inspection)


def test_a_first_champion_beats_guessing() -> None:
    """The first version has to beat always guessing, and needs no other version to beat."""
    verdict = start(range(60))
    assert verdict.promoted
    assert verdict.reason == ""
    assert verdict.gates[-1].evidence["guess"]["best"] in ("majority", "stratified")


@pytest.mark.parametrize(
    ("wrong", "rule", "reason"),
    [
        (range(110), "better", "not better than always guessing"),
        (range(95), "significant", "its lead over always guessing may be chance"),
        (range(95), "non-inferior", "its lead over always guessing may be chance"),
    ],
)
def test_what_guesses_as_well_is_no_champion(wrong: range, rule: str, reason: str) -> None:
    """A version that is worse than a guess, or hardly better, is refused with the figures, whatever the rule."""
    verdict = start(wrong, rule=rule)
    assert not verdict.promoted
    assert verdict.reason == reason
    assert "against guessing's 0.5" in verdict.summary


@pytest.mark.parametrize(
    ("champion", "challenger", "rule", "reason"),
    [
        (range(150), range(105), "significant", "not better than always guessing"),
        (range(110), range(95), "better", ""),
        (range(95), range(94), "better", ""),
        (range(110), range(106), "better", "not better than always guessing"),
        (range(95), range(94), "non-inferior", "its lead over always guessing may be chance"),
        (range(150), range(60), "significant", ""),
    ],
)
def test_who_follows_a_useless_champion_beats_guessing(
    champion: range, challenger: range, rule: str, reason: str
) -> None:
    """To be better than a champion that guesses no worse is not enough; where the champion beats guessing, it is."""
    verdict = meet(champion, challenger, rule=rule, margin=0.2)
    assert (verdict.promoted, verdict.reason) == (not reason, reason)


def test_a_champion_that_beats_guessing_asks_for_nothing_more() -> None:
    """A version that meets a champion that beats guessing passes by the rule alone."""
    codes = [gate.code for gate in meet(range(60), range(10)).gates]
    assert codes == ["gate.significant"]


def test_a_rare_class_that_is_never_found_is_no_champion() -> None:
    """Accuracy below that of the most frequent label alone is refused, by whatever it beats a drawn guess."""
    truth = np.array(["no"] * 80 + ["yes"] * 20)
    predicted = np.array(["no"] * 79 + ["yes"] + ["no"] * 20)
    labelled = label_predictions(truth, predicted, None, ("no", "yes"))
    gate = guess_gate(PromotionSection(), "accuracy", labelled, 0)
    assert not gate.passed
    assert (gate.evidence["guess"]["best"], gate.evidence["champion"]) == ("majority", 0.8)


def test_a_metric_that_guesses_do_not_have_refuses_by_name() -> None:
    """Where the metric is not defined on these rows, nothing can be said, and that is said."""
    one_class = label_predictions(np.array(["no"] * 9), np.array(["no"] * 9), np.full((9, 2), 0.5), ("no", "yes"))
    gate = guess_gate(PromotionSection(), "roc_auc", one_class, 0)
    assert not gate.passed
    assert "cannot be compared with always guessing" in gate.message


def test_first_champion_meets_the_floors() -> None:
    """But it has to reach the floors."""
    verdict = start(range(60), floors={"accuracy": 0.8})
    assert not verdict.promoted
    assert verdict.reason == "accuracy misses its floor"
    assert verdict.summary == "accuracy 0.7000, at least 0.8000 is required"


def test_a_floor_is_reached_exactly() -> None:
    """To reach a floor exactly is enough."""
    verdict = meet(range(40), range(100, 110), floors={"accuracy": 0.95})
    assert verdict.promoted
    assert verdict.gates[0].passed


def test_a_floor_of_a_loss() -> None:
    """The floor of a metric where less is better is its ceiling."""
    assert meet(range(40), range(100, 110), floors={"log_loss": 0.3}).promoted
    verdict = meet(range(40), range(100, 110), floors={"log_loss": 0.1})
    assert not verdict.promoted
    assert "at most 0.1000 is required" in verdict.summary


def test_a_floor_that_cannot_be_evaluated() -> None:
    """A floor of a metric that is not defined on the rows refuses, with the reason."""
    truth = np.array(["yes"] * 20)
    sure = np.tile([0.1, 0.9], (20, 1))
    one_class = label_predictions(truth, truth, sure, ("no", "yes"))
    section = PromotionSection(floors={"roc_auc": 0.5})
    inspection = GateInputs(guess=guess_gate(section, "accuracy", one_class, 0))
    verdict = run_gates(section, evaluate_predictions(one_class), None, None, metric="accuracy", inspection=inspection)
    assert not verdict.promoted
    assert verdict.reason == "roc_auc could not be checked"
    assert "no row has the label 'no'" in verdict.summary


def test_an_unknown_floor() -> None:
    """A floor of an unknown metric is a mistake of the project file, with the nearest name."""
    with pytest.raises(UsageError, match="Did you mean 'accuracy'"):
        run_gates(
            PromotionSection(floors={"acuracy": 0.5}),
            evaluate_predictions(make_predictions(range(3))),
            None,
            None,
            metric="accuracy",
        )


@pytest.mark.parametrize("rule", ["better", "significant"])
@pytest.mark.parametrize(("champion", "challenger"), [(range(10), range(100, 110)), (range(10), range(100, 120))])
def test_equal_or_worse_never_wins(rule: str, champion: range, challenger: range) -> None:
    """A challenger that is not better than the champion is refused, by either rule."""
    verdict = meet(champion, challenger, rule=rule, alpha=0.99)
    assert not verdict.promoted
    assert verdict.reason.startswith("current champion is better")


def test_better_by_one_row() -> None:
    """By the rule 'better' a lead of one row is enough."""
    verdict = meet(range(10), range(100, 109), rule="better")
    assert verdict.promoted
    assert verdict.gates[-1].evidence["difference"] == pytest.approx(0.005)


def test_a_lead_that_may_be_chance() -> None:
    """By the rule 'significant' it is not, and the refusal says how many rows would settle it."""
    verdict = meet(range(10), range(100, 109), rule="significant")
    assert not verdict.promoted
    assert verdict.reason == "the lead may be chance"
    assert "p = 0.5000 (alpha 0.05)" in verdict.summary
    needed = verdict.gates[-1].evidence["rows_needed"]
    assert needed > 10_000
    assert f"{needed:,} rows" in verdict.summary


def test_a_lead_that_is_none() -> None:
    """A clear lead is promoted, with the numbers."""
    verdict = meet(range(40), range(100, 110), rule="significant")
    assert verdict.promoted
    assert "accuracy 0.9500 against 0.8000 on the same 200 rows" in verdict.summary


def test_alpha_is_a_limit() -> None:
    """A p-value that is not below alpha does not win."""
    verdict = meet(range(5), range(0), rule="significant", alpha=0.05)  # p = 1/32
    assert verdict.promoted
    assert not meet(range(5), range(0), rule="significant", alpha=1 / 32).promoted


def test_an_equal_challenger_passes_as_non_inferior() -> None:
    """By the rule 'non-inferior' an equal challenger is promoted where the rows can tell."""
    assert meet(range(4), range(100, 104), rule="non-inferior", margin=0.05).promoted


def test_too_few_rows_refuse_a_non_inferior_challenger() -> None:
    """Where they cannot tell, it is refused."""
    verdict = meet(range(40), range(100, 140), rule="non-inferior", margin=0.05)
    assert not verdict.promoted
    assert verdict.reason == "it may be worse than the champion by more than the margin"
    assert "above -0.05" in verdict.summary


def test_versions_are_compared_by_the_metric_of_the_project() -> None:
    """Versions are compared by the metric of the project, with its direction."""
    assert meet(range(60), range(100, 110), metric="log_loss", rule="significant").promoted
    assert not meet(range(10), range(100, 160), metric="log_loss", rule="better").promoted
    assert "f1" in meet(range(60), range(100, 110), metric="f1", rule="significant").summary


def test_all_floors_are_evaluated() -> None:
    """Every gate speaks, also after one that refused; the summary is the first refusal."""
    verdict = meet(range(40), range(100, 110), floors={"accuracy": 0.99, "recall": 0.98}, rule="better")
    assert [gate.passed for gate in verdict.gates] == [False, False, True]
    assert "accuracy" in verdict.summary


def test_without_a_comparison() -> None:
    """A champion without a comparison cannot be evaluated."""
    evaluation: Evaluation = evaluate_predictions(make_predictions(range(3)))
    nothing: Comparison | None = None
    with pytest.raises(UsageError):
        run_gates(PromotionSection(), evaluation, evaluation, nothing, metric="accuracy")


def test_a_verdict_is_json_with_codes() -> None:
    """A verdict is JSON, with codes that programs can rely on."""
    content = json.loads(json.dumps(to_json_object(meet(range(40), range(100, 110), floors={"accuracy": 0.9}))))
    assert content["promoted"] is True
    assert [gate["code"] for gate in content["gates"]] == ["gate.floor", "gate.significant"]
    assert content["gates"][1]["evidence"]["rows"] == ROWS


def test_a_lead_over_guessing_shows_on_few_rows_and_noise_does_not() -> None:
    """On 48 rows a real lead is found; predictions that know nothing pass in about alpha of all cases at most."""
    random = np.random.default_rng(0)
    truth = np.array(["no"] * 31 + ["yes"] * 17)
    learned = np.array(["no"] * 25 + ["yes"] * 6 + ["yes"] * 10 + ["no"] * 7)
    labelled = label_predictions(truth, learned, None, ("no", "yes"))
    assert guess_gate(PromotionSection(), "accuracy", labelled, 0).passed
    passed = 0
    for _ in range(60):
        noise = np.where(random.random(48) < 0.15, "yes", "no")
        passed += guess_gate(
            PromotionSection(), "accuracy", label_predictions(truth, noise, None, ("no", "yes")), 0
        ).passed
    assert passed <= 6
