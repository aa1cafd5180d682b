"""What is wrong with inputs that cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tiltyard.errors import InputError

# More would hide the first ones.
SHOWN = 3

# Looking for the nearest known name costs time; a request full of nonsense is not worth it.
MOST_PROBLEMS = 10
LONGEST_NAME = 80

WRONG_TYPE = "wrong-type"
MISSING = "missing"
UNKNOWN_COLUMN: Final = "unknown-column"
REFUSED_BY_MODEL = "refused-by-model"

_LONGEST_VALUE = 40
_LONGEST_NUMBER = 128
"""Bits of the longest whole number that is shown."""
_MOST_NAMES = 20
_LONGEST_LIST = 400
# What refuses a value that training did not know is the project.
_POLICY = (
    "Send values that training knew, or let the project take others: unknown and unknown_columns under [serving] in "
    "tiltyard.toml."
)
_NEXT_STEPS = {
    WRONG_TYPE: "Correct the value; null, or an empty cell of a file, says that it is not known.",
    MISSING: "Send every column that the model reads; null, or an empty cell, says that a value is not known.",
    UNKNOWN_COLUMN: "Correct the name of the column, or leave it out.",
    REFUSED_BY_MODEL: "Send values of the kind that training had: without gaps, if it had none, and of a usual size.",
}


@dataclass(frozen=True)
class InputProblem:
    """One thing that is wrong with one input.

    Attributes:
        position: index of the input in its batch, from 0.
        field: the feature, or ``text``; empty for the input as a whole.
        message: what is wrong, to be read after the field's name.
        code: a stable name of the reason: ``wrong-type``, ``missing``, ``refused-by-model``, or the code of the warning
            that a policy refuses.
        next_step: what to do about it, as a sentence; default: what its code stands for.
    """

    position: int
    field: str
    message: str
    code: str = WRONG_TYPE
    next_step: str = ""

    @property
    def advice(self) -> str:
        """What to do about it, as a sentence."""
        return self.next_step or _NEXT_STEPS.get(self.code, _POLICY)


def write_value(value: Any) -> str:
    """A value as a message shows it: true, false and null as in JSON, anything else as Python writes it, cut."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        return f"a number of about {value.bit_length() * 3 // 10 + 1} digits"  # Python may refuse to write it
    written = repr(value[: _LONGEST_VALUE + 1] if isinstance(value, str | bytes) else value)
    return written if len(written) <= _LONGEST_VALUE + 2 else f"{written[:_LONGEST_VALUE]}…"


def advise_names(names: Sequence[str]) -> str:
    """The next step where columns are missing and others are unknown: the names that the model knows."""
    shown: list[str] = []
    size = 0
    for name in names[:_MOST_NAMES]:
        size += len(name)
        if shown and size > _LONGEST_LIST:
            break
        shown.append(f"'{name[:LONGEST_NAME]}'")
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return f"Name the columns as the training file does; the model reads {', '.join(shown)}{more}."


def refuse_inputs(problems: Sequence[InputProblem]) -> InputError:
    """The error with these problems (at least one); its field ``problems`` holds all of them.

    The problems of an input that have one message share one sentence.
    """
    sentences = _group_problems(problems)
    listed = "; ".join(sentences[:SHOWN])
    more = f"; and {len(sentences) - SHOWN} more" if len(sentences) > SHOWN else ""
    return InputError(
        f"{listed[0].upper()}{listed[1:]}{more}.".replace("?.", "?"),
        next_step=" ".join(list(dict.fromkeys(problem.advice for problem in problems))[:SHOWN]),
        problems=tuple(problems),
    )


def _group_problems(problems: Sequence[InputProblem]) -> list[str]:
    fields: dict[tuple[int, str], list[str]] = {}
    for item in problems:
        fields.setdefault((item.position, item.message), []).append(item.field)
    found = []
    for (position, message), names in fields.items():
        shown = ", ".join(f"'{name}'" for name in names[:SHOWN] if name)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        subject = f"field{'s' if len(names) > 1 else ''} {shown}{more} " if shown else ""
        found.append(f"input {position}: {subject}{'each ' if len(names) > 1 else ''}{message}")
    return found


def list_problems(error: InputError) -> tuple[InputProblem, ...]:
    """The problems in an error; none if another part raised it."""
    problems = error.fields.get("problems", ())
    if not isinstance(problems, tuple):
        return ()
    return tuple(problem for problem in problems if isinstance(problem, InputProblem))


def shift_positions(error: Exception, by: int) -> Exception:
    """The error with the positions of its problems raised by ``by``; any other error as it is."""
    problems = list_problems(error) if isinstance(error, InputError) else ()
    if not problems or not by:
        return error
    return refuse_inputs([replace(problem, position=problem.position + by) for problem in problems])
