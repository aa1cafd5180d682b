"""The page of incidents: those that are open, and those that are over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from tiltyard.console.data.incidents import IncidentsView, incidents_view
from tiltyard.console.layout import components
from tiltyard.console.layout.controls import choose
from tiltyard.console.layout.offers import draw_offers
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.incident import link_incident, summarise_incident
from tiltyard.formatting import format_count
from tiltyard.notifications.alerts import Alert

REFRESH_SECONDS = 10.0
MOST_ROWS = 100
LIST = "incidents-list"
STATES = {"": "Open", "past": "Past"}


def incidents_page(data: PageData) -> Page:
    """The page over a ledger."""
    model = data.project.model_name

    def view() -> IncidentsView:
        return incidents_view(data.ledger, model, data.now())

    def stamp(_where: Where) -> str:
        found = view()
        minute = f"{data.now():%H%M}" if found.open else ""
        return f"{[(one.id, one.changed_at) for one in (*found.open, *found.past)]!r} {minute}"

    return Page(
        name="incidents",
        path="/incidents",
        title="Incidents",
        lead="What the monitoring found, each thing once: open until it is over.",
        refresh_seconds=REFRESH_SECONDS,
        controls=lambda where: [choose(where, "state", "State", STATES)],
        frame=(components.slot(LIST),),
        slots=((LIST, "children"),),
        stamp=stamp,
        draw=lambda where: draw_incidents(view(), where, data),
    )


def draw_incidents(view: IncidentsView, where: Where, data: PageData) -> Slots | Placeholder:
    """The content of the page's slots."""
    if where.choose("state", STATES, "") == "past":
        if not view.past:
            return Placeholder(components.empty("No past incident", "Nothing that was found is over yet."))
        return {LIST: _draw_past(view.past, where)}
    if not view.open:
        sentence = "No incident is open. The monitoring looks for drift, decay, errors and slow responses:"
        return Placeholder(components.empty("All quiet", sentence, "tiltyard up", "tiltyard monitor"))
    now = data.now()
    return {LIST: html.Ul([_draw_open(alert, where, data, now) for alert in view.open], className="needs")}


def _draw_open(alert: Alert, where: Where, data: PageData, now: datetime) -> html.Li:
    quiet = [name for name in ("acknowledged", "snoozed") if getattr(alert, name, None) is not None]
    hours = (now - alert.raised_at).total_seconds() / 3600
    lasts = f"lasts {hours:,.0f} h" if hours >= 1 else f"lasts {hours * 60:.0f} min"
    return html.Li(
        [
            html.Div(
                [
                    html.H2(link_incident(alert, where)),
                    components.badge(alert.severity, "bad"),
                    *(components.badge(name) for name in quiet),
                    html.Span(
                        ["since ", components.time_text(alert.raised_at, seconds=False), f" UTC, {lasts}"],
                        className="hint",
                    ),
                ],
                className="head",
            ),
            html.P(summarise_incident(alert)),
            html.P([html.Strong("Done: "), alert.done or "nothing."], className="hint"),
            *draw_offers(data, "incident", alert.id, heading=alert.title),
        ],
        className="card notice" if quiet else "card notice bad",
    )


def _draw_past(past: Sequence[Alert], where: Where) -> Any:
    heads = (("Incident", "nowrap"), ("What happened", "input"), ("Began (UTC)", "nowrap"), ("Over (UTC)", "nowrap"))
    rows = [
        (
            link_incident(alert, where),
            dcc.Link(summarise_incident(alert), href=f"/incidents/{alert.id}"),
            components.time_text(alert.raised_at, seconds=False),
            components.time_text(alert.cleared_at, seconds=False) if alert.cleared_at else "–",
        )
        for alert in past[:MOST_ROWS]
    ]
    note = f"{format_count(len(past), 'incident')}, the latest first"
    return components.card(
        html.P(note, className="hint"), components.table("Past incidents", heads, rows), title="Past incidents"
    )
