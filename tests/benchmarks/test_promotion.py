"""The simulation of promotion rules measures what it says it measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import promotion as script
from benchmarks import promotion_metrics
from tiltyard.evaluation import compare_paired, evaluate
from tiltyard.project import PromotionRule, PromotionSection
from tiltyard.promotion.gates import run_gates

PAGE = Path(__file__).parents[2] / "docs" / "promotion.md"
SECTIONS: dict[PromotionRule, PromotionSection] = {rule: PromotionSection(rule=rule) for rule in script.RULES}


def run(folder: Path) -> dict[str, Any]:
    """The figures of a tiny run, but for its duration, which no two runs share."""
    script.main(
        ["--loops", "40", "--splits", "1", "--json", str(folder / "out.json"), "--plot", str(folder / "out.png")]
    )
    report: dict[str, Any] = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert report.pop("seconds") > 0
    assert report.pop("processor_seconds") > 0
    return report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("promotion")


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return run(folder)


def test_the_keys_of_the_figures(report: dict[str, Any]) -> None:
    """A program finds alpha, loops, and each rule's rate between the ends of its interval."""
    assert (report["alpha"], report["loops"]) == (0.05, 40)
    for rule in script.RULES:
        assert 0 <= report[rule]["low"] <= report[rule]["rate"] <= report[rule]["high"] <= 1
    assert (report["significant"]["gain"], report["non-inferior"]["gain"]) == (0.0, -0.01)
    assert report["non-inferior"]["of_equal"]["gain"] == 0.0
    assert {(one["rows"], one["gain"]) for one in report["power"]} == {
        (rows, gain) for rows in script.SIZES for gain in (0.005, 0.01, 0.02)
    }


def test_better_promotes_what_significant_refuses(report: dict[str, Any], folder: Path) -> None:
    """Of challengers that are not better, "better" promotes far more than "significant", alone and in a row."""
    assert report["better"]["low"] > 3 * report["significant"]["rate"]
    in_a_row = {one["rule"]: one for one in report["in_a_row"] if one["gain"] == 0}
    assert in_a_row["better"]["promotions"] > 3 * in_a_row["significant"]["promotions"]
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")


def test_power_grows_with_the_gain_and_the_rows(report: dict[str, Any]) -> None:
    """A gain of two points on 25,000 rows is always found, one of half a point on 500 rows seldom."""
    power = {(one["rows"], one["gain"]): one["rate"] for one in report["power"] if one["rule"] == "significant"}
    assert power[25_000, 0.02] == 1.0
    assert power[500, 0.005] < 0.3


def test_real_retrainings_disagree(report: dict[str, Any]) -> None:
    """Versions of one recipe on resampled rows are alike in accuracy and still not the same."""
    real = report["retrainings"]
    assert real["loops"] == 5
    assert 0.7 < real["accuracy"] < 1
    assert 0.03 < real["disagreement"] < 0.25


def test_the_same_seed_gives_the_same_figures(report: dict[str, Any], tmp_path: Path) -> None:
    """A run can be repeated to the last digit."""
    assert run(tmp_path) == report


@pytest.mark.parametrize("rows", [100, 500])
def test_the_rates_are_the_exact_ones(rows: int) -> None:
    """The simulated rates of equal challengers agree with the sum over all possible outcomes."""
    setting = script.Setting(2000, rows, 0.08, 0.9, SECTIONS, 1)
    exact = {"better": 0.0, "significant": 0.0}
    for decided in range(rows + 1):
        won = np.arange(decided + 1)
        ahead = won > decided - won
        chances = binom.pmf(decided, rows, 0.08) * binom.pmf(won, decided, 0.5)
        exact["better"] += chances[ahead].sum()
        exact["significant"] += chances[ahead & (binom.sf(won - 1, decided, 0.5) < 0.05)].sum()
    found = {one["rule"]: one for one in script._pairs(setting, rows, 0.08, 0.0)}
    for rule, rate in exact.items():
        assert found[rule]["low"] <= rate <= found[rule]["high"]
    assert exact["significant"] < 0.05


