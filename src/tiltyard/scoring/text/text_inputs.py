"""Inputs that are texts: checks, extraction and scoring."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.labels import is_label_gap
from tiltyard.data.conform.rows import CellError
from tiltyard.formatting import format_count
from tiltyard.ledger.records import TEXT_GROUP
from tiltyard.scoring.input_errors import (
    MISSING,
    UNKNOWN_COLUMN,
    InputProblem,
    advise_names,
    refuse_inputs,
    write_value,
)
from tiltyard.scoring.input_warnings import LONGEST_VALUE, InputWarning, UnknownColumns, Warnings
from tiltyard.scoring.scorer import Scores

TEXT = "text"
LONGEST_GROUP = 256
_TEXT_KEYS = frozenset({TEXT, TEXT_GROUP})


@dataclass(frozen=True)
class TextColumns:
    """The columns of the rows that a model of texts learned from.

    Attributes:
        name: the column of the text in the training file; ``text`` means it too.
        others: the file's other columns, which the model does not read.
        group: the column that says which rows belong together; it is recorded with the text. None for none.
    """

    name: str = TEXT
    others: frozenset[str] = frozenset()
    group: str | None = None

    def pick_texts(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], Warnings | None]:
        """The inputs of n rows with named columns, and the warnings of unknown columns.

        An input is ``{"text": …}``, with its group under ``TEXT_GROUP`` where the row has one.

        Raises:
            InputError: a row has no text, or a group that is neither text nor number; its ``problems`` name every
                position and field.
        """
        unknown = UnknownColumns(self.names, self.others)
        inputs: list[Mapping[str, Any]] = []
        warnings: list[list[InputWarning]] = []
        problems: list[InputProblem] = []
        for position, row in enumerate(rows):
            found = unknown.find(row)
            name = TEXT if TEXT in row else self.name
            if name in row:
                try:
                    group = read_group(row.get(self.group)) if self.group is not None else {}
                except CellError as error:
                    problems.append(InputProblem(position, self.group or "", str(error)))
                    continue
                inputs.append({TEXT: row[name], **group})
                warnings.append(found)
            else:
                advice = advise_names(self.names)
                problems.append(InputProblem(position, self.name, "is missing", MISSING, advice))
                problems += [InputProblem(position, one.field, one.message, one.code, advice) for one in found]
        if problems:
            raise refuse_inputs(problems)
        return inputs, warnings if any(warnings) else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which the text may be sent."""
        return (TEXT,) if self.name == TEXT else (TEXT, self.name)


def read_group(raw: Any) -> dict[str, Any]:
    """What is recorded of the group that was sent with a text: ``{TEXT_GROUP: …}``, as it came; empty for a gap.

    Raises:
        CellError: it is neither a text nor a number; the message reads on after the field's name.
    """
    if isinstance(raw, Decimal):
        raw = float(raw)
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | None):
        raise CellError(f"has to be a text or a number, and is {write_value(raw)}")
    if isinstance(raw, str) and len(raw) > LONGEST_GROUP:
        raise CellError(f"is {format_count(len(raw), 'character')} long, and at most {LONGEST_GROUP} are accepted")
    if isinstance(raw, float) and math.isinf(raw):
        raise CellError("has to be a text or a finite number")
    return {} if is_label_gap(raw) else {TEXT_GROUP: raw}


class ScorerOfTexts(ABC):
    """What all compiled scorers of texts share: everything but the scoring.

    Args:
        classes: the labels, in the order of the probability columns.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probability columns."""
        return self._classes

    @abstractmethod
    def score_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
        """Probabilities of n texts that are known to be strings, shape (n, classes).

        Also the positions of the texts of which training knew no word.
        """

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of n texts that are known to be strings, shape (n, classes)."""
        return self.score_texts(texts)[0]

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs, each ``{"text": …}``.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        texts = extract_texts(inputs)
        probabilities, unknown = self.score_texts(texts)
        labels = self._classes
        warnings = _warn_of_texts(texts, unknown) if unknown else None
        return Scores([labels[column] for column in probabilities.argmax(axis=1).tolist()], probabilities, warnings)


def _warn_of_texts(texts: Sequence[str], unknown: Sequence[int]) -> list[list[InputWarning]]:
    warnings: list[list[InputWarning]] = [[] for _ in texts]
    for position in unknown:
        text = texts[position]
        shown = text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
        warnings[position] = [InputWarning(TEXT, "unknown-words", shown, "has no word that training knew")]
    return warnings


def extract_texts(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The texts of n inputs ``{"text": …}``.

    Raises:
        InputError: an input has no text, one that is not a string, or another field; all of them are named.
    """
    try:
        texts = [item["text"] for item in inputs]
    except KeyError:
        texts = []
    if len(texts) == len(inputs) and all(
        (len(item) == 1 or item.keys() <= _TEXT_KEYS) and isinstance(text, str)
        for item, text in zip(inputs, texts, strict=True)
    ):
        return texts
    raise refuse_inputs([problem for position, item in enumerate(inputs) for problem in _problems(position, item)])


def _problems(position: int, item: Mapping[str, Any]) -> list[InputProblem]:
    if "text" not in item:
        return [InputProblem(position, "text", "is missing", MISSING)]
    if not isinstance(item["text"], str):
        return [InputProblem(position, "text", f"has to be a text, and is {write_value(item['text'])}")]
    return [
        InputProblem(position, str(name), "is not known here", UNKNOWN_COLUMN)
        for name in item
        if name not in _TEXT_KEYS
    ]
