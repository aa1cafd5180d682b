"""What the promises rest on: each rate that Tiltyard promises, next to the rate that simulations measure.

    python benchmarks/evidence.py --json evidence.json
    python benchmarks/evidence.py --topic chains --scale 0.1
    python benchmarks/evidence.py --scale 0.1 --scale groups=1 --json evidence.json
    python benchmarks/evidence.py --topic estimates --json evidence.json --keep
    python benchmarks/evidence.py --page evidence.json

Simulated with the product's own tests, limits and levels. ``--scale 1`` is the full number of runs; ``TOPIC=0.1`` is
that of one topic. The file is written after each topic, so that what was measured is kept; with ``--keep`` the topics
that are not measured keep their figures there. ``--page`` writes the one
table of docs/evidence.md from such a file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.evidence_rates import (
    chains,
    changes,
    degradation,
    drift,
    errors,
    estimates,
    groups,
    label_sets,
    labels,
    live,
    number_estimates,
    number_groups,
    number_live,
    numbers,
)
from benchmarks.evidence_rates.page import write_table
from benchmarks.evidence_rates.rows import Row

PAGE = Path(__file__).parents[1] / "docs" / "evidence.md"
Measured = dict[str, Any]
TOPICS: Mapping[str, Callable[[float], list[Row]]] = {
    "chains": chains.measure,
    "changes": changes.measure,
    "errors": errors.measure,
    "groups": groups.measure,
    "labels": labels.measure,
    "degradation": degradation.measure,
    "numbers": numbers.measure,
    "number-groups": number_groups.measure,
    "label-sets": label_sets.measure,
    "live": live.measure,
    "number-estimates": number_estimates.measure,
    "number-live": number_live.measure,
    "group-metrics": groups.measure_more,
    "estimates": estimates.measure,
    "drift": drift.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse_options(arguments)
    if options.page:
        shown = json.loads(options.page.read_text(encoding="utf-8"))
        PAGE.write_text(write_table(PAGE.read_text(encoding="utf-8"), shown), encoding="utf-8")
        return
    rows: list[Row] = []
    measured: Measured = {"rows": [], "topics": {}}
    if options.keep and options.json and options.json.exists():
        measured = json.loads(options.json.read_text(encoding="utf-8"))
    for topic in options.topic or TOPICS:
        scale = options.scale.get(topic, options.scale[""])
        began = time.process_time()
        found = TOPICS[topic](scale)
        rows += found
        measured = _replace_topic(measured, topic, found, scale, time.process_time() - began)
        if options.json:
            options.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    _print_rows(rows)


def _replace_topic(measured: Measured, topic: str, found: Sequence[Row], scale: float, seconds: float) -> Measured:
    """The figures with these of one topic in place of earlier ones; topics stay in their order."""
    ran = {
        "scale": scale,
        "processor_seconds": round(seconds, 1),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    rows = [row for row in measured["rows"] if row["topic"] != topic]
    rows += [{"topic": topic, "scale": scale, **asdict(row)} for row in found]
    topics = {**measured["topics"], topic: ran}
    places = {name: place for place, name in enumerate(TOPICS)}
    return {
        "rows": sorted(rows, key=lambda row: places[row["topic"]]),
        "topics": dict(sorted(topics.items(), key=lambda one: places[one[0]])),
    }


def _print_rows(rows: Sequence[Row]) -> None:
    table = Table("promise", "promised", "measured", "95 % interval", "runs", "build")
    for row in rows:
        promised = "" if row.promised is None else f"{row.promised:.2f}"
        table.add_row(
            row.name, promised, f"{row.rate:.3f}", f"{row.low:.3f} to {row.high:.3f}", f"{row.runs:,}", row.build
        )
    Console(width=140).print(table)


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--keep", action="store_true", help="keep what that file has of other topics")
    parser.add_argument("--topic", action="append", choices=TOPICS, help="only this one (repeatable; default: all)")
    parser.add_argument(
        "--scale", action="append", type=_read_scale, default=[], help="of the full number of runs (default: 1)"
    )
    parser.add_argument("--page", type=Path, help="write the table of the page from these figures, and measure nothing")
    options = parser.parse_args(arguments)
    scales: dict[str, Any] = {"": 1.0, **dict(options.scale)}
    options.scale = scales
    return options


def _read_scale(given: str) -> tuple[str, float]:
    topic, _, number = given.rpartition("=")
    if topic and topic not in TOPICS:
        raise argparse.ArgumentTypeError(f"there is no topic '{topic}': {', '.join(TOPICS)}")
    try:
        scale = float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{number}' is not a number") from None
    if scale <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return topic, scale


if __name__ == "__main__":
    main()
