"""The page of batch runs: the tables that were scored, with what was found in each as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from tiltyard.console.layout import components
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.version import link_version
from tiltyard.formatting import format_count
from tiltyard.ledger.batch_runs import BatchRun

REFRESH_SECONDS = 5.0
MOST_RUNS = 100
LIST = "batches-list"


def batches_page(data: PageData) -> Page:
    """The page over the batch runs of a ledger."""

    def runs() -> list[BatchRun]:
        return data.ledger.batch_runs.select(model_name=data.project.model_name, limit=MOST_RUNS + 1)

    return Page(
        name="batches",
        path="/batches",
        title="Batches",
        lead="Tables that were scored as a whole, and what was found in each.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(components.slot(LIST),),
        slots=((LIST, "children"),),
        stamp=lambda _where: " ".join(f"{run.id}{run.rows}{run.finished}" for run in runs()),
        draw=lambda where: draw_batches(runs(), data.project.model_name, where),
    )


def draw_batches(runs: Sequence[BatchRun], model: str, where: Where) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not runs:
        sentence = f"No table was scored by {model} yet. Train a champion, and score one:"
        commands = "tiltyard train --champion", "tiltyard score orders.csv --to scores.csv"
        return Placeholder(components.empty("No batch run yet", sentence, *commands))
    chosen = where.find("run")
    cards = [_draw_run(run) for run in runs[:MOST_RUNS] if chosen in ("", run.id)]
    if chosen:
        everything = html.P(dcc.Link("All batch runs", href=where.link(run=None)))
        return {LIST: [html.Ol(cards, className="decisions"), everything]}
    note = [html.P("Older runs are not shown: tiltyard predictions runs", className="hint")]
    return {LIST: [html.Ol(cards, className="decisions"), *(note if len(runs) > MOST_RUNS else [])]}


def _draw_run(run: BatchRun) -> html.Li:
    findings = _list_findings(run)
    alarming = [one for one in findings if one["status"] == "found" and one["severity"] != "info"]
    if run.finished is None:
        state = components.badge("not finished", "bad")
    elif alarming:
        state = components.badge("needs attention", "bad")
    else:
        state = components.badge("finished", "good")
    return html.Li(
        [
            html.Div(
                [
                    html.H2(f"{run.source} → {run.target}"),
                    state,
                    html.Span([components.time_text(run.started), " UTC"], className="hint"),
                ],
                className="head",
            ),
            html.P(_summarise(run)),
            *_draw_findings(findings),
            html.P([link_version(run.version), " · run ", html.Code(run.id[:12], title=run.id)], className="hint"),
        ],
        className="card",
    )


def _summarise(run: BatchRun) -> str:
    parts = [f"{format_count(run.rows, 'row')}, {run.refused:,} refused, {run.recorded:,} recorded"]
    labels = run.evidence.get("labels")
    if isinstance(labels, Mapping) and labels:
        parts.append(", ".join(f"{name} {count:,}" for name, count in sorted(labels.items())))
    if run.finished is None:
        parts.append("it runs, or was interrupted: start it again, and it continues")
    else:
        parts.append(f"{(run.finished - run.started).total_seconds():,.0f} seconds")
    return " · ".join(parts)


def _list_findings(run: BatchRun) -> list[dict[str, str]]:
    """Findings of the evidence; another release may have written it, so unknown parts are left out."""
    found = run.evidence.get("findings")
    if not isinstance(found, list):
        return []
    names = ("code", "severity", "status", "message")
    return [{name: str(one.get(name, "")) for name in names} for one in found if isinstance(one, Mapping)]


def _draw_findings(findings: Sequence[Mapping[str, str]]) -> list[Any]:
    if not findings:
        return []
    items = [
        html.Li(
            [
                components.badge(*_describe_verdict(one)),
                html.Span([html.Strong(one["code"]), f" {one['message']}"]),
            ]
        )
        for one in findings
    ]
    return [html.Ul(items, className="gates")]


def _describe_verdict(finding: Mapping[str, str]) -> tuple[str, str]:
    """What was found in a word, and how it looks."""
    status = finding["status"]
    if status != "found":
        return ("clear", "good") if status == "clear" else ("not evaluated", "")
    severity = finding["severity"]
    return severity, "" if severity == "info" else "bad"
