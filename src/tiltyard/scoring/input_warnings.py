"""What is unusual about inputs that can be scored all the same, and which of it a project refuses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from tiltyard.project.serving import ServingSection, UnknownAction
from tiltyard.scoring.input_errors import LONGEST_NAME, MOST_PROBLEMS, UNKNOWN_COLUMN, InputProblem
from tiltyard.suggest import nearest

WarningCode = Literal[
    "unknown-category", "out-of-range", "far-date", "unreadable-date", "unknown-words", "unknown-column", "abstained"
]
ABSTAINED: WarningCode = "abstained"
"""Of an input that is not unusual in itself: the model leaves its decision to a person."""

# Looking for the nearest known name costs time; a request full of nonsense is not worth it.
_MOST_HINTS = 50
LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class InputWarning:
    """One value, or column, that training did not know; or that the model abstains.

    Attributes:
        field: the column, or ``text``; ``prediction`` where the model abstains.
        code: what is unusual about it.
        value: the value as it was read.
        message: what is unusual, to be read after the field's name.
    """

    field: str
    code: WarningCode
    value: Any
    message: str


Warnings = Sequence[Sequence[InputWarning]]
"""The warnings of each input, in their order."""


def join_warnings(first: Warnings | None, second: Warnings | None) -> Warnings | None:
    """Both kinds of warnings of the same inputs; None where there are none."""
    if first is None or second is None:
        found = second if first is None else first
    else:
        found = [[*some, *more] for some, more in zip(first, second, strict=True)]
    return found if found is not None and any(found) else None


def split_abstention(found: Sequence[InputWarning]) -> tuple[bool, Sequence[InputWarning]]:
    """Whether the model abstains on an input, and the warnings about the input itself."""
    unusual = [warning for warning in found if warning.code != ABSTAINED]
    return len(unusual) < len(found), unusual


class UnknownColumns:
    """Finds the columns of rows that a model does not know; made anew for each batch.

    Args:
        features: the columns that the model reads.
        others: other columns of the file that it learned from, which are passed over.
    """

    def __init__(self, features: Collection[str], others: Collection[str]) -> None:
        self._features = features
        self._others = others
        self._messages: dict[str, str] = {}

    def find(self, row: Mapping[str, Any]) -> list[InputWarning]:
        """A warning for each unknown column of a row, at most ``MOST_PROBLEMS``."""
        unknown = (name for name in row if name not in self._features and name not in self._others)
        return [
            InputWarning(name, UNKNOWN_COLUMN, shorten_cell(value), self._describe(name))
            for name, value in ((str(name)[:LONGEST_NAME], row[name]) for name in islice(unknown, MOST_PROBLEMS))
        ]

    def _describe(self, name: str) -> str:
        message = self._messages.get(name)
        if message is None:
            hint = nearest(name, self._features) if len(self._messages) < _MOST_HINTS else ""
            message = self._messages[name] = f"is not a feature of this model.{hint}".rstrip(".")
        return message


def shorten_cell(value: Any) -> Any:
    """A value as a warning shows it: a text is cut, and what is neither text, number nor boolean is left out."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    return value if isinstance(value, bool | int | float) else None


@dataclass(frozen=True)
class UnknownPolicy:
    """What is done about values, and columns, that training did not know.

    Attributes:
        values: for the values of every column that ``columns`` does not name.
        columns: for the values of single columns, by name.
        unknown_columns: for columns that the model does not know.
    """

    values: UnknownAction = "warn"
    columns: Mapping[str, UnknownAction] = field(default_factory=dict)
    unknown_columns: UnknownAction = "refuse"

    @classmethod
    def from_options(cls, options: ServingSection) -> UnknownPolicy:
        """What a project's ``[serving]`` states."""
        return cls(options.unknown, dict(options.unknown_columns))

    def apply(self, warnings: Warnings) -> tuple[Warnings, list[InputProblem]]:
        """The warnings that are shown, and the problems for which inputs are refused.

        Args:
            warnings: those of each input.

        Returns:
            The same without those that are ignored or refused; and a problem for each that is refused.
        """
        shown: list[list[InputWarning]] = []
        problems: list[InputProblem] = []
        for position, found in enumerate(warnings):
            actions = [(warning, self._action(warning)) for warning in found]
            shown.append([warning for warning, action in actions if action == "warn"])
            problems += [
                InputProblem(position, warning.field, warning.message, warning.code)
                for warning, action in actions
                if action == "refuse"
            ]
        return shown, problems

    def _action(self, warning: InputWarning) -> UnknownAction:
        if warning.code == ABSTAINED:
            return "warn"
        if warning.code == UNKNOWN_COLUMN:
            return self.unknown_columns
        return self.columns.get(warning.field, self.values)
