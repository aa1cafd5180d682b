"""Make the state folders that the tests of compatibility read, with an older build.

    python tests/compat/make_state.py OLD_CHECKOUT

``OLD_CHECKOUT`` is a checkout of the older build with its own ``.venv``; only its commands are used. Each state is a
project folder with everything that a user would have in it, packed into ``tests/compat/states``. The file
``expected.json`` in it says what the older build predicted and listed.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

STATES = Path(__file__).parent / "states"
REVIEWS = Path(__file__).parents[2] / "examples" / "sentiment" / "data" / "reviews.csv"

TEXTS = """
[project]
name = "films"
task = "text-classification"
[data]
source = "reviews.csv"
text = "text"
label = "label"
positive = "positive"
[training]
folds = 2
[promotion]
rule = "better"
[serving]
answer = "sentiment"
port = 0
reload_seconds = 0.2
[alerts]
to = ["log", "desk"]
decisions = ["desk"]
[alerts.destinations.desk]
kind = "webhook"
"""
TEXT_CANDIDATES = ("tfidf-logreg", "nb-cnn", "tfidf-naive-bayes")
TEXT_INPUTS = ("I loved every minute of it", "A dull, boring waste of time", "not a bad film at all", "", "été 10/10!")

TABLE = """
[project]
name = "loans"
task = "tabular-classification"
[data]
source = "loans.csv"
label = "outcome"
positive = "repaid"
[training]
folds = 2
[promotion]
rule = "better"
[serving]
port = 0
reload_seconds = 0.2
"""
TABLE_CANDIDATES = ("random-forest", "gradient-boosting", "logreg")
TABLE_INPUTS = (
    {"income": 3100.0, "years": 4, "home": "rent", "guarantor": True},
    {"income": None, "years": 12, "home": "own", "guarantor": False},
    {"income": 900.5, "years": None, "home": "boat", "guarantor": None},
)


@dataclass(frozen=True)
class OldBuild:
    """The commands of an older build on one project folder."""

    checkout: Path
    root: Path

    def run(self, *words: str, codes: tuple[int, ...] = (0,), **environment: str) -> Any:
        """Run a command with ``--json`` and read what it prints; what follows ``--`` is not an option."""
        end = words.index("--") if "--" in words else len(words)
        done = subprocess.run(
            [*self._program, *words[:end], "--json", *words[end:]],
            cwd=self.root,
            env=self._environment(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in codes:
            raise SystemExit(f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def serve(self, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """A server of the older build, in its own group of processes: its address and the process."""
        command = [*self._program, "serve", *words, "--json"]
        with subprocess.Popen(
            command, cwd=self.root, env=self._environment({}), stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            assert process.stdout is not None
            try:
                yield json.loads(process.stdout.readline())["url"], process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)

    @property
    def _program(self) -> list[str]:
        return [str(self.checkout / ".venv" / "bin" / "python"), "-m", "tiltyard"]

    @staticmethod
    def _environment(more: dict[str, str]) -> dict[str, str]:
        left_out = ("TILTYARD_", "MLFLOW_", "PREFECT_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return {**inherited, "TILTYARD_ACTOR": "ada", **more}


def post(address: str, path: str, content: Any, key: str = "") -> Any:
    """POST a JSON body and read the response."""
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    with urlopen(Request(f"{address}{path}", json.dumps(content).encode(), headers), timeout=60) as response:
        return json.loads(response.read())


@contextlib.contextmanager
def ledger_away(root: Path) -> Iterator[None]:
    """Hold the ledger's write lock, so that what a server records stays in its spool."""
    connection = sqlite3.connect(root / ".tiltyard" / "ledger.db", isolation_level=None, timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def train_versions(build: OldBuild, candidates: tuple[str, ...]) -> str:
    """A version of each candidate, the first one champion and the last one signed: the public key of the signature."""
    keys = build.run("keys", "generate")
    for place, candidate in enumerate(candidates):
        signed = {"TILTYARD_SIGNING_KEY": keys["signing_key"]} if place == len(candidates) - 1 else {}
        champion = ("--champion",) if place == 0 else ()
        build.run("train", "--candidate", candidate, "--accept-data", *champion, **signed)
    return str(keys["public_key"])


def record_predictions(build: OldBuild, bodies: list[Any], labels: list[str]) -> dict[str, Any]:
    """Serve, predict and label; then make an API key."""
    with build.serve() as (address, _):
        shipped = [post(address, "/predict", body) for body in bodies]
        for response, label in zip(shipped, labels, strict=True):
            post(address, "/feedback", {"prediction_id": response["prediction_id"], "label": label})
    key = build.run("keys", "api", "new", "--scope", "admin", "--name", "shop")["key"]
    return {"api_key": key, "shipped": shipped}


def leave_in_spool(build: OldBuild, bodies: list[Any], key: str) -> list[Any]:
    """Predict while the ledger is away and end by SIGKILL; the last step, since any command would ship the spool."""
    with build.serve("--workers", "2") as (address, process):  # several workers have a spool each
        for body in bodies:
            post(address, "/predict", body, key)
        time.sleep(10)  # until these are shipped
        with ledger_away(build.root):
            predictions = [post(address, "/predict", body, key) for body in bodies]
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return predictions


def expect(build: OldBuild, inputs: tuple[Any, ...]) -> dict[str, Any]:
    """What the older build lists and predicts."""
    words = [each if isinstance(each, str) else json.dumps(each) for each in inputs]
    versions = build.run("list-versions")
    return {
        "at": datetime.now(UTC).isoformat(),
        "inputs": inputs,
        "versions": versions,
        "predictions": {
            each["version"]: build.run("predict", "--version", each["version"], "--", *words) for each in versions
        },
        "history": build.run("history"),
        "chain": build.run("history", "--verify"),
        "outbox": build.run("outbox", "list"),
        "alerts": build.run("alerts", codes=(0, 3)),
        "snapshots": build.run("data", "snapshots"),
        "api_keys": build.run("keys", "api", "list"),
    }


def make_films(root: Path, checkout: Path) -> dict[str, Any]:
    """Texts: three versions of three kinds, one approved, one that waits for approval, predictions and labels."""
    with REVIEWS.open(encoding="utf-8", newline="") as source:
        rows = list(csv.reader(source))[:241]
    write_csv(root / "reviews.csv", rows)
    settings = root / "tiltyard.toml"
    settings.write_text(TEXTS, encoding="utf-8")
    build = OldBuild(checkout, root)
    public_key = train_versions(build, TEXT_CANDIDATES)
    settings.write_text(TEXTS.replace("[serving]", 'approval = "required"\n[serving]'), encoding="utf-8")
    build.run("promote", "2", codes=(0, 3))
    build.run("promote", "3", codes=(0, 3))
    settings.write_text(TEXTS, encoding="utf-8")
    bodies = [{"text": row[0]} for row in rows[1:41]]
    labels = [row[1] for row in rows[1:41]]
    recorded = record_predictions(build, bodies, labels)
    build.run("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    build.run("rollback", "--reason", "back again")
    build.run("set-alias", "--version", "2", "--alias", "champion", "--reason", "for good")
    build.run("monitor", codes=(0, 3))
    build.run("loop", "--once", codes=(0, 3))
    expected = {"public_key": public_key, **recorded, **expect(build, TEXT_INPUTS)}
    return {**expected, "unshipped": leave_in_spool(build, bodies[:3], recorded["api_key"])}


def make_loans(root: Path, checkout: Path) -> dict[str, Any]:
    """A table with numbers, gaps, words and truth values: a forest, boosted trees and a logistic regression."""
    source = random.Random(12)
    rows: list[list[Any]] = [["income", "years", "home", "guarantor", "outcome"]]
    for _ in range(240):
        income, years = round(source.gauss(2500, 900), 2), source.randint(0, 20)
        home, guarantor = source.choice(("rent", "own", "family")), source.random() < 0.4
        paid = income / 1000 + years / 10 + guarantor + source.gauss(0, 1) > 3.6
        gap = source.random()
        rows.append(
            [
                "" if gap < 0.05 else income,
                "" if 0.05 <= gap < 0.1 else years,
                home,
                guarantor,
                "repaid" if paid else "defaulted",
            ]
        )
    write_csv(root / "loans.csv", rows)
    (root / "tiltyard.toml").write_text(TABLE, encoding="utf-8")
    build = OldBuild(checkout, root)
    public_key = train_versions(build, TABLE_CANDIDATES)
    names = rows[0][:-1]
    bodies = [{"features": dict(zip(names, _cells(row), strict=True))} for row in rows[1:41]]
    recorded = record_predictions(build, bodies, [row[-1] for row in rows[1:41]])
    build.run("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    build.run("monitor", codes=(0, 3))
    expected = {"public_key": public_key, **recorded, **expect(build, TABLE_INPUTS)}
    return {**expected, "unshipped": leave_in_spool(build, bodies[:3], recorded["api_key"])}


def write_csv(file: Path, rows: list[Any]) -> None:
    """Write rows, the header first."""
    with file.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(rows)


def _cells(row: list[Any]) -> list[Any]:
    return [None if cell == "" else cell for cell in row[:-1]]


def pack(root: Path, target: Path) -> None:
    """Pack a folder without the plots of the runs, which make half of its size and are pictures only."""
    with tarfile.open(target, "w:xz") as archive:
        archive.add(root, arcname=".", filter=lambda member: None if member.name.endswith(".png") else member)


def main() -> int:
    """Make both states."""
    checkout = Path(sys.argv[1]).resolve()
    STATES.mkdir(exist_ok=True)
    for name, make in (("films", make_films), ("loans", make_loans)):
        with TemporaryDirectory() as folder:
            root = Path(folder) / name
            root.mkdir()
            expected = {"root": str(root), **make(root, checkout)}
            (root / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False), encoding="utf-8")
            pack(root, STATES / f"{name}.tar.xz")
    return 0


if __name__ == "__main__":
    sys.exit(main())
