"""Estimates without labels, as a monitoring run makes them, while inputs move away from the training by grades.

A champion is trained and registered as ``tiltyard train`` does it. Windows of 1,000 predictions without labels are
recorded in a ledger and evaluated by ``evaluate_period``; the truth is known here. For each grade: how often an
estimate is given at all, and how often its interval holds the accuracy of the window. Tables are simulated: six numbers
and a category, whose labels follow from the inputs by the same rule wherever these move. Texts: reviews of films (IMDB,
a part of them) with a growing share of sentences of another source (Rotten Tomatoes) and of reviews of books and DVDs.
The corpora are looked for as in ``drift``; without them their rows are left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.evidence_rates.drift import find_data
from benchmarks.evidence_rates.rows import Row, make_row, show_progress
from numpy.typing import NDArray

from tiltyard.ledger import SqlLedger
from tiltyard.monitoring.monitored_version import MonitoredVersion, read_champion
from tiltyard.monitoring.run import evaluate_period
from tiltyard.pipeline import QuietRunner, TrainingRequest, Workspace, train
from tiltyard.project import Project, load_project
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.scoring import SklearnScorer
from tiltyard.testing import NOON, MemoryLedger, make_prediction

WINDOW = 1_000
PROMISED = 0.9
SHIFTS = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0)  # standard deviations
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of texts of another kind
_HOURS = timedelta(hours=24)

Draw = Callable[[np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Champion:
    """A trained version, and what predicts with it."""

    project: Project
    monitored: MonitoredVersion
    scorer: Any


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about ten minutes with ``scale`` 1."""
    return [*_measure_tables(scale), *_measure_texts(scale)]


