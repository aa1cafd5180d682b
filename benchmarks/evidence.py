"""What the promises rest on: each rate that Tiltyard promises, next to the rate that simulations measure.

    python benchmarks/evidence.py --json evidence.json
    python benchmarks/evidence.py --topic chains --scale 0.1

Simulated with the product's own tests, limits and levels. ``--scale 1`` is the published number of runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.evidence_rates import (
    chains,
    changes,
    drift,
    errors,
    estimates,
    groups,
    labels,
    live,
    number_live,
    numbers,
)
from benchmarks.evidence_rates.rows import Row

TOPICS: Mapping[str, Callable[[float], list[Row]]] = {
    "chains": chains.measure,
    "changes": changes.measure,
    "drift": drift.measure,
    "errors": errors.measure,
    "estimates": estimates.measure,
    "groups": groups.measure,
    "labels": labels.measure,
    "live": live.measure,
    "number-live": number_live.measure,
    "numbers": numbers.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse_options(arguments)
    rows = [row for topic in options.topic or TOPICS for row in TOPICS[topic](options.scale)]
    table = Table("promise", "promised", "measured", "95 % interval", "runs", "build")
    for row in rows:
        promised = "" if row.promised is None else f"{row.promised:.2f}"
        table.add_row(
            row.name, promised, f"{row.rate:.3f}", f"{row.low:.3f} to {row.high:.3f}", f"{row.runs:,}", row.build
        )
    Console(width=140).print(table)
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8")


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--topic", action="append", choices=TOPICS, help="only this one (repeatable; default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the published number of runs (default: 1)")
    options = parser.parse_args(arguments)
    if options.scale <= 0:
        parser.error("--scale must be above 0")
    return options


if __name__ == "__main__":
    main()
