"""Scores of inputs under a project's policy for what training did not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from tiltyard.scoring.input_errors import refuse_inputs
from tiltyard.scoring.input_warnings import UnknownPolicy
from tiltyard.scoring.scorer import Scorer, Scores


def score_inputs(scorer: Scorer, inputs: Sequence[Mapping[str, Any]], policy: UnknownPolicy) -> Scores:
    """Score n inputs, with the warnings that the policy shows.

    Raises:
        InputError: an input cannot be scored, or the policy refuses it; its ``problems`` name every position and field.
    """
    scores = scorer.score(inputs)
    if scores.warnings is None:
        return scores
    shown, problems = policy.apply(scores.warnings)
    if problems:
        raise refuse_inputs(problems)
    return replace(scores, warnings=shown if any(shown) else None)
