"""Texts too few or too narrow for the plain sentences that people try first."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from tiltyard.data import Split
from tiltyard.findings import Finding
from tiltyard.formatting import format_count, format_percent, join_values
from tiltyard.validation.text.everyday_words import LEAST_SHARE, measure_coverage

NARROW = "text.narrow"
_EXAMPLES = 40


def find_narrow_texts(split: Split) -> Iterator[Finding]:
    """Training texts in English that lack many everyday words; nothing for tables and other languages."""
    texts = split.train.inputs
    if not isinstance(texts, pd.Series):
        return
    coverage = measure_coverage(map(str, texts))
    if coverage is None or coverage.share >= LEAST_SHARE:
        return
    missing, some = len(coverage.missing), join_values(coverage.missing[::13])
    yield Finding(
        NARROW,
        "info",
        str(texts.name),
        "Narrow texts",
        f"{missing} of {coverage.words} everyday English words ({format_percent(missing / coverage.words)}) are in "
        f"fewer than two of {format_count(len(texts), 'training text')}, such as {some}: "
        "predictions for plain sentences with them are guesses.",
        score=coverage.share,
        limit=LEAST_SHARE,
        evidence={"words": coverage.words, "missing": list(coverage.missing[:_EXAMPLES])},
        next_step="Add texts of more kinds and sources, or label what users send: tiltyard label queue. If users send "
        "only texts like these, nothing needs to be done.",
    )
