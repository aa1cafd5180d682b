"""The page that compares versions on the same rows; their numbers end its address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from tiltyard.console.comparison import MOST_VERSIONS, ComparedMetric, VersionComparison
from tiltyard.console.data.versions import column_title
from tiltyard.console.layout import components
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.version import link_version
from tiltyard.evaluation import get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import format_count, format_number
from tiltyard.registry import VersionInfo

REFRESH_SECONDS = 60.0
PATH = "/compare/"
CHOSEN, METRICS, ORIGIN = "comparison-chosen", "comparison-metrics", "comparison-origin"
_OUTCOMES = {"better": ("better", "good"), "worse": ("worse", "bad"), "alike": ("no difference beyond chance", "")}
_LONGEST = 120


def comparison_page(data: PageData) -> Page:
    """The page over a registry and the project's labelled rows."""
    model = data.project.model_name

    def read(where: Where) -> list[str]:
        return list(dict.fromkeys(one.strip() for one in where.subject.split(",") if one.strip()))[:MOST_VERSIONS]

    def fill(where: Where) -> Slots | Placeholder:
        versions = data.registry.list_versions(model)
        known = [one for one in read(where) if any(info.version == one for info in versions)]
        chosen = _draw_choice(known, versions)
        if len(known) < 2:
            return Placeholder(
                html.Div([components.empty("Choose two versions", "Each is compared with the first."), chosen])
            )
        if data.sources.compare is None:
            return Placeholder(components.empty("Not available here", "This console has no access to labelled rows."))
        found = data.sources.compare(tuple(known))
        return {CHOSEN: chosen, METRICS: _draw_metrics(found), ORIGIN: _draw_origin(found.versions)}

    return Page(
        name="comparison",
        path=PATH,
        parent="/versions",
        title="Compare versions",
        lead="All on the same held-out rows, each with the first one.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(
            components.slot(CHOSEN),
            components.card(components.slot(METRICS), title="Metrics"),
            components.card(components.slot(ORIGIN), title="Made from"),
        ),
        slots=((CHOSEN, "children"), (METRICS, "children"), (ORIGIN, "children")),
        stamp=lambda where: f"{where.subject} {len(data.registry.list_versions(model))}",
        draw=fill,
    )


def link_comparison(versions: Sequence[str], content: Any) -> dcc.Link:
    """A link to the comparison of versions."""
    return dcc.Link(content, href=f"{PATH}{','.join(versions)}")


def _draw_choice(chosen: Sequence[str], versions: Sequence[VersionInfo]) -> html.Section:
    """The versions that are compared, each with a way out; and those that can be added."""
    taken = [
        html.Span(
            [
                f"v{one} ",
                *([link_comparison([other for other in chosen if other != one], "remove")] if len(chosen) > 2 else []),
                *(
                    [" ", link_comparison([one, *(other for other in chosen if other != one)], "make first")]
                    if place
                    else []
                ),
            ],
            className="badge chosen",
        )
        for place, one in enumerate(chosen)
    ]
    rest = [info for info in versions if info.version not in chosen]
    more = []
    if rest and len(chosen) < MOST_VERSIONS:
        items = [
            html.Li(link_comparison([*chosen, info.version], f"v{info.version} {' '.join(info.aliases)}".strip()))
            for info in rest
        ]
        more = [html.Details([html.Summary("Add a version"), html.Ul(items)], className="many")]
    return html.Section([*taken, *more], className="card chain")


def _draw_metrics(found: VersionComparison) -> list[Any]:
    rest = f"; {found.left_out:,} left out, which one of them was trained on" if found.left_out else ""
    note = (
        f"{format_count(found.rows, 'test row')}{rest}. Intervals are 95 %. A difference above 0 is a gain, and "
        "counts where its interval does not hold 0."
    )
    first = found.versions[0]
    heads = [("Metric", ""), (f"v{first.version}", "number")]
    for info in found.versions[1:]:
        heads += [(f"v{info.version}", "number"), (f"v{info.version} against v{first.version}", "")]
    rows = [_draw_row(one) for one in found.metrics]
    return [html.P(note, className="hint"), components.table("Metrics on the same rows", heads, rows)]


def _draw_row(one: ComparedMetric) -> list[Any]:
    metric = get_metric(one.name)
    show = TaskEvaluation.find_for_target(metric.target).show_value if one.name == "accuracy" else format_number
    less = "" if metric.bigger_is_better else " (less is better)"
    row: list[Any] = [html.Strong(f"{column_title(one.name)}{less}")]
    for place, figure in enumerate(one.figures):
        ends = figure.interval
        interval = f"{show(ends.low)} to {show(ends.high)}" if ends else ""
        row.append([show(figure.value), html.Div(interval, className="hint")])
        if place:
            found, outcome = one.differences[place - 1], one.outcome(place)
            by = f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
            row.append([components.badge(*_OUTCOMES[outcome]), html.Div(by, className="hint nowrap")])
    return row


def _draw_origin(versions: Sequence[VersionInfo]) -> Any:
    """What differs between the versions, first; what all share is behind a fold."""
    names = list(dict.fromkeys(name for info in versions for name in sorted(info.tags)))
    table: list[tuple[Any, ...]] = [
        ("Registered (UTC)", *(components.time_text(info.created_at, seconds=False) for info in versions)),
        ("Run", *(html.Code((info.run_id or "–")[:8]) for info in versions)),
    ]
    same: list[Any] = []
    for name in names:
        values = [info.tags.get(name, "–") for info in versions]
        if any(len(value) > _LONGEST for value in values):
            continue
        title = name.removeprefix("tiltyard.").replace("_", " ")
        if len(set(values)) > 1:
            table.append((title, *values))
        else:
            same.append(html.Li([html.Code(title), f" {values[0]}"]))
    heads = [("", "nowrap"), *((f"v{info.version}", "") for info in versions)]
    content: list[Any] = [
        html.P(["Each version: ", *_join_links(versions)], className="hint"),
        components.table("Made from", heads, table),
    ]
    if same:
        content.append(html.Details([html.Summary("The same in all"), html.Ul(same)]))
    return content


def _join_links(versions: Sequence[VersionInfo]) -> list[Any]:
    links: list[Any] = []
    for info in versions:
        links += [link_version(info.version), " "]
    return links
