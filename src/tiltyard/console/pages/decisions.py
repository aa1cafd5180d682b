"""The page of decisions: each decision with its actor, reason and evidence."""

from __future__ import annotations

import json
from typing import Any

from dash import dcc, html

from tiltyard.console.data import DecisionsView, decisions_view, gates_of
from tiltyard.console.data.decisions import decision_title
from tiltyard.console.layout import components
from tiltyard.console.layout.controls import choose
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.formatting import format_count
from tiltyard.ledger import Event

REFRESH_SECONDS = 10.0
LIST = "decisions-list"

KINDS = {"": "All", "versions": "Versions", "approvals": "Approvals", "incidents": "Incidents"}
_OF_KIND = {
    "versions": ("registered", "promoted", "refused", "rolled-back", "alias", "served", "archived", "unarchived"),
    "approvals": ("approv",),
    "incidents": ("alert", "response"),
}

_STYLES = {"promoted": "good", "refused": "bad"}


def decisions_page(data: PageData) -> Page:
    """The page over a ledger."""

    def view() -> DecisionsView:
        return decisions_view(data.ledger, data.project.model_name)

    def stamp(_where: Where) -> str:
        current = view()
        return f"{current.total} {current.decisions[0].digest if current.decisions else ''} {len(current.broken)}"

    return Page(
        name="decisions",
        path="/decisions",
        title="Decisions",
        lead="Every decision with its actor and its reason. Each entry holds a hash of itself and the entry before.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(components.slot(LIST),),
        slots=((LIST, "children"),),
        stamp=stamp,
        controls=lambda where: [choose(where, "kind", "Kind", KINDS)],
        draw=lambda where: draw_decisions(view(), data.project.model_name, where),
    )


def draw_decisions(view: DecisionsView, model: str, where: Where) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not view.decisions and not view.broken:
        sentence = f"There is no decision about {model}. Train a version:"
        return Placeholder(components.empty("No decision yet", sentence, "tiltyard train --champion"))
    older = view.total - len(view.decisions)
    note = [html.P(f"{older:,} older decisions are not shown.", className="hint")] if older else []
    shown = [event for event in view.decisions if _is_chosen(event, where)]
    decisions: Any = html.Ol([draw_decision(event) for event in shown], className="decisions")
    if not shown:
        decisions = components.empty("None of these", "No listed decision is of this kind.")
    if where.find("decision"):
        note = [html.P(dcc.Link("All decisions", href=where.link(decision=None)))]
    return {LIST: [_chain(view), decisions, *note]}


def _is_chosen(event: Event, where: Where) -> bool:
    if number := where.find("decision"):
        return str(event.sequence) == number
    kind = where.choose("kind", KINDS, "")
    return not kind or any(event.kind.startswith(word) for word in _OF_KIND[kind])


def _chain(view: DecisionsView) -> html.Section:
    if not view.broken:
        text = (
            f"{format_count(view.total, 'decision')}. The whole chain is verified every {REFRESH_SECONDS:.0f} seconds."
        )
        return html.Section([components.badge("Chain whole", "good"), html.Span(text)], className="card chain")
    return html.Section(
        [
            html.H2("The chain of decisions was changed or damaged"),
            html.Ul([html.Li(sentence) for sentence in view.broken]),
            html.P("Compare the ledger with a backup to see what changed.", className="hint"),
        ],
        className="card notice bad",
        role="alert",
    )


def draw_decision(event: Event) -> html.Li:
    """A decision as a card: what, when, by whom, why, and on what evidence."""
    messages = {gate.message for gate in gates_of(event)}
    return html.Li(
        [
            html.Div(
                [
                    html.H2(decision_title(event)),
                    components.badge(event.kind, _STYLES.get(event.kind, "")),
                    html.Span([components.time_text(event.at), " UTC"], className="hint"),
                ],
                className="head",
            ),
            *(
                [html.P(event.reason)]
                if event.reason and event.reason not in {*messages, decision_title(event)}
                else []
            ),
            html.P(
                [
                    "by ",
                    html.Strong(event.actor),
                    f" · no. {event.sequence} · ",
                    html.Code(event.digest[:12], title=event.digest),
                ],
                className="hint",
            ),
            *_gates(event),
            html.Details([html.Summary("Evidence"), html.Pre(_as_text(event.evidence), tabIndex=0)]),
        ],
        className="card",
    )


def _gates(event: Event) -> list[Any]:
    gates = gates_of(event)
    if not gates:
        return []
    return [
        html.Ul(
            [
                html.Li(
                    [
                        components.badge("passed" if gate.passed else "failed", "good" if gate.passed else "bad"),
                        html.Span([html.Strong(gate.title), f" {gate.message}"]),
                    ]
                )
                for gate in gates
            ],
            className="gates",
        )
    ]


def _as_text(evidence: Any) -> str:
    return json.dumps(evidence, indent=2, ensure_ascii=False, default=str)
