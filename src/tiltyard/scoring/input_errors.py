"""What is wrong with inputs that cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tiltyard.errors import InputError

# More would hide the first ones.
SHOWN = 3

# Looking for the nearest known name costs time; a request full of nonsense is not worth it.
MOST_PROBLEMS = 10
LONGEST_NAME = 80

MISSING = "missing"
REFUSED_BY_MODEL = "refused-by-model"


@dataclass(frozen=True)
class InputProblem:
    """One thing that is wrong with one input.

    Attributes:
        position: index of the input in its batch, from 0.
        field: the feature, or ``text``; empty for the input as a whole.
        message: what is wrong, to be read after the field's name.
        code: a stable name of the reason: ``wrong-type``, ``missing``, ``refused-by-model``, or the code of the warning
            that a policy refuses.
    """

    position: int
    field: str
    message: str
    code: str = "wrong-type"

    def __str__(self) -> str:
        subject = f"field '{self.field}' " if self.field else ""
        return f"input {self.position}: {subject}{self.message}"


def refuse_inputs(problems: Sequence[InputProblem]) -> InputError:
    """The error with these problems (at least one); its field ``problems`` holds all of them."""
    listed = "; ".join(str(problem) for problem in problems[:SHOWN])
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return InputError(
        f"{listed[0].upper()}{listed[1:]}{more}.".replace("?.", "?"),
        next_step="Correct the input; GET /model-info names the fields that the model knows and their types.",
        problems=tuple(problems),
    )


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
