"""Which candidate wins on public tables: five folds of each, all candidates on the same folds, within a budget of time.

    python benchmarks/tables.py --json tables.json --markdown tables.md
    python benchmarks/tables.py --data ../shared/data --json tables.json      # adult, telco and personality as well

The tables come with packages that the development environment has (scikit-learn, river, statsmodels, plotly), so that
no download is needed. Tables of more than ``--rows`` rows are cut to so many, drawn once by a fixed seed.

A candidate gets ``--budget`` seconds of processor time for a table, over all folds, on one core; beyond that it is out
of time there, and last. Classes are compared by log loss (and accuracy), numbers by the root mean squared error (and
the mean absolute error), each the mean over folds. A rank of 1 is the best; candidates within one standard error of the
best one (of the paired differences over folds) count as ``equal``, as ``tiltyard train`` counts them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine

from tiltyard.models import CANDIDATES, Candidate
from tiltyard.tasks import TASKS, find_task

FOLDS = 5
SKLEARN = ("iris", "wine", "breast_cancer", "digits")
CLASSIFIERS = ("gradient-boosting", "random-forest", "logreg", "lightgbm", "xgboost", "catboost")
REGRESSORS = (
    *("gradient-boosting-regressor", "random-forest-regressor", "ridge"),
    *("lightgbm-regressor", "xgboost-regressor", "catboost-regressor"),
)


@dataclass(frozen=True)
class PublicTable:
    """One table: its name, whether numbers are predicted, and what reads its features and labels."""

    name: str
    numbers: bool
    read: Callable[[], tuple[pd.DataFrame, pd.Series]]


@dataclass(frozen=True)
class Result:
    """How a candidate did on a table.

    Attributes:
        first: log loss or root mean squared error of each fold; fewer where the time was used up.
        second: accuracy or mean absolute error of each fold.
        seconds: of the processor, over all folds.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with adult/, telco/ and personality/")
    parser.add_argument("--only", nargs="*", default=(), help="names of tables")
    parser.add_argument("--rows", type=int, default=5000, help="most rows of a table (default: 5000)")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds for a candidate on a table (120)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--markdown", type=Path, help="where to write the table")
    options = parser.parse_args()
    tables = [table for table in list_tables(options.data) if not options.only or table.name in options.only]
    report: dict[str, Any] = {
        "machine": machine("scikit-learn", "lightgbm", "catboost"),
        "folds": FOLDS,
        "rows": options.rows,
        "budget_seconds": options.budget,
        "tables": [],
    }
    for table in tables:
        report["tables"].append(run_table(table, options.rows, options.budget))
        if options.json:  # after each table: a long run that is ended has its figures so far
            options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    for numbers in (False, True):
        report["regression" if numbers else "classification"] = summarise(report["tables"], numbers=numbers)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    page = render(report)
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")
    print(page)


def run_table(table: PublicTable, most: int, budget: float) -> dict[str, Any]:
    """All candidates on one table."""
    features, labels = table.read()
    if len(features) > most:
        chosen = np.sort(np.random.default_rng(0).choice(len(features), most, replace=False))
        features, labels = features.iloc[chosen], labels.iloc[chosen]
    features, labels = features.reset_index(drop=True), labels.reset_index(drop=True)
    task = find_task("table", "number" if table.numbers else "class")
    results = {}
    for name in REGRESSORS if table.numbers else CLASSIFIERS:
        results[name] = evaluate(CANDIDATES[name], features, labels, budget)
        print(f"{table.name:16} {name:28} {format_result(results[name])}", flush=True)
    best = min(
        (name for name in results if len(results[name].first) == FOLDS), key=lambda name: mean_first(results[name])
    )
    return {
        "name": table.name,
        "task": task,
        "rows": len(features),
        "columns": features.shape[1],
        "words": int(features.select_dtypes(exclude=["number"]).shape[1]),
        "labels": None if table.numbers else int(labels.nunique()),
        "best": best,
        "candidates": {
            name: {
                "first": float(np.mean(found.first)) if found.first else None,
                "second": float(np.mean(found.second)) if found.second else None,
                "seconds": found.seconds,
                "in_time": len(found.first) == FOLDS,
                "equal": is_equal(results[best], found),
            }
            for name, found in results.items()
        },
    }


