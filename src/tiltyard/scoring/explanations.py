"""Explanations of predictions: what each term or feature adds to the prediction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import InputError, UsageError
from tiltyard.ledger.records import input_text
from tiltyard.scoring.input_errors import InputProblem, list_problems, refuse_inputs, shift_positions
from tiltyard.scoring.scorer import Scorer, Scores
from tiltyard.suggest import nearest

Input = Mapping[str, Any]
Scale = Literal["log-odds", "decision", "probability", "number"]

# An input of more words than these has the others left alone: each costs a call of the model.
MOST_OCCLUDED = 200
MOST_CONTRIBUTIONS = 20

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Contribution:
    """What one term or feature adds to the prediction.

    Attributes:
        name: the term, or the feature.
        value: the feature's value as it was sent; for a term how often the text has it.
        weight: what it adds, on the explanation's scale; above 0 speaks for the label, below 0 against it.
    """

    name: str
    value: Any
    weight: float


@dataclass(frozen=True)
class Explanation:
    """The explanation of one prediction.

    Where ``exact`` holds, ``baseline + rest + the sum of the weights`` is ``total``.

    Attributes:
        label: the label that is explained, or the predicted number as text.
        probability: its probability; None of a number.
        method: how the weights were found: ``linear`` (weight times value), ``tree paths`` (Saabas) or ``occlusion``
            (what the probability loses when the term is left out or the feature is not known).
        scale: what the weights are measured in: ``log-odds`` of the label, its ``decision`` value (with several labels:
            less the mean over them where the model is a softmax), its ``probability``, or the predicted ``number``.
        exact: whether the weights add up to what the model computed.
        baseline_name: what the baseline is, such as ``intercept``.
        baseline: the value that every input starts from; for occlusion 0.
        total: the value that the model gave this input.
        contributions: the greatest ones, by size.
        rest: the sum of the others.
        not_judged: features whose part is unknown, as the model refuses a gap in them.
    """

    label: str
    probability: float | None
    method: str
    scale: Scale
    exact: bool
    baseline_name: str
    baseline: float
    total: float
    contributions: tuple[Contribution, ...]
    rest: float = 0.0
    not_judged: tuple[str, ...] = ()


@runtime_checkable
class Explains(Protocol):
    """A scorer that knows its own model well enough to explain it exactly."""

    def explain(self, inputs: Sequence[Input], label: str | None) -> list[Explanation]:
        """All contributions of n inputs to a label, or to the predicted label of each; see ``explain``."""


def explain(
    scorer: Scorer, inputs: Sequence[Input], *, most: int = MOST_CONTRIBUTIONS, label: str | None = None
) -> list[Explanation]:
    """Explain the predictions for n inputs.

    A compiled linear model is explained exactly (weight times value, on the log-odds), and so are compiled forests and
    boosted trees (what each step of a path changes in the mean of the rows that come so far: Saabas, "Interpreting
    random forests", 2014). Any other model is explained by occlusion, which scores the input again without each term or
    feature.

    Args:
        scorer: safe to use from several threads.
        inputs: each ``{"text": …}`` or the features by name; n is at least 1.
        most: how many contributions are named for each input; the others are summed up in ``rest``.
        label: the label to explain, in any spelling; default: the predicted label of each input.

    Returns:
        One explanation for each input, its contributions in the order of their size.

    Raises:
        InputError: an input cannot be scored; its ``problems`` name every position and field.
        UsageError: there is no such label, or ``most`` is negative.
    """
    if most < 0:
        raise UsageError(f"most={most} is not a number of contributions.", next_step="Ask for 0 or more of them.")
    if label is not None and not scorer.classes:
        raise UsageError(
            f"label={label} names a label, and the model predicts numbers.",
            next_step="Leave label out: the predicted number is explained.",
            code="explain.label-unknown",
        )
    meant = None if label is None else LabelCodec(scorer.classes).find_class(label)
    if label is not None and meant is None:
        raise UsageError(
            f"There is no label '{label}'.{nearest(label, scorer.classes)}",
            next_step=f"The model knows the labels {', '.join(scorer.classes)}.",
            code="explain.label-unknown",
        )
    if isinstance(scorer, Explains):
        return [_keep_largest(found, most) for found in scorer.explain(inputs, meant)]
    return [_keep_largest(_occlude(scorer, item, position, meant), most) for position, item in enumerate(inputs)]


def _keep_largest(explanation: Explanation, most: int) -> Explanation:
    ordered = sorted(explanation.contributions, key=lambda part: -abs(part.weight))
    rest = float(sum(part.weight for part in ordered[most:]))
    return replace(explanation, contributions=tuple(ordered[:most]), rest=rest)


def _occlude(scorer: Scorer, item: Input, position: int, label: str | None) -> Explanation:
    try:
        scores = scorer.score([item])
    except InputError as error:
        raise shift_positions(error, position) from None
    of_number = not scorer.classes
    predicted = str(scores.labels[0])
    column = None if of_number else scorer.classes.index(predicted if label is None else label)
    whole = float(_read_values(scores, column)[0])
    text = input_text(item)
    names, values, without = _without_features(item) if text is None else _without_terms(text)
    found, refused = _predict_values(scorer, without, column)
    return Explanation(
        label=predicted if column is None else scorer.classes[column],
        probability=None if of_number else whole,
        method="occlusion",
        scale="number" if of_number else "probability",
        exact=False,
        baseline_name="none",
        baseline=0.0,
        total=whole,
        contributions=tuple(
            Contribution(name, value, whole - other)
            for name, value, other in zip(names, values, found, strict=True)
            if other is not None
        ),
        not_judged=tuple(names[number] for number in refused),
    )


def _read_values(scores: Scores, column: int | None) -> NDArray[np.float64]:
    """The predicted numbers, or the probabilities of one label."""
    if column is not None:
        return scores.probabilities[:, column]
    if scores.numbers is None:
        raise TypeError("a scorer without classes predicted no numbers")
    return scores.numbers


def _without_terms(text: str) -> tuple[list[str], list[Any], list[Input]]:
    counts: dict[str, int] = {}
    for word in _WORD.findall(text):
        counts[word] = counts.get(word, 0) + 1
    names = list(counts)[:MOST_OCCLUDED]
    without: list[Input] = [{"text": re.sub(rf"\b{re.escape(name)}\b", "", text)} for name in names]
    return names, [counts[name] for name in names], without


def _without_features(item: Input) -> tuple[list[str], list[Any], list[Input]]:
    names = [name for name in item if item[name] is not None]
    return names, [item[name] for name in names], [{**item, name: None} for name in names]


def _predict_values(scorer: Scorer, inputs: list[Input], column: int | None) -> tuple[list[float | None], list[int]]:
    """The probability of a label, or the number, of each input, None where it is refused; and which were refused."""
    refused: set[int] = set()
    if not inputs:
        return [], []
    try:
        return list(_read_values(scorer.score(inputs), column).tolist()), []
    except InputError as error:
        refused = {problem.position for problem in list_problems(error)}
        if not refused:
            raise refuse_inputs(
                [InputProblem(0, "", "cannot be explained: the model refuses all changes of it")]
            ) from error
    kept = [number for number in range(len(inputs)) if number not in refused]
    again = iter(_read_values(scorer.score([inputs[number] for number in kept]), column).tolist() if kept else ())
    return [None if number in refused else next(again) for number in range(len(inputs))], sorted(refused)
