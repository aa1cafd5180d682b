"""Findings: what a check or a monitor saw, as values that can be stored, compared and shown."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import numpy as np

Severity = Literal["info", "warning", "error"]
Status = Literal["found", "could_not_judge"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was seen, or that could not be judged.

    Attributes:
        code: stable dotted name for programs and documentation (``text.garbage``).
        severity: ``info`` (worth knowing), ``warning`` (look at it), ``error`` (a limit is broken, or nothing
            good can come of going on).
        subject: what it is about: a column, a side of a split, a metric, or the name of the whole.
        title: a few words, the same for every finding of the code.
        message: one or two sentences with the figures.
        score: the measured value, where there is one.
        limit: the value that the score was held against, where there is one.
        evidence: what lets a reader check it: counts, rows, examples; JSON-ready once passed through `to_dict`.
        next_step: what to do about it, as one imperative sentence.
        status: ``found``, or ``could_not_judge`` where the check had nothing to work on.
    """

    code: str
    severity: Severity
    subject: str
    title: str
    message: str
    score: float | None = None
    limit: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    status: Status = "found"

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"finding code {self.code!r} is not a dotted lower-case name such as 'data.missing'")
        if self.severity not in SEVERITIES:
            raise ValueError(f"finding severity {self.severity!r} is none of {', '.join(SEVERITIES)}")

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data: no numpy values, no NaN, no text that UTF-8 cannot hold."""
        return {name: json_ready(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """The finding that `to_dict` wrote down; keys that are not its own are passed over."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})

    def named_by(self, patterns: Iterable[str]) -> bool:
        """Whether one of the patterns names it: ``code`` (any subject) or ``code:subject``."""
        return any(pattern in (self.code, f"{self.code}:{self.subject}") for pattern in patterns)


def could_not_judge(code: str, subject: str, title: str, why: str, next_step: str = "") -> Finding:
    """The answer of a check that had nothing to work on: an ``info`` finding that says why."""
    return Finding(code, "info", subject, title, why, next_step=next_step, status="could_not_judge")


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, then the rest, what could not be judged last; otherwise in the given order."""
    return tuple(sorted(findings, key=lambda found: (-SEVERITIES.index(found.severity), found.status != "found")))


def json_ready(value: Any) -> Any:
    """The value in JSON's own types.

    numpy values become Python's, NaN and infinities None, times ISO 8601, tuples and sets lists, keys text; in
    text, characters that UTF-8 cannot hold (lone surrogates) become ``?``.
    """
    if isinstance(value, str | Enum):
        text = str(value.value) if isinstance(value, Enum) else str(value)
        return text.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {json_ready(str(key)): json_ready(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return _plain_number(value)


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return json_ready(str(value))
