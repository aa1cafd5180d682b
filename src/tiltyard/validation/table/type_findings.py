"""Findings about what the values of columns are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiltyard.data.conform.kinds import READABLE_FROM
from tiltyard.findings import Finding
from tiltyard.formatting import (
    choose_form,
    format_count,
    format_percent,
    join_names,
    join_rows,
    join_values,
    quote_excerpt,
)

_MIXED_FROM = 0.5
_MANY_CATEGORIES = 1000


def evaluate_types(measured: dict[str, Any]) -> list[Finding]:
    """Findings about types, spellings, stand-ins, and columns that cannot be learnt from."""
    found = [_repeated_name_finding(name) for name in measured["repeated_names"]]
    for name, facts in measured["columns"].items():
        found += [finding for evaluate in _EVALUATIONS if (finding := evaluate(name, facts)) is not None]
    found += [_redundant(first, second) for first, second in measured["redundant"]]
    padded = {name: facts["outer_space"] for name, facts in measured["columns"].items() if facts.get("outer_space")}
    return found + ([_padded_finding(padded)] if padded else [])


def _mixed_finding(name: str, facts: dict[str, Any]) -> Finding | None:
    types = facts.get("types")
    if types is None or facts["role"] == "other":
        return None
    if facts["role"] == "text":
        return _not_text(name, facts)
    parts = ", ".join(f"{format_percent(count / facts['present'])} {kind}" for kind, count in types.items())
    return Finding(
        "data.mixed-types",
        "warning",
        name,
        "Values of different types",
        f"'{name}' mixes types: {parts}; the odd ones are {join_values(facts['odd']['values'])} "
        f"({join_rows(facts['odd']['rows'], facts['odd']['count'])}).",
        score=1 - max(types.values()) / sum(types.values()),
        evidence={"types": types, **facts["odd"]},
        next_step=f"Write every value of '{name}' as one type.",
    )


def _not_text(name: str, facts: dict[str, Any]) -> Finding:
    odd, count = facts["odd"], facts["odd"]["count"]
    return Finding(
        "text.not-text",
        "error",
        name,
        "Values that are not text",
        f"{format_count(count, 'cell')} of '{name}' {choose_form(count, 'is', 'are')} not text: "
        f"{join_values(odd['values'])} "
        f"({join_rows(odd['rows'], count)}).",
        score=count / facts["present"],
        limit=0.0,
        evidence=odd,
        next_step="Write texts into this column, or name another one.",
    )


def _find_nested(name: str, facts: dict[str, Any]) -> Finding | None:
    count = facts.get("nested", 0)
    if not count or facts["role"] not in ("feature", "label"):
        return None
    return Finding(
        "data.nested-values",
        "error",
        name,
        "Lists or objects in cells",
        f"'{name}' holds lists or objects in {format_count(count, 'cell')}; a model of tables learns from one value a "
        "cell.",
        score=count / facts["present"],
        limit=0.0,
        evidence={"count": count},
        next_step=f"Leave '{name}' out (data.ignore), or write its parts into separate columns.",
    )


def _numbers_as_text(name: str, facts: dict[str, Any]) -> Finding | None:
    measured = facts.get("numbers_as_text")
    if measured is None or facts["role"] == "label" or "types" in facts or measured["share"] < _MIXED_FROM:
        return None
    words, blank, readable = measured["words"], measured["blank"], measured["readable"]
    others = []
    if blank:
        others.append(f"{blank:,} blank ({join_rows(measured['blank_rows'], blank)})")
    if words:
        values = join_values(measured["word_values"])
        others.append(f"{format_count(words, 'word')} such as {values} ({join_rows(measured['word_rows'], words)})")
    tail = f"; the rest: {' and '.join(others)}" if others else ""
    clear = measured["share"] >= READABLE_FROM
    return Finding(
        "data.numbers-as-text" if clear else "data.mixed-types",
        "warning",
        name,
        "Numbers written as text" if clear else "Values of different types",
        f"'{name}' is text, yet {readable:,} of {format_count(readable + words + blank, 'cell')} are numbers{tail}.",
        score=measured["share"],
        evidence=measured,
        next_step=f"Read '{name}' as a number, and the rest as missing; as text every number is another category."
        if clear
        else f"Decide whether '{name}' is a number or a name, and write it so.",
    )


def _infinite(name: str, facts: dict[str, Any]) -> Finding | None:
    measured = facts.get("infinite")
    if measured is None or facts["role"] not in ("feature", "target"):
        return None
    return Finding(
        "data.infinite",
        "error",
        name,
        "Infinite numbers",
        f"'{name}' holds {format_count(measured['count'], 'infinite number')} "
        f"({join_rows(measured['rows'], measured['count'])}); most models refuse them.",
        score=measured["count"] / facts["present"],
        evidence=measured,
        next_step="Look for a division by zero where the data is made, and leave such cells empty.",
    )


def _constant(name: str, facts: dict[str, Any]) -> Finding | None:
    if not facts.get("constant") or facts["role"] not in ("feature", "target"):
        return None
    if facts["role"] == "target":
        return Finding(
            "label.constant",
            "error",
            name,
            "Numbers to predict that are all the same",
            f"All {format_count(facts['present'], 'number')} of '{name}' are the same; a model learns from labels that "
            "differ.",
            evidence={"distinct": 1},
            next_step="Add rows with other numbers, or name another label column.",
        )
    return Finding(
        "data.constant-column",
        "warning",
        name,
        "Column with a single value",
        f"All {format_count(facts['present'], 'value')} of '{name}' are the same.",
        evidence={"distinct": 1},
        next_step=f"Leave '{name}' out; nothing can be learnt from it.",
    )


def _identifier(name: str, facts: dict[str, Any]) -> Finding | None:
    if facts["role"] != "feature":
        return None
    distinct, present = facts["distinct"], facts["present"]
    if facts.get("identifier"):
        return Finding(
            "data.identifier",
            "warning",
            name,
            "Column that names the rows",
            f"'{name}' holds {format_count(distinct, 'different value')} in {format_count(present, 'row')}: it "
            "tells rows apart, "
            "and a model can only learn it by heart.",
            score=distinct / present,
            evidence={"distinct": distinct, "present": present},
            next_step=f'Leave it out: data.ignore = ["{name}"].',
        )
    if facts["kind"] == "category" and (distinct > _MANY_CATEGORIES or distinct > 0.5 * present >= 50):
        return Finding(
            "data.many-categories",
            "info",
            name,
            "Very many categories",
            f"'{name}' has {format_count(distinct, 'category', 'categories')} in {format_count(present, 'row')}; "
            "most of them are too rare to learn from.",
            score=float(distinct),
            evidence={"distinct": distinct, "present": present},
            next_step="Group rare values, or split them into parts that mean something.",
        )
    return None


def _stand_ins(name: str, facts: dict[str, Any]) -> Finding | None:
    measured = facts.get("stand_ins")
    if measured is None or facts["role"] not in ("feature", "label"):
        return None
    count = measured["count"]
    share = count / facts["present"]
    values = join_values(value.strip() for value in measured["values"])
    return Finding(
        "data.stand-in",
        "warning",
        name,
        "Values that stand for a gap",
        f"{format_count(count, 'cell')} of '{name}' ({format_percent(share)}) "
        f"{choose_form(count, 'holds', 'hold')} {values}, which "
        f"looks like a stand-in for a missing or cut-off value ({join_rows(measured['rows'], count)}).",
        score=share,
        evidence=measured,
        next_step="Leave these cells empty if they mean 'not known'.",
    )


def _spellings(name: str, facts: dict[str, Any]) -> Finding | None:
    groups = facts.get("spellings")
    if groups is None or facts["role"] not in ("feature", "label"):
        return None
    spellings = "; ".join(" = ".join(quote_excerpt(word, 30) for word in group) for group in groups[:3])
    rows = sum(sum(group.values()) - max(group.values()) for group in groups)
    label = facts["role"] == "label"
    return Finding(
        "label.spellings" if label else "data.spellings",
        "warning",
        name,
        "One value in several spellings",
        f"'{name}' writes {format_count(len(groups), 'value')} in several ways: {spellings}; "
        f"{format_count(rows, 'row')} "
        f"{choose_form(rows, 'differs', 'differ')} from the usual one.",
        score=rows / facts["present"],
        evidence={"groups": groups},
        next_step="Settle on one spelling; to a model these are different " + ("labels." if label else "categories."),
    )


def _redundant(first: str, second: str) -> Finding:
    return Finding(
        "data.redundant-columns",
        "info",
        second,
        "Columns that say the same",
        f"Every value of '{second}' corresponds to exactly one value of '{first}', and the other way round.",
        evidence={"columns": [first, second]},
        next_step="Keep one of the two; coefficients and importances are otherwise shared out between them.",
    )


def _padded_finding(padded: dict[str, int]) -> Finding:
    return Finding(
        "data.outer-space",
        "info",
        "columns",
        "White space around values",
        f"Values of {format_count(len(padded), 'column')} begin or end with white space "
        f"({format_count(sum(padded.values()), 'cell')}): {join_names(list(padded))}.",
        evidence={"columns": padded},
        next_step="Strip them where the data is read; 'a' and ' a' are different categories.",
    )


def _repeated_name_finding(name: str) -> Finding:
    return Finding(
        "data.repeated-name",
        "error",
        name,
        "Columns of the same name",
        f"More than one column is called '{name}'.",
        next_step="Give every column another name.",
    )


_EVALUATIONS: tuple[Callable[[str, dict[str, Any]], Finding | None], ...] = (
    _mixed_finding,
    _find_nested,
    _numbers_as_text,
    _infinite,
    _constant,
    _identifier,
    _stand_ins,
    _spellings,
)
