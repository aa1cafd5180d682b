"""How often promotion rules err: false promotions, alone and ten in a row, and the power to see a true gain.

    python benchmarks/promotion.py --json promotion.json --plot promotion.png

Simulated loops: champion and challenger predict the same test rows, drawn anew for each loop; which of them gets a row
right is drawn with a chosen share of rows on which just one of them is right (the disagreement). In truth both are
exactly equal, or differ by exactly the gain that is named. All predictions go through the package's own
``compare_paired`` and ``run_gates``; nothing is approximated. Ten retrainings in a row share their test rows, as a
split by content has it: each row has its own chance of being got right, drawn from a beta distribution whose spread
gives the same disagreement, and every version gets it right or wrong by that chance.

Real loops, fewer: the project's own recipe is fitted to bootstrap resamples of its training rows, eleven for each of
a number of splits. In pairs of such versions neither is better on the average, though not exactly equal.

Intervals are Clopper and Pearson's (Biometrika 26, 1934), 95 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine

from tiltyard.evaluation import Comparison, compare_paired, evaluate
from tiltyard.project import PromotionRule, PromotionSection
from tiltyard.promotion.gates import run_gates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLE = Path(__file__).parents[1] / "examples" / "sentiment" / "tiltyard.toml"
RULES: tuple[PromotionRule, ...] = ("better", "significant", "non-inferior")
SIZES = (500, 1_000, 2_000, 5_000, 10_000, 25_000)
DISAGREEMENTS = (0.06, 0.08, 0.10, 0.12)
GAINS = (0.005, 0.01, 0.02)
IN_A_ROW = 10
# Without floors a verdict reads nothing of an evaluation but that there is a champion, so one serves all loops.
ANY_EVALUATION = evaluate(["0", "1"], ["0", "1"], None, ["0", "1"])

Labels = NDArray[np.str_]
Figures = dict[str, Any]
Lines = list[tuple[str, ...]]


@dataclass(frozen=True)
class Setting:
    """What is simulated; rows and disagreement are those of the main figures, the accuracy is the champion's."""

    loops: int
    rows: int
    disagreement: float
    accuracy: float
    sections: Mapping[PromotionRule, PromotionSection]
    seed: int

    @property
    def margin(self) -> float:
        """Loss that ``non-inferior`` tolerates."""
        return self.sections["non-inferior"].margin

    def random(self, *purpose: object) -> np.random.Generator:
        """A stream for each purpose: no figure depends on which others are computed."""
        return np.random.default_rng([self.seed, zlib.crc32(repr(purpose).encode())])

    def promotes(self, rule: PromotionRule, comparison: Comparison) -> bool:
        """What the gates say to a challenger."""
        return run_gates(self.sections[rule], ANY_EVALUATION, ANY_EVALUATION, comparison, metric="accuracy").promoted


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    sections = {rule: PromotionSection(rule=rule, alpha=options.alpha, margin=options.margin) for rule in RULES}
    setting = Setting(options.loops, options.rows, options.disagreement, options.accuracy, sections, options.seed)
    started, busy = time.perf_counter(), time.process_time()
    report = _report(setting, options.project, options.splits)
    report["seconds"] = round(time.perf_counter() - started, 1)
    report["processor_seconds"] = round(time.process_time() - busy, 1)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        _plot(report).savefig(options.plot, dpi=120)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, help="simulated loops for each figure (default: 10,000; quick: 500)")
    parser.add_argument("--splits", type=int, help="splits with eleven real trainings each (default: 100; quick: 5)")
    parser.add_argument("--quick", action="store_true", help="few loops: done in seconds, wide intervals")
    parser.add_argument("--rows", type=int, default=2_000, help="test rows of the main figures (default: 2,000)")
    parser.add_argument("--disagreement", type=float, default=0.08, help="of the main figures (default: 0.08)")
    parser.add_argument("--accuracy", type=float, default=0.90, help="the champion's (default: 0.90)")
    parser.add_argument("--alpha", type=float, default=0.05, help="of 'significant' (default: 0.05)")
    parser.add_argument("--margin", type=float, default=0.01, help="of 'non-inferior' (default: 0.01)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same figures (default: 0)")
    parser.add_argument("--project", type=Path, default=EXAMPLE, help="for the real loops (default: the reviews)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--plot", type=Path, help="where to draw them (PNG, SVG)")
    options = parser.parse_args(arguments)
    options.loops = options.loops if options.loops is not None else (500 if options.quick else 10_000)
    options.splits = options.splits if options.splits is not None else (5 if options.quick else 100)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if min(options.loops, options.rows, options.splits) < 1 or options.seed < 0:
        parser.error("--loops, --rows and --splits must be 1 at least, --seed 0 at least")
    if not (0 < options.alpha < 1 and 0 <= options.margin < 1 and 0.5 <= options.accuracy < 1):
        parser.error("--alpha, --margin and --accuracy are shares; the accuracy is a half at least")
    independent = 2 * options.accuracy * (1 - options.accuracy)
    most, least = max(options.disagreement, *DISAGREEMENTS), min(options.disagreement, *DISAGREEMENTS)
    if least < max(options.margin, *GAINS) or most >= independent or most + max(GAINS) > 2 * (1 - options.accuracy):
        parser.error(
            f"with an accuracy of {options.accuracy:g}, versions disagree on less than {independent:.3f} of the rows, "
            "and on more than they differ by; choose another --disagreement, --margin or --accuracy"
        )


