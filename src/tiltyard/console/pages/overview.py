"""The first page: what needs a person now, and how the model has done lately."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from tiltyard.console.data.decisions import decision_title
from tiltyard.console.data.incidents import is_waiting
from tiltyard.console.data.overview import OverviewView, overview_stamp, overview_view
from tiltyard.console.layout import components, figures, monitoring_figures
from tiltyard.console.layout.controls import choose_time
from tiltyard.console.layout.offers import draw_offers
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.incident import link_incident, summarise_incident
from tiltyard.console.pages.version import link_version
from tiltyard.evaluation import get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import choose_form, format_count, format_percent
from tiltyard.ledger import Event
from tiltyard.ledger.batch_runs import BatchRun
from tiltyard.notifications.alerts import Alert

REFRESH_SECONDS = 10.0
MOST_INCIDENTS = 5
NEEDS, FACTS, DECISIONS, BATCHES = "overview-needs", "overview-facts", "overview-decisions", "overview-batches"
PERFORMANCE, TRAFFIC, LATENCY = "overview-performance", "overview-traffic", "overview-latency"


def overview_page(data: PageData) -> Page:
    """The page over ledger and registry."""
    model = data.project.model_name

    def fill(where: Where) -> Slots | Placeholder:
        view = overview_view(data.ledger, data.project, where.period, data.now())
        if view.champion is None and not view.any_ever and not data.registry.list_versions(model):
            return Placeholder(draw_first_steps(model))
        return draw_overview(view, data, where)

    return Page(
        name="overview",
        path="/",
        title="Overview",
        lead="What needs a person now, and how the model has done lately.",
        refresh_seconds=REFRESH_SECONDS,
        controls=lambda where: [choose_time(where)],
        frame=(
            components.slot(NEEDS),
            components.slot(FACTS, "card"),
            components.card(components.plot(PERFORMANCE, 260), title="Performance"),
            html.Div(
                [
                    components.card(components.plot(TRAFFIC, 200), title="Traffic"),
                    components.card(components.plot(LATENCY, 200), title="Latency"),
                    components.card(components.slot(DECISIONS), title="Last decisions"),
                    components.card(components.slot(BATCHES), title="Batch runs"),
                ],
                className="grid",
            ),
        ),
        slots=(
            (NEEDS, "children"),
            (FACTS, "children"),
            *components.plot_slots(PERFORMANCE),
            *components.plot_slots(TRAFFIC),
            *components.plot_slots(LATENCY),
            (DECISIONS, "children"),
            (BATCHES, "children"),
        ),
        stamp=lambda _where: overview_stamp(data.ledger, model, data.now()),
        draw=fill,
    )


def draw_first_steps(model: str) -> html.Section:
    """What a new project needs, in order."""
    return components.empty(
        "Nothing here yet",
        f"{model} has no version and no prediction. Train the first version, and serve it:",
        "tiltyard train --champion",
        "tiltyard serve",
    )


def draw_overview(view: OverviewView, data: PageData, where: Where) -> Slots:
    """The content of the page's slots."""
    colors = figures.label_colors(view.stats.by_label or {"predictions": 0})
    known = set(view.timeline["label"])
    return {
        NEEDS: _draw_needs(view, data, where),
        FACTS: _draw_facts(view),
        PERFORMANCE: monitoring_figures.track_figure(view.performance, (view.since, view.until)),
        f"{PERFORMANCE}-words": _describe_performance(view),
        TRAFFIC: figures.timeline_figure(
            view.timeline, view.step, {**figures.label_colors(known), **{k: v for k, v in colors.items() if k in known}}
        ),
        f"{TRAFFIC}-words": _describe_traffic(view),
        LATENCY: monitoring_figures.latency_figure(view.latency, (view.since, view.until)),
        f"{LATENCY}-words": _describe_latency(view),
        DECISIONS: _list_decisions(view.decisions, where),
        BATCHES: _list_batches(view.batches, where),
    }


def _draw_needs(view: OverviewView, data: PageData, where: Where) -> Any:
    """Cards of what waits for somebody; one calm line where nothing does."""
    now = data.now()
    needed = [alert for alert in view.incidents if is_waiting(alert, now)]
    cards = [_draw_incident(alert, data, where) for alert in needed[:MOST_INCIDENTS]]
    if (more := len(needed) - MOST_INCIDENTS) > 0:
        cards.append(
            html.Li(dcc.Link(f"{more} more open incidents", href=where.link_to("/incidents")), className="card")
        )
    cards.extend(_draw_approval(request, data) for request in view.approvals)
    if view.champion is None:
        cards.append(_draw_missing_champion())
    if view.labels_waiting:
        cards.append(_draw_label_requests(view.labels_waiting))
    quiet = len(view.incidents) - len(needed)
    if quiet:
        words = f"{format_count(quiet, 'open incident')} acknowledged or snoozed"
        cards.append(html.Li(dcc.Link(words, href=where.link_to("/incidents")), className="hint"))
    if not needed and not view.approvals and view.champion is not None:
        when = "The monitoring has not run yet: tiltyard monitor, or tiltyard up."
        if view.monitored_at is not None:
            when = f"The latest monitoring run was at {view.monitored_at:%Y-%m-%d %H:%M} UTC."
        calm = html.Li([components.badge("All quiet", "good"), f"No incident is open. {when}"], className="card chain")
        cards.insert(0, calm)
    return html.Section(
        [html.H2("Needs attention", className="unseen"), html.Ul(cards, className="needs")],
        **{"aria-label": "Needs attention"},
    )


