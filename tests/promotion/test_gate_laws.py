"""Laws that hold for every verdict, whatever champion and challenger predicted."""

from __future__ import annotations

import gc
import inspect
import json
import math
import pkgutil
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from tiltyard.errors import DataError
from tiltyard.evaluation import (
    METRICS,
    LabelledPredictions,
    compare,
    compare_slices,
    evaluate_predictions,
    get_metric,
    label_predictions,
)
from tiltyard.evaluation.groups import Group, Grouping
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.project import PromotionSection
from tiltyard.promotion import gates
from tiltyard.promotion.gates import (
    GateInputs,
    GateResult,
    Verdict,
    guess_gate,
    make_verdict,
    run_gates,
    verdict_markdown,
)

RULES = ("better", "significant", "non-inferior")
law = settings(max_examples=80, deadline=None, database=None)
counts = st.integers(0, 60)
LABELS = ("a", "b", "c")


def facts(truth: Any, predicted: Any) -> LabelledPredictions:
    """Predictions with a confidence of 80 %."""
    predicted = np.asarray(predicted, dtype=str)
    probabilities = np.where(predicted[:, None] == np.array(LABELS), 0.8, 0.1)
    return label_predictions(truth, predicted, probabilities, LABELS)


def met(lost: int, won: int, both: int, **promotion: Any) -> Verdict:
    """The verdict where the champion alone, the challenger alone, and both get so many rows right."""
    truth = ["a"] * (lost + won + both) + ["c"]
    champion = facts(truth, ["a"] * lost + ["b"] * won + ["a"] * both + ["b"])
    challenger = facts(truth, ["b"] * lost + ["a"] * won + ["a"] * both + ["b"])
    comparison = compare(get_metric("accuracy"), champion, challenger)
    one, other = evaluate_predictions(challenger), evaluate_predictions(champion)
    return run_gates(PromotionSection(**promotion), one, other, comparison, metric="accuracy")


@law
@given(lost=counts, won=counts, both=counts, rule=st.sampled_from(("better", "significant")))
@example(lost=6, won=14, both=10, rule="significant")  # p = 0.058
@example(lost=5, won=15, both=10, rule="significant")  # p = 0.021
def test_equal_or_worse_never_wins(lost: int, won: int, both: int, rule: str) -> None:
    """A challenger that is right on no more rows than the champion is refused."""
    found = met(lost, won, both, rule=rule)
    if won <= lost:
        assert not found.promoted
        assert found.reason.startswith("current champion is better")
    if rule == "significant":
        p = stats.binomtest(won, won + lost, 0.5, "greater").pvalue if won + lost else 1.0
        assert found.promoted == (won > lost and p < 0.05)


@law
@given(lost=counts, won=counts, both=counts, more=st.integers(1, 5), rule=st.sampled_from(RULES))
def test_more_victories_never_refuse(lost: int, won: int, both: int, more: int, rule: str) -> None:
    """Further rows that the challenger alone gets right never turn a promotion into a refusal."""
    if met(lost, won, both, rule=rule, floors={"accuracy": 0.5}).promoted:
        assert met(lost, won + more, both, rule=rule, floors={"accuracy": 0.5}).promoted


@law
@given(lost=counts, won=counts, both=counts, rule=st.sampled_from(("better", "significant")))
def test_both_cannot_win(lost: int, won: int, both: int, rule: str) -> None:
    """Of two versions at most one beats the other."""
    assert not (met(lost, won, both, rule=rule).promoted and met(won, lost, both, rule=rule).promoted)


rows = st.lists(st.tuples(*[st.sampled_from(LABELS)] * 3), min_size=1, max_size=80)


@law
@given(rows=rows, rule=st.sampled_from(RULES), name=st.sampled_from(("accuracy", "f1_macro", "log_loss", "brier")))
def test_a_verdict_is_a_value(rows: list[tuple[str, str, str]], rule: str, name: str) -> None:
    """The same evaluations give the same verdict, which is strict JSON and comes back from it, of any three classes."""
    truth, first, second = zip(*rows, strict=True)
    champion, challenger = facts(truth, first), facts(truth, second)
    groups = Grouping("half", "half", (Group("even", "even"), Group("odd", "odd|<b>")), np.arange(len(rows)) % 2)
    slices, small = compare_slices(champion, challenger, [groups])
    section = PromotionSection(rule=rule, floors={"roc_auc": 0.5, "accuracy": 0.1}, calibration_error=0.5)

    def verdict() -> Verdict:
        return run_gates(
            section,
            evaluate_predictions(challenger),
            evaluate_predictions(champion),
            compare(get_metric(name), champion, challenger),
            metric=name,
            inspection=GateInputs(slices=slices, small_slices=small),
        )

    found = verdict()
    assert found == verdict()
    text = json.dumps(to_json_object(found), allow_nan=False)
    assert to_json_object(from_jsonable(Verdict, json.loads(text))) == json.loads(text)
    if first == second and rule != "non-inferior":
        assert not found.promoted


