"""Predictions in words: an input as one line, and the search over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiltyard.ledger.records import Prediction, input_text


def full_text(given: Mapping[str, Any]) -> str:
    """An input as one line: the text, or each feature with its value."""
    text = input_text(given)
    if text is not None:
        return " ".join(text.split())
    return ", ".join(f"{name} {'–' if value is None else value}" for name, value in given.items())


def matches_search(prediction: Prediction, search: str) -> bool:
    """Whether a prediction has every word of a search in its input, label, version or id; case does not count."""
    words = search.casefold().split()
    if not words:
        return True
    text = f"{full_text(prediction.input)} {prediction.label} {prediction.version} {prediction.id}".casefold()
    return all(word in text for word in words)
