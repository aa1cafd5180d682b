"""A report as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from tiltyard.charts.svg import PAGE_STYLES
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.evaluation import Interval, get_metric
from tiltyard.files import write_atomically
from tiltyard.jsonable import to_jsonable
from tiltyard.ledger import FindingRecord
from tiltyard.monitoring.estimates.by_target import describe_blind_spot
from tiltyard.monitoring.findings_from_run import DRIFT
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.report.evaluation_tables import NO_EVALUATION, evaluation_tables
from tiltyard.monitoring.report.plots import Plot, draw_plots
from tiltyard.monitoring.summary import Summary

MOST_ROWS = 30
_REPORTED_METRICS = ("accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc", "mae", "rmse", "r2", "mape")
_VERDICTS = {"clear": "clear", "could_not_judge": "could not check"}
_RANK = {"error": 0, "warning": 1, "info": 2, "could not check": 3, "clear": 4}


def write_report(summary: Summary, path: Path) -> list[Path]:
    """Write a report: ``.html`` as one page that contains its plots, ``.md`` with the plots in a folder next to it.

    Returns:
        The files written, the report first.

    Raises:
        UsageError: the name has another ending.
        UnavailableError: a file cannot be written.
    """
    if path.suffix not in (".html", ".md"):
        raise UsageError(f"{path} ends in {path.suffix!r}.", next_step="Name an .html or an .md file.")
    files: dict[Path, str] = {}
    if path.suffix == ".html":
        files[path] = render_html(summary)
    else:
        folder = f"{path.stem}_files"
        files[path] = render_markdown(summary, folder)
        files.update({path.parent / folder / f"{plot.name}.svg": plot.svg for plot in draw_plots(summary)})
    for file, content in files.items():
        write_page(file, content)
    return list(files)


def write_page(path: Path, content: str) -> None:
    """Write one file of a report.

    Raises:
        UnavailableError: it cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}.",
            next_step="Name another file.",
            code="report.refused",
        ) from error


def render_html(summary: Summary) -> str:
    """The report as one page that needs no network."""
    plots = [(plot, Markup(plot.svg), Markup(plot.keys)) for plot in draw_plots(summary)]  # noqa: S704 - escaped there
    return _render("report.html.j2", summary, plots)


def render_markdown(summary: Summary, folder: str | None = None) -> str:
    """The report as Markdown, with links to the plots where they are in a folder."""
    plots: list[tuple[Plot, str]] = []
    if folder is not None:
        plots = [(plot, f"{folder}/{plot.name}.svg") for plot in draw_plots(summary)]
    return _render("report.md.j2", summary, plots)


