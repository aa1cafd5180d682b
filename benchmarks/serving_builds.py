"""Two builds of Tiltyard at the same moment: has serving become slower, or larger?

    python benchmarks/serving_builds.py --before ../before
    python benchmarks/serving_builds.py --before ../before --project trained --json builds.json

Each build serves a copy of the same project folder; all processes of both servers are kept on one core, and two
clients on another send to both at the same time, so that whatever else the machine does slows both down alike. After
each round the run waits until both servers are quiet, and what they did until then (shipping predictions to the ledger)
counts as well. Printed are medians over the rounds: the ratio of responses a second, and of processor time for a
response, later build over earlier.

``--before`` is a checkout with its environment in ``.venv``, or an interpreter; the later build is this one unless
``--after`` names another. Without ``--project`` the earlier build trains the shipped film reviews first: a later build
can serve what an earlier one trained. Before anything is measured, both have to predict the same. With the defaults a
run takes about three minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine
from benchmarks.serving import choose_cores
from benchmarks.serving_bench.builds import Build, Comparison, Served, identify_build, measure_round
from benchmarks.serving_bench.environments import Environment
from benchmarks.serving_bench.footprints import wait_until_settled
from benchmarks.serving_bench.load import Load, client, describe_client
from benchmarks.serving_bench.measuring import (
    CHECKED,
    SAME,
    NotServedError,
    Subject,
    free_port,
    post_body,
    resident_megabytes,
    run_server,
)
from benchmarks.serving_bench.subjects import (
    REVIEWS,
    long_texts,
    read_reviews,
    short_texts,
    train_champion,
    write_project,
)
from benchmarks.serving_bench.systems import HOST, SYSTEMS, Stand

NAMES = ("before", "after")
TILTYARD = replace(SYSTEMS["tiltyard"], requirements=("tiltyard",))  # an environment apart, nothing of ours in its path
console = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="tiltyard-builds-") as scratch:
        try:
            builds = [identify_build(python, Path(scratch)) for python in (options.before, options.after)]
            console.print(describe_client(), highlight=False)
            console.print(f"before: {builds[0].title}; after: {builds[1].title}", highlight=False)
            found, memory = _compare(builds, options, Path(scratch))
        except (ValueError, NotServedError, RuntimeError) as error:
            sys.exit(f"Nothing was measured: {error}.")
    _show(found, memory)
    if options.json:
        figures = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "client": client(),
            "seconds": options.seconds,
            "connections": options.connections,
            "builds": {
                name: {"version": build.version, "commit": build.commit, "rss_mb": used}
                for name, build, used in zip(NAMES, builds, memory, strict=True)
            },
            "rows": [comparison.to_dict() for comparison in found],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--before", type=_find_python, required=True, help="checkout or interpreter of the earlier build"
    )
    parser.add_argument(
        "--after", type=_find_python, default=Path(sys.executable), help="of the later build (default: this one)"
    )
    parser.add_argument("--project", type=Path, help="trained project of texts; default: the earlier build trains one")
    parser.add_argument("--texts", type=Path, default=REVIEWS, help="CSV or Parquet with the columns text and label")
    parser.add_argument("--connections", type=int, default=32, help="to each server (default: 32)")
    parser.add_argument("--seconds", type=int, default=6, help="of load in each round (default: 6)")
    parser.add_argument("--rounds", type=int, default=4, help="for each kind of text (default: 4)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args(arguments)
    if not options.texts.exists():
        parser.error(f"{options.texts} does not exist; name a file of texts with --texts")
    if options.project is not None and not (options.project / "tiltyard.toml").is_file():
        parser.error(f"{options.project} has no tiltyard.toml; name the folder of a trained project with --project")
    for name, most in (("connections", 1000), ("seconds", 600), ("rounds", 100)):
        if not 1 <= getattr(options, name) <= most:
            parser.error(f"--{name} {getattr(options, name)} must be from 1 to {most}")
    return options


def _find_python(given: str) -> Path:
    """The interpreter of a checkout's environment, or the one that is named."""
    path = Path(given).absolute()
    python = path / ".venv" / "bin" / "python" if path.is_dir() else path
    if not python.is_file():
        raise argparse.ArgumentTypeError(
            f"{given}: there is no {python}; name a checkout with .venv, or an interpreter"
        )
    return python


