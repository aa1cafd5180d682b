"""The page of one incident: what happened, one picture, how sure, what was done, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dash import dcc, html

from tiltyard.console.data.columns import ColumnView
from tiltyard.console.data.incidents import IncidentDetails, incident_details
from tiltyard.console.layout import column_figures, components
from tiltyard.console.layout.offers import draw_offers
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.version import link_version
from tiltyard.drift import VERDICT
from tiltyard.formatting import format_number
from tiltyard.ledger import FindingRecord
from tiltyard.notifications.alerts import Alert

REFRESH_SECONDS = 10.0
PATH = "/incidents/"
LONGEST = 220
FACTS, HAPPENED, PICTURE, DONE = "incident-facts", "incident-happened", "incident-picture", "incident-done"
EVIDENCE, ACTIONS = "incident-evidence", "incident-actions"

_SURE = (
    ("p_value", "p-value", "how often chance alone would show as much"),
    ("adjusted", "p-value, corrected", "for the number of tests"),
    ("e_value", "e-value", "how many times likelier than by chance"),
)
_SIZES = (
    ("rows", "Rows"),
    ("reference_rows", "Rows of training"),
    ("labelled", "Labels"),
    ("predictions", "Predictions"),
)


def incident_page(data: PageData) -> Page:
    """The page over a ledger and the champion; the id of an incident ends its address."""
    model = data.project.model_name

    def view(where: Where) -> IncidentDetails | None:
        return incident_details(data.ledger, model, where.subject, data.sources.version)

    def stamp(where: Where) -> str:
        events = [event.sequence for event in data.ledger.events(subject=model)]
        return f"{where.subject} {max(events, default=0)}"

    return Page(
        name="incident",
        path=PATH,
        parent="/incidents",
        title="Incident",
        lead="What happened, how sure it is, what was done, and what you can do.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(
            html.P(dcc.Link("← All incidents", href="/incidents")),
            components.slot(FACTS, "card"),
            components.slot(ACTIONS),
            html.Div(
                [
                    components.card(components.plot(PICTURE, 280), title="Training against now"),
                    components.card(components.slot(HAPPENED), title="What was found"),
                ],
                className="grid",
            ),
            components.card(components.slot(DONE), title="What was done, and what to do"),
            components.card(components.slot(EVIDENCE), title="Evidence"),
        ),
        slots=(
            (FACTS, "children"),
            (ACTIONS, "children"),
            *components.plot_slots(PICTURE),
            (HAPPENED, "children"),
            (DONE, "children"),
            (EVIDENCE, "children"),
        ),
        stamp=stamp,
        draw=lambda where: draw_incident(view(where), data),
    )


def link_incident(alert: Alert, where: Where | None = None) -> dcc.Link:
    """A link to the page of an incident."""
    title = alert.title.removeprefix(f"{alert.model_name}: ")
    return dcc.Link(title, href=(where or Where()).link_to(f"{PATH}{quote(alert.id, safe='')}"))


def summarise_incident(alert: Alert) -> str:
    """What happened, in a sentence."""
    first = alert.happened[0] if alert.happened else alert.title
    # The evidence in parentheses at the end has a table on the incident's page.
    sentence = first.rpartition(" (")[0] or first
    return sentence if len(sentence) <= LONGEST else f"{sentence[: LONGEST - 1].rstrip()}…"


def draw_incident(details: IncidentDetails | None, data: PageData) -> Slots | Placeholder:
    """The content of the page's slots."""
    if details is None:
        sentence = "The ledger has no incident of this model with the id in the address."
        return Placeholder(components.empty("No such incident", sentence, "tiltyard alerts"))
    alert = details.alert
    figure, words = _draw_picture(details)
    return {
        FACTS: _draw_facts(details, data.now()),
        ACTIONS: draw_offers(data, "incident", alert.id, heading=alert.title) if alert.state == "open" else [],
        PICTURE: figure,
        f"{PICTURE}-words": words,
        HAPPENED: _draw_findings(details),
        DONE: _draw_course(alert),
        EVIDENCE: _draw_evidence(details.findings),
    }