def evaluate(candidate: Candidate, features: pd.DataFrame, labels: pd.Series, budget: float) -> Result:
    """A candidate in five folds, until its time is used up."""
    numbers = TASKS[candidate.task].target == "number"
    splitter: Any = (KFold if numbers else StratifiedKFold)(FOLDS, shuffle=True, random_state=0)
    first, second = [], []
    started = time.process_time()
    for train, test in splitter.split(features, labels):
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a fold in which a rare category is absent, and the like
            model = candidate.build(0).fit(features.iloc[train], labels.iloc[train])
            truth = labels.iloc[test]
            if numbers:
                predicted = model.predict(features.iloc[test])
                first.append(root_mean_squared_error(truth, predicted))
                second.append(mean_absolute_error(truth, predicted))
            else:
                probabilities = np.asarray(model.predict_proba(features.iloc[test]), dtype=np.float64)
                first.append(log_loss(truth, probabilities, labels=model.classes_))
                second.append(accuracy_score(truth, model.classes_[probabilities.argmax(axis=1)]))
        if time.process_time() - started > budget:
            break
    return Result(tuple(map(float, first)), tuple(map(float, second)), time.process_time() - started)


def mean_first(found: Result) -> float:
    return float(np.mean(found.first))


def is_equal(best: Result, found: Result) -> bool:
    """Whether the mean difference to the best is at most one standard error of the differences over the folds."""
    if len(found.first) != len(best.first):
        return False
    difference = np.array(found.first) - np.array(best.first)
    return bool(difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference)))


def summarise(tables: Sequence[dict[str, Any]], *, numbers: bool) -> dict[str, dict[str, float]]:
    """By candidate: mean rank, tables where it is best, where it is equal to the best, seconds."""
    names = REGRESSORS if numbers else CLASSIFIERS
    ranks: dict[str, list[float]] = {name: [] for name in names}
    chosen = [table for table in tables if (TASKS[table["task"]].target == "number") is numbers]
    for table in chosen:
        held = table["candidates"]
        losses = pd.Series({name: held[name]["first"] if held[name]["in_time"] else np.inf for name in names})
        for name, rank in losses.rank().items():
            ranks[str(name)].append(float(rank))
    return {
        name: {
            "mean_rank": float(np.mean(ranks[name])) if chosen else float("nan"),
            "best": sum(table["best"] == name for table in chosen),
            "equal": sum(table["candidates"][name]["equal"] for table in chosen),
            "seconds": sum(table["candidates"][name]["seconds"] for table in chosen),
        }
        for name in names
    }


def render(report: dict[str, Any]) -> str:
    """The figures as pages have them."""
    lines = []
    for numbers in (False, True):
        names = REGRESSORS if numbers else CLASSIFIERS
        chosen = [table for table in report["tables"] if (TASKS[table["task"]].target == "number") is numbers]
        if not chosen:
            continue
        lines += ["| table | rows | columns | " + " | ".join(f"`{name}`" for name in names) + " |"]
        lines += ["|---|--:|--:|" + "--:|" * len(names)]
        for table in chosen:
            cells = [format_cell(table["candidates"][name], best=name == table["best"]) for name in names]
            lines.append(f"| {table['name']} | {table['rows']:,} | {table['columns']} | " + " | ".join(cells) + " |")
        summary = report["regression" if numbers else "classification"]
        for title, key, form in (
            ("mean rank", "mean_rank", "{:.2f}"),
            ("best", "best", "{:.0f}"),
            ("equal to the best", "equal", "{:.0f}"),
            ("seconds", "seconds", "{:.0f}"),
        ):
            lines.append(f"| {title} | | | " + " | ".join(form.format(summary[name][key]) for name in names) + " |")
        lines.append("")
    return "\n".join(lines)


def format_cell(held: dict[str, Any], *, best: bool) -> str:
    if not held["in_time"]:
        return "out of time"
    text = f"{held['first']:.4g}"
    return f"**{text}**" if best else f"{text} =" if held["equal"] else text


def format_result(found: Result) -> str:
    if len(found.first) < FOLDS:
        return f"out of time after {found.seconds:.1f} s and {len(found.first)} folds"
    return f"{mean_first(found):9.4f} {np.mean(found.second):8.4f} {found.seconds:7.1f} s"


