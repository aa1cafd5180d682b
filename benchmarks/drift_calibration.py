"""How often drift is found where there is none: every detector, and the verdict as a whole.

    python benchmarks/drift_calibration.py --windows 1000 --json calibration.json

Windows are drawn in two ways. *Own rows*: at random from the rows that the reference was made of. *Fresh rows*: newly
drawn from the same population, with a new reference every twenty windows; harder, since the reference's own chance then
counts too. For each detector the table gives the share of tests with p at most the stated rate (mean over the columns,
and the worst column), and the share that would raise an alarm (the effect at least the limit as well). For the verdict:
the share of looks that find drift anywhere, after the correction for all tests.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tiltyard.drift import DomainClassifier, DriftOptions, evaluate_drift
from tiltyard.drift.profiles import Profile, Reference, Rows, build_reference, profile_rows

RATE = 0.05
PARTS = ("tables", "texts", "classifier")
DRAWS = {"own rows": False, "fresh rows": True}
POPULATION, TEXTS, RENEWED = 5000, 3000, 20
WAYS = {
    "ks, chi-square": DriftOptions(),
    "psi, jensen-shannon": DriftOptions(numbers="psi", categories="jensen-shannon"),
    # A permutation test takes its time: of the numbers, three are enough.
    "wasserstein, chi-square": DriftOptions(
        numbers="wasserstein", ignore=frozenset({"along", "heavy", "mostly zero", "gappy"})
    ),
    "ks, chi-square (benjamini-hochberg)": DriftOptions(correction="benjamini-hochberg"),
}


@dataclass
class Tally:
    """Tests and alarms of one detector, by column."""

    tests: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    significant: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    alarms: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, subject: str, p_value: float, effect: float, limit: float) -> None:
        """One test."""
        self.tests[subject] += 1
        self.significant[subject] += p_value <= RATE
        self.alarms[subject] += p_value <= RATE and effect >= limit

    def to_dict(self) -> dict[str, Any]:
        """Rates: mean over the columns, the worst column, and alarms; with what chance allows the worst."""
        total = sum(self.tests.values())
        worst = max(self.tests, key=lambda name: self.significant[name] / self.tests[name])
        most = self.tests[worst]
        return {
            "tests": total,
            "significant": sum(self.significant.values()) / total,
            "worst": self.significant[worst] / most,
            "worst_column": worst,
            "chance_allows": float(stats.binom.ppf(1 - 0.001 / len(self.tests), most, RATE)) / most,
            "alarms": sum(self.alarms.values()) / total,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=1000, help="windows of each kind (default: 1000)")
    parser.add_argument("--rows", type=int, default=300, help="rows of a window (default: 300)")
    parser.add_argument("--draws", nargs="*", choices=list(DRAWS), default=list(DRAWS), help="kinds of windows")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="what to calibrate")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    start = time.perf_counter()
    report = calibrate(options.windows, options.rows, options.draws, options.parts)
    report["seconds"] = time.perf_counter() - start
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def calibrate(
    windows: int, rows: int, draws: Sequence[str] = tuple(DRAWS), parts: Sequence[str] = PARTS
) -> dict[str, Any]:
    """Rates of every detector and of the verdicts, over so many windows of each kind."""
    report: dict[str, Any] = {"rate": RATE, "windows": windows, "rows": rows, "draws": {}}
    for name in draws:
        fresh = DRAWS[name]
        detectors: dict[str, Tally] = defaultdict(Tally)
        verdicts: dict[str, int] = {}
        if "tables" in parts:
            verdicts.update(dict.fromkeys(WAYS, 0))
            for reference, window in table_windows(windows, rows, fresh=fresh):
                _evaluate(reference, window, WAYS, detectors, verdicts)
        if "texts" in parts:
            verdicts["texts"] = 0
            for reference, window in text_windows(windows, rows, fresh=fresh):
                _evaluate(reference, window, {"texts": DriftOptions()}, detectors, verdicts)
        if "classifier" in parts:
            _classify(windows, rows, fresh, detectors["domain-classifier"])
        report["draws"][name] = {
            "detectors": {detector: tally.to_dict() for detector, tally in sorted(detectors.items())},
            "verdicts": {way: found / windows for way, found in verdicts.items()},
        }
    report["chance_allows"] = float(stats.binom.ppf(0.999, windows, RATE)) / windows
    return report


def _evaluate(
    reference: Reference,
    window: Profile,
    ways: dict[str, DriftOptions],
    detectors: dict[str, Tally],
    verdicts: dict[str, int],
) -> None:
    counted = set()
    for way, options in ways.items():
        evaluation = evaluate_drift(reference, window, options)
        verdicts[way] += evaluation.drifted
        for test in evaluation.tests:
            key = (test.code, test.subject, test.method)
            if key not in counted:
                counted.add(key)
                named = test.method if test.method != "fisher" else f"fisher ({test.code.removeprefix('drift.')})"
                detectors[named].add(test.subject, test.p_value, test.effect, test.limit)


def _classify(windows: int, rows: int, fresh: bool, tally: Tally) -> None:
    rng = np.random.default_rng(11)
    classifier, before = DomainClassifier(folds=3), table(rng, 300)
    for number in range(windows):
        if fresh and number % RENEWED == 0:
            before = table(rng, 300)
        pool = table(rng, min(rows, 150)) if fresh else before.inputs.iloc[rng.choice(300, 150, replace=False)]
        # Rows of the reference itself are taken out of it: a row that is on both sides tells nothing.
        now = pool.inputs if isinstance(pool, Rows) else pool
        rest = before.inputs if fresh else before.inputs.drop(now.index)
        outcome = classifier.compare(rest, now)
        tally.add("rows", outcome.p_value, outcome.effect, 0.1)


def table_windows(windows: int, rows: int, *, fresh: bool) -> Iterator[tuple[Reference, Profile]]:
    """References and windows of a table with numbers of all shapes, categories, predictions and labels."""
    rng = np.random.default_rng(7)
    for number in range(windows):
        if number == 0 or (fresh and number % RENEWED == 0):
            population = table(rng, POPULATION)
            held = table(rng, POPULATION // 4)
            reference = build_reference(population, held if fresh else None)
        if fresh:
            now = table(rng, rows)
        else:
            chosen = rng.choice(POPULATION, rows, replace=False)
            now = Rows(population.inputs.iloc[chosen], *(_take(part, chosen) for part in _predict(population)))
        yield reference, profile_rows(reference.layout, now)


def text_windows(windows: int, rows: int, *, fresh: bool) -> Iterator[tuple[Reference, Profile]]:
    """References and windows of texts of five topics, whose words come together."""
    rng = np.random.default_rng(9)
    shares = 1 / np.arange(1, 2001)
    topics = [rng.dirichlet(400 * shares / shares.sum()) for _ in range(5)]
    pool = texts(rng, 4 * TEXTS, topics)
    for number in range(windows):
        if number == 0 or (fresh and number % RENEWED == 0):
            chosen = rng.permutation(len(pool))
            population, outside = pool.iloc[chosen[:TEXTS]], pool.iloc[chosen[TEXTS:]]
            reference = build_reference(population)
        now = (outside if fresh else population).sample(rows, random_state=int(rng.integers(2**31)))
        yield reference, profile_rows(reference.layout, now)


def table(rng: np.random.Generator, rows: int) -> Rows:
    """Rows of a population that does not change."""
    amount = rng.normal(5, 2, rows)
    frame = pd.DataFrame(
        {
            "normal": amount,
            "along": amount * 2 + rng.normal(0, 1, rows),
            "heavy": rng.standard_t(2, rows),
            "skewed": rng.lognormal(0, 1.5, rows),
            "whole": rng.poisson(3, rows),
            "mostly zero": np.where(rng.random(rows) < 0.7, 0, rng.exponential(1, rows)),
            "gappy": np.where(rng.random(rows) < 0.05, np.nan, rng.random(rows)),
            "flag": rng.random(rows) < 0.1,
            "shop": rng.choice(list("abcdefg"), rows, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.03, 0.02]),
            "town": [f"t{number % 3000}" for number in rng.zipf(1.6, rows)],
        }
    )
    said = rng.choice(["no", "yes"], rows, p=[0.7, 0.3]).astype(object)
    return Rows(frame, said, rng.beta(5, 2, rows) / 2 + 0.5, said)


def texts(rng: np.random.Generator, rows: int, topics: list[np.ndarray]) -> pd.Series:
    """Texts of 5 to 60 words."""
    words = np.array([f"w{number}" for number in range(len(topics[0]))])
    lengths, chosen = rng.integers(5, 60, rows), rng.integers(len(topics), size=rows)
    drawn = [
        " ".join(words[rng.choice(len(words), size, p=topics[topic])])
        for size, topic in zip(lengths, chosen, strict=True)
    ]
    return pd.Series(drawn, dtype=object)


def show(report: dict[str, Any]) -> None:
    """The table, in Markdown."""
    for draw, found in report["draws"].items():
        print(f"\n{draw}, {report['windows']:,} windows of {report['rows']} rows, stated rate {RATE:.1%}\n")
        print("| detector | tests | p ≤ rate, mean | worst column | alarms |\n|---|---|---|---|---|")
        for name, rates in found["detectors"].items():
            cells = (
                f"{rates['tests']:,}",
                f"{rates['significant']:.2%}",
                f"{rates['worst']:.2%}",
                f"{rates['alarms']:.2%}",
            )
            print(f"| {name} | {' | '.join(cells)} |")
        for way, rate in found["verdicts"].items():
            print(f"| **verdict: {way}** | {report['windows']:,} | | | **{rate:.2%}** |")


def _predict(rows: Rows) -> tuple[Any, Any, Any]:
    return rows.predictions, rows.confidences, rows.labels


def _take(part: Any, chosen: np.ndarray) -> Any:
    return None if part is None else part[chosen]


if __name__ == "__main__":
    main()
