"""Inputs that are texts: checking them, and taking the texts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.scoring.problems import InputProblem, refuse


def texts_of(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The texts of n inputs ``{"text": …}``.

    Raises:
        InputError: an input has no text, one that is no string, or another field; all of them are named.
    """
    try:
        texts = [item["text"] for item in inputs]
    except KeyError:
        texts = []
    if len(texts) == len(inputs) and all(
        len(item) == 1 and isinstance(text, str) for item, text in zip(inputs, texts, strict=True)
    ):
        return texts
    raise refuse([problem for position, item in enumerate(inputs) for problem in _problems(position, item)])


def _problems(position: int, item: Mapping[str, Any]) -> list[InputProblem]:
    if "text" not in item:
        return [InputProblem(position, "text", "is missing")]
    if not isinstance(item["text"], str):
        return [InputProblem(position, "text", f"has to be a text, and is {type(item['text']).__name__}")]
    return [InputProblem(position, str(name), "is not known here") for name in item if name != "text"]
