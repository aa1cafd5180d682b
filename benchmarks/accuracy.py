"""The candidate that is chosen on a training file, next to plain scikit-learn TF-IDF and logistic regression.

    python benchmarks/accuracy.py --train train.parquet --test test.parquet --json accuracy.json

The candidate is chosen by cross-validation on the training file alone, then fitted to all of it. With a test file the
accuracy is that on it. Without one it is that of nested cross-validation: for each fold the candidate is chosen by
cross-validation within the rest. Every recipe is also fitted and evaluated by itself. Each figure comes from its
own process, whose peak memory is measured; the processes run one after the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine, peak_mb

from tiltyard.data import Dataset
from tiltyard.errors import TiltyardError
from tiltyard.models import Candidate, limit_fitting_threads, rank_candidates, select_candidates
from tiltyard.models.recipes.text import TEXT
from tiltyard.models.tfidf.vectoriser import warm_up

PLAIN = "scikit-learn"
CHOSEN = "chosen"


def main() -> None:
    options = _options()
    try:
        if options.one:
            print(json.dumps(_one(options)))
            return
        report = _report(options)
    except TiltyardError as error:
        sys.exit(f"{error.message} {error.next_step}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="CSV, Parquet or JSON Lines file to learn from")
    parser.add_argument("--test", type=Path, help="file to evaluate on (default: cross-validation)")
    parser.add_argument("--text", default="text", help="the text column (default: text)")
    parser.add_argument("--label", default="label", help="the label column (default: label)")
    parser.add_argument("--candidates", nargs="+", default=list(TEXT), help=f"default: {' '.join(TEXT)}")
    parser.add_argument("--folds", type=int, default=5, help="folds of every cross-validation (default: 5)")
    parser.add_argument(
        "--in-order",
        action="store_true",
        help="choose by folds of rows that stand together, such as reviews of one film",
    )
    parser.add_argument("--seed", type=int, default=42, help="seed of everything random (default: 42)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for file in (options.train, options.test):
        if file is not None and not file.exists():
            parser.error(f"{file} does not exist")
    return options


def _report(options: argparse.Namespace) -> dict[str, Any]:
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from tiltyard.models.tfidf.vectoriser import warm_up; warm_up()"], check=True
    )
    compiled = time.perf_counter() - begun
    plain = _in_a_process(PLAIN)
    chosen = _in_a_process(CHOSEN)
    table = {PLAIN: plain, **{name: _in_a_process(name) for name in options.candidates}}
    return {
        "accuracy": chosen["accuracy"],
        "train_seconds": chosen["seconds"],
        "sklearn_fit_seconds": plain["seconds"],
        "peak_mb": chosen["peak_mb"],
        "sklearn_accuracy": plain["accuracy"],
        "chosen": chosen["name"],
        "candidates": {name: {**figures, "ranking": chosen["ranking"].get(name)} for name, figures in table.items()},
        "judged_by": options.test.name if options.test else f"nested {options.folds}-fold cross-validation",
        "train_rows": plain["rows"],
        "load_or_compile_seconds": compiled,
        "machine": machine("scikit-learn", "numpy"),
    }


def _in_a_process(name: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--one", name], check=True, stdout=subprocess.PIPE, text=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _one(options: argparse.Namespace) -> dict[str, Any]:
    """Fit one recipe, or the chosen one, and evaluate it."""
    train = _read(options.train, options)
    begun = time.perf_counter()
    if options.one != PLAIN:
        warm_up()
    fitted, name, ranking = _fit(train, options)
    seconds = time.perf_counter() - begun
    figures: dict[str, Any] = {"seconds": seconds, "peak_mb": peak_mb(), "rows": len(train)}
    if options.test:
        test = _read(options.test, options)
        figures["accuracy"] = float(np.mean(fitted.predict(test.inputs) == test.labels.to_numpy()))
    else:
        figures["accuracy"] = _by_folds(train, options)
    return {"name": name, "ranking": ranking, **figures}


def _fit(train: Dataset, options: argparse.Namespace) -> tuple[Pipeline, str, dict[str, float]]:
    """The fitted recipe, its name, and how the recipes ranked where one was chosen."""
    if options.one == PLAIN:
        return _plain().fit(train.inputs, train.labels), PLAIN, {}
    names = options.candidates if options.one == CHOSEN else [options.one]
    candidates = select_candidates(tuple(names), "text-classification", Path())
    ranking: dict[str, float] = {}
    candidate: Candidate = candidates[0]
    with limit_fitting_threads(candidates, len(train)):
        if len(candidates) > 1:
            ranked = rank_candidates(
                candidates,
                train,
                metric="accuracy",
                folds=options.folds,
                random_state=options.seed,
                in_order=options.in_order,
            )
            ranking = {score.candidate.name: score.mean for score in ranked}
            candidate = ranked[0].candidate
        return candidate.build(options.seed).fit(train.inputs, train.labels), candidate.name, ranking


def _by_folds(train: Dataset, options: argparse.Namespace) -> float:
    # Other folds than those of the choice, which has a seed one less.
    parts = StratifiedKFold(options.folds, shuffle=True, random_state=options.seed + 1)
    right = 0
    for rows, _ in parts.split(train.labels, train.labels):
        taught = np.zeros(len(train), np.bool_)
        taught[rows] = True
        part, held_out = train.take(taught), train.take(~taught)
        fitted, _, _ = _fit(part, options)
        right += int(np.sum(fitted.predict(held_out.inputs) == held_out.labels.to_numpy()))
    return right / len(train)


def _plain() -> Pipeline:
    tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=200_000, sublinear_tf=True)
    return Pipeline([("tfidf", tfidf), ("classifier", LogisticRegression(C=10.0, max_iter=1000))])


def _read(file: Path, options: argparse.Namespace) -> Dataset:
    columns = [options.text, options.label]
    if file.suffix == ".parquet":
        frame = pd.read_parquet(file)
    elif file.suffix in (".jsonl", ".ndjson"):
        frame = pd.read_json(file, lines=True, dtype=False)
    else:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        known = ", ".join(map(str, frame.columns))
        sys.exit(f"{file} has no column {missing[0]!r}; name columns with --text and --label: {known}")
    frame = frame[columns].dropna().reset_index(drop=True)
    numbers: NDArray[np.uint64] = np.arange(len(frame), dtype=np.uint64)
    texts, labels = frame[options.text].astype(str), frame[options.label].astype(str)
    return Dataset(file.name, "text-classification", texts, labels, frame, file.name, numbers)


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=f"Evaluated on {report['judged_by']}; {report['train_rows']:,} rows to learn from")
    for heading in ("", "accuracy", "by which chosen", "train", "peak memory"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, figures in report["candidates"].items():
        score = figures["ranking"]
        table.add_row(
            f"{name}  ← chosen" if name == report["chosen"] else name,
            f"{figures['accuracy']:.4f}",
            "" if score is None else f"{score:.4f}",
            f"{figures['seconds']:.1f} s",
            f"{figures['peak_mb']:,.0f} MB",
        )
    table.add_section()
    table.add_row(
        "choosing and fitting",
        f"{report['accuracy']:.4f}",
        "",
        f"{report['train_seconds']:.1f} s",
        f"{report['peak_mb']:,.0f} MB",
    )
    console = Console()
    console.print(table)
    console.print(f"Machine: {report['machine']}")


if __name__ == "__main__":
    main()
