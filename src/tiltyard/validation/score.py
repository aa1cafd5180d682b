"""One number for the quality of a dataset, and what it is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_GIVEN_AWAY = 0.99

PARTS = {
    "completeness": "cells of the inputs that hold a value (gaps and stand-ins such as '?' do not count)",
    "consistency": "cells that are of their column's type, in its usual spelling, undamaged, and fit the schema",
    "uniqueness": "rows that do not repeat an earlier row",
    "plausibility": "numbers without outliers; texts that are language",
    "labels": "rows that have a label which no equal row contradicts",
    "balance": "evenness of the labels, for a quarter: 1 if all are equally frequent, ¾ if there is only one",
    "usefulness": "input columns that vary, do not merely name the rows, and do not give the label away",
}


def score_parts(sections: Mapping[str, Any], rows: int) -> dict[str, float]:
    """The parts of the score, each the share (0 to 1) of the data that is good in one respect; see `PARTS`.

    A part that cannot be measured (no label, no numbers, repeats that must be expected) is left out.
    """
    if not rows:
        return dict.fromkeys(PARTS, 0.0)
    parts = {
        "completeness": _completeness(sections),
        "consistency": _consistency(sections, rows),
        "uniqueness": _uniqueness(sections["duplicates"], rows),
        "plausibility": _plausibility(sections),
        "labels": _labels(sections),
        "balance": _balance(sections["class_balance"]),
        "usefulness": _usefulness(sections),
    }
    return {name: min(1.0, max(0.0, value)) for name, value in parts.items() if value is not None}


def quality_score(parts: Mapping[str, float]) -> float:
    """100 × the product of the parts: the percentage that would be good in every respect if flaws fell independently.

    A product, not a mean, so that one ruinous flaw cannot hide behind six virtues.
    """
    return round(100 * math.prod(parts.values()), 2) if parts else 0.0


def _features(sections: Mapping[str, Any]) -> dict[str, Any]:
    columns = sections["data_types"]["columns"]
    return {name: facts for name, facts in columns.items() if facts["role"] == "feature"}


def _texts(sections: Mapping[str, Any]) -> list[Any]:
    columns = sections["data_types"]["columns"]
    return [facts for name, facts in sections["text"].items() if columns[name]["role"] in ("text", "feature")]


def _completeness(sections: Mapping[str, Any]) -> float | None:
    missing = sections["missing_data"]
    stand_ins = sum(facts.get("stand_ins", {}).get("count", 0) for facts in _features(sections).values())
    empty = [facts["empty"]["share"] for name, facts in sections["text"].items() if _role(sections, name) == "text"]
    cells = int(missing["cells"])
    shares = [1.0 - float(share) for share in empty]
    if cells:
        shares.append(1.0 - (int(missing["missing_cells"]) + stand_ins) / cells)
    return math.prod(shares) if shares else None


def _role(sections: Mapping[str, Any], name: str) -> str:
    return str(sections["data_types"]["columns"][name]["role"])


def _consistency(sections: Mapping[str, Any], rows: int) -> float:
    columns = _features(sections)
    schema = sections["schema"]
    bad = float(rows * len(schema["missing_columns"]))
    for name, facts in columns.items():
        bad += _misfits(facts, schema["columns"].get(name, {}), rows)
    size = rows * (len(columns) + len(schema["missing_columns"]))
    undamaged = math.prod(
        1.0 - min(1.0, float(facts["encoding"]["share"] + facts["control_characters"]["share"]))
        for facts in _texts(sections)
    )
    return (1.0 - min(1.0, bad / size) if size else 1.0) * undamaged


def _misfits(facts: Mapping[str, Any], differences: Mapping[str, Any], rows: int) -> int:
    """Cells of a column that do not fit it; the gravest flaw counts, for one cell may have several."""
    types = facts.get("types", {})
    groups = facts.get("spellings", [])
    words = int(facts.get("numbers_as_text", {}).get("words", 0)) if facts["kind"] == "number" else 0
    schema = max((int(difference.get("count", rows)) for difference in differences.values()), default=0)
    return max(
        int(sum(types.values()) - max(types.values(), default=0)),
        int(sum(sum(group.values()) - max(group.values()) for group in groups)),
        words,
        int(facts.get("infinite", {}).get("count", 0)),
        schema,
    )


def _uniqueness(duplicates: Mapping[str, Any], rows: int) -> float | None:
    if not duplicates["judged"]:
        return None
    return 1 - float(duplicates["count"]) / rows


def _plausibility(sections: Mapping[str, Any]) -> float | None:
    outliers = [float(facts["share"]) for facts in sections["outliers"]["columns"].values() if facts["judged"]]
    texts = [1.0 - float(facts["garbage"]["share"]) for facts in _texts(sections)]
    if not outliers and not texts:
        return None
    return (1 - sum(outliers) / len(outliers) if outliers else 1.0) * math.prod(texts)


def _labels(sections: Mapping[str, Any]) -> float | None:
    label = sections["class_balance"]["label"]
    if label is None:
        return None
    contradictory = sections["duplicates"]["contradictory"]
    contrary = contradictory["share"] if contradictory and sections["duplicates"]["judged"] else 0.0
    return 1 - float(sections["missing_data"]["columns"][label]["share"]) - float(contrary)


def _balance(classes: Mapping[str, Any]) -> float | None:
    return (3 + float(classes["evenness"])) / 4 if classes["judged"] else None


def _usefulness(sections: Mapping[str, Any]) -> float | None:
    columns = _features(sections)
    if not columns:
        return None
    powers = sections["leakage"]["columns"]
    useless = sum(
        1
        for name, facts in columns.items()
        if facts.get("constant") or facts.get("identifier") or not facts["present"] or powers.get(name, 0) > _GIVEN_AWAY
    )
    return 1 - useless / len(columns)
