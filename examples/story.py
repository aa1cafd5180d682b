"""The whole loop as a story (``make story``): a model meets a world it was not trained for, and copes.

A classifier learns from film reviews and serves. Film reviews come in, and nothing happens. Then reviews of another
domain come in: the drift is found, labels are asked for, they arrive, a challenger is trained, meets the champion, wins
and serves. Then somebody forces a bad version in, and it is rolled back. Every step is a command that you can type, and
every figure is measured.

    python examples/story.py                     the shipped film reviews, then made-up product reviews
    python examples/story.py --data FOLDER       IMDB, then sentences of Rotten Tomatoes (--then amazon: of books, DVDs)
    python examples/story.py --json              the facts as one JSON document at the end, and no story
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pandas as pd
from product_reviews import make_reviews
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from tiltyard.cli.main import cli

FILMS = Path(__file__).parent / "sentiment" / "data" / "reviews.csv"
PROJECT = """
[project]
name = "reviews"
task = "text-classification"
[data]
source = "train.csv"
text = "text"
label = "label"
positive = "positive"
[promotion]
rule = "significant"
[serving]
port = 0
reload_seconds = 0.2
[monitoring]
min_rows = 50
[response]
on_drift = "retrain"
on_estimate = "alert"
on_decay = "retrain"
on_bad_champion = "rollback"
min_new_labels = 150
cooldown_minutes = 0
"""
AT_ONCE = 200
LABELS_AT_ONCE = 5000

Rows = list[tuple[str, str]]


@dataclass
class World:
    """What the story is told with.

    Attributes:
        train: labelled rows of the home domain to train on.
        home: more of them, as traffic.
        foreign: labelled rows of another domain.
        fresh: more of these, whose labels nobody tells.
        home_name: what the home domain is called.
        foreign_name: what the other one is.
    """

    train: Rows
    home: Rows
    foreign: Rows
    fresh: Rows
    home_name: str
    foreign_name: str


@dataclass
class Teller:
    """Tells the story as it happens, unless only the facts are wanted."""

    quiet: bool
    console: Console = field(default_factory=lambda: Console(highlight=False))
    facts: dict[str, Any] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def chapter(self, number: int, title: str, text: str) -> None:
        """A new chapter begins."""
        if not self.quiet:
            self.console.print()
            self.console.rule(f"[bold cyan]{number}. {title}", align="left", style="cyan")
            self.console.print(f"[dim]{text}[/dim]")

    def say(self, text: str) -> None:
        """Something happened."""
        if not self.quiet:
            self.console.print(f"  {text}")

    def command(self, words: Sequence[str]) -> None:
        """A command is typed."""
        self.say(f"[green]$[/green] tiltyard {' '.join(words)}")


@dataclass
class House:
    """A project in a folder, the command line on it, and a server."""

    root: Path
    teller: Teller
    url: str = ""

    def run(self, *words: str, project: Path | None = None) -> Any:
        """Type a command and read its JSON; in this process, which saves starting Python a dozen times."""
        self.teller.command(words)
        arguments = [*words, "--project", str(project or self.root), "--json"]
        told = io.StringIO()
        hush = contextlib.redirect_stderr(io.StringIO()) if self.teller.quiet else contextlib.nullcontext()
        with contextlib.redirect_stdout(told), hush, contextlib.suppress(SystemExit):
            cli.main(args=arguments, prog_name="tiltyard", standalone_mode=False)
        return json.loads(told.getvalue().splitlines()[-1])

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block lasts."""
        self.teller.command(["serve"])
        command = [sys.executable, "-m", "tiltyard", "serve", "--json"]
        with subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                self.url = json.loads(server.stdout.readline())["url"]
                self.wait_for_version("1")
                yield
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(30)

    def post(self, path: str, content: Any) -> Any:
        """Ask the server."""
        request = Request(f"{self.url}{path}", json.dumps(content).encode(), {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except HTTPError as refused:
            raise SystemExit(f"POST {path}: {refused.read().decode()}") from None

    def ask(self, rows: Rows) -> list[dict[str, Any]]:
        """Send texts as users do, and get their answers."""
        answers: list[dict[str, Any]] = []
        for start in range(0, len(rows), AT_ONCE):
            texts = [text for text, _ in rows[start : start + AT_ONCE]]
            answers += self.post("/predict/batch", {"texts": texts})["predictions"]
        return answers

    def label(self, rows: Rows, answers: Sequence[dict[str, Any]]) -> int:
        """Tell the truth about answers."""
        labels = [
            {"prediction_id": answer["prediction_id"], "label": truth, "source": "the story"}
            for (_, truth), answer in zip(rows, answers, strict=True)
        ]
        parts = [labels[start : start + LABELS_AT_ONCE] for start in range(0, len(labels), LABELS_AT_ONCE)]
        return sum(int(self.post("/feedback", {"labels": part})["accepted"]) for part in parts)

    def wait_for_version(self, version: str) -> None:
        """Wait until the server answers with a version."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urlopen(f"{self.url}/health", timeout=5) as answer:
                    if json.loads(answer.read())["version"] == version:
                        return
            except OSError:
                pass  # nobody answers yet, or nobody can
            time.sleep(0.1)
        raise SystemExit(f"The server did not take version {version} over within a minute.")


def tell(world: World, teller: Teller, root: Path) -> dict[str, Any]:
    """The story; returns its facts."""
    house = House(root, teller)
    _write(root / "train.csv", world.train)
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    _prologue(world, house)
    with house.serving():
        _quiet_days(world, house)
        answers, rows = _another_world(world, house)
        _labels_arrive(world, house, rows, answers)
        _a_bad_idea(world, house)
    _what_the_history_tells(house)
    return teller.facts


def _prologue(world: World, house: House) -> None:
    house.teller.chapter(1, "A champion", f"{len(world.train):,} {world.home_name} teach a classifier.")
    trained = house.run("train", "--champion")
    accuracy = trained["metrics"]["accuracy"]
    house.teller.facts["trained"] = {"version": trained["model_version"], "accuracy": accuracy}
    house.teller.say(
        f"Version {trained['model_version']} is right on {accuracy:.1%} of the held-out {world.home_name}."
    )


def _quiet_days(world: World, house: House) -> None:
    house.teller.chapter(
        2, "Quiet days", f"{len(world.home):,} {world.home_name} are asked; then the loop takes a look."
    )
    answers = house.ask(world.home)
    house.teller.say(f"Answered; right on {_accuracy(world.home, answers):.1%} (which nobody but the story knows).")
    seen = house.run("loop", "--once")
    estimate = _estimate(house)
    house.teller.facts["quiet"] = {
        "accuracy": _accuracy(world.home, answers),
        "found": _codes(seen),
        "estimate": estimate,
    }
    house.teller.say(
        f"{_outcome(seen)} Without a single label it estimates that {estimate:.1%} of the answers are right."
    )


def _another_world(world: World, house: House) -> tuple[list[dict[str, Any]], Rows]:
    house.teller.chapter(
        3, "Another world", f"Now {world.foreign_name} come in, of which the champion has never read any."
    )
    windows, answers, rows = 0, list[dict[str, Any]](), Rows()
    seen: Any = {}
    for start in range(0, len(world.foreign), AT_ONCE):
        some = world.foreign[start : start + AT_ONCE]
        answers += house.ask(some)
        rows += some
        windows += 1
        seen = house.run("loop", "--once")
        if "drift.verdict" in _codes(seen):
            break
    truth = _accuracy(rows, answers)
    house.teller.say(f"The champion is right on {truth:.1%} of them. It does not know; but the loop sees:")
    for found in seen["found"][:4]:
        house.teller.say(f"[yellow]•[/yellow] {found['message']}")
    house.teller.say(_outcome(seen))
    asked, rest = _actions(seen), world.foreign[len(rows) :]
    if rest:
        house.teller.say(f"{len(rest):,} more come in.")
        answers, rows = answers + house.ask(rest), rows + rest
        seen = house.run("loop", "--once")
    estimate, before = _estimate(house), house.teller.facts["quiet"]["estimate"]
    house.teller.say(f"The estimate fell from {before:.1%} to {estimate:.1%}; what words mean here, it cannot know.")
    house.teller.facts["foreign"] = {
        "accuracy": truth,
        "windows": windows,
        "found": _codes(seen),
        "estimate": estimate,
        "actions": asked,
    }
    return answers, rows


def _labels_arrive(world: World, house: House, rows: Rows, answers: list[dict[str, Any]]) -> None:
    house.teller.chapter(4, "Labels arrive", "People have read them, and say what they mean.")
    accepted = house.label(rows, answers)
    house.teller.say(f"POST /feedback: {accepted:,} labels.")
    seen = house.run("loop", "--once")
    house.teller.say(_outcome(seen))
    (action,) = seen["response"]["actions"] or ({"outcomes": {}, "summary": seen["response"]["decision"]["reason"]},)
    outcomes = action["outcomes"]
    # Where the other world is no worse for the champion, nothing is trained; where labels teach little, nothing wins.
    version = str(outcomes["train-version"]["version"]) if "train-version" in outcomes else None
    promoted = bool(version and outcomes["meet-champion"]["promoted"])
    champion = version if promoted else house.teller.facts["trained"]["version"]
    house.wait_for_version(champion)
    again = house.ask(world.fresh)
    after = _accuracy(world.fresh, again)
    house.teller.facts["retrained"] = {
        "version": version, "promoted": promoted, "champion": champion, "summary": action["summary"],
        "accuracy_after": after,
    }  # fmt: skip
    took = f"The server took version {version} over without a pause." if promoted else f"Version {champion} goes on."
    house.teller.say(f"{took} New {world.foreign_name}: right on [bold]{after:.1%}[/bold].")


def _a_bad_idea(world: World, house: House) -> None:
    house.teller.chapter(
        5, "A bad idea", "Somebody trains on a file whose labels were mixed up, and forces the version past the gates."
    )
    other = house.root / "hurry"
    other.mkdir()
    swap = {"positive": "negative", "negative": "positive"}
    _write(other / "train.csv", [(text, swap[label]) for text, label in world.train])
    (other / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    os.environ["TILTYARD_HOME"] = str(house.root / ".tiltyard")  # the same registry
    made = house.run("train", project=other)
    del os.environ["TILTYARD_HOME"]
    bad, good = made["model_version"], house.teller.facts["retrained"]["champion"]
    house.run("set-alias", "--version", bad, "--alias", "champion", "--reason", "it is urgent")
    house.wait_for_version(bad)
    some = world.home[:120]
    answers = house.ask(some)
    house.label(some, answers)
    house.teller.say(
        f"Version {bad} answers, and is right on {_accuracy(some, answers):.1%}. Its first labels come in."
    )
    seen = house.run("loop", "--once")
    house.teller.say(_outcome(seen))
    house.wait_for_version(good)
    healed = _accuracy(some, house.ask(some))
    house.teller.facts["bad"] = {
        "version": bad, "accuracy": _accuracy(some, answers), "actions": _actions(seen), "accuracy_after": healed,
    }  # fmt: skip
    house.teller.say(f"Version {good} answers again: right on {healed:.1%}.")


def _what_the_history_tells(house: House) -> None:
    house.teller.chapter(6, "What the history tells", "Every decision is an event, chained by hash.")
    events = house.run("history")
    whole = house.run("history", "--verify")
    told = ("registered", "promoted", "refused", "alias-set", "rolled-back", "response-planned", "response-finished",
            "alert-raised", "alert-changed", "alert-cleared")  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("when", "decision", "about", "why"):
        table.add_column(column, overflow="fold")
    for event in events:
        if event["kind"] in told:
            table.add_row(event["at"][11:19], event["kind"], event["subject"].rpartition("/")[2], event["reason"][:110])
    if not house.teller.quiet:
        house.teller.console.print(table)
    house.teller.facts["history"] = {"kinds": [event["kind"] for event in events], "whole": whole["whole"]}
    house.teller.facts["outbox"] = [one["topic"] for one in house.run("outbox", "list")]
    house.teller.say("The chain is whole." if whole["whole"] else "The chain is broken!")


def _accuracy(rows: Rows, answers: Sequence[dict[str, Any]]) -> float:
    return sum(answer["prediction"] == truth for (_, truth), answer in zip(rows, answers, strict=True)) / len(rows)


def _estimate(house: House) -> float:
    """The champion's accuracy on the window as its confidence tells it, without labels."""
    return float(house.run("monitor", "--no-record")["estimate"]["metrics"]["accuracy"]["value"])


def _codes(seen: Any) -> list[str]:
    return [found["code"] for found in seen["found"]]


def _actions(seen: Any) -> list[str]:
    return [action["kind"] for action in seen["response"]["actions"]]


def _outcome(seen: Any) -> str:
    actions = seen["response"]["actions"]
    told = " ".join(action["summary"] for action in actions) or seen["response"]["decision"]["reason"]
    return f"[bold]Loop:[/bold] {told}"


def _write(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(rows)


def shipped_world() -> World:
    """Films from the repository, and products from the generator."""
    with FILMS.open(encoding="utf-8", newline="") as file:
        films = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    products = [(review.text, review.label) for review in make_reviews(600)]
    fresh = [(review.text, review.label) for review in make_reviews(300, seed=2026)]
    return World(films[:1150], films[1150:1450], products, fresh, "film reviews", "product reviews")


def real_world(folder: Path, then: str) -> World:
    """IMDB, and then Rotten Tomatoes' sentences or Amazon's reviews of books and DVDs, as they lie in a folder."""
    films = pd.read_parquet(folder / "imdb" / "train.parquet").sample(frac=1.0, random_state=7)
    label = {"pos": "positive", "neg": "negative"}
    home = [(text, label.get(str(said), str(said))) for text, said in zip(films["text"], films["label"], strict=True)]
    if then == "rt_polarity":
        foreign = [
            (line.strip(), label[name])
            for name in ("pos", "neg")
            for line in (folder / then / f"rt-polarity.{name}").read_text(encoding="utf-8").splitlines()
        ]
        name = "sentences of Rotten Tomatoes"
    else:
        frame = pd.read_parquet(folder / "amazon" / "books_dvd.parquet")
        foreign = [
            (text, label.get(str(said), str(said))) for text, said in zip(frame["text"], frame["label"], strict=True)
        ]
        name = "Amazon reviews"
    home, foreign = ([(_without_controls(text), said) for text, said in rows] for rows in (home, foreign))
    order = pd.Series(range(len(foreign))).sample(frac=1.0, random_state=7)
    rows = [foreign[place] for place in order]
    return World(home[:20000], home[20000:22000], rows[:-1000], rows[-1000:], "IMDB reviews", name)


def _without_controls(text: str) -> str:
    """A text that the server takes: some reviews hold control characters."""
    return "".join(letter if letter.isprintable() or letter.isspace() else " " for letter in text)


def main() -> int:
    """Tell the story."""
    for name in [name for name in os.environ if name.startswith(("TILTYARD_", "MLFLOW_", "PREFECT_"))]:
        del os.environ[name]  # the story lives in a folder of its own
    parser = argparse.ArgumentParser(description="The whole loop as a story.")
    parser.add_argument("--data", type=Path, default=None, help="folder with imdb, rt_polarity and amazon")
    parser.add_argument("--then", choices=("rt_polarity", "amazon"), default="rt_polarity", help="the other domain")
    parser.add_argument("--json", action="store_true", help="the facts as JSON, and no story")
    asked = parser.parse_args()
    teller = Teller(quiet=asked.json)
    logging.getLogger("tiltyard.notices").addHandler(logging.NullHandler())  # alerts are told from the outbox
    logging.getLogger("tiltyard.notices").propagate = False
    started = time.monotonic()
    world = shipped_world() if asked.data is None else real_world(asked.data, asked.then)
    with tempfile.TemporaryDirectory(prefix="tiltyard-story-") as folder:
        facts = tell(world, teller, Path(folder))
    facts["seconds"] = round(time.monotonic() - started, 1)
    if asked.json:
        print(json.dumps(facts, indent=2))
    else:
        teller.console.print()
        teller.console.print(
            Panel(
                f"{facts['foreign']['accuracy']:.1%} → [bold]{facts['retrained']['accuracy_after']:.1%}[/bold] on "
                f"{world.foreign_name}, without a hand. Told in {facts['seconds']:.0f} seconds.",
                title="The loop closed by itself", border_style="green",
            )
        )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
