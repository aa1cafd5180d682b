"""The page of versions: all versions with their metrics, and the champion."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from dash import html

from tiltyard.console.data import VersionsView, metric_history, versions_view
from tiltyard.console.data.versions import bigger_is_better, column_title
from tiltyard.console.layout import components, figures
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.pages.comparison import link_comparison
from tiltyard.console.pages.version import link_version
from tiltyard.formatting import choose_form, join_names
from tiltyard.registry import VersionInfo
from tiltyard.registry.ports import CANDIDATE_TAG

REFRESH_SECONDS = 10.0
MISSING, FACTS, METRICS, ALL = "versions-missing", "versions-facts", "versions-metrics", "versions-all"


def versions_page(data: PageData) -> Page:
    """The page over a registry."""

    def view() -> VersionsView:
        return versions_view(data.registry, data.project.model_name, data.project.training.metric)

    return Page(
        name="versions",
        path="/versions",
        title="Versions",
        lead="Every registered version with its metrics on the held-out rows.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(
            components.slot(MISSING),
            components.slot(FACTS, "card"),
            components.card(components.plot(METRICS, 320), title="Metrics over versions"),
            components.card(components.slot(ALL), title="All versions"),
        ),
        slots=((MISSING, "children"), (FACTS, "children"), *components.plot_slots(METRICS), (ALL, "children")),
        stamp=lambda _where: sha256(repr(view()).encode()).hexdigest(),
        draw=lambda _where: draw_versions(view()),
    )


def draw_versions(view: VersionsView) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not view.versions:
        sentence = f"Train the first version of {view.model} and make it champion:"
        return Placeholder(components.empty("No version yet", sentence, "tiltyard train --champion"))
    return {
        MISSING: _champion_notice(view),
        FACTS: _facts(view),
        METRICS: figures.metrics_figure(metric_history(view), view.metric),
        f"{METRICS}-words": describe_metrics(view),
        ALL: _table(view),
    }


def _facts(view: VersionsView) -> html.Dl:
    champion, newest = view.champion, view.versions[0]
    value = champion.metrics.get(view.metric) if champion else None
    return components.facts(
        [
            ("Champion", f"v{champion.version}" if champion else "none", _recipe(champion) if champion else "–"),
            (column_title(view.metric), _number(value), "of the champion"),
            ("Versions", str(len(view.versions)), f"of {view.model}"),
            ("Newest", f"v{newest.version}", components.time_text(newest.created_at, seconds=False)),
        ]
    )


def _champion_notice(view: VersionsView) -> list[Any]:
    if view.champion is not None:
        return []
    command = f"tiltyard set-alias --version {view.versions[0].version} --alias champion --reason …"
    sentence = "No version serves users. Choose one, or train a new one:"
    return [components.empty("No champion yet", sentence, command, "tiltyard train --champion")]


def _table(view: VersionsView) -> html.Div:
    heads = [
        ("Version", ""),
        ("Aliases", ""),
        *((column_title(name), "number") for name in view.metrics),
        ("vs champion", "number"),
        ("Candidate", "nowrap"),
        ("Registered (UTC)", "nowrap"),
        ("Run", ""),
    ]
    rows = [
        (
            html.Strong(link_version(info.version)),
            [components.badge(alias, alias) for alias in info.aliases] or "–",
            *(_number(info.metrics.get(name)) for name in view.metrics),
            _compare(view, info),
            html.Span(_recipe(info), className="nowrap"),
            components.time_text(info.created_at, seconds=False),
            html.Code((info.run_id or "–")[:8], title=info.run_id or ""),
        )
        for info in view.versions
    ]
    return components.table(f"All versions of {view.model}", heads, rows)


def describe_metrics(view: VersionsView) -> str:
    """Which versions are best by the project's metric, and which is champion."""
    known = [(info.version, info.metrics[view.metric]) for info in view.versions if view.metric in info.metrics]
    if not known:
        return f"No version has the metric {column_title(view.metric)}."
    choose = max if bigger_is_better(view.metric) else min
    value = choose(value for _, value in known)
    best = [version for version, same in known if same == value]
    champion = f"The champion ★ is version {view.champion.version}." if view.champion else "There is no champion."
    title = column_title(view.metric)
    if len(best) == len(known) > 1:
        said = f"{title} is {value:.4f} in all versions."
    else:
        named = join_names([*reversed(best)])
        said = f"{title} is best in {choose_form(len(best), 'version', 'versions')} {named} with {value:.4f}."
    return f"{said} {champion} Click a name to hide or show it."


def _recipe(info: VersionInfo) -> str:
    return info.tags.get(CANDIDATE_TAG, "–")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _compare(view: VersionsView, info: VersionInfo) -> Any:
    """The difference to the champion without a colour, for chance is not ruled out; the link rules it out."""
    lead, champion = view.lead_over_champion(info), view.champion
    if lead is None or champion is None:
        return "–"
    return link_comparison([champion.version, info.version], f"{lead:+.4f}")
