"""What is served: a model trained by Tiltyard, the inputs that are sent, and the right predictions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from tiltyard import wiring
from tiltyard.models.to_sklearn import to_sklearn_pipeline
from tiltyard.project import load_project
from tiltyard.registry import read_package

ROOT = Path(__file__).parents[2]
REVIEWS = ROOT / "examples" / "sentiment" / "data" / "reviews.csv"
PERSONALITY = ROOT / "examples" / "personality" / "data" / "personality.csv"
TABLE_MODELS = ("logreg", "random-forest", "gradient-boosting")

SHORT_CHARACTERS = 120
LONG_WORDS = 230
SENT = 500  # different inputs


@dataclass(frozen=True)
class Subject:
    """A champion, and the same pipeline for the peers.

    Attributes:
        task: whether texts or rows are predicted.
        project: the folder of the Tiltyard project whose champion it is.
        model: the pipeline as plain scikit-learn, stored with joblib.
        inputs: by name of the kind (``short``, ``long``, or the table model), what is sent: texts, or rows by column.
        confidence: for each of them the probability of the most probable label, as scikit-learn gives it.
        about: what it is, for people.
    """

    task: Literal["text", "table"]
    project: Path
    model: Path
    inputs: Mapping[str, Sequence[Any]]
    confidence: Mapping[str, Sequence[float]]
    about: str


def text_subject(folder: Path, file: Path) -> Subject:
    """TF-IDF and logistic regression over a file of texts and labels."""
    frame = read_reviews(file)
    project = folder / "text"
    write_project(project, frame, "text-classification", "text", "tfidf-logreg")
    train_champion(project)
    pipeline, path = _load_pipeline(project)
    inputs = {"short": short_texts(frame["text"].tolist()), "long": long_texts(frame["text"].tolist())}
    confidence = {name: _confidences(pipeline, texts) for name, texts in inputs.items()}
    about = (
        f"TF-IDF of 1-2-grams ({len(pipeline[0].vocabulary_):,} features) and logistic regression, "
        f"{len(frame):,} texts of {file.name}"
    )
    return Subject("text", project, path, inputs, confidence, about)


def table_subject(folder: Path, candidate: str, file: Path = PERSONALITY, label: str = "Personality") -> Subject:
    """One of the table models over the personality data."""
    frame = pd.read_csv(file)
    project = folder / candidate
    write_project(project, frame, "tabular-classification", "", candidate, label)
    train_champion(project)
    pipeline, path = _load_pipeline(project)
    whole = frame.drop(columns=[label]).dropna().head(SENT)
    rows = json.loads(whole.to_json(orient="records"))
    confidence = {candidate: _confidences(pipeline, pd.DataFrame(rows))}
    return Subject(
        "table", project, path, {candidate: rows}, confidence, f"{candidate}, {len(frame):,} rows of {file.name}"
    )


def short_texts(texts: Sequence[str]) -> list[str]:
    """Texts of about 120 characters, cut between words."""
    cut = [text[:SHORT_CHARACTERS].rpartition(" ")[0] or text[:SHORT_CHARACTERS] for text in texts if len(text) >= 80]
    return (cut or list(texts))[:SENT]


def long_texts(texts: Sequence[str]) -> list[str]:
    """Texts of about 230 words: whole ones where there are enough of that length, else several put together."""
    low, high = 0.9 * LONG_WORDS, 1.1 * LONG_WORDS
    whole = [text for text in texts if low <= len(text.split()) <= high]
    if len(whole) >= SENT // 5:
        return whole[:SENT]
    words = [word for text in texts for word in text.split()]
    made = [" ".join(words[start : start + LONG_WORDS]) for start in range(0, len(words) - LONG_WORDS, LONG_WORDS)]
    return (made or [" ".join(words)])[:SENT]


def clean_environment() -> dict[str, str]:
    """This process's environment without Tiltyard's settings, with one thread for numerical libraries."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TILTYARD_", "MLFLOW_", "PREFECT_"))
    }
    return {**kept, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}


def read_reviews(file: Path) -> pd.DataFrame:
    """The columns text and label of a file, CSV or Parquet, without gaps."""
    frame = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    if not {"text", "label"} <= set(frame.columns):
        sys.exit(f"{file} needs the columns text and label; it has {', '.join(map(str, frame.columns))}.")
    return frame[["text", "label"]].dropna().astype(str)


def write_project(
    project: Path, frame: pd.DataFrame, task: str, text: str, candidate: str, label: str = "label"
) -> None:
    """A new project over a frame, with one candidate."""
    project.mkdir(parents=True)
    frame.to_parquet(project / "data.parquet", index=False)
    column = f'text = "{text}"\n' if text else ""
    (project / "tiltyard.toml").write_text(
        f'[project]\nname = "bench"\ntask = "{task}"\n\n[data]\nsource = "data.parquet"\n{column}label = "{label}"\n\n'
        f'[training]\ncandidates = ["{candidate}"]\n',
        encoding="utf-8",
    )


def train_champion(project: Path, python: str = sys.executable) -> None:
    """Train the champion of a project with the Tiltyard of a Python; the run ends where that fails."""
    done = subprocess.run(
        [python, "-m", "tiltyard", "train", "--champion", "--accept-data", "--json"],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"Tiltyard could not train {project.name}: {done.stderr or done.stdout}")


def _load_pipeline(folder: Path) -> tuple[Any, Path]:
    """The champion's pipeline without code of ours, and where it is stored."""
    project = load_project(folder / "tiltyard.toml")
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    info = registry.get_version(project.model_name, alias="champion")
    pipeline: Any = read_package(registry.fetch(info, settings.cache), settings.trusted_types).pipeline
    plain = make_plain(pipeline)
    path = folder / "pipeline.joblib"
    joblib.dump(plain, path)
    return plain, path


def make_plain(pipeline: Pipeline) -> Pipeline:
    """The same fitted pipeline as every peer can read it: of scikit-learn alone, without random generators."""
    plain = to_sklearn_pipeline(pipeline)
    for _, step in plain.steps:
        if isinstance(step, ColumnTransformer):
            # Dates, which these tables do not have, are read by code of ours.
            unused = {name for name, _, columns in step.transformers_ if not len(columns)}
            step.transformers_ = [part for part in step.transformers_ if part[0] not in unused]
            step.transformers = [part for part in step.transformers if part[0] not in unused]
        for field, value in list(vars(step).items()):
            # What fitting drew from is of no use to a server, and older versions of numpy cannot read it.
            if isinstance(value, np.random.Generator | np.random.RandomState):
                setattr(step, field, None)
    return plain


def _confidences(pipeline: Any, batch: Any) -> list[float]:
    return np.asarray(pipeline.predict_proba(batch)).max(axis=1).tolist()  # type: ignore[no-any-return]
