"""What a search may vary: typed ranges and choices, declared without the library that searches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline

from tiltyard.errors import UsageError
from tiltyard.suggest import nearest


@dataclass(frozen=True)
class FloatRange:
    """A number from ``low`` to ``high``, both included; ``log`` samples it on a logarithmic scale."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class IntegerRange:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some values, which need no order and may be of any type."""

    values: tuple[object, ...]


Range = FloatRange | IntegerRange | Choice

# Parameter of the pipeline (``classifier__C``) and what it may be.
Space = Mapping[str, Range]


def parse_space(title: str, declared: Any, pipeline: Pipeline) -> Space:
    """A space as users declare one, checked against the pipeline whose parameters it names.

    A parameter may be named as the pipeline has it (``classifier__C``), or as the classifier has it that became the
    pipeline's only step or was calibrated (``C``, ``svm__C``).

    Args:
        title: what messages call the space.
        declared: a mapping from parameter to range, or a function that returns one.
        pipeline: what the space is for.

    Raises:
        UsageError: it is not such a mapping, names an unknown parameter, or has a range that holds nothing.
    """
    if callable(declared):
        declared = declared()
    if not isinstance(declared, Mapping):
        raise _space_error(f"{title} is a {type(declared).__name__}, not a mapping from parameters to ranges.")
    known = pipeline.get_params()
    return {
        _find_parameter(title, str(name), known): _check_range(title, str(name), limits)
        for name, limits in declared.items()
    }


def _find_parameter(title: str, name: str, known: Mapping[str, Any]) -> str:
    step, separator, rest = name.partition("__")
    possible_names = (
        name,
        f"classifier__{name}",
        f"classifier__estimator__{name}",
        f"{step}__estimator{separator}{rest}",
    )
    for candidate in possible_names:
        if candidate in known:
            return candidate
    raise _space_error(f"{title} names '{name}', which the recipe has no parameter of.{nearest(name, known)}")


def _check_range(title: str, name: str, limits: Any) -> Range:
    if isinstance(limits, list | tuple):
        limits = Choice(tuple(limits))
    if isinstance(limits, Choice):
        if not limits.values:
            raise _space_error(f"{title} leaves '{name}' nothing to choose from.")
        return limits
    if not isinstance(limits, FloatRange | IntegerRange):
        raise _space_error(
            f"{title} declares {limits!r} for '{name}', which is not a FloatRange, IntegerRange, Choice or list."
        )
    low, high = limits.low, limits.high
    whole = all(isinstance(end, int) for end in (low, high)) or not isinstance(limits, IntegerRange)
    if not (whole and all(map(math.isfinite, (low, high))) and low <= high and (low > 0 or not limits.log)):
        raise _space_error(
            f"{title} declares {limits!r} for '{name}': its ends must be finite{'' if whole else ' whole'} numbers in "
            "order, and above 0 where log is true."
        )
    return limits


def _space_error(message: str) -> UsageError:
    return UsageError(
        message,
        next_step='Write it like {"C": FloatRange(0.01, 100, log=True)}; see tiltyard.models.search_space.',
        code="candidate.space",
    )
