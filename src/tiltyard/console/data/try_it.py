"""Asking the champion from a page: reading what was typed or uploaded, and its answers."""

from __future__ import annotations

import base64
import binascii
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tiltyard.console.sources import ChampionScorer
from tiltyard.data.sources import read_source
from tiltyard.errors import InputError, NotFoundError
from tiltyard.project import DataSection, Project

MOST_ROWS = 1000
MOST_BYTES = 5_000_000
_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")


@dataclass(frozen=True)
class TrialPrediction:
    """One answer to a trial.

    Attributes:
        input: what was asked.
        label: the predicted label.
        probabilities: probability of each label.
    """

    input: Mapping[str, Any]
    label: str
    probabilities: Mapping[str, float]

    @property
    def confidence(self) -> float:
        """Probability of the predicted label."""
        return self.probabilities[self.label]


def predict_inputs(champion: ChampionScorer | None, inputs: Sequence[Mapping[str, Any]]) -> list[TrialPrediction]:
    """The champion's answers. Nothing is recorded: these are trials, not answers to users.

    Raises:
        NotFoundError: there is no champion.
        InputError: an input cannot be scored; it names the position and the field.
    """
    if champion is None:
        raise NotFoundError("No champion yet.", next_step="Run: tiltyard train --champion", code="champion.missing")
    scores = champion.scorer.score(inputs)
    names = champion.scorer.classes
    return [
        TrialPrediction(asked, str(label), dict(zip(names, map(float, row), strict=True)))
        for asked, label, row in zip(inputs, scores.labels, scores.probabilities, strict=True)
    ]


def inputs_from_form(project: Project, columns: Mapping[str, str], values: Sequence[Any]) -> list[dict[str, Any]]:
    """One input from the fields of the form: a text, or a value a feature; an empty field is a missing value.

    Raises:
        InputError: there is no text, or a number is none.
    """
    if project.task == "text-classification":
        text = str(values[0] or "") if values else ""
        if not text.strip():
            raise InputError("The text is empty.", next_step="Write a text into the field.", field="text")
        return [{"text": text}]
    return [{name: _typed(name, kind, value) for (name, kind), value in zip(columns.items(), values, strict=True)}]


def inputs_from_json(project: Project, text: str | None) -> list[dict[str, Any]]:
    """Inputs from JSON: one input, or a list of them, or ``{"instances": […]}``; a text may stand alone.

    Raises:
        InputError: it is no JSON, or not of these forms, or too many.
    """
    try:
        content = json.loads(text or "")
    except json.JSONDecodeError as error:
        raise InputError(
            f"This is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.",
            next_step='Write it like {"text": "I loved it"} or {"features": {"age": 41}}.',
        ) from None
    if isinstance(content, dict) and isinstance(content.get("instances"), list):
        content = content["instances"]
    items = content if isinstance(content, list) else [content]
    return [_one(project, item, place) for place, item in enumerate(_few(items))]


def inputs_from_file(project: Project, name: str | None, content: str | None) -> list[dict[str, Any]]:
    """Inputs from an uploaded CSV, TSV, JSON Lines, Parquet or text file (a text a line).

    Args:
        project: names the columns.
        name: the file's name, whose ending says its kind.
        content: its bytes as a browser sends them, ``data:…;base64,…``.

    Raises:
        InputError: it cannot be used; the message says why.
        DataError: it is not of its kind.
    """
    ending = Path(name or "").suffix.lower()
    if ending not in _ENDINGS:
        raise InputError(
            f"A file that ends in '{ending}' cannot be read.",
            next_step=f"Upload one that ends in {', '.join(_ENDINGS)}.",
        )
    try:
        raw = base64.b64decode((content or "").partition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        raise InputError("The file did not arrive whole.", next_step="Upload it again.") from None
    if len(raw) > MOST_BYTES:
        raise InputError(
            f"The file has {len(raw):,} bytes; the most is {MOST_BYTES:,}.",
            next_step="Use tiltyard predict --file, or the server's /predict/batch.",
        )
    if ending == ".txt":
        lines = [line for line in raw.decode("utf-8", "replace").splitlines() if line.strip()]
        return [_one(project, line, place) for place, line in enumerate(_few(lines))]
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        (Path(folder) / f"upload{ending}").write_bytes(raw)
        text = project.data.text
        section = DataSection(source=f"upload{ending}", label=project.data.label, text=text)
        frame = read_source(section, Path(folder), verbatim=(text,) if text else ())
    return [_row(project, row, place) for place, row in enumerate(_few(_rows(frame)))]


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in plain]


def _row(project: Project, row: dict[str, Any], place: int) -> dict[str, Any]:
    if project.task == "text-classification":
        name = project.data.text or "text"
        value = row.get(name, row.get("text"))
        if not isinstance(value, str):
            raise InputError(f"Row {place + 1} has no text in the column '{name}'.", next_step="Name the column so.")
        return {"text": value}
    left_out = {project.data.label, project.data.time, *project.data.ignore}
    wanted = project.data.features
    return {name: value for name, value in row.items() if (name in wanted if wanted else name not in left_out)}


def _one(project: Project, item: Any, place: int) -> dict[str, Any]:
    if project.task == "text-classification":
        text = item.get("text") if isinstance(item, dict) else item
        if not isinstance(text, str):
            raise InputError(f"Input {place + 1} is no text.", next_step='Write it like {"text": "I loved it"}.')
        return {"text": text}
    features = item.get("features", item) if isinstance(item, dict) else None
    if not isinstance(features, dict):
        raise InputError(f"Input {place + 1} is no object.", next_step='Write it like {"features": {"age": 41}}.')
    return features


def _few(items: Sequence[Any]) -> Sequence[Any]:
    if not items:
        raise InputError("There is nothing to answer.", next_step="Give at least one input.")
    if len(items) > MOST_ROWS:
        raise InputError(
            f"{len(items):,} inputs are too many for a page; the most is {MOST_ROWS:,}.",
            next_step="Use tiltyard predict --file, or the server's /predict/batch.",
        )
    return items


def _typed(name: str, kind: str, value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if kind in ("number", "integer") and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise InputError(
                f"'{name}' is {value!r}, where a number belongs.", next_step="Write a number.", field=name
            ) from None
    if kind == "boolean" and isinstance(value, str):
        told = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            value.strip().lower()
        )
        if told is None:
            raise InputError(
                f"'{name}' is {value!r}, where true or false belongs.", next_step="Write true or false.", field=name
            )
        return told
    return value
