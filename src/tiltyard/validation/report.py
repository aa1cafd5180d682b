"""A validation report for people: a page that stands alone, and rows for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tiltyard.charts.svg import PAGE_STYLES
from tiltyard.charts.svg_bars import draw_histogram, draw_pairs, draw_shares
from tiltyard.findings import Finding
from tiltyard.formatting import format_count, format_number, format_percent
from tiltyard.jsonable import to_jsonable
from tiltyard.validation.drift_findings import DriftReport
from tiltyard.validation.results import SplitReport, ValidationReport
from tiltyard.validation.score import PARTS

MOST_CARDS = 200
_TEXT_FLAWS = {
    "empty": "empty or white space",
    "garbage": "no language",
    "short": "a single word",
    "long": "longer than a server accepts",
    "duplicates": "equal to an earlier text",
    "near_duplicates": "nearly equal to an earlier text",
    "markup": "with HTML tags",
    "entities": "with HTML entities",
    "encoding": "with traces of a wrong encoding",
    "control_characters": "with control characters",
    "urls": "with web addresses",
}


def rows_for_table(report: ValidationReport | SplitReport | DriftReport) -> list[tuple[str, str, str, str, str]]:
    """The findings, the gravest first, as rows of severity, code, subject, message and next step."""
    return [_row(finding) for finding in report.findings]


def render_validation_html(
    report: ValidationReport, split: SplitReport | None = None, drift: DriftReport | None = None
) -> str:
    """The report as one HTML page that needs no network: score, findings, labels, texts, and every column.

    Args:
        report: of a dataset.
        split: of its two sides; its findings are then on the page too.
        drift: of the dataset compared with another one or over time; its findings and the columns that differ too.
    """
    columns = report["distributions"]
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            name=report.name,
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            summary=f"{format_count(report.rows, 'row')}, {format_count(len(columns), 'column')}",
            passed=all(part.passes() for part in (report, split, drift) if part is not None),
            score=f"{report.quality_score:.1f}",
            parts=[(name, share, format_percent(share), PARTS[name]) for name, share in report.score_parts.items()],
            findings=[_row(finding) for finding in report.findings],
            split_findings=None if split is None else [_row(finding) for finding in split.findings],
            drifts=[] if drift is None else [_drift(part, drift) for part in drift.comparisons],
            classes=_classes(report["class_balance"]),
            texts=[_text(name, facts, columns[name]) for name, facts in report["text"].items()],
            cards=[_card(name, facts, report) for name, facts in list(columns.items())[:MOST_CARDS]],
            left_out=max(0, len(columns) - MOST_CARDS),
        )
    )
    return str(to_jsonable(page))


@cache
def _environment() -> Environment:
    """Made once a process: it keeps the compiled pages, and compiling takes longer than all else in a report."""
    return Environment(
        loader=FileSystemLoader([Path(__file__).parent, PAGE_STYLES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    severity = "not checked" if finding.status == "could_not_judge" else finding.severity
    return severity, finding.code, finding.subject, finding.message, finding.next_step


def _classes(measured: dict[str, Any]) -> dict[str, Any] | None:
    if not measured["counts"]:
        return None
    counts, ratio = measured["counts"], measured["imbalance"]
    even = (
        "all about equally frequent" if ratio < 1.05 else f"the most frequent {format_number(ratio)} times the rarest"
    )
    return {
        "label": measured["label"],
        "plot": Markup(draw_shares(counts, f"Rows of each label of {measured['label']}")),  # noqa: S704 - escaped there
        "says": f"{format_count(len(counts), 'label')}, {even}.",
    }


def _text(name: str, facts: dict[str, Any], column: dict[str, Any]) -> dict[str, Any]:
    length = column.get("length")
    return {
        "name": name,
        "plot": _histogram(length["histogram"], f"Lengths of {name} in characters", "text") if length else None,
        "says": [] if not length else _facts(length),
        "flaws": [
            (says, f"{facts[key]['count']:,}", format_percent(facts[key]["share"]), facts[key].get("examples", [])[:1])
            for key, says in _TEXT_FLAWS.items()
            if facts[key]["count"]
        ],
    }


def _card(name: str, facts: dict[str, Any], report: ValidationReport) -> dict[str, Any]:
    """What the page says about one column."""
    plot = None
    says = [("distinct", f"{facts['distinct']:,}")]
    if facts["missing"]:
        says.append(("missing", f"{facts['missing']:,} ({format_percent(facts['missing'] / max(1, report.rows))})"))
    if "histogram" in facts:
        plot = _histogram(facts["histogram"], f"Histogram of {name}")
        says += _facts(facts) if facts["kind"] == "number" else []
    elif facts.get("top") and facts["distinct"] < 0.9 * facts["count"]:
        plot = Markup(draw_shares(dict(facts["top"]), f"Most frequent values of {name}", facts["count"], 6))  # noqa: S704
    return {
        "name": name,
        "kind": facts["kind"],
        "role": facts["role"],
        "plot": plot,
        "says": says,
        "findings": [(found.severity, found.title) for found in report.findings if found.subject == name],
    }


def _drift(part: dict[str, Any], report: DriftReport) -> dict[str, Any]:
    """What the page says about one comparison with a reference: findings, and columns side by side."""
    found = report.findings_of(part)
    names = [found_one.subject for found_one in found]
    pictures = sorted(
        part["pictures"].items(), key=lambda item: names.index(item[0]) if item[0] in names else len(names)
    )
    return {
        "title": f"{part['current']['name']} against {part['reference']['name']}",
        "says": f"{format_count(part['current']['rows'], 'row')} against "
        f"{format_count(part['reference']['rows'], 'row')}; "
        f"the left bars are {part['reference']['name']}, the right ones {part['current']['name']}.",
        "findings": [_row(finding) for finding in found],
        "cards": [
            {
                "name": name,
                "plot": Markup(  # noqa: S704 - escaped there
                    draw_pairs(picture["bins"], picture["reference"], picture["current"], f"Shares of {name}")
                ),
                "says": picture["says"],
            }
            for name, picture in pictures[:MOST_CARDS]
        ],
    }


def _histogram(measured: dict[str, Any], title: str, noun: str = "row") -> Markup:
    return Markup(draw_histogram(measured["edges"], measured["counts"], title, noun))  # noqa: S704 - escaped there


def _facts(measured: dict[str, Any]) -> list[tuple[str, str]]:
    quantiles = measured["quantiles"]
    return [
        ("mean", format_number(measured["mean"])),
        ("std", format_number(measured["std"])),
        ("min", format_number(measured["min"])),
        ("median", format_number(quantiles["0.5"])),
        ("max", format_number(measured["max"])),
    ]
