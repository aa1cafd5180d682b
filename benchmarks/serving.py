"""Serving: Tiltyard next to uvicorn and FastAPI without a model, a FastAPI app, MLflow, BentoML and MLServer.

    python benchmarks/serving.py --json serving.json --plot serving.png
    python benchmarks/serving.py --texts imdb.parquet --connections 32
    python benchmarks/serving.py --tables --connections 32

Tiltyard trains one model (TF-IDF and logistic regression; with --tables each of the three table models on the
personality data), and every system serves that very pipeline: before a system is measured, some of its predictions are
held against scikit-learn's. Tiltyard runs with everything on: validation, a prediction in the ledger before it leaves,
metrics. Each peer runs in its own environment, made with uv in a cache folder on the first run (some minutes, about
2 GB). One worker each; the server has one core and the load another. Everything is bound to the loopback.

The load comes from wrk (apt-get install wrk, brew install wrk); without it from a small client in Python, which is
slower than the fast servers. Which one it was is printed and written.

A system that cannot be installed or started is reported as such; one that starts and gives no good response under the
load fails the run. With all systems and concurrencies a run takes about
12 minutes, with --connections 32 about four, on two quiet cores. On a busy machine the figures mean little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.serving_bench import report
from benchmarks.serving_bench.environments import Environment, NotInstalledError, default_cache, environment
from benchmarks.serving_bench.load import NoResponseError, client, describe_client
from benchmarks.serving_bench.measuring import Effort, NotServedError, Row, free_port, measure
from benchmarks.serving_bench.subjects import REVIEWS, TABLE_MODELS, Subject, table_subject, text_subject
from benchmarks.serving_bench.systems import SYSTEMS, Stand, System

CONNECTIONS = (1, 8, 32, 128)
console = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse_options(arguments)
    effort = Effort(tuple(options.connections or CONNECTIONS), options.seconds, choose_cores())
    chosen = [SYSTEMS[name] for name in options.systems]
    console.print(describe_client(), highlight=False)
    installed, unavailable = _install_systems(chosen, options.cache)
    rows: list[Row] = []
    silent: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as scratch:
        subjects = _prepare_subjects(options, Path(scratch))
        for number, subject in enumerate(subjects):
            for system in chosen:
                if system.requirements and system.name not in installed:
                    continue
                place = Path(scratch) / f"{system.name}-{number}"
                try:
                    problem = _measure_systems(system, subject, installed.get(system.name), place, effort, rows)
                except NoResponseError as error:
                    problem = str(error)
                    silent.append(system.name)
                if problem:
                    unavailable[system.name] = problem
        about = [subject.about for subject in subjects]
    report.show(Console(), rows, unavailable)
    if rows:
        plot = options.plot or (options.json or Path("serving")).with_suffix(".png")
        report.plot(rows, plot, "One worker on one core, load from another")
        console.print(f"The plot is in {plot}.", highlight=False)
    if options.json:
        figures = _collect_figures(rows, unavailable, installed, about, options)
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if silent:
        sys.exit(f"No good response under load from {', '.join(silent)}: what is written of them means nothing.")


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument(
        "--plot", type=Path, help="where to write the plot (default: next to the figures, else serving.png)"
    )
    parser.add_argument("--texts", type=Path, default=REVIEWS, help="CSV or Parquet with the columns text and label")
    parser.add_argument("--tables", action="store_true", help="serve the table models instead of texts")
    parser.add_argument(
        "--systems", type=_split_names, default=list(SYSTEMS), help=f"some of {','.join(SYSTEMS)} (default: all)"
    )
    parser.add_argument("--connections", type=int, action="append", help="one concurrency; default: 1, 8, 32 and 128")
    parser.add_argument("--seconds", type=float, default=8.0, help="of load for each figure (default: 8)")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="folder of the peers' environments (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if not options.texts.exists():
        parser.error(f"{options.texts} does not exist; name a file of texts with --texts")
    if not 1 <= options.seconds <= 600:
        parser.error(f"--seconds {options.seconds} must be from 1 to 600")
    if any(not 1 <= count <= 1000 for count in options.connections or ()):
        parser.error("--connections must be from 1 to 1000")
    return options


def _split_names(given: str) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no system {', '.join(unknown)}; there are {', '.join(SYSTEMS)}")
    return names


def choose_cores() -> tuple[int | None, int | None]:
    """The core of the server and that of the load: the first and the last that this process may use."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(usable) < 2:
        console.print("This machine does not give two cores: server and load share what there is.")
        return None, None
    return usable[0], usable[-1]


def _install_systems(systems: Sequence[System], cache: Path) -> tuple[dict[str, Environment], dict[str, str]]:
    installed: dict[str, Environment] = {}
    unavailable: dict[str, str] = {}
    cache.mkdir(parents=True, exist_ok=True)
    for system in systems:
        if not system.requirements:
            continue
        with console.status(f"Environment of {system.name} in {cache}"):
            try:
                installed[system.name] = environment(cache, system.name, system.requirements)
            except NotInstalledError as error:
                unavailable[system.name] = f"not installed: {error}"
    return installed, unavailable


def _prepare_subjects(options: argparse.Namespace, scratch: Path) -> list[Subject]:
    with console.status("Tiltyard trains"):
        if options.tables:
            return [table_subject(scratch, candidate) for candidate in TABLE_MODELS]
        return [text_subject(scratch, options.texts)]


def _measure_systems(
    system: System, subject: Subject, where: Environment | None, place: Path, effort: Effort, rows: list[Row]
) -> str:
    """Add a system's figures to the rows; what kept it from being measured, if anything did.

    A server that does not start is started once more: another program may have taken its port.

    Raises:
        NoResponseError: it started, and gave no good response under load.
    """
    problem = ""
    for attempt in range(2):
        folder = place.with_name(f"{place.name}-{attempt}")
        folder.mkdir()
        known = len(rows)
        try:
            for row in measure(system, Stand(where, subject, folder, free_port()), effort):
                rows.append(row)
                _print_row(row)
        except NoResponseError:
            raise
        except (NotServedError, RuntimeError) as error:
            problem = str(error)
            console.print(f"{system.name}: {problem}", highlight=False)
            if len(rows) > known:
                break
        else:
            return ""
    return problem


def _print_row(row: Row) -> None:
    console.print(
        f"{row.system:<14} {row.texts:<18} {row.connections:>4} connections {row.rps:>9,.0f}/s   "
        f"p50 {row.p50_ms:>7.2f} ms   p99 {row.p99_ms:>7.2f} ms   {row.errors} errors   {row.rss_mb:,.0f} MB",
        highlight=False,
        soft_wrap=True,
    )


def _collect_figures(
    rows: Sequence[Row],
    unavailable: dict[str, str],
    installed: dict[str, Environment],
    about: list[str],
    options: argparse.Namespace,
) -> dict[str, Any]:
    shown = {name: place.versions.get(SYSTEMS[name].shown, "") for name, place in installed.items()}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "load_average_before": list(os.getloadavg()),
        },
        "models": about,
        "client": client(),
        "seconds": options.seconds,
        "versions": {"tiltyard": version("tiltyard"), **shown},
        "rows": [row.to_dict() for row in rows],
        "ratios": report.ratios(rows),
        "unavailable": unavailable,
    }


if __name__ == "__main__":
    main()
