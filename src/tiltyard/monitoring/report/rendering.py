"""A report as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from tiltyard.errors import UnavailableError, UsageError
from tiltyard.evaluation import METRICS
from tiltyard.jsonable import to_jsonable
from tiltyard.ledger import FindingRecord
from tiltyard.monitoring.estimates.cbpe import BLIND_SPOT
from tiltyard.monitoring.findings_from_run import DRIFT
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.report.plots import Plot, all_plots
from tiltyard.monitoring.summary import Summary

MOST_ROWS = 30
_SHOWN = ("accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc")
_STATUS = {"clear": "clear", "could_not_judge": "could not judge"}
_RANK = {"error": 0, "warning": 1, "info": 2, "could not judge": 3, "clear": 4}


def write_report(seen: Summary, path: Path) -> list[Path]:
    """Write a report: ``.html`` as one page with its pictures in it, ``.md`` with them in a folder beside it.

    Returns:
        The files written, the report first.

    Raises:
        UsageError: the name ends otherwise.
        UnavailableError: a file cannot be written.
    """
    if path.suffix not in (".html", ".md"):
        raise UsageError(f"{path} ends in {path.suffix!r}.", next_step="Name an .html or an .md file.")
    files: dict[Path, str] = {}
    if path.suffix == ".html":
        files[path] = render_html(seen)
    else:
        folder = f"{path.stem}_files"
        files[path] = render_markdown(seen, folder)
        files.update({path.parent / folder / f"{plot.name}.svg": plot.svg for plot in all_plots(seen)})
    try:
        for file, content in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}.",
            next_step="Name another file.",
            code="report.refused",
        ) from error
    return list(files)


def render_html(seen: Summary) -> str:
    """The report as one page that needs no network."""
    plots = [(plot, Markup(plot.svg), Markup(plot.keys)) for plot in all_plots(seen)]  # noqa: S704 - escaped there
    return _rendered("report.html.j2", seen, plots)


def render_markdown(seen: Summary, folder: str | None = None) -> str:
    """The report as Markdown; the pictures are named where they lie in a folder beside it."""
    plots: list[tuple[Plot, str]] = []
    if folder is not None:
        plots = [(plot, f"{folder}/{plot.name}.svg") for plot in all_plots(seen)]
    return _rendered("report.md.j2", seen, plots)


def told_of(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Findings worth listing: of drift the verdict alone, for its features would bury the rest."""
    return [
        record
        for record in findings
        if record.severity != "info" and (record.code == DRIFT or not record.code.startswith("drift."))
    ]


def _rendered(template: str, seen: Summary, plots: Sequence[Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    standing = sorted(map(_finding, seen.standing), key=lambda row: _RANK[row["verdict"]])
    page = environment.get_template(template).render(
        model=seen.interests.model,
        since=_when(seen.since),
        until=_when(seen.until),
        version=seen.version,
        state=_state(seen),
        facts=_facts(seen),
        plots=plots,
        metrics=_metrics(seen),
        caveat=seen.performance.caveat,
        blind_spot=BLIND_SPOT if seen.estimate and seen.estimate.figures else "",
        no_estimate=seen.estimate.reason if seen.estimate else "",
        contradiction=_contradiction(seen),
        answerers=_answerers(seen),
        slices=_slices(seen),
        standing=standing[:MOST_ROWS],
        history=[_finding(record) for record in told_of(seen.findings)[:MOST_ROWS]],
        events=[
            (_when(event.at), event.kind, event.subject, event.actor, event.reason) for event in seen.events[:MOST_ROWS]
        ],
    )
    return str(to_jsonable(page))


def _state(seen: Summary) -> tuple[str, str]:
    """A word for the whole, and a sentence."""
    if seen.alarms:
        worst = "error" if any(record.severity == "error" for record in seen.alarms) else "warning"
        count = len(seen.alarms)
        return worst, f"{count} finding{'s' if count > 1 else ''} ask{'' if count > 1 else 's'} for attention."
    if not seen.standing:
        return "info", "No look has been taken yet: run tiltyard monitor."
    if any(record.status == "clear" for record in seen.standing):
        return "good", "Nothing that was judged asks for attention."
    return "info", "Nothing could be judged yet."


def _facts(seen: Summary) -> list[tuple[str, str, str]]:
    ran = seen.operations
    p95 = f"{ran.latency_ms['p95']:.1f} ms" if ran.latency_ms else "–"
    confidence = f"{seen.stats.mean_confidence:.1%}" if seen.stats.mean_confidence is not None else "–"
    told = seen.performance.figures.get("accuracy")
    guessed = seen.estimate.figures.get("accuracy") if seen.estimate else None
    return [
        ("Answers", f"{seen.stats.total:,}", f"{ran.before:,} in the time before"),
        ("Labels", f"{seen.performance.labelled:,}", f"{seen.performance.coverage:.1%} of the answers"),
        ("Accuracy, labels", _value(told), _interval(told)),
        ("Accuracy, estimate", _value(guessed), _interval(guessed)),
        ("Confidence", confidence, "on average"),
        ("Latency", p95, "95 % of the answers"),
    ]


def _metrics(seen: Summary) -> list[tuple[str, str, str, str, str, str]]:
    names = dict.fromkeys((seen.interests.metric, *_SHOWN))
    guessed = seen.estimate.figures if seen.estimate else {}
    rows = []
    for name in names:
        told, estimated, then = seen.performance.figures.get(name), guessed.get(name), seen.baseline.get(name)
        if told is None and estimated is None:
            continue
        shown = f"{then:.4f}" if then is not None else "–"
        rows.append(
            (METRICS[name].title, _value(told), _interval(told), _value(estimated), _interval(estimated), shown)
        )
    return rows


def _answerers(seen: Summary) -> list[tuple[str, str, str, str, str, str]]:
    return [
        (
            version,
            route,
            f"{found.predictions:,}",
            f"{found.labelled:,}",
            _value(found.figures.get("accuracy")),
            _interval(found.figures.get("accuracy")),
        )
        for (version, route), found in seen.answerers.items()
    ]


def _slices(seen: Summary) -> list[tuple[str, str, str, str, str, str]]:
    if seen.slices is None:
        return []
    return [
        (
            part.column,
            part.title,
            f"{part.rows:,}",
            f"{part.metrics['accuracy']:.4f}",
            f"{part.intervals['accuracy'].low:.4f} to {part.intervals['accuracy'].high:.4f}",
            "worse than the rest" if part.worse else "" if part.could_judge else "too few rows",
        )
        for part in seen.slices.slices[:MOST_ROWS]
    ]


def _contradiction(seen: Summary) -> str:
    check = seen.estimate.check if seen.estimate else None
    if check is None or not check.contradicts:
        return ""
    return (
        f"The labels contradict the estimate: on {check.rows:,} labelled answers the accuracy is {check.accuracy:.4f}, "
        f"where their confidence led to expect {check.estimated.value:.4f} ({_interval(check.estimated)})."
    )


def _finding(record: FindingRecord) -> dict[str, str]:
    return {
        "at": _when(record.at),
        "verdict": _STATUS.get(record.status, record.severity),
        "code": record.code,
        "subject": record.subject,
        "message": record.message,
        "next_step": record.next_step,
    }


def _value(figure: Figure | None) -> str:
    return f"{figure.value:.4f}" if figure else "–"


def _interval(figure: Figure | None) -> str:
    return f"{figure.interval.low:.4f} to {figure.interval.high:.4f}" if figure and figure.interval else ""


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _cell(text: object) -> str:
    """A text as a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")