def list_tables(folder: Path | None) -> list[PublicTable]:
    """The tables that packages ship, and with a folder those in it."""
    tables = [
        *(
            PublicTable(name, False, partial(read_sklearn, name))
            for name in ("iris", "wine", "breast_cancer", "digits")
        ),
        *(PublicTable(name, False, partial(read_river, name)) for name in ("Phishing", "Bananas", "ImageSegments")),
        PublicTable("fair", False, read_fair),
        PublicTable("anes96", False, read_anes),
        PublicTable("diabetes", True, lambda: read_sklearn("diabetes")),
        PublicTable("tips", True, lambda: read_plotly("tips", "tip", ())),
        PublicTable("gapminder", True, lambda: read_plotly("gapminder", "lifeExp", ("iso_alpha", "iso_num"))),
        PublicTable("ChickWeights", True, lambda: read_river("ChickWeights")),
        PublicTable("TrumpApproval", True, lambda: read_river("TrumpApproval")),
        PublicTable("randhie", True, lambda: read_statsmodels("randhie", "mdvis")),
        PublicTable("star98", True, read_star),
    ]
    if folder is not None:
        tables += [
            PublicTable("personality", False, lambda: read_csv(folder / "personality/personality_dataset.csv")),
            PublicTable("telco", False, lambda: read_telco(folder / "telco/Telco-Customer-Churn.csv")),
            PublicTable("adult", False, lambda: read_adult(folder / "adult/adult.data")),
        ]
    return tables


def read_sklearn(name: str) -> tuple[pd.DataFrame, pd.Series]:
    from sklearn import datasets  # noqa: PLC0415

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    if name == "diabetes":
        return bunch.data, bunch.target
    return bunch.data, bunch.target.map(lambda code: f"class {code}")


def read_river(name: str) -> tuple[pd.DataFrame, pd.Series]:
    from river import datasets  # noqa: PLC0415

    rows = list(getattr(datasets, name)())
    features = pd.DataFrame([row for row, _ in rows])
    labels = pd.Series([label for _, label in rows])
    return (features, labels) if labels.dtype.kind in "if" else (features, labels.astype(str))


def read_plotly(name: str, label: str, ignored: tuple[str, ...]) -> tuple[pd.DataFrame, pd.Series]:
    from plotly import data  # noqa: PLC0415

    frame = getattr(data, name)()
    return frame.drop(columns=[label, *ignored]), frame[label]


def read_statsmodels(name: str, label: str) -> tuple[pd.DataFrame, pd.Series]:
    frame = load_statsmodels(name)
    return frame.drop(columns=label), frame[label]


def load_statsmodels(name: str) -> pd.DataFrame:
    from statsmodels import datasets  # noqa: PLC0415

    frame: pd.DataFrame = getattr(datasets, name).load_pandas().data
    return frame


def read_fair() -> tuple[pd.DataFrame, pd.Series]:
    frame = load_statsmodels("fair")
    return frame.drop(columns="affairs"), (frame["affairs"] > 0).map({True: "some", False: "none"})


def read_anes() -> tuple[pd.DataFrame, pd.Series]:
    frame = load_statsmodels("anes96")
    return frame.drop(columns="vote"), frame["vote"].map({0: "Clinton", 1: "Dole"})


def read_star() -> tuple[pd.DataFrame, pd.Series]:
    frame = load_statsmodels("star98")
    above, below = frame["NABOVE"], frame["NBELOW"]
    return frame.drop(columns=["NABOVE", "NBELOW"]), above / (above + below)


def read_csv(file: Path) -> tuple[pd.DataFrame, pd.Series]:
    frame = pd.read_csv(file)
    return frame[frame.columns[:-1]], frame[frame.columns[-1]]


def read_telco(file: Path) -> tuple[pd.DataFrame, pd.Series]:
    frame = pd.read_csv(file).drop(columns="customerID")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    return frame.drop(columns="Churn"), frame["Churn"]


def read_adult(file: Path) -> tuple[pd.DataFrame, pd.Series]:
    frame = pd.read_csv(file, header=None, skipinitialspace=True, na_values="?")
    frame.columns = pd.Index([f"column {place}" for place in range(frame.shape[1])])
    return frame[frame.columns[:-1]], frame[frame.columns[-1]]


if __name__ == "__main__":
    main()