def _report(setting: Setting, project: Path, splits: int) -> Figures:
    sizes, shares = sorted({setting.rows, *SIZES}), sorted({setting.disagreement, *DISAGREEMENTS})
    # Evaluation is what takes the time, and of the other disagreements only 'significant' is shown.
    rules = {share: RULES if share == setting.disagreement else ("significant",) for share in shares}
    cases = [(rows, share, 0.0) for share in shares for rows in sizes]
    cases += [(rows, setting.disagreement, -setting.margin) for rows in sizes]
    false = [figure for case in cases for figure in _pairs(setting, *case, rules[case[1]])]
    main_ones = _select(false, rows=setting.rows, disagreement=setting.disagreement)
    equal = {figure["rule"]: figure for figure in _select(main_ones, gain=0.0)}
    worse = {figure["rule"]: figure for figure in _select(main_ones, gain=-setting.margin)}
    return {
        "alpha": setting.sections["significant"].alpha,
        "margin": setting.margin,
        "loops": setting.loops,
        # A false promotion is one of a challenger that the rule should refuse: no better, or inferior by the margin.
        "better": equal["better"],
        "significant": equal["significant"],
        "non-inferior": {**worse["non-inferior"], "of_equal": equal["non-inferior"]},
        "false_promotions": false,
        "in_a_row": [*_in_a_row(setting, 0.0), *_in_a_row(setting, -setting.margin)],
        "power": [one for gain in GAINS for rows in SIZES for one in _pairs(setting, rows, setting.disagreement, gain)],
        "retrainings": _retrainings(setting, project, splits),
        "rows": setting.rows,
        "disagreement": setting.disagreement,
        "accuracy": setting.accuracy,
        "seed": setting.seed,
        "machine": machine("numpy", "scipy"),
    }


def _pairs(
    setting: Setting, rows: int, disagreement: float, gain: float, rules: Sequence[PromotionRule] = RULES
) -> list[Figures]:
    """How often each rule promotes a challenger with this true gain, over independent loops."""
    random = setting.random("pairs", rows, disagreement, gain)
    won, lost = (disagreement + gain) / 2, (disagreement - gain) / 2
    both = setting.accuracy - lost
    promoted: Counter[str] = Counter()
    truth = np.full(rows, "1")
    for _ in range(setting.loops):
        # How many rows of each kind, instead of the kind of each row: the order of rows means nothing to the test.
        counts = random.multinomial(rows, [both, lost, won, 1 - both - lost - won])
        champion, challenger = np.repeat(["1", "1", "0", "0"], counts), np.repeat(["1", "0", "1", "0"], counts)
        comparison = compare_paired(truth, champion, challenger)
        promoted.update(rule for rule in rules if setting.promotes(rule, comparison))
    named = {"rows": rows, "disagreement": disagreement, "gain": gain}
    return [{"rule": rule, **named, **_rate(promoted[rule], setting.loops)} for rule in rules]


