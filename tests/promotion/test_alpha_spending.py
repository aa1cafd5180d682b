"""The promise on false promotions holds for the life of a project, and costs a single comparison nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.project_env import ProjectEnv
from tests.promotion.test_gates import make_predictions
from tiltyard.data import load_dataset, split_dataset
from tiltyard.evaluation import Comparison, compare, compare_paired, evaluate_predictions, get_metric
from tiltyard.pipeline import promote_version
from tiltyard.project import PromotionSection
from tiltyard.promotion import gate_run
from tiltyard.promotion.gate_run import evaluate_gates, read_past_decisions
from tiltyard.promotion.gates import (
    FIRST_CHAMPIONS,
    Allowance,
    GateInputs,
    PastDecision,
    Verdict,
    next_allowance,
    run_gates,
)
from tiltyard.promotion.gates.champion import champion_gate

ALPHA = 0.05


def play(won: list[bool]) -> list[float]:
    """The levels of decisions that went so."""
    past: list[PastDecision] = []
    for one in won:
        past.append(PastDecision(next_allowance(ALPHA, past).level, one))
    return [decision.level for decision in past]


def test_a_life_of_refusals_uses_no_more_than_alpha() -> None:
    """The levels of any number of decisions that were not won add up to less than alpha, the first is half of it."""
    levels = play([False] * 1000)
    first = [
        next_allowance(ALPHA, [PastDecision(0.0, won=False)] * k, spending=FIRST_CHAMPIONS).level for k in range(999)
    ]
    assert first[0] == pytest.approx(0.8 * ALPHA)
    assert sum(first) < ALPHA
    assert levels[0] == ALPHA / 2
    assert sum(levels) < ALPHA
    assert next_allowance(ALPHA, [PastDecision(level, won=False) for level in levels[:9]]).left == pytest.approx(
        ALPHA - sum(levels[:10])
    )


def test_a_promotion_hands_its_level_on() -> None:
    """The decision after a promotion has its own level and that of the promotion."""
    first, second, third = play([False, True, False])
    assert second == pytest.approx(ALPHA / 6)
    assert third == pytest.approx(ALPHA / 12 + second)
    assert first == ALPHA / 2


@given(st.lists(st.booleans(), max_size=60))
def test_levels_of_refusals_after_any_history_keep_alpha(won: list[bool]) -> None:
    """Whatever was won before, the levels that were lost add up to at most alpha."""
    levels = play(won)
    assert sum(level for level, one in zip(levels, won, strict=True) if not one) <= ALPHA + 1e-12


def test_the_same_pair_on_the_same_rows_is_one_decision() -> None:
    """To ask again costs nothing and gives the same level; other rows are another decision."""
    pair = ("1", "2", "rows")
    past = [PastDecision(0.025, won=False, pair=pair), PastDecision(0.008, won=False, pair=("1", "3", "rows"))]
    again, other = next_allowance(ALPHA, past, pair), next_allowance(ALPHA, past, ("1", "2", "more rows"))
    assert (again.level, again.decision) == (0.025, 1)
    assert [other.level, other.decision] == [pytest.approx(ALPHA / 12), 3]


def test_a_decision_that_could_not_be_won_is_not_counted() -> None:
    """A challenger that predicts as the champion does on all but a few rows spends nothing."""
    past = [PastDecision(0.025, won=False, spent=False)] * 20
    assert next_allowance(ALPHA, past).decision == 1


def test_a_verdict_names_level_and_rows() -> None:
    """The gate says the level, which decision it is, what is left, and how many rows a gain of one point takes."""
    champion, challenger = make_predictions(range(40)), make_predictions(range(100, 126))
    found = compare(get_metric("accuracy"), champion, challenger)
    assert 0.025 < found.p_value < ALPHA + 0.03
    verdicts = {}
    for decision, level in ((None, 0.9), (4, found.p_value / 2)):
        inspection = GateInputs(
            allowance=Allowance(ALPHA, level, decision, ALPHA / 5), differing=66, rows_fingerprint="f"
        )
        verdicts[decision] = run_gates(
            PromotionSection(),
            evaluate_predictions(challenger),
            evaluate_predictions(champion),
            found,
            metric="accuracy",
            inspection=inspection,
        )
    assert verdicts[None].promoted
    (gate,) = verdicts[4].gates
    assert not gate.passed
    assert "decision 4, 0.01 of alpha 0.05 left)" in gate.message
    assert "a true gain of 0.01 would show on about" in gate.message
    assert gate.evidence["rows_for_one_point"] == found.rows_needed(alpha=found.p_value / 2, difference=0.01)
    assert (gate.evidence["decision"], gate.evidence["alpha_left"]) == (4, ALPHA / 5)


@pytest.mark.parametrize(("differing", "spent"), [(0, False), (5, False), (6, True), (66, True)])
def test_what_was_out_of_reach_is_not_spent(differing: int, spent: bool) -> None:
    """With d rows on which the two differ no p-value is below 1 / 2^d; the labels are not needed to know it."""
    champion, challenger = make_predictions(range(40)), make_predictions(range(100, 110))
    found = compare(get_metric("accuracy"), champion, challenger)
    inspection = GateInputs(allowance=Allowance(ALPHA, ALPHA / 2, 1), differing=differing)
    verdict = run_gates(
        PromotionSection(), evaluate_predictions(challenger), evaluate_predictions(champion), found,
        metric="accuracy", inspection=inspection,
    )  # fmt: skip
    assert verdict.gates[0].evidence["spent"] is spent


def simulate_chain(random: np.random.Generator, *, spend: bool, rows: int = 800, decisions: int = 100) -> int:
    """False promotions in a chain of challengers that are as good as the champion, all on the same test rows."""
    truth = np.ones(rows, dtype=np.int64)
    champion = (random.random(rows) < 0.85).astype(np.int64)
    past: list[PastDecision] = []
    for _ in range(decisions):
        to_wrong, to_right = 0.04 / 0.85, 0.04 / 0.15
        flips = random.random(rows) < np.where(champion == 1, to_wrong, to_right)
        challenger = np.where(flips, 1 - champion, champion)
        found = compare_paired(truth.astype(str), champion.astype(str), challenger.astype(str))
        level = next_allowance(ALPHA, past).level if spend else ALPHA
        won = found.p_value < level
        past.append(PastDecision(level, won))
        if won:
            return 1
    return 0


def test_chains_of_equal_challengers_keep_the_promise() -> None:
    """Of chains of 100 retrainings that bring nothing, at most 5 % have a false promotion; before, most had one."""
    random = np.random.default_rng(5)
    with_spending = sum(simulate_chain(random, spend=True) for _ in range(60))
    without = sum(simulate_chain(random, spend=False, decisions=60) for _ in range(10))
    assert with_spending <= 7  # with a rate of 5 % there are 8 or more in 1 of 100
    assert without >= 2


def test_decisions_of_a_project_share_alpha(project_env: ProjectEnv) -> None:
    """Each comparison that a project records makes the next one stricter, but the same one again does not."""
    project = project_env.project
    project = project.model_copy(update={"promotion": project.promotion.model_copy(update={"rule": "significant"})})
    assert project_env.train(project, promote=True).promotion is not None
    version = project_env.train(project, candidates=("tfidf-naive-bayes",), promote=True).version
    workspace, test = project_env.workspace, split_dataset(load_dataset(project), project.split).test
    again = promote_version(workspace, project, version.version, test)
    (first,) = read_past_decisions(workspace, project.model_name, "gate.first")
    (past,) = read_past_decisions(workspace, project.model_name, "gate.significant")
    assert [first.level, past.level] == [pytest.approx(0.8 * ALPHA), ALPHA / 2]
    assert [gate.evidence["level"] for gate in again.verdict.gates if gate.code == "gate.significant"] == [
        pytest.approx(past.level)
    ]


def test_decisions_of_one_moment_have_their_own_levels(
    project_env: ProjectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that compare at the same time do not use the same part of alpha."""
    project = project_env.project
    project = project.model_copy(update={"promotion": project.promotion.model_copy(update={"rule": "significant"})})
    champion = project_env.train(project).version
    project_env.reset_champion(champion.version)
    challengers = [project_env.train(project, candidates=("tfidf-naive-bayes",)).version for _ in range(2)]
    workspace, test = project_env.workspace, split_dataset(load_dataset(project), project.split).test
    both = Barrier(2)

    def evaluate_together(*arguments: Any) -> Verdict:
        verdict = evaluate_gates(*arguments)
        with suppress(BrokenBarrierError):
            both.wait(timeout=0.5)
        return verdict

    monkeypatch.setattr(gate_run, "evaluate_gates", evaluate_together)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda info: promote_version(workspace, project, info.version, test), challengers))
    decisions = {
        gate.evidence["decision"]
        for outcome in outcomes
        for gate in outcome.verdict.gates
        if gate.code == "gate.significant"
    }
    assert len(decisions) == 2


