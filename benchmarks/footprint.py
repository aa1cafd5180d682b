"""Footprint: memory by process, and seconds to the first prediction, of Tiltyard and other servers.

    python benchmarks/footprint.py --json footprint.json
    python benchmarks/footprint.py --against 98c1205 --workers 1,2,4 --systems tiltyard
    python benchmarks/footprint.py --against ../before --texts imdb.parquet

Tiltyard trains one model (TF-IDF and logistic regression), and every system serves that very pipeline, each peer in a
separate environment (see ``serving.py``). ``--against`` adds an earlier build of Tiltyard: a revision, which is
installed into an environment with the versions that it had locked, or a checkout with ``.venv``. It trains the same
rows by itself.

A system is started twice. **first**: nothing that a run leaves on a machine is there, neither compiled kernels nor
copies of the version (of peers: a new folder). **later**: the same once more. ``ready_seconds`` count from the start of
the command to the first response with 200 to a prediction. Then 200 predictions are sent, and when the processes
have been the same ones for 12 seconds, the memory of each is read.

``memory_mb`` is the proportional set size where ``/proc`` gives it (each page divided by the processes that share it,
so that the sum counts it once), else the resident memory; the output says which. One worker each where ``--workers`` is
not given; peers have one always. Leave the machine alone meanwhile: starts take what processor time they get.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine
from benchmarks.serving_bench.builds import identify_build
from benchmarks.serving_bench.environments import Environment, NotInstalledError, default_cache, environment
from benchmarks.serving_bench.footprints import Footprint, measure_memory, memory_kind, wait_until_settled
from benchmarks.serving_bench.measuring import NotServedError, free_port, post_body, run_server
from benchmarks.serving_bench.subjects import (
    REVIEWS,
    ROOT,
    Subject,
    text_subject,
    train_champion,
    write_project,
)
from benchmarks.serving_bench.systems import SYSTEMS, Stand, System

PEERS = ("mlserver", "bentoml", "mlflow")
SENT = 200
console = Console(stderr=True)


@dataclass(frozen=True)
class Contestant:
    """A system with a number of workers.

    Attributes:
        name: as in the figures: ``tiltyard``, ``before``, or a peer.
        system: how it is started and requested.
        environment: its Python; None for this one.
        workers: how many.
    """

    name: str
    system: System
    environment: Environment | None
    workers: int


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse_options(arguments)
    contestants, unavailable = _list_contestants(options)
    found: list[tuple[Contestant, Footprint]] = []
    with tempfile.TemporaryDirectory(prefix="tiltyard-footprint-") as scratch:
        with console.status("Tiltyard trains"):
            subject = text_subject(Path(scratch), options.texts)
        for number, contestant in enumerate(contestants):
            try:
                measured = _measure(contestant, subject, Path(scratch) / f"stand-{number}")
            except (NotServedError, RuntimeError) as error:
                unavailable[f"{contestant.name}, {contestant.workers}"] = str(error)
                console.print(f"{contestant.name}: {error}", highlight=False)
                continue
            found.append((contestant, measured))
            _print_footprint(contestant, measured)
    _show(found)
    if options.json:
        figures = _collect_figures(found, unavailable, subject.about)
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if unavailable:
        sys.exit("Not measured: " + "; ".join(f"{name}: {reason}" for name, reason in unavailable.items()))


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--against", help="revision, or checkout with .venv, of an earlier build")
    parser.add_argument("--workers", type=_split_numbers, default=[1], help="as 1,2,4 (default: 1)")
    parser.add_argument(
        "--systems", type=_split_names, default=["tiltyard", *PEERS],
        help=f"some of tiltyard,{','.join(PEERS)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--texts", type=Path, default=REVIEWS, help="CSV or Parquet with the columns text and label")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="folder of the environments (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if not options.texts.exists():
        parser.error(f"{options.texts} does not exist; name a file of texts with --texts")
    return options


def _split_numbers(given: str) -> list[int]:
    try:
        numbers = [int(part) for part in given.split(",")]
    except ValueError:
        numbers = [0]
    if not all(1 <= number <= 64 for number in numbers):
        raise argparse.ArgumentTypeError(f"{given}: numbers of workers from 1 to 64, as 1,2,4")
    return numbers


def _split_names(given: str) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in ("tiltyard", *PEERS)]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no system {', '.join(unknown)}; there are tiltyard, {', '.join(PEERS)}")
    return names


def _list_contestants(options: argparse.Namespace) -> tuple[list[Contestant], dict[str, str]]:
    contestants: list[Contestant] = []
    unavailable: dict[str, str] = {}
    options.cache.mkdir(parents=True, exist_ok=True)
    builds: dict[str, Environment | None] = {"tiltyard": None} if "tiltyard" in options.systems else {}
    if options.against:
        try:
            builds["before"] = _find_build(options.against, options.cache)
        except (NotInstalledError, ValueError) as error:
            unavailable["before"] = str(error)
    for workers in options.workers:
        for name, where in builds.items():
            contestants.append(Contestant(name, _with_workers(where, workers), where, workers))
    for name in options.systems:
        if name in PEERS:
            try:
                with console.status(f"Environment of {name} in {options.cache}"):
                    where = environment(options.cache, name, SYSTEMS[name].requirements)
            except NotInstalledError as error:
                unavailable[name] = f"not installed: {error}"
            else:
                contestants.append(Contestant(name, SYSTEMS[name], where, 1))
    return contestants, unavailable


def _with_workers(where: Environment | None, workers: int) -> System:
    ours = SYSTEMS["tiltyard"]

    def command(stand: Stand) -> list[str]:
        return [*ours.command(stand), "--workers", str(workers)]

    # With requirements it runs in its environment alone, with nothing of ours in its path.
    return replace(ours, command=command, requirements=() if where is None else ("tiltyard",))


def _find_build(against: str, cache: Path) -> Environment:
    """The environment of an earlier build.

    Raises:
        ValueError: there is no such revision, or no Tiltyard in the checkout.
        NotInstalledError: it could not be installed.
    """
    folder = Path(against)
    if folder.is_dir():
        where = Environment(folder.absolute() / ".venv" / "bin" / "python", {})
    else:
        where = _install_revision(against, cache)
    with tempfile.TemporaryDirectory() as empty:
        console.print(f"before: {identify_build(where.python, Path(empty)).title}", highlight=False)
    return where


def _install_revision(revision: str, cache: Path) -> Environment:
    def ask(*command: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"git {command[0]} {revision}: {done.stderr.strip()}")
        return done.stdout

    commit = ask("rev-parse", "--verify", f"{revision}^{{commit}}").strip()
    lock = cache / f"tiltyard-{commit[:12]}.txt"
    lock.write_text(ask("show", f"{commit}:requirements/runtime.txt"), encoding="utf-8")
    with console.status(f"Environment of {commit[:12]} in {cache}"):
        source = cache / f"tiltyard-{commit[:12]}"
        if not source.is_dir():
            new = Path(tempfile.mkdtemp(dir=cache))
            archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True)
            subprocess.run(["tar", "-x", "-C", str(new)], input=archive.stdout, check=True)
            new.rename(source)
        return environment(cache, f"tiltyard-{commit[:12]}-env", (str(source), "--constraints", str(lock)))


def _measure(contestant: Contestant, subject: Subject, folder: Path) -> Footprint:
    folder.mkdir()
    if contestant.name in ("tiltyard", "before"):
        project = folder / "project"
        trained = subject.project if contestant.environment is None else _train_before(contestant.environment, subject)
        shutil.copytree(trained, project)
        shutil.rmtree(project / ".tiltyard" / "cache", ignore_errors=True)
        subject = replace(subject, project=project)
    # Kernels that were compiled before are found in other folders: this one is empty.
    kernels = folder / "kernels"
    kernels.mkdir(mode=0o700)
    seconds = []
    for attempt in ("first", "later"):
        place = folder / attempt
        place.mkdir()
        stand = Stand(contestant.environment, subject, place, free_port())
        with (
            console.status(f"{contestant.name}, {contestant.workers}: {attempt}"),
            run_server(contestant.system, stand, None, {"NUMBA_CACHE_DIR": str(kernels)}) as process,
        ):
            seconds.append(time.time() - process.create_time())
            memory = _load_and_read(contestant, stand, process) if attempt == "later" else {}
    return Footprint(memory, *seconds)


def _train_before(where: Environment, subject: Subject) -> Path:
    """The same rows and recipe trained by an earlier build, which reads neither ledger nor versions of a later one."""
    project = subject.project.with_name("before")
    if not project.exists():
        frame = pd.read_parquet(subject.project / "data.parquet")
        write_project(project, frame, "text-classification", "text", "tfidf-logreg")
        train_champion(project, str(where.python))
    return project


def _load_and_read(contestant: Contestant, stand: Stand, process: psutil.Process) -> dict[str, float]:
    system, subject = contestant.system, stand.subject
    items = [item for kind in subject.inputs.values() for item in kind[: SENT // len(subject.inputs)]]
    for item in items:
        post_body(system, stand, json.dumps(system.body(subject.task, item)).encode())
    wait_until_settled([process])
    return measure_memory(process)


def _print_footprint(contestant: Contestant, measured: Footprint) -> None:
    parts = ", ".join(f"{name} {used:,.0f}" for name, used in measured.memory.items())
    console.print(
        f"{contestant.name:<10} workers {contestant.workers}   {measured.total:>6,.0f} MB ({parts})   "
        f"ready first {measured.first:.1f} s, later {measured.later:.1f} s",
        highlight=False,
        soft_wrap=True,
    )


def _show(found: Sequence[tuple[Contestant, Footprint]]) -> None:
    table = Table(title=f"Memory ({memory_kind()}) and start")
    for title in ("system", "workers", "MB", "of the build before", "ready first", "later"):
        table.add_column(title, justify="left" if title == "system" else "right")
    before = {contestant.workers: measured.total for contestant, measured in found if contestant.name == "before"}
    for contestant, measured in found:
        earlier = before.get(contestant.workers)
        ratio = f"{measured.total / earlier:.2f}" if earlier and contestant.name == "tiltyard" else ""
        table.add_row(
            contestant.name, str(contestant.workers), f"{measured.total:,.0f}", ratio,
            f"{measured.first:.1f} s", f"{measured.later:.1f} s",
        )  # fmt: skip
    Console().print(table)


def _collect_figures(
    found: Sequence[tuple[Contestant, Footprint]], unavailable: dict[str, str], about: str
) -> dict[str, Any]:
    systems: dict[str, dict[str, Any]] = {}
    for contestant, measured in found:
        systems.setdefault(contestant.name, {})[str(contestant.workers)] = measured.to_dict()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_average": list(os.getloadavg()),
        "model": about,
        "memory_is": memory_kind(),
        "systems": systems,
        "unavailable": unavailable,
    }


if __name__ == "__main__":
    main()