def _in_a_row(setting: Setting, gain: float) -> list[Figures]:
    """Ten challengers one after the other on the same rows, all equal to the first champion or all with this gain."""
    random = setting.random("in a row", gain)
    sequences = max(1, setting.loops // 5)
    tallies = [_promotions(setting, *_versions(setting, random, gain)) for _ in range(sequences)]
    return [{"rule": rule, "gain": gain, **_sequences(rule, tallies)} for rule in RULES]


def _versions(setting: Setting, random: np.random.Generator, gain: float) -> tuple[Labels, list[Labels]]:
    """The true labels, and the predictions of a champion and of ten challengers.

    A row's chance p of being got right is beta distributed with parameters A s and (1 - A) s, where A is the accuracy,
    so that two versions disagree on the share 2 E[p (1 - p)] = 2 A (1 - A) s / (s + 1), from which s follows.
    """
    accuracy, rows = setting.accuracy, setting.rows
    ratio = setting.disagreement / (2 * accuracy * (1 - accuracy))
    spread = ratio / (1 - ratio)
    chances = random.beta(accuracy * spread, (1 - accuracy) * spread, rows)
    factors = [1.0] + [1 + gain / accuracy] * IN_A_ROW
    return np.full(rows, "1"), [np.where(random.random(rows) < factor * chances, "1", "0") for factor in factors]


def _promotions(setting: Setting, truth: Labels, versions: Sequence[Labels]) -> Counter[str]:
    """How many versions after the first each rule promotes, where each meets the champion of the moment."""
    promoted: Counter[str] = Counter()
    for rule in RULES:
        champion = versions[0]
        for challenger in versions[1:]:
            if setting.promotes(rule, compare_paired(truth, champion, challenger)):
                champion = challenger
                promoted[rule] += 1
    return promoted


def _sequences(rule: PromotionRule, tallies: Sequence[Counter[str]]) -> Figures:
    at_least_one = _rate(sum(tally[rule] > 0 for tally in tallies), len(tallies))
    mean = sum(tally[rule] for tally in tallies) / len(tallies)
    return {"retrainings": IN_A_ROW, "at_least_one": at_least_one, "promotions": mean}


def _retrainings(setting: Setting, file: Path, splits: int) -> Figures:
    """Real versions of one recipe, fitted to bootstrap resamples: in disjoint pairs, and in a row."""
    from tiltyard.data import load_dataset, split_dataset  # noqa: PLC0415
    from tiltyard.models import select_candidates  # noqa: PLC0415
    from tiltyard.project import load_project  # noqa: PLC0415

    project = load_project(file)
    dataset = load_dataset(project)
    recipe = select_candidates(project.training.candidates, project.task)[0]
    pairs: list[Comparison] = []
    tallies: list[Counter[str]] = []
    for number in range(splits):
        salted = project.split.model_copy(update={"salt": f"{setting.seed}.{number}"})
        split = split_dataset(dataset, salted, project.data.time)
        random = setting.random("retrainings", number)
        truth = split.test.labels.to_numpy(dtype=str)
        versions = [_retrained(recipe.build(project.training.random_state), split, random) for _ in range(IN_A_ROW + 1)]
        pairs += [compare_paired(truth, *versions[first : first + 2]) for first in range(0, IN_A_ROW, 2)]
        tallies.append(_promotions(setting, truth, versions))
    promoted = Counter(rule for pair in pairs for rule in RULES if setting.promotes(rule, pair))
    discordant = [(pair.only_champion_right + pair.only_challenger_right) / pair.rows for pair in pairs]
    return {
        "project": project.name,
        "recipe": recipe.name,
        "data_rows": len(dataset),
        "rows": float(np.mean([pair.rows for pair in pairs])),
        "splits": splits,
        "loops": len(pairs),
        "accuracy": float(np.mean([pair.champion for pair in pairs])),
        "disagreement": float(np.mean(discordant)),
        **{rule: {**_rate(promoted[rule], len(pairs)), "in_a_row": _sequences(rule, tallies)} for rule in RULES},
    }


def _retrained(model: Any, split: Any, random: np.random.Generator) -> Labels:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    drawn = random.integers(0, len(split.train), len(split.train))
    with threadpool_limits(1):  # on few rows threads mostly wait for each other
        model.fit(split.train.inputs.iloc[drawn], split.train.labels.iloc[drawn])
        return np.asarray(model.predict(split.test.inputs), dtype=str)


def _rate(hits: int, loops: int) -> Figures:
    interval = binomtest(hits, loops).proportion_ci(0.95, method="exact")
    ends = {"low": float(interval.low), "high": float(interval.high)}
    return {"rate": hits / loops, **ends, "promoted": hits, "loops": loops}


def _select(figures: Sequence[Figures], **wanted: object) -> list[Figures]:
    return [figure for figure in figures if all(figure[name] == value for name, value in wanted.items())]


def _show(report: Figures) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    share, alpha, real = report["disagreement"], report["alpha"], report["retrainings"]
    _table(console, "Challengers that are not better than the champion: promoted by the rule, %", _false_rows(report))
    _table(console, f"'significant' (alpha {alpha:g}) by how often just one is right, %", _share_rows(report))
    _table(console, f"Promotions in {IN_A_ROW} retrainings in a row on the same rows", _sequence_rows(report))
    _table(console, f"Power of 'significant' (alpha {alpha:g}) by true gain, %", _power_rows(report))
    _table(console, f"Real retrainings of {real['recipe']}, {real['loops']:,} pairs", _real_rows(real))
    console.print(
        f"Simulated: {report['loops']:,} loops for each figure (a fifth as many rows of {IN_A_ROW}); accuracy "
        f"{report['accuracy']:g}; where not varied, {report['rows']:,} test rows, and just one is right on {share:.0%}."
    )
    console.print(
        f"Real: bootstrap resamples of the training side of {real['data_rows']:,} rows ({real['project']}), "
        f"{real['splits']} splits, {real['rows']:.0f} test rows each; accuracy {real['accuracy']:.3f}, just one is "
        f"right on {real['disagreement']:.1%}."
    )
    took = f"Took {report['seconds']:.0f} s, {report['processor_seconds']:.0f} s of processor time."
    console.print(f"Intervals: 95 %, Clopper-Pearson. Seed {report['seed']}. {took}")
    console.print(f"Machine: {report['machine']}")


def _false_rows(report: Figures) -> Lines:
    lines: Lines = [("test rows", *RULES, "non-inferior, worse by the margin")]
    figures = _select(report["false_promotions"], disagreement=report["disagreement"])
    for rows in sorted({figure["rows"] for figure in figures}):
        equal = [_cell(figure) for figure in _select(figures, rows=rows, gain=0.0)]
        worse = _select(figures, rows=rows, gain=-report["margin"], rule="non-inferior")[0]
        lines.append((f"{rows:,}", *equal, _cell(worse)))
    return lines


def _share_rows(report: Figures) -> Lines:
    figures = _select(report["false_promotions"], rule="significant", gain=0.0)
    shares = sorted({figure["disagreement"] for figure in figures})
    sizes = sorted({figure["rows"] for figure in figures})
    heading = ("test rows", *(f"on {share:.0%}" for share in shares))
    return [heading, *((f"{rows:,}", *map(_cell, _select(figures, rows=rows))) for rows in sizes)]


def _sequence_rows(report: Figures) -> Lines:
    lines: Lines = [("rule", "challengers", "at least one, %", "mean", "on new rows, %")]
    single = _select(report["false_promotions"], rows=report["rows"], disagreement=report["disagreement"])
    for one in report["in_a_row"]:
        rate = _select(single, rule=one["rule"], gain=one["gain"])[0]["rate"]
        fresh = 1 - (1 - rate) ** IN_A_ROW  # on new rows each time the ten are independent
        who = f"worse by {100 * -one['gain']:g}" if one["gain"] else "equal"
        lines.append((one["rule"], who, _cell(one["at_least_one"]), f"{one['promotions']:.2f}", f"{100 * fresh:.1f}"))
    return lines


def _power_rows(report: Figures) -> Lines:
    figures = _select(report["power"], rule="significant")
    heading = ("test rows", *(f"+{100 * gain:g} points" for gain in GAINS))
    return [heading, *((f"{rows:,}", *map(_cell, _select(figures, rows=rows))) for rows in SIZES)]


def _real_rows(real: Figures) -> Lines:
    lines: Lines = [("rule", "promoted, %", f"at least one in {IN_A_ROW}, %", "mean")]
    for rule in RULES:
        sequence = real[rule]["in_a_row"]
        lines.append((rule, _cell(real[rule]), _cell(sequence["at_least_one"]), f"{sequence['promotions']:.2f}"))
    return lines


def _cell(one: Figures) -> str:
    return f"{100 * one['rate']:.1f} ({100 * one['low']:.1f}–{100 * one['high']:.1f})"


def _table(console: Any, title: str, lines: Sequence[Sequence[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title)
    for heading in lines[0]:
        table.add_column(heading, justify="left" if heading in ("rule", "challengers") else "right")
    for line in lines[1:]:
        table.add_row(*line)
    console.print(table)


def _plot(report: Figures) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    false = _select(report["false_promotions"], disagreement=report["disagreement"])
    for rule in ("better", "significant"):
        _line(left, _select(false, rule=rule, gain=0.0), rule)
    worse = _select(false, rule="non-inferior", gain=-report["margin"])
    _line(left, worse, "non-inferior, challengers worse by the margin")
    left.axhline(report["alpha"], color="grey", linestyle=":", label=f"alpha = {report['alpha']:g}")
    left.set(title="False promotions", ylim=(0, 0.6))
    for gain in GAINS:
        _line(right, _select(report["power"], rule="significant", gain=gain), f"+{100 * gain:g} points")
    right.set(title="Power of “significant” by true gain", ylim=(0, 1.03))
    for axes, place in ((left, "center right"), (right, "lower right")):
        axes.set_xscale("log")
        axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
        axes.minorticks_off()
        axes.set(xlabel="test rows", ylabel="share promoted")
        axes.legend(loc=place)
    return figure


def _line(axes: Any, points: Sequence[Figures], name: str) -> None:
    rates = [one["rate"] for one in points]
    spread = [[one["rate"] - one["low"] for one in points], [one["high"] - one["rate"] for one in points]]
    axes.errorbar([one["rows"] for one in points], rates, yerr=spread, marker="o", markersize=4, capsize=3, label=name)


if __name__ == "__main__":
    main()
