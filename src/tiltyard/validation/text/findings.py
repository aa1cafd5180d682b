"""Findings about texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tiltyard.findings import Finding, Severity
from tiltyard.formatting import choose_form, format_count, format_percent, join_rows
from tiltyard.project import ValidationSection

_NOTICED = 0.001


@dataclass(frozen=True)
class _Flaw:
    """How a measured flaw is reported; it is a warning from the share ``warn`` on."""

    key: str
    code: str
    title: str
    says: str
    next_step: str
    warn: float = 0.0
    examples: bool = False


_FLAWS = (
    _Flaw(
        "control_characters",
        "text.control-characters",
        "Control characters",
        "Control characters stand in",
        "Strip them; they come from copying out of files of another kind.",
        warn=0.001,
        examples=True,
    ),
    _Flaw(
        "encoding",
        "text.encoding",
        "Damaged encoding",
        "Traces of a wrong encoding (such as 'Ã©', U+FFFD or C1 controls) stand in",
        "Read the source with its true encoding (data.encoding); UTF-8, Latin-1 and cp1252 are often mistaken.",
        warn=0.01,
        examples=True,
    ),
    _Flaw(
        "markup",
        "text.markup",
        "Markup",
        "HTML tags stand in",
        "Strip the tags, or see to it that texts to be predicted have them too.",
        warn=1.1,
    ),
    _Flaw(
        "entities",
        "text.entities",
        "HTML entities",
        "HTML entities stand in",
        "Decode them (html.unescape).",
        warn=0.05,
        examples=True,
    ),
    _Flaw(
        "short",
        "text.short",
        "Very short texts",
        "A single word is all of",
        "See whether a single word can tell the label.",
        warn=0.05,
        examples=True,
    ),
    _Flaw(
        "urls",
        "text.urls",
        "Web addresses",
        "Web addresses stand in",
        "Replace them by a word; a model learns addresses by heart.",
        warn=0.2,
    ),
    _Flaw(
        "near_duplicates",
        "text.near-duplicates",
        "Nearly equal texts",
        "An earlier, different text has a near copy in",
        "Keep one of each, or see to it that copies stay on one side of the split.",
        warn=0.05,
    ),
)


def evaluate_texts(measured: dict[str, Any], limits: ValidationSection) -> list[Finding]:
    """Findings about all columns of texts."""
    return [finding for name, column in measured.items() for finding in _evaluate_column(name, column, limits)]


def _evaluate_column(name: str, column: dict[str, Any], limits: ValidationSection) -> list[Finding]:
    found = _unusable_finding(name, column, limits.max_garbage)
    if column["long"]["count"]:
        found.append(_long_finding(name, column))
    return found + [_flaw_finding(name, column[flaw.key], flaw) for flaw in _FLAWS if column[flaw.key]["count"]]


def _unusable_finding(name: str, column: dict[str, Any], limit: float) -> list[Finding]:
    """Empty texts and garbage, which share a limit."""
    share = column["empty"]["share"] + column["garbage"]["share"]
    found = []
    for key, code, title in (
        ("empty", "text.empty", "Empty texts"),
        ("garbage", "text.garbage", "Texts not of language"),
    ):
        facts = column[key]
        if not facts["count"]:
            continue
        noticed: Severity = "warning" if key == "empty" or facts["share"] >= _NOTICED else "info"
        found.append(
            Finding(
                code,
                "error" if share > limit else noticed,
                name,
                title,
                f"{_message(facts)} of '{name}' ({format_percent(facts['share'])}; "
                f"{join_rows(facts['rows'], facts['count'])}).",
                score=share,
                limit=limit,
                evidence=facts,
                next_step="Remove these rows, and find out how they came in.",
            )
        )
    return found


def _message(facts: dict[str, Any]) -> str:
    if "reasons" not in facts:
        return f"There is nothing but white space in {format_count(facts['count'], 'text')}"
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in facts["reasons"].items())
    texts = format_count(facts["count"], "text")
    return f"No language ({reasons}), such as {facts['examples'][0]}, is what stands in {texts}"


def _long_finding(name: str, column: dict[str, Any]) -> Finding:
    facts, longest = column["long"], column["length"]["characters"]["max"]
    return Finding(
        "text.long",
        "warning",
        name,
        "Very long texts",
        f"{format_count(facts['count'], 'text')} of '{name}' {choose_form(facts['count'], 'is', 'are')} longer "
        "than a server "
        f"accepts, up to {format_count(longest, 'character')} ({join_rows(facts['rows'], facts['count'])}).",
        score=float(longest),
        evidence=facts,
        next_step="Cut them, or raise serving.max_text; a file in place of a text is the usual reason.",
    )


def _flaw_finding(name: str, facts: dict[str, Any], flaw: _Flaw) -> Finding:
    examples = f", such as {facts['examples'][0]}" if flaw.examples and facts["examples"] else ""
    if facts.get("tags"):
        examples = ": " + ", ".join(f"<{tag}> in {count:,}" for tag, count in list(facts["tags"].items())[:4])
    return Finding(
        flaw.code,
        "warning" if facts["share"] >= flaw.warn else "info",
        name,
        flaw.title,
        f"{flaw.says} {format_count(facts['count'], 'text')} of '{name}' ({format_percent(facts['share'])}; "
        f"{join_rows(facts['rows'], facts['count'])}){examples}.",
        score=facts["share"],
        evidence=facts,
        next_step=flaw.next_step,
    )