@contextmanager
def train_champion(frame: pd.DataFrame, data: str, task: str) -> Iterator[Champion]:
    """A champion of rows with a column ``label``, in stores of a temporary folder.

    Args:
        frame: the rows.
        data: further lines of ``[data]``.
        task: of the project.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        frame.to_csv(root / "rows.csv", index=False)
        (root / "tiltyard.toml").write_text(
            f'[project]\nname = "grades"\ntask = "{task}"\n[data]\nsource = "rows.csv"\nlabel = "label"\n{data}\n'
            '[promotion]\nrule = "better"\n',
            encoding="utf-8",
        )
        project = load_project(root)
        uri = f"sqlite:///{root / 'mlflow.db'}"
        tracker = ExperimentTracker("grades", tracking_uri=uri, artifact_location=(root / "artifacts").as_uri())
        with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
            workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "benchmark")
            outcome = train(project, tracker, workspace, QuietRunner(), TrainingRequest(promote=True, accept_data=True))
            monitored = read_champion(workspace.registry, project.model_name, workspace.cache)
            assert monitored is not None
            package = workspace.load(outcome.version)
            manifest = package.manifest
            yield Champion(project, monitored, SklearnScorer(package.pipeline, manifest.task, manifest.columns))


def estimate_window(champion: Champion, rows: pd.DataFrame) -> bool | None:
    """Whether the estimate's interval holds the true accuracy of rows; None where none is given.

    Args:
        champion: the version.
        rows: with the true ``label``.
    """
    inputs = rows.drop(columns="label").to_dict("records")
    scores = champion.scorer.score(inputs)
    ledger = MemoryLedger()
    ledger.record(
        [
            make_prediction(
                id=f"{place:06}",
                at=NOON - _HOURS + place * _HOURS / len(rows),
                project=champion.project.model_name,
                version=champion.monitored.version,
                input=content,
                label=label,
                confidence=float(max(given)),
                probabilities=dict(zip(champion.monitored.classes, map(float, given), strict=True)),
            )
            for place, (content, label, given) in enumerate(
                zip(inputs, scores.labels, scores.probabilities, strict=True)
            )
        ]
    )
    found = evaluate_period(champion.project, ledger, champion.monitored, until=NOON).estimate
    assert found is not None
    if found.reason:
        return None
    interval = found.figures["accuracy"].interval
    assert interval is not None
    accuracy = float(np.mean(np.asarray(scores.labels, dtype=str) == rows["label"].to_numpy(dtype=str)))
    return bool(interval.low <= accuracy <= interval.high)


def draw_table(random: np.random.Generator, rows: int, shift: float = 0.0, columns: int = 1) -> pd.DataFrame:
    """Rows whose labels follow from their inputs, with so many columns shifted by so many standard deviations."""
    numbers = random.normal(size=(rows, 6))
    numbers[:, :columns] += shift
    shop = random.choice(list("abc"), rows, p=[0.6, 0.3, 0.1])
    odds = (
        1.5 * np.sin(1.5 * numbers[:, 0])
        + numbers[:, 1] * numbers[:, 2]
        + 0.8 * numbers[:, 3]
        + np.where(shop == "c", 1.0, 0.0)
    )
    label = np.where(random.random(rows) < 1 / (1 + np.exp(-1.5 * odds)), "yes", "no")
    frame = pd.DataFrame(numbers, columns=[f"x{place}" for place in range(6)])
    return frame.assign(shop=shop, label=label)


def _measure_tables(scale: float) -> list[Row]:
    trainings, windows = max(2, round(5 * scale)), max(2, round(10 * scale))
    cells = [(shift, columns) for columns in (1, 6) for shift in SHIFTS if shift or columns == 1]
    held: dict[tuple[float, int], list[bool | None]] = {cell: [] for cell in cells}
    for training in show_progress(range(trainings), "estimates, tables"):
        random = np.random.default_rng([88, training])
        with train_champion(draw_table(random, 4_000), "", "tabular-classification") as champion:
            for shift, columns in cells:
                for _ in range(windows):
                    held[shift, columns].append(estimate_window(champion, draw_table(random, WINDOW, shift, columns)))
    rows = []
    for (shift, columns), found in held.items():
        which = "one of seven columns" if columns == 1 else "six of seven columns"
        rows += _describe(f"{which} shifted by {shift:g} sd" if shift else "no column shifted", found)
    return rows


def _measure_texts(scale: float) -> list[Row]:
    files = [
        find_data(name) for name in ("imdb/train.parquet", "rt_polarity/rt-polarity.pos", "amazon/books_dvd.parquet")
    ]
    if None in files:
        return []
    reviews, positive, goods = (Path(str(file)) for file in files)
    random = np.random.default_rng(89)
    films = _shuffle(pd.read_parquet(reviews), random)
    known = films["film"].isin(random.choice(films["film"].unique(), films["film"].nunique() // 2, replace=False))
    frame = films[known].head(5_000)[["text", "label", "film"]]
    negative = positive.with_suffix(".neg")
    sentences = pd.concat([_read_sentences(positive, "pos"), _read_sentences(negative, "neg")], ignore_index=True)
    kinds = {
        "sentences of another source": sentences,
        "reviews of books and DVDs": pd.read_parquet(goods)[["text", "label"]],
    }
    rows: list[Row] = []
    windows = max(2, round(20 * scale))
    data = 'text = "text"\npositive = "pos"\n[split]\ngroup = "film"'
    with train_champion(frame, data, "text-classification") as champion:
        same = films[~known][["text", "label"]]
        for kind, texts in kinds.items():
            others = texts[texts["label"].isin(["pos", "neg"])]
            for share in SHARES:
                if not share and rows:
                    continue
                found = []
                for _ in show_progress(range(windows), f"estimates, {share:.0%} {kind}"):
                    foreign = round(share * WINDOW)
                    parts = [_take(same, WINDOW - foreign, random), _take(others, foreign, random)]
                    found.append(estimate_window(champion, _shuffle(pd.concat(parts), random)))
                title = f"{share:.0%} {kind} among reviews of other films" if share else "reviews of other films"
                rows += _describe(title, found)
    return rows


def _shuffle(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[random.permutation(len(frame))].reset_index(drop=True)


def _take(frame: pd.DataFrame, rows: int, random: np.random.Generator) -> pd.DataFrame:
    chosen: NDArray[np.intp] = random.choice(len(frame), rows, replace=False)
    return frame.iloc[chosen]


def _read_sentences(file: Path, label: str) -> pd.DataFrame:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return pd.DataFrame({"text": [line for line in lines if line.strip()], "label": label})


def _describe(title: str, found: Sequence[bool | None]) -> list[Row]:
    given = [one for one in found if one is not None]
    rows = [make_row(f"estimate, {title}: could not check", None, len(found) - len(given), len(found))]
    if given:
        name = f"estimate, {title}: the interval holds the true accuracy"
        rows.append(make_row(name, PROMISED, sum(given), len(given)))
    return rows
