"""elec2, the electricity market of New South Wales, as a stream: drifts found, and accuracy with the loop on and off.

    python benchmarks/elec2.py ../shared/data/elec2/elec.csv --plot docs/images/elec2.png --json elec2.json

45,312 half-hours in time order (Harries, 1999); the price goes up or down against the mean of the last day. A model is
trained on the first weeks and then predicts in order; the truth of each row is known after a day (48 rows). Three ways
are compared on the same rows:

- **off**: the first model predicts to the end.
- **on**: every week the latest rows are held against the profile of the champion's training (``evaluate_drift``), and
  ADWIN watches the errors as labels come. Where either finds drift, a challenger is trained on the latest ten weeks but
  the newest, and takes over if it is significantly better on that newest week, which neither was trained on (McNemar's
  exact test, as in promotion). At most one retraining a week.
- **calendar**: retrained every week whatever happens, the challenger always takes over: what blind effort brings.

Rows follow each other, so that any two weeks differ by more than chance: at the default threshold of 0.1 every week
drifts. The threshold here is 0.3; see docs/drift.md.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from river.drift import ADWIN
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier

from tiltyard.drift import DriftOptions, evaluate_drift
from tiltyard.drift.profiles import Reference, Rows, build_reference, profile_rows

FEATURES = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
DAY, WEEK = 48, 336
TAUGHT, HELD = 10 * WEEK, WEEK
ALPHA = 0.05


@dataclass
class Way:
    """One way to run: what it predicted and did."""

    name: str
    right: NDArray[np.bool_]
    retrained: list[int] = field(default_factory=list)
    promoted: list[int] = field(default_factory=list)
    drifts: list[int] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)

    def to_dict(self, start: int) -> dict[str, Any]:
        """The figures from row ``start`` on."""
        return {
            "accuracy": float(self.right[start:].mean()),
            "drifts_of_rows": len(self.drifts),
            "changes_of_errors": len(self.changes),
            "retrained": len(self.retrained),
            "promoted": len(self.promoted),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="elec.csv")
    parser.add_argument("--threshold", type=float, default=0.3, help="drift_threshold (default: 0.3)")
    parser.add_argument("--rows", type=int, help="only the first rows, for a quick look")
    parser.add_argument("--plot", type=Path, help="where to draw")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    frame = pd.read_csv(options.file, nrows=options.rows)
    start = time.perf_counter()
    ways = [run(frame, name, options.threshold) for name in ("off", "on", "calendar")]
    begin = TAUGHT + HELD
    report = {
        "rows": len(frame) - begin,
        "seconds": time.perf_counter() - start,
        "ways": {way.name: way.to_dict(begin) for way in ways},
        "gain": float(ways[1].right[begin:].mean() - ways[0].right[begin:].mean()),
        "always_the_same_answer": float(
            max(frame["class"].iloc[begin:].mean(), 1 - frame["class"].iloc[begin:].mean())
        ),
    }
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        draw(ways, begin, options.plot)


def run(frame: pd.DataFrame, name: str, threshold: float) -> Way:
    """Predict the stream row by row, a day at a time."""
    inputs, truth = frame[FEATURES], frame["class"].to_numpy()
    way = Way(name, np.zeros(len(frame), bool))
    model = fit(inputs.iloc[:TAUGHT], truth[:TAUGHT])
    reference = reference_of(model, inputs, 0, TAUGHT)
    detector = ADWIN()
    begin, alarmed = TAUGHT + HELD, False
    for start in range(begin, len(frame), DAY):
        stop = min(start + DAY, len(frame))
        way.right[start:stop] = model.predict(inputs.iloc[start:stop]) == truth[start:stop]
        if name == "off":
            continue
        # The labels of yesterday are in; today's are not.
        known = start
        for place in range(max(begin, known - DAY), known):
            detector.update(float(not way.right[place]))
            if detector.drift_detected:
                way.changes.append(place)
                alarmed = True
        if (start - begin) % WEEK or start == begin:
            continue
        if name == "on":
            week = predict_rows(model, inputs.iloc[known - WEEK : known])
            if evaluate_drift(
                reference, profile_rows(reference.layout, week), DriftOptions(threshold=threshold)
            ).drifted:
                way.drifts.append(known)
                alarmed = True
        if name == "calendar" or alarmed:
            alarmed = False
            way.retrained.append(known)
            newest = slice(known - HELD, known)
            challenger = fit(
                inputs.iloc[known - HELD - TAUGHT : known - HELD], truth[known - HELD - TAUGHT : known - HELD]
            )
            if name == "calendar" or better(challenger, model, inputs.iloc[newest], truth[newest]):
                model = challenger
                reference = reference_of(model, inputs, known - HELD - TAUGHT, known - HELD)
                way.promoted.append(known)
    return way


def fit(inputs: pd.DataFrame, truth: NDArray[Any]) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0).fit(inputs, truth)


def predict_rows(model: HistGradientBoostingClassifier, inputs: pd.DataFrame) -> Rows:
    probabilities = model.predict_proba(inputs)
    return Rows(inputs, probabilities.argmax(axis=1).astype(str).astype(object), probabilities.max(axis=1))


def reference_of(model: HistGradientBoostingClassifier, inputs: pd.DataFrame, start: int, stop: int) -> Reference:
    """The profile of the rows that taught, with the predictions for the week after them."""
    return build_reference(Rows(inputs.iloc[start:stop]), predict_rows(model, inputs.iloc[stop : stop + HELD]))


def better(challenger: Any, champion: Any, inputs: pd.DataFrame, truth: NDArray[Any]) -> bool:
    """Whether the challenger is significantly better on rows that neither was trained on: McNemar's exact test."""
    ours, theirs = challenger.predict(inputs) == truth, champion.predict(inputs) == truth
    won, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return won > lost and float(stats.binomtest(won, won + lost).pvalue) <= ALPHA


def draw(ways: list[Way], begin: int, file: Path) -> None:
    """Accuracy of the last four weeks, way by way, and when drift was found and who took over."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = {"off": "#9a9a9a", "on": "#1f6f8b", "calendar": "#d9a441"}
    for way in ways:
        rolling = pd.Series(way.right[begin:].astype(float)).rolling(4 * WEEK, min_periods=WEEK).mean()
        mean = way.right[begin:].mean()
        axes.plot(
            np.arange(len(rolling)) / WEEK, rolling, color=colours[way.name], lw=1.8, label=f"{way.name}: {mean:.3f}"
        )
    on = ways[1]
    low = axes.get_ylim()[0]
    marks = (
        (on.drifts, "|", "rows drifted", 0.0),
        (on.changes, "x", "errors changed", 0.012),
        (on.promoted, "^", "new champion", 0.024),
    )
    for places, marker, name, height in marks:
        at = (np.array(places) - begin) / WEEK
        axes.plot(at, np.full(len(at), low + height), marker, color="#444444", ms=5, label=f"{name} ({len(at)})")
    axes.set(
        xlabel="week", ylabel="accuracy, last four weeks", title="elec2: one model, the loop, and blind retraining"
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=6, frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)


if __name__ == "__main__":
    main()
