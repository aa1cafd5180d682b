"""The one table of the page about evidence, from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BEGIN, END = "<!-- measured rates: begin -->", "<!-- measured rates: end -->"
TITLES = {
    "chains": "The life of a project",
    "changes": "Changes of the error rate",
    "errors": "Errors and slow calls",
    "groups": "Rows that belong together: accuracy",
    "labels": "Labels from a queue",
    "degradation": "A metric against that of the test rows",
    "numbers": "Numbers",
    "number-groups": "Numbers whose rows belong together, and lives of numbers",
    "label-sets": "Prediction sets",
    "live": "The live test",
    "number-live": "The live test of numbers",
    "number-estimates": "Estimates of the error of numbers",
    "group-metrics": "Rows that belong together: other metrics, first champions, slices, shadows, intervals",
    "drift": "Drift",
    "estimates": "Estimates while inputs move",
}


def write_table(page: str, measured: Mapping[str, Any]) -> str:
    """The page with the table of these figures between its two marks.

    Args:
        page: the text of the page.
        measured: what ``evidence.py --json`` writes.

    Raises:
        ValueError: the page has no such marks.
    """
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"The page has no '{BEGIN}' and '{END}' to write the table between.")
    return "\n".join([before + BEGIN, "", *_list_lines(measured), "", END + after])


def _list_lines(measured: Mapping[str, Any]) -> Iterator[str]:
    yield "| rate | promised | measured | 95 % interval | runs | before |"
    yield "|---|---:|---:|---|---:|---:|"
    for topic, ran in measured["topics"].items():
        yield f"| **{TITLES[topic]}** (scale {ran['scale']:g}, {ran['date']}) | | | | | |"
        rows = [row for row in measured["rows"] if row["topic"] == topic]
        for name in dict.fromkeys(row["name"] for row in rows):
            yield _write_row(name, [row for row in rows if row["name"] == name])


def _write_row(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    of_build = {row["build"]: row for row in rows}
    now, before = of_build.get("now"), of_build.get("before")
    rate = f"{before['rate']:.3f}" if before else ""
    title = name.replace("|", "\\|")
    if now is None:
        runs = f"{before['runs']:,}" if before else ""
        return f"| {title} | | | | {runs} | {rate} |"
    promised = "" if now["promised"] is None else f"{'≥' if now['least'] else '≤'} {now['promised']:.3g}"
    missed = " (missed)" if is_missed(now) else ""
    interval = f"{now['low']:.3f} to {now['high']:.3f}"
    return f"| {title} | {promised} | {now['rate']:.3f}{missed} | {interval} | {now['runs']:,} | {rate} |"


def is_missed(row: Mapping[str, Any]) -> bool:
    """Whether the interval of a rate is wholly on the wrong side of what is promised."""
    promised = row["promised"]
    if promised is None:
        return False
    return bool(row["high"] < promised) if row["least"] else bool(row["low"] > promised)