def _compare(
    builds: Sequence[Build], options: argparse.Namespace, scratch: Path
) -> tuple[list[Comparison], list[float]]:
    """The figures of every kind of text, and the memory of both servers after all of them, in MiB."""
    reviews = read_reviews(options.texts)
    project = options.project
    if project is None:
        project = scratch / "trained"
        with console.status("The earlier build trains"):
            write_project(project, reviews, "text-classification", "text", "tfidf-logreg")
            train_champion(project, str(builds[0].python))
    texts = reviews["text"].tolist()
    kinds = {"short": short_texts(texts), "long": long_texts(texts)}
    ours, theirs = choose_cores()
    with ExitStack() as running:
        stands, processes = [], []
        for name, build in zip(NAMES, builds, strict=True):
            stand = _prepare_stand(build, project, scratch / name)
            with console.status(f"The build {name} starts"):
                processes.append(running.enter_context(run_server(TILTYARD, stand, ours)))
            stands.append(stand)
        with console.status("Processes that only a start needs end"):
            wait_until_settled(processes)
        found = []
        for kind, inputs in kinds.items():
            bodies = [json.dumps({"text": text}).encode() for text in inputs]
            _check_same(stands, kind, bodies)
            servers = [
                Served(Load(f"http://{HOST}:{stand.port}{TILTYARD.path}", bodies, theirs, stand.folder), process)
                for stand, process in zip(stands, processes, strict=True)
            ]
            found.append(_measure_kind(kind, servers, options))
        return found, [resident_megabytes(process) for process in processes]


def _prepare_stand(build: Build, project: Path, folder: Path) -> Stand:
    copy = folder / "project"
    shutil.copytree(project, copy)
    subject = Subject("text", copy, copy, {"short": ["a good film"]}, {}, "")
    return Stand(Environment(build.python, {}), subject, folder, free_port())


def _check_same(stands: Sequence[Stand], kind: str, bodies: Sequence[bytes]) -> None:
    """Check that both builds serve the same model; otherwise the figures mean nothing."""
    for body in bodies[:CHECKED]:
        before, after = (float(post_body(TILTYARD, stand, body)["confidence"]) for stand in stands)
        if not abs(before - after) <= SAME:
            raise NotServedError(f"the builds predict {before:.6f} and {after:.6f} for the same {kind} text")


def _measure_kind(kind: str, servers: Sequence[Served], options: argparse.Namespace) -> Comparison:
    """A round that is not counted, then the rounds."""
    measure_round(servers, options.connections, min(2, options.seconds))
    rounds = []
    for number in range(options.rounds):
        before, after = measure_round(servers, options.connections, options.seconds)
        rounds.append((before, after))
        console.print(
            f"{kind:<6} round {number + 1}: {before.rps:>7,.0f} and {after.rps:>7,.0f} responses/s "
            f"({after.rps / before.rps:.3f}), {before.cpu_us:>7.1f} and {after.cpu_us:>7.1f} µs each "
            f"({after.cpu_us / before.cpu_us:.3f}), {before.errors + after.errors} errors",
            highlight=False,
            soft_wrap=True,
        )
    return Comparison(kind, tuple(rounds))


def _show(found: Sequence[Comparison], memory: Sequence[float]) -> None:
    table = Table(title=f"Later build over earlier; memory {memory[0]:,.0f} and {memory[1]:,.0f} MB")
    for title in ("texts", "responses/s", "processor time", "errors before", "errors after"):
        table.add_column(title, justify="left" if title == "texts" else "right")
    for row in found:
        table.add_row(row.texts, f"{row.rps_ratio:.3f}", f"{row.cpu_ratio:.3f}", *map(str, row.errors))
    Console().print(table)


if __name__ == "__main__":
    main()