def test_the_promise_can_be_for_each_decision(project_env: ProjectEnv) -> None:
    """``alpha_for = "decision"`` lets each decision use all of alpha."""
    project = project_env.project
    changes = {"rule": "significant", "alpha_for": "decision"}
    project = project.model_copy(update={"promotion": project.promotion.model_copy(update=changes)})
    outcome = project_env.train(project, promote=True).promotion
    assert outcome is not None
    levels = [gate.evidence["level"] for gate in outcome.verdict.gates if "level" in gate.evidence]
    assert levels == [ALPHA]


def test_a_p_value_is_not_bounded_by_the_number_of_draws() -> None:
    """Of a large lead the p-value is far below 1 / draws, and not below that of the exact test."""
    champion, challenger = make_predictions(range(100)), make_predictions(range(20))
    exact = compare(get_metric("accuracy"), champion, challenger).p_value
    found = compare(get_metric("f1"), champion, challenger).p_value
    assert exact < 1e-20
    assert exact < found < 1e-6


def test_one_point_of_an_error_is_a_hundredth_of_it() -> None:
    """Of numbers the gain whose rows are named is in proportion to the error: rents have no use for one of 0.01."""
    pounds = Comparison("mae", "bootstrap", 139, 35.0, 38.0, -3.0, -6.5, 0.5, 0.99, 0.1, 80, 59)
    gate = champion_gate(PromotionSection(), pounds, "mean absolute error")
    assert "a true gain of 0.35 would show on about" in gate.message
    assert gate.evidence["rows_for_one_point"] == pounds.rows_needed(difference=0.35)
    pence = Comparison("mae", "bootstrap", 139, 3500.0, 3800.0, -300.0, -650.0, 50.0, 0.99, 0.1, 80, 59)
    in_pence = champion_gate(PromotionSection(), pence, "mean absolute error")
    assert in_pence.evidence["rows_for_one_point"] == gate.evidence["rows_for_one_point"]
