"""The page of one version: its metrics next to the champion's, its predictions, and the decisions about it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from dash import dcc, html

from tiltyard.console.data import VersionsView, versions_view
from tiltyard.console.data.versions import bigger_is_better, column_title
from tiltyard.console.layout import components
from tiltyard.console.layout.offers import draw_offers
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.pages.decisions import draw_decision
from tiltyard.ledger import Event
from tiltyard.registry import VersionInfo
from tiltyard.registry.ports import CANDIDATE_TAG

REFRESH_SECONDS = 10.0
PATH = "/versions/"
FACTS, ACTIONS, METRICS, TAGS, DECISIONS = (
    f"version-{name}" for name in ("facts", "actions", "metrics", "tags", "decisions")
)


def version_page(data: PageData) -> Page:
    """The page over registry and ledger; the number of a version ends its address."""
    model = data.project.model_name

    def view() -> VersionsView:
        return versions_view(data.registry, model, data.project.training.metric)

    def events(version: str) -> list[Event]:
        return list(data.ledger.events(subject=f"{model}/{version}")) if version else []

    return Page(
        name="version",
        path=PATH,
        parent="/versions",
        title="Version",
        lead="One version: its metrics next to the champion's, and every decision about it.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(
            html.P(dcc.Link("← All versions", href="/versions")),
            components.slot(FACTS, "card"),
            components.slot(ACTIONS),
            html.Div(
                [
                    components.card(components.slot(METRICS), title="Metrics on held-out rows"),
                    components.card(components.slot(TAGS), title="Made from"),
                ],
                className="grid",
            ),
            html.H2("Decisions"),
            components.slot(DECISIONS),
        ),
        slots=tuple((name, "children") for name in (FACTS, ACTIONS, METRICS, TAGS, DECISIONS)),
        stamp=lambda where: sha256(f"{view()!r} {len(events(where.subject))}".encode()).hexdigest(),
        draw=lambda where: draw_version(view(), where.subject, events(where.subject), data),
    )


def link_version(version: str, content: Any = None) -> dcc.Link:
    """A link to the page of a version."""
    return dcc.Link(f"v{version}" if content is None else content, href=f"{PATH}{quote(version, safe='')}")


def draw_version(view: VersionsView, version: str, events: Sequence[Event], data: PageData) -> Slots | Placeholder:
    """The content of the page's slots."""
    info = next((one for one in view.versions if one.version == version), None)
    if info is None:
        sentence = f"{view.model} has no version with the number in the address."
        return Placeholder(components.empty("No such version", sentence, "tiltyard list-versions"))
    listed: Any = html.Ol([draw_decision(event) for event in reversed(events)], className="decisions")
    return {
        FACTS: _facts(view, info),
        ACTIONS: draw_offers(data, "version", info.version),
        METRICS: _draw_metrics(view, info),
        TAGS: _draw_tags(info),
        DECISIONS: listed if events else html.P("No decision is recorded about this version.", className="hint"),
    }


def _facts(view: VersionsView, info: VersionInfo) -> html.Dl:
    value, lead = info.metrics.get(view.metric), view.lead_over_champion(info)
    compared: Any = ""
    if lead is not None and view.champion is not None:
        href = f"/compare/{view.champion.version},{info.version}"
        words = f"{lead:+.4f} against the champion, each on its own rows. "
        compared = [words, dcc.Link("On the same rows", href=href)]
    aliases = [components.badge(alias, alias) for alias in info.aliases]
    trained = dcc.Link("What its training found", href=f"/evaluation?version={quote(info.version)}")
    return components.facts(
        [
            ("Version", f"v{info.version}", aliases or "no alias"),
            (column_title(view.metric), "–" if value is None else f"{value:.4f}", compared),
            ("Candidate", info.tags.get(CANDIDATE_TAG, "–"), trained),
            ("Registered", f"{info.created_at:%Y-%m-%d}", components.time_text(info.created_at)),
        ]
    )


def _draw_metrics(view: VersionsView, info: VersionInfo) -> html.Div:
    champion = view.champion
    reference = champion if champion is not None and champion.version != info.version else None
    heads = [("Metric", ""), (f"v{info.version}", "number")]
    if reference is not None:
        heads.append((f"Champion v{reference.version}", "number"))
    rows = []
    for name in dict.fromkeys([*view.metrics, *sorted(info.metrics)]):
        if name not in info.metrics:
            continue
        title = column_title(name) if name in view.metrics else name
        direction = "" if name not in view.metrics or bigger_is_better(name) else " (less is better)"
        row: list[Any] = [html.Strong(f"{title}{direction}"), f"{info.metrics[name]:.4f}"]
        if reference is not None:
            value = reference.metrics.get(name)
            row.append("–" if value is None else f"{value:.4f}")
        rows.append(row)
    return components.table(f"Metrics of version {info.version}", heads, rows)


def _draw_tags(info: VersionInfo) -> html.Div:
    known = {"Run": info.run_id or "", "Description": info.description, **dict(sorted(info.tags.items()))}
    rows = [(html.Strong(name), value) for name, value in known.items() if value and len(value) < 200]
    return components.table("Made from", (("Name", ""), ("Value", "input")), rows)
