"""Scores several callers' inputs in one model call, so that a wrong input fails its own caller alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.errors import InputError
from tiltyard.scoring.input_errors import list_problems, refuse_inputs, shift_positions
from tiltyard.scoring.scorer import Scorer, Scores

Inputs = Sequence[Mapping[str, Any]]


def score_groups(scorer: Scorer, groups: Sequence[Inputs]) -> list[Scores | Exception]:
    """Score groups of inputs with one model call.

    A group with a bad input gets its own error, with positions counted within the group; the other groups
    get their scores, as if they had come alone. Nothing is raised.

    Args:
        scorer: what scores.
        groups: g groups of at least one input each.

    Returns:
        For each group its scores, or its error.
    """
    try:
        return _split_scores(scorer.score([item for group in groups for item in group]), groups)
    except InputError as error:
        bad = _errors_by_group(error, groups)
    except Exception:  # noqa: BLE001 - a model may raise anything; each group gets its own error
        bad = {}
    if not bad or len(groups) == 1:
        return [_score_group(scorer, group) for group in groups]
    good = [position for position in range(len(groups)) if position not in bad]
    outcomes: list[Scores | Exception] = [bad.get(position, _NOT_SCORED) for position in range(len(groups))]
    if good:
        for position, outcome in zip(good, score_groups(scorer, [groups[i] for i in good]), strict=True):
            outcomes[position] = outcome
    return outcomes


_NOT_SCORED = InputError("The input was not scored.")


def _score_group(scorer: Scorer, group: Inputs) -> Scores | Exception:
    try:
        return _split_scores(scorer.score(group), [group])[0]
    except Exception as error:  # noqa: BLE001 - see above
        return error


def _split_scores(scores: Scores, groups: Sequence[Inputs]) -> list[Scores | Exception]:
    expected = sum(len(group) for group in groups)
    if scores.probabilities.shape[0] != expected or not scores.are_finite:
        what = "probability" if scores.numbers is None else "number"
        raise ArithmeticError(f"The model gave no finite {what} for some input.")
    cut: list[Scores | Exception] = []
    start = 0
    for group in groups:
        end = start + len(group)
        warnings = None if scores.warnings is None else scores.warnings[start:end]
        cut.append(
            Scores(
                scores.labels[start:end],
                scores.probabilities[start:end],
                warnings,
                None if scores.numbers is None else scores.numbers[start:end],
                None if scores.intervals is None else scores.intervals[start:end],
            )
        )
        start = end
    return cut


def _errors_by_group(error: InputError, groups: Sequence[Inputs]) -> dict[int, Exception]:
    """The error of each group that has problems, with positions moved to start at the group's first input."""
    problems = list_problems(error)
    found: dict[int, Exception] = {}
    start = 0
    for number, group in enumerate(groups):
        end = start + len(group)
        own = [problem for problem in problems if start <= problem.position < end]
        if own:
            found[number] = shift_positions(refuse_inputs(own), -start)
        start = end
    return found