def select_reportable(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """The findings to list: of drift the verdict alone, since its features would bury the rest."""
    return [
        record
        for record in findings
        if record.severity != "info" and (record.code == DRIFT or not record.code.startswith("drift."))
    ]


@cache
def _environment() -> Environment:
    """Made once a process: it keeps the compiled pages, and compiling takes longer than all else in a report."""
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, PAGE_STYLES]),
        autoescape=select_autoescape(("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _escape_cell
    return environment


def _render(template: str, summary: Summary, plots: Sequence[Any]) -> str:
    latest_findings = sorted(map(_finding_row, summary.latest_findings), key=lambda row: _RANK[row["verdict"]])
    page = (
        _environment()
        .get_template(template)
        .render(
            model=summary.query.model_name,
            since=_format_time(summary.since),
            until=_format_time(summary.until),
            version=summary.version,
            state=_describe_state(summary),
            facts=_key_figures(summary),
            basis=summary.basis,
            plots=plots,
            metrics=_metric_rows(summary),
            caveat=summary.performance.caveat,
            blind_spot=describe_blind_spot(summary.estimate),
            no_estimate=summary.estimate.reason if summary.estimate else "",
            contradiction=_describe_contradiction(summary),
            by_version=_version_rows(summary),
            headline=get_metric(summary.query.headline).title,
            slices=_slice_rows(summary),
            evaluation=evaluation_tables(summary.evaluation) if summary.evaluation else [],
            no_evaluation=NO_EVALUATION if summary.version and summary.evaluation is None else "",
            latest_findings=latest_findings[:MOST_ROWS],
            history=[_finding_row(record) for record in select_reportable(summary.findings)[:MOST_ROWS]],
            events=[
                (_format_time(event.at), event.kind, event.subject, event.actor, event.reason)
                for event in summary.events[:MOST_ROWS]
            ],
        )
    )
    return str(to_jsonable(page))


def _describe_state(summary: Summary) -> tuple[str, str]:
    """The worst severity, and a sentence."""
    if summary.alarms:
        worst = "error" if any(record.severity == "error" for record in summary.alarms) else "warning"
        count = len(summary.alarms)
        return worst, f"{count} finding{'s' if count > 1 else ''} need{'' if count > 1 else 's'} attention."
    if not summary.latest_findings:
        return "info", "No monitoring run yet: run tiltyard monitor."
    if any(record.status == "clear" for record in summary.latest_findings):
        return "good", "No finding needs attention."
    return "info", "There is too little data for a verdict."


def _key_figures(summary: Summary) -> list[tuple[str, str, str]]:
    operations = summary.operations
    p95 = f"{operations.latency_ms['p95']:.1f} ms" if operations.latency_ms else "–"
    title = get_metric(summary.query.headline).title
    mean = summary.stats.mean_confidence
    of_numbers = mean is None and summary.stats.total > 0  # which have intervals, and no confidence
    confidence = [] if of_numbers else [("Confidence", "–" if mean is None else f"{mean:.1%}", "on average")]
    measured = summary.performance.figures.get(summary.query.headline)
    estimated = summary.estimate.figures.get(summary.query.headline) if summary.estimate else None
    return [
        ("Predictions", f"{summary.stats.total:,}", f"{operations.predictions_before:,} in the period before"),
        ("Labels", f"{summary.labels:,}", f"{summary.label_coverage:.1%} of the predictions"),
        (f"{title}, labels", _format_value(measured), _format_interval(measured)),
        (f"{title}, estimate", _format_value(estimated), _format_interval(estimated)),
        *confidence,
        ("Latency", p95, "95 % of the predictions"),
    ]


def _metric_rows(summary: Summary) -> list[tuple[str, str, str, str, str, str]]:
    names = dict.fromkeys((summary.query.metric, *_REPORTED_METRICS))
    estimates = summary.estimate.figures if summary.estimate else {}
    rows = []
    for name in names:
        measured, estimated = summary.performance.figures.get(name), estimates.get(name)
        if measured is None and estimated is None:
            continue
        baseline = f"{summary.baseline[name]:.4f}" if name in summary.baseline else "–"
        rows.append(
            (
                get_metric(name).title,
                _format_value(measured),
                _format_interval(measured),
                _format_value(estimated),
                _format_interval(estimated),
                baseline,
            )
        )
    return rows


def _version_rows(summary: Summary) -> list[tuple[str, str, str, str, str, str]]:
    return [
        (
            version,
            route,
            f"{performance.predictions:,}",
            f"{performance.labelled:,}",
            _format_value(performance.figures.get(summary.query.headline)),
            _format_interval(performance.figures.get(summary.query.headline)),
        )
        for (version, route), performance in summary.by_version.items()
    ]


def _slice_rows(summary: Summary) -> list[tuple[str, str, str, str, str, str]]:
    if summary.slices is None:
        return []
    return [
        (
            part.column,
            part.title,
            f"{part.rows:,}",
            f"{part.metrics[summary.slices.base]:.4f}",
            _format_ends(part.intervals.get(summary.slices.base)),
            "worse than the rest" if part.worse else "" if part.could_judge else "too few rows",
        )
        for part in summary.slices.slices[:MOST_ROWS]
    ]


def _format_ends(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"


def _describe_contradiction(summary: Summary) -> str:
    check = summary.estimate.check if summary.estimate else None
    if check is None or not check.is_worse:  # as the finding: better than estimated is nothing to act on
        return ""
    return f"The labels contradict the estimate: {check.summary}."


def _finding_row(record: FindingRecord) -> dict[str, str]:
    return {
        "at": _format_time(record.at),
        "verdict": _VERDICTS.get(record.status, record.severity),
        "code": record.code,
        "subject": record.subject,
        "message": record.message,
        "next_step": record.next_step,
    }


def _format_value(figure: Figure | None) -> str:
    return f"{figure.value:.4f}" if figure else "–"


def _format_interval(figure: Figure | None) -> str:
    return f"{figure.interval.low:.4f} to {figure.interval.high:.4f}" if figure and figure.interval else ""


def _format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _escape_cell(text: object) -> str:
    """A text for a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")