@law
@given(p_values=st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_slices_are_corrected_as_statsmodels_does(p_values: list[int]) -> None:
    """Slices are corrected as statsmodels does by Holm's method."""
    from statsmodels.stats.multitest import multipletests

    truth, first, second, codes = [], [], [], []
    for slice_, lost in enumerate(p_values):
        truth += ["a"] * 40
        first += ["a"] * 40
        second += ["b"] * lost + ["a"] * (40 - lost)
        codes += [slice_] * 40
    groups = Grouping("part", "part", tuple(Group(f"{n}", f"{n}") for n in range(len(p_values))), np.array(codes))
    found, small = compare_slices(facts(truth, first), facts(truth, second), [groups])
    assert (len(found), small) == (len(p_values), 0)
    gc.freeze()  # statsmodels collects garbage at each call, which takes a second in a process full of modules
    try:
        expected = multipletests([part.p_value for part in found], method="holm")[1]
    finally:
        gc.unfreeze()
    assert [part.adjusted for part in found] == pytest.approx(list(expected))
    assert [part.p_value for part in found] == sorted(part.p_value for part in found)


@law
@given(value=st.text(max_size=60), reason=st.text(max_size=60))
def test_markdown_holds_whatever_is_in_it(value: str, reason: str) -> None:
    """No slice's value or reason leaves its cell, opens a tag or a link, or steers a terminal."""
    verdict = make_verdict([GateResult("gate.slices", "Slices", False, f"worse on {value}", f"worse on {value}")])
    page = verdict_markdown(verdict, value, reason)
    lines = page.rstrip("\n").split("\n")
    assert len(lines) == 7
    assert lines[-1].replace("\\\\", "").replace("\\|", "").count("|") == 4
    assert all(sign.isprintable() or sign == "\n" for sign in page)
    bare = page.replace("\\\\", "")
    for sign in "<>[]`":
        assert bare.count(sign) == bare.count(f"\\{sign}")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_one_class_alone(name: str) -> None:
    """On rows of one class each floor is evaluated or says why not, and never passes for want of knowledge."""
    section = PromotionSection(floors={name: 0.99 if get_metric(name).bigger_is_better else 0.01})
    labelled = facts(["a"] * 9, ["a"] * 5 + ["b"] * 4)
    inspection = GateInputs(guess=guess_gate(section, "accuracy", labelled, 0))
    found = run_gates(section, evaluate_predictions(labelled), None, None, metric="accuracy", inspection=inspection)
    if name == "precision_weighted":  # whatever was called by the one class's name is of it: it is 1 in truth
        assert found.gates[0].evidence["value"] == 1.0
        return
    assert not found.gates[0].passed
    assert found.reason in (f"{name} misses its floor", f"{name} could not be checked")


def test_probabilities_that_are_not_numbers() -> None:
    """Probabilities that are not finite are refused before any gate sees them."""
    with pytest.raises(DataError, match="not finite"):
        label_predictions(["a"], ["a"], np.array([[math.nan, 0.5]]), ("a", "b"))


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
def test_limits_are_numbers(limit: float) -> None:
    """A limit that nothing reaches or everything does, since it is not a number, is a mistake of the project file."""
    for section in ({"floors": {"accuracy": limit}}, {"latency_ms": limit}, {"size_mb": limit}, {"margin": limit}):
        with pytest.raises(ValidationError):
            PromotionSection.model_validate(section)


def test_gates_reach_for_nothing() -> None:
    """No gate has a clock, a file, the net or chance at hand: what it says follows from what it is given."""
    modules = [import_module(f"{gates.__name__}.{one.name}") for one in pkgutil.iter_modules(gates.__path__)]
    assert len(modules) >= 10
    for module in modules:
        used = {value.__name__ for value in vars(module).values() if inspect.ismodule(value)}
        assert used <= {"json"}, module.__name__
        assert not {"datetime", "Path", "open", "urlopen"} & vars(module).keys(), module.__name__