def _draw_incident(alert: Alert, data: PageData, where: Where) -> html.Li:
    return html.Li(
        [
            html.Div(
                [
                    html.H3(link_incident(alert, where)),
                    components.badge(alert.severity, "bad"),
                    html.Span(
                        ["since ", components.time_text(alert.raised_at, seconds=False), " UTC"], className="hint"
                    ),
                ],
                className="head",
            ),
            html.P(summarise_incident(alert)),
            *draw_offers(data, "incident", alert.id, heading=alert.title),
        ],
        className="card notice bad",
    )


def _draw_approval(request: Any, data: PageData) -> html.Li:
    return html.Li(
        [
            html.Div(
                [
                    html.H3([link_version(request.version, f"Version {request.version}"), " waits for approval"]),
                    html.Span(
                        ["since ", components.time_text(request.event.at, seconds=False), " UTC"], className="hint"
                    ),
                ],
                className="head",
            ),
            html.P(f"It passed the gates: {request.verdict.summary}."),
            *draw_offers(data, "version", request.version, only=("approve", "reject")),
        ],
        className="card notice",
    )


def _draw_missing_champion() -> html.Li:
    return html.Li(
        [
            html.H3("No champion"),
            html.P("No version serves users: the server responds with 503 until one does."),
            html.P(
                [
                    dcc.Link("Choose a version", href="/versions"),
                    ", or train one: ",
                    html.Code("tiltyard train --champion"),
                ]
            ),
        ],
        className="card notice bad",
    )


def _draw_label_requests(waiting: int) -> html.Li:
    words = f"{format_count(waiting, 'prediction')} {choose_form(waiting, 'waits', 'wait')} for a label. "
    return html.Li([words, dcc.Link("Label them", href="/labelling")], className="card chain")


def _draw_facts(view: OverviewView) -> html.Dl:
    stats = view.stats
    before = "" if view.before is None else f"{view.before:,} in the period before"
    latency = "–" if stats.mean_latency_ms is None else f"{stats.mean_latency_ms:.1f} ms"
    failed, of = "–", "no server was read"
    if view.requests:
        failed, of = format_percent(view.failed / view.requests), f"{view.failed:,} of {view.requests:,} requests"
    serves: Any = "none"
    since: Any = "no version serves"
    if view.champion is not None and view.champion.version is not None:
        serves = link_version(view.champion.version)
        since = ["since ", components.time_text(view.champion.since, seconds=False)]
    return components.facts(
        [
            ("Champion", serves, since),
            ("Predictions", f"{stats.total:,}", before),
            ("Mean latency", latency, "from acceptance to the ledger"),
            ("Errors", failed, of),
            *_performance_fact(view),
        ]
    )


def _performance_fact(view: OverviewView) -> list[tuple[str, Any, Any]]:
    track = view.performance
    for points, how in ((track.measured, track.metric), (track.estimated, track.estimate_metric)):
        if points:
            kind = "with labels" if points is track.measured else "estimated"
            last, metric = points[-1], get_metric(how)
            show = TaskEvaluation.find_for_target(metric.target).show_value
            ends = "" if last.low is None or last.high is None else f"{show(last.low)} to {show(last.high)}"
            return [(f"{metric.title}, {kind}", show(last.value), ends)]
    return []


def _describe_performance(view: OverviewView) -> str:
    track = view.performance
    title = get_metric(track.metric).title
    words = f"{title}, as each monitoring run found it; bands are 95 % intervals."
    if not track.measured:
        words += " No labels yet."
    if track.estimated and track.estimate_metric != track.metric:
        words += (
            f" The estimate without labels is of {get_metric(track.estimate_metric).title.lower()}: see Monitoring."
        )
    return words if track.measured or track.estimated else "The monitoring has measured nothing in this period."


def _describe_traffic(view: OverviewView) -> str:
    if not view.stats.total:
        return "No prediction in this period."
    change = ""
    if view.before:
        word = "more" if view.stats.total >= view.before else "fewer"
        change = f" {abs(view.stats.total / view.before - 1):.0%} {word} than before."
    return f"{format_count(view.stats.total, 'prediction')}.{change}"


def _describe_latency(view: OverviewView) -> str:
    if not len(view.latency):
        return "No latency was measured in this period."
    slow, at = max(zip(view.latency["latency_ms"].tolist(), view.latency["start"].tolist(), strict=True))
    slowest = f"The slowest began at {at:%Y-%m-%d %H:%M} UTC: {slow:.1f} ms."
    return f"Mean of each part of the period. {slowest}"


def _list_decisions(decisions: tuple[Event, ...], where: Where) -> Any:
    if not decisions:
        return html.P("No decision yet.", className="hint")
    items = [
        html.Li(
            [
                dcc.Link(decision_title(event), href=where.link_to("/decisions", decision=str(event.sequence))),
                html.Span([" ", components.time_text(event.at, seconds=False), f" · {event.actor}"], className="hint"),
            ]
        )
        for event in decisions
    ]
    return html.Ul(items, className="short")


def _list_batches(batches: tuple[BatchRun, ...], where: Where) -> Any:
    if not batches:
        return html.P("No batch run yet.", className="hint")
    items = [
        html.Li(
            [
                dcc.Link(shorten_path(run.source), href=where.link_to("/batches", run=run.id)),
                html.Span(
                    [
                        f" {format_count(run.rows, 'row')}, v{run.version}, ",
                        "running or interrupted " if run.finished is None else "finished ",
                        components.time_text(run.finished or run.started, seconds=False),
                    ],
                    className="hint",
                ),
            ]
        )
        for run in batches
    ]
    return html.Ul(items, className="short")


def shorten_path(path: str, longest: int = 40) -> str:
    """The end of a path or address, which tells more than its beginning."""
    return path if len(path) <= longest else f"…{path[-longest + 1 :]}"
