"""Predicting from a page: reading typed or uploaded inputs, and the champion's predictions."""

from __future__ import annotations

import base64
import binascii
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiltyard.console.sources import ChampionScorer
from tiltyard.data.input_rows import read_input_rows
from tiltyard.errors import InputError, NotFoundError
from tiltyard.formatting import format_count
from tiltyard.json_reading import RepeatedKeyError, load_json
from tiltyard.project import Project
from tiltyard.scoring import InputWarning, UnknownPolicy, Warnings, describe_predictions, score_inputs
from tiltyard.tasks import check_confidence_level, reads_text, require_sets

USUAL_POLICY = UnknownPolicy()
MAX_ROWS = 1000
MAX_BYTES = 5_000_000
_ENDINGS = (".csv", ".tsv", ".txt", ".data", ".json", ".jsonl", ".parquet", ".xlsx", ".xls", ".ods")


@dataclass(frozen=True)
class TrialPrediction:
    """A prediction that is not recorded.

    Attributes:
        input: the input.
        value: the predicted label, or number.
        confidence: probability of the label; None of a number.
        probabilities: probability of each label; none of a number.
        interval: the two ends of a number's interval, of which one may be open (None); None for no interval.
        warnings: what training did not know of the input, and whether the model abstains.
        labels: the prediction set, the likeliest label first; None where no confidence was chosen.
    """

    input: Mapping[str, Any]
    value: str | float
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    interval: Sequence[float | None] | None = None
    warnings: Sequence[InputWarning] = ()
    labels: Sequence[str] | None = None


def predict_inputs(
    champion: ChampionScorer | None,
    inputs: Sequence[Mapping[str, Any]],
    policy: UnknownPolicy = USUAL_POLICY,
    level: float | None = None,
) -> list[TrialPrediction]:
    """Predict with the champion, without recording.

    Args:
        champion: the champion; None where there is none.
        inputs: n inputs.
        policy: what is done about values and columns that training did not know, as the server does it.
        level: the confidence of the prediction sets; None for no sets.

    Raises:
        NotFoundError: there is no champion.
        InputError: an input cannot be scored, or the policy refuses it; it names the position and the field. Or the
            champion has no prediction sets of this confidence.
    """
    if champion is None:
        raise NotFoundError("No champion yet.", next_step="Run: tiltyard train --champion", code="champion.missing")
    classes = champion.scorer.classes
    sets = None
    if level is not None:
        sets = require_sets(champion.sets, classes, champion.version, check_confidence_level(level))
    scores = score_inputs(champion.scorer, inputs, policy)
    warnings: Warnings = scores.warnings or [()] * len(inputs)
    described = describe_predictions(scores, classes)
    labels: Sequence[Sequence[str] | None] = [None] * len(inputs)
    if sets is not None and level is not None:
        labels = sets.list_labels([scored.probabilities for scored in described], level)
    return [
        TrialPrediction(given, scored.value, **scored.certainty, warnings=found, labels=held)
        for given, scored, found, held in zip(inputs, described, warnings, labels, strict=True)
    ]


def inputs_from_form(project: Project, columns: Mapping[str, str], values: Sequence[Any]) -> list[dict[str, Any]]:
    """One input from the fields of the form: a text, or a value a feature, which the champion's schema reads.

    Raises:
        InputError: the text is empty.
    """
    if reads_text(project.task):
        text = str(values[0] or "") if values else ""
        if not text.strip():
            raise InputError("The text is empty.", next_step="Write a text into the field.", field="text")
        return [{"text": text}]
    cells = [None if isinstance(value, str) and not value.strip() else value for value in values]
    return [dict(zip(columns, cells, strict=True))]


def inputs_from_json(project: Project, text: str | None) -> list[dict[str, Any]]:
    """Inputs from JSON: one input, or a list of them, or ``{"instances": […]}``; a text needs no object.

    Raises:
        InputError: it is not JSON, has another form, or too many inputs.
    """
    try:
        content = load_json(text or "")
    except json.JSONDecodeError as error:
        raise InputError(
            f"This is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.",
            next_step='Write it like {"text": "I loved it"} or {"features": {"age": 41}}.',
        ) from None
    except RepeatedKeyError as error:
        raise InputError(f"This cannot be read: {error}.", next_step="Write each key once.") from None
    if isinstance(content, dict) and isinstance(content.get("instances"), list):
        content = content["instances"]
    items = content if isinstance(content, list) else [content]
    return [_read_item(project, item, place) for place, item in enumerate(_check_count(items))]


def inputs_from_file(project: Project, name: str | None, content: str | None) -> list[dict[str, Any]]:
    """Inputs from an uploaded file of rows, or a text file (one text per line).

    A file with the ending of the project's data is read as the project says; how another is written is detected.

    Args:
        project: names the columns.
        name: the file's name, whose ending names its format.
        content: its bytes as a browser sends them, ``data:…;base64,…``.

    Raises:
        InputError: it cannot be used; the message says why.
        DataError: its content does not match its ending.
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
        raise InputError("The file is incomplete.", next_step="Upload it again.") from None
    if len(raw) > MAX_BYTES:
        raise InputError(
            f"The file has {format_count(len(raw), 'byte')}; the maximum is {MAX_BYTES:,}.",
            next_step="Use tiltyard predict --file, or the server's /predict/batch.",
        )
    lines_of_text = reads_text(project.task) and Path(project.data.source).suffix.lower() != ".txt"
    if ending == ".txt" and lines_of_text:
        lines = [line for line in raw.decode("utf-8", "replace").splitlines() if line.strip()]
        return [_read_item(project, line, place) for place, line in enumerate(_check_count(lines))]
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        (Path(folder) / f"upload{ending}").write_bytes(raw)
        rows = read_input_rows(project, Path(folder) / f"upload{ending}")
    return [_read_row(project, row, place) for place, row in enumerate(_check_count(rows))]


def _read_row(project: Project, row: Mapping[str, Any], place: int) -> dict[str, Any]:
    if reads_text(project.task):
        name = project.data.text or "text"
        value = row.get(name, row.get("text"))
        if not isinstance(value, str):
            raise InputError(f"Row {place + 1} has no text in the column '{name}'.", next_step="Rename the column.")
        return {"text": value}
    features = project.data.features
    return {
        name: value
        for name, value in row.items()
        if (name in features if features else name not in project.columns_left_out)
    }


def _read_item(project: Project, item: Any, place: int) -> dict[str, Any]:
    if reads_text(project.task):
        text = item.get("text") if isinstance(item, dict) else item
        if not isinstance(text, str):
            raise InputError(f"Input {place + 1} is not a text.", next_step='Write it like {"text": "I loved it"}.')
        return {"text": text}
    features = item.get("features", item) if isinstance(item, dict) else None
    if not isinstance(features, dict):
        raise InputError(f"Input {place + 1} is not an object.", next_step='Write it like {"features": {"age": 41}}.')
    return features


def _check_count(items: Sequence[Any]) -> Sequence[Any]:
    if not items:
        raise InputError("There is no input.", next_step="Give at least one input.")
    if len(items) > MAX_ROWS:
        raise InputError(
            f"{format_count(len(items), 'input')} are too many for a page; the maximum is {MAX_ROWS:,}.",
            next_step="Use tiltyard predict --file, or the server's /predict/batch.",
        )
    return items