def test_a_true_gain_is_the_mean_difference() -> None:
    """A challenger with a gain of two points is promoted by "better" as often as the normal law has it."""
    setting = script.Setting(1000, 1000, 0.08, 0.9, SECTIONS, 1)
    found = {one["rule"]: one["rate"] for one in script._pairs(setting, 1000, 0.08, 0.02)}
    assert found["better"] == pytest.approx(0.987, abs=0.02)  # 20 rows ahead, standard deviation 8.9
    assert found["significant"] == pytest.approx(0.71, abs=0.06)


def test_versions_in_a_row_disagree_as_much_as_set() -> None:
    """Eleven versions of one recipe are equally good, and any two are apart on the share of rows that was set."""
    setting = script.Setting(1, 100_000, 0.08, 0.9, SECTIONS, 1)
    truth, versions = script._versions(setting, setting.random("test"), 0.0)
    right = np.array(versions) == truth
    assert right.mean(axis=1) == pytest.approx(0.9, abs=0.005)
    assert np.mean(right[0] != right[1]) == pytest.approx(0.08, abs=0.004)
    assert np.mean(right[3] != right[10]) == pytest.approx(0.08, abs=0.004)


def test_the_order_of_rows_means_nothing() -> None:
    """Drawing how many rows there are of each kind is drawing the rows: the comparison of shuffled rows is the same."""
    random = np.random.default_rng(3)
    truth, champion, challenger = (random.choice(["0", "1"], 300) for _ in range(3))
    order = random.permutation(300)
    shuffled = compare_paired(truth[order], champion[order], challenger[order])
    assert shuffled == compare_paired(truth, champion, challenger)


def test_an_impossible_disagreement(capsys: pytest.CaptureFixture[str]) -> None:
    """Shares that cannot be are refused before the work, with a word on what can be."""
    with pytest.raises(SystemExit, match="2"):
        script.main(["--disagreement", "0.3"])
    assert "disagree on less than 0.180 of the rows" in capsys.readouterr().err


def test_the_page_names_every_refusal() -> None:
    """What the gates say when they refuse is explained in docs/promotion.md, word by word."""
    page = PAGE.read_text(encoding="utf-8")
    reasons = {
        refused("better", won=3, lost=3),
        refused("better", won=2, lost=9),
        refused("significant", won=3, lost=2),
        refused("non-inferior", won=5, lost=5),
        refused("better", won=9, lost=0, floors={"accuracy": 1.0}),
        refused("better", won=9, lost=0, floors={"roc_auc": 0.5}),
    }
    assert len(reasons) == 6
    for reason in reasons:
        assert f"`{reason.replace('accuracy', 'METRIC').replace('roc_auc', 'METRIC')}`" in page


def refused(rule: PromotionRule, won: int, lost: int, floors: dict[str, float] | None = None) -> str:
    """The message to a challenger of 100 rows."""
    truth = np.resize(np.array(["0", "1"]), 100)
    other = np.where(truth == "1", "0", "1")
    champion = np.where(np.arange(100) < won, other, truth)
    challenger = np.where(np.arange(100) >= 100 - lost - 1, other, truth)
    challenger[-1] = champion[-1] = other[-1]  # both wrong on one row, so that no accuracy is 1
    evaluation = evaluate(truth, challenger, None, ["0", "1"])
    section = PromotionSection(rule=rule, floors=floors or {})
    verdict = run_gates(section, evaluation, evaluation, compare_paired(truth, champion, challenger), metric="accuracy")
    assert not verdict.promoted
    return verdict.reason


def test_both_tests_are_counted_on_the_same_loops(tmp_path: Path) -> None:
    """The simulation of other metrics counts both tests on the same loops, so that together they never promote more."""
    promotion_metrics.main(["--loops", "30", "--draws", "99", "--sizes", "60", "--json", str(tmp_path / "out.json")])
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (report["alpha"], report["loops"], len(report["figures"])) == (0.05, 30, 6)
    for figure in report["figures"]:
        assert figure["significant"]["rate"] <= figure["bootstrap"]["rate"]
        assert figure["significant"]["low"] <= figure["significant"]["rate"] <= figure["significant"]["high"]