def _draw_facts(details: IncidentDetails, now: datetime) -> list[Any]:
    alert = details.alert
    state, style = ("open", "bad") if alert.state == "open" else ("over", "good")
    until = alert.cleared_at or now
    minutes = max(0, int((until - alert.raised_at).total_seconds() // 60))
    lasts = f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    version: Any = link_version(details.version) if details.version else "–"
    return [
        html.P(html.Strong(summarise_incident(alert))),
        components.facts(
            [
                ("State", html.Span([components.badge(state, style), *_draw_notes(alert, now)]), alert.severity),
                ("Version", version, "that it is about"),
                ("Since", components.time_text(alert.raised_at, seconds=False), "UTC"),
                ("Lasted" if alert.cleared_at else "Lasts", lasts, ""),
            ]
        ),
    ]


def _draw_notes(alert: Alert, now: datetime) -> list[Any]:
    notes = []
    acknowledged, snoozed = getattr(alert, "acknowledged", None), getattr(alert, "snoozed", None)
    if acknowledged is not None:
        notes.append(components.badge("acknowledged"))
    if snoozed is not None and (snoozed.until is None or snoozed.until > now):
        notes.append(components.badge("snoozed"))
    return notes


def _draw_picture(details: IncidentDetails) -> tuple[Any, Any]:
    column: ColumnView | None = details.column
    if column is None:
        return column_figures.blank(), "This incident is not about one column."
    return column_figures.column_figure(column), column_figures.describe_column(column)


def _draw_findings(details: IncidentDetails) -> Any:
    """Each finding once: its sentence, and how sure it is."""
    if not details.findings:
        return html.Ul([html.Li(line) for line in details.alert.happened], className="short")
    items = []
    # The verdict sums up the others, and is the sentence at the top.
    single = [one for one in details.findings if one.code != VERDICT] or details.findings
    for finding in single:
        sure = [f"{title} {format_number(float(value))}: {words}" for key, title, words in _SURE
                if isinstance(value := finding.evidence.get(key), int | float)]  # fmt: skip
        items.append(
            html.Li(
                [
                    html.P([html.Strong(finding.subject.removeprefix("@")), f" – {finding.message or finding.code}"]),
                    *([html.P("; ".join(sure) + ".", className="hint")] if sure else []),
                ]
            )
        )
    return html.Ul(items, className="short")


def _draw_course(alert: Alert) -> list[Any]:
    course: list[Any] = [html.P([html.Strong("Done: "), alert.done or "nothing."])]
    for name, verb in (("acknowledged", "Acknowledged"), ("snoozed", "Snoozed")):
        note = getattr(alert, name, None)
        if note is not None:
            until = [" until ", components.time_text(note.until, seconds=False), " UTC"] if note.until else []
            course.append(
                html.P(
                    [
                        html.Strong(f"{verb} by {note.by}"),
                        " at ",
                        components.time_text(note.at, seconds=False),
                        *until,
                        f": {note.reason}" if note.reason else "",
                    ]
                )
            )
    if alert.cleared_at is None:
        course.append(html.P([html.Strong("To do: "), alert.to_do or "nothing; the next monitoring run looks again."]))
    else:
        course.append(
            html.P([html.Strong("Over since "), components.time_text(alert.cleared_at, seconds=False), " UTC."])
        )
    return course


def _draw_evidence(findings: Sequence[FindingRecord]) -> list[Any]:
    if not findings:
        return [html.P("The findings of this incident are no longer in the ledger.", className="hint")]
    sizes = [
        (key, title) for key, title in _SIZES if any(_read_size(one.evidence, key) is not None for one in findings)
    ]
    heads = (("Finding", "nowrap"), ("Subject", ""), ("Measured", "number"), ("Limit", "number"),
             *((title, "number") for _, title in sizes), ("When (UTC)", "nowrap"))  # fmt: skip
    rows = [
        (
            html.Code(one.code),
            one.subject.removeprefix("@"),
            _write(one.score),
            _write(one.limit),
            *(_write(_read_size(one.evidence, key)) for key, _ in sizes),
            components.time_text(one.at, seconds=False),
        )
        for one in findings
    ]
    raw = json.dumps([{"code": one.code, "subject": one.subject, **one.evidence} for one in findings], indent=2,
                     ensure_ascii=False, default=str)  # fmt: skip
    return [
        components.table("Evidence", heads, rows),
        html.Details([html.Summary("As JSON"), html.Pre(raw, tabIndex=0)]),
    ]


def _read_size(evidence: Mapping[str, Any], key: str) -> float | None:
    value = evidence.get(key)
    return float(value) if isinstance(value, int | float) else None


def _write(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"
