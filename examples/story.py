"""The whole loop as a story (``make story``): a model receives data it was not trained for, and adapts.

A classifier is trained on film reviews and served. Film reviews arrive, and nothing happens. Then reviews of another
domain arrive: the drift is found, labels are requested and arrive, a challenger is trained, wins against the champion,
and serves. Then someone sets a bad version by hand, and it is rolled back. Every step is a command that you can run,
and every figure is measured.

    python examples/story.py                     the included film reviews, then synthetic product reviews
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
ROWS_OF_A_REQUEST = 10  # rows of one request may depend on each other: evidence counts requests
LABELS_AT_ONCE = 5000

Rows = list[tuple[str, str]]


@dataclass
class World:
    """The data of the story.

    Attributes:
        train: labelled rows of the home domain to train on.
        home: more of them, as traffic.
        foreign: labelled rows of another domain.
        fresh: more of these, whose labels never arrive.
        home_name: name of the home domain.
        foreign_name: name of the other one.
    """

    train: Rows
    home: Rows
    foreign: Rows
    fresh: Rows
    home_name: str
    foreign_name: str


@dataclass
class Narrator:
    """Prints the story as it happens, unless only the facts are wanted."""

    quiet: bool
    console: Console = field(default_factory=lambda: Console(highlight=False))
    facts: dict[str, Any] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def chapter(self, number: int, title: str, text: str) -> None:
        """Print the heading of a chapter."""
        if not self.quiet:
            self.console.print()
            self.console.rule(f"[bold cyan]{number}. {title}", align="left", style="cyan")
            self.console.print(f"[dim]{text}[/dim]")

    def say(self, text: str) -> None:
        """Print a line."""
        if not self.quiet:
            self.console.print(f"  {text}")

    def command(self, words: Sequence[str]) -> None:
        """Print a command."""
        self.say(f"[green]$[/green] tiltyard {' '.join(words)}")


@dataclass
class ExampleProject:
    """A project in a folder, the command line on it, and a server."""

    root: Path
    narrator: Narrator
    url: str = ""

    def run(self, *words: str, project: Path | None = None) -> Any:
        """Run a command in this process and read its JSON; this saves starting Python a dozen times."""
        self.narrator.command(words)
        arguments = [*words, "--project", str(project or self.root), "--json"]
        output = io.StringIO()
        hush = contextlib.redirect_stderr(io.StringIO()) if self.narrator.quiet else contextlib.nullcontext()
        with contextlib.redirect_stdout(output), hush, contextlib.suppress(SystemExit):
            cli.main(args=arguments, prog_name="tiltyard", standalone_mode=False)
        return json.loads(output.getvalue().splitlines()[-1])

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block lasts."""
        self.narrator.command(["serve"])
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
        """Send a request to the server."""
        request = Request(f"{self.url}{path}", json.dumps(content).encode(), {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=60) as response:
                return json.loads(response.read())
        except HTTPError as refused:
            raise SystemExit(f"POST {path}: {refused.read().decode()}") from None

    def predict(self, rows: Rows) -> list[dict[str, Any]]:
        """Send texts as users do, and return the predictions."""
        predictions: list[dict[str, Any]] = []
        for start in range(0, len(rows), ROWS_OF_A_REQUEST):
            texts = [text for text, _ in rows[start : start + ROWS_OF_A_REQUEST]]
            predictions += self.post("/predict/batch", {"texts": texts})["predictions"]
        return predictions

    def send_labels(self, rows: Rows, predictions: Sequence[dict[str, Any]]) -> int:
        """Send the true labels of predictions."""
        labels = [
            {"prediction_id": prediction["prediction_id"], "label": truth, "source": "the story"}
            for (_, truth), prediction in zip(rows, predictions, strict=True)
        ]
        parts = [labels[start : start + LABELS_AT_ONCE] for start in range(0, len(labels), LABELS_AT_ONCE)]
        return sum(int(self.post("/feedback", {"labels": part})["accepted"]) for part in parts)

    def wait_for_version(self, version: str) -> None:
        """Wait until the server serves a version."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urlopen(f"{self.url}/health", timeout=5) as response:
                    if json.loads(response.read())["version"] == version:
                        return
            except OSError:
                pass  # the server does not respond yet
            time.sleep(0.1)
        raise SystemExit(f"The server did not load version {version} within a minute.")


def run_story(world: World, narrator: Narrator, root: Path) -> dict[str, Any]:
    """Run the story and return its facts."""
    example = ExampleProject(root, narrator)
    _write(root / "train.csv", world.train)
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    _train_champion(world, example)
    with example.serving():
        _serve_known_domain(world, example)
        predictions, rows = _serve_other_domain(world, example)
        _send_labels(world, example, rows, predictions)
        _set_bad_version(world, example)
    _show_history(example)
    return narrator.facts


def _train_champion(world: World, example: ExampleProject) -> None:
    example.narrator.chapter(1, "A champion", f"{len(world.train):,} {world.home_name} train a classifier.")
    trained = example.run("train", "--champion")
    accuracy = trained["metrics"]["accuracy"]
    example.narrator.facts["trained"] = {"version": trained["model_version"], "accuracy": accuracy}
    example.narrator.say(
        f"Version {trained['model_version']} predicts {accuracy:.1%} correctly of the held-out {world.home_name}."
    )


def _serve_known_domain(world: World, example: ExampleProject) -> None:
    example.narrator.chapter(
        2, "Quiet days", f"{len(world.home):,} {world.home_name} arrive; then the loop monitors the champion."
    )
    predictions = example.predict(world.home)
    example.narrator.say(
        f"{_accuracy(world.home, predictions):.1%} are predicted correctly (which only this story knows)."
    )
    iteration = example.run("loop", "--once")
    estimate = _estimate(example)
    example.narrator.facts["quiet"] = {
        "accuracy": _accuracy(world.home, predictions),
        "found": _codes(iteration),
        "estimate": estimate,
    }
    example.narrator.say(
        f"{_outcome(iteration)} Without any label it estimates that {estimate:.1%} of the predictions are correct."
    )


def _serve_other_domain(world: World, example: ExampleProject) -> tuple[list[dict[str, Any]], Rows]:
    example.narrator.chapter(3, "Another domain", f"Now {world.foreign_name} arrive. The champion has never seen any.")
    windows, predictions, rows = 0, list[dict[str, Any]](), Rows()
    iteration: Any = {}
    for start in range(0, len(world.foreign), AT_ONCE):
        some = world.foreign[start : start + AT_ONCE]
        predictions += example.predict(some)
        rows += some
        windows += 1
        iteration = example.run("loop", "--once")
        if "drift.verdict" in _codes(iteration):
            break
    truth = _accuracy(rows, predictions)
    example.narrator.say(f"The champion predicts {truth:.1%} of them correctly. Without labels, the loop finds:")
    for found in iteration["found"][:4]:
        example.narrator.say(f"[yellow]•[/yellow] {found['message']}")
    example.narrator.say(_outcome(iteration))
    actions, rest = _actions(iteration), world.foreign[len(rows) :]
    if rest:
        example.narrator.say(f"{len(rest):,} more arrive.")
        predictions, rows = predictions + example.predict(rest), rows + rest
        iteration = example.run("loop", "--once")
    estimate, before = _estimate(example), example.narrator.facts["quiet"]["estimate"]
    example.narrator.say(f"The estimate fell from {before:.1%} to {estimate:.1%}; it cannot see a change of meaning.")
    example.narrator.facts["foreign"] = {
        "accuracy": truth,
        "windows": windows,
        "found": _codes(iteration),
        "estimate": estimate,
        "actions": actions,
    }
    return predictions, rows


def _send_labels(world: World, example: ExampleProject, rows: Rows, predictions: list[dict[str, Any]]) -> None:
    example.narrator.chapter(4, "Labels arrive", "People have read the reviews and label them.")
    accepted = example.send_labels(rows, predictions)
    example.narrator.say(f"POST /feedback: {accepted:,} labels.")
    iteration = example.run("loop", "--once")
    example.narrator.say(_outcome(iteration))
    (action,) = iteration["response"]["actions"] or (
        {"outcomes": {}, "summary": iteration["response"]["decision"]["reason"]},
    )
    outcomes = action["outcomes"]
    # If the champion is not worse on the other domain, nothing is trained; if the labels add little, nothing wins.
    version = str(outcomes["train-version"]["version"]) if "train-version" in outcomes else None
    promoted = bool(version and outcomes["meet-champion"]["promoted"])
    champion = version if promoted else example.narrator.facts["trained"]["version"]
    example.wait_for_version(champion)
    again = example.predict(world.fresh)
    after = _accuracy(world.fresh, again)
    example.narrator.facts["retrained"] = {
        "version": version, "promoted": promoted, "champion": champion, "summary": action["summary"],
        "accuracy_after": after,
    }  # fmt: skip
    took = f"The server loaded version {version} without a pause." if promoted else f"Version {champion} stays."
    example.narrator.say(f"{took} New {world.foreign_name}: [bold]{after:.1%}[/bold] correct.")


def _set_bad_version(world: World, example: ExampleProject) -> None:
    example.narrator.chapter(
        5,
        "A bad version",
        "Someone trains on a file with swapped labels, and makes the version champion without gates.",
    )
    other = example.root / "hurry"
    other.mkdir()
    swap = {"positive": "negative", "negative": "positive"}
    _write(other / "train.csv", [(text, swap[label]) for text, label in world.train])
    (other / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    os.environ["TILTYARD_HOME"] = str(example.root / ".tiltyard")  # the same registry
    made = example.run("train", project=other)
    del os.environ["TILTYARD_HOME"]
    bad, good = made["model_version"], example.narrator.facts["retrained"]["champion"]
    example.run("set-alias", "--version", bad, "--alias", "champion", "--reason", "it is urgent")
    example.wait_for_version(bad)
    some = world.home[:120]
    predictions = example.predict(some)
    example.send_labels(some, predictions)
    example.narrator.say(
        f"Version {bad} predicts {_accuracy(some, predictions):.1%} correctly. Its first labels arrive."
    )
    iteration = example.run("loop", "--once")
    example.narrator.say(_outcome(iteration))
    example.wait_for_version(good)
    healed = _accuracy(some, example.predict(some))
    example.narrator.facts["bad"] = {
        "version": bad, "accuracy": _accuracy(some, predictions), "actions": _actions(iteration),
        "accuracy_after": healed,
    }  # fmt: skip
    example.narrator.say(f"Version {good} serves again: {healed:.1%} correct.")


def _show_history(example: ExampleProject) -> None:
    example.narrator.chapter(6, "The history", "Every decision is an event, chained by hash.")
    events = example.run("history")
    whole = example.run("history", "--verify")
    listed = ("registered", "promoted", "refused", "alias-set", "rolled-back", "response-planned", "response-finished",
            "alert-raised", "alert-changed", "alert-cleared")  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("when", "decision", "about", "why"):
        table.add_column(column, overflow="fold")
    for event in events:
        if event["kind"] in listed:
            table.add_row(event["at"][11:19], event["kind"], event["subject"].rpartition("/")[2], event["reason"][:110])
    if not example.narrator.quiet:
        example.narrator.console.print(table)
    example.narrator.facts["history"] = {"kinds": [event["kind"] for event in events], "whole": whole["whole"]}
    example.narrator.facts["outbox"] = [one["topic"] for one in example.run("outbox", "list")]
    example.narrator.say("The chain is whole." if whole["whole"] else "The chain is broken!")


def _accuracy(rows: Rows, predictions: Sequence[dict[str, Any]]) -> float:
    return sum(
        prediction["prediction"] == truth for (_, truth), prediction in zip(rows, predictions, strict=True)
    ) / len(rows)


def _estimate(example: ExampleProject) -> float:
    """The champion's accuracy on the window, estimated from its confidence, without labels."""
    return float(example.run("monitor", "--no-record")["estimate"]["metrics"]["accuracy"]["value"])


def _codes(iteration: Any) -> list[str]:
    return [found["code"] for found in iteration["found"]]


def _actions(iteration: Any) -> list[str]:
    return [action["kind"] for action in iteration["response"]["actions"]]


def _outcome(iteration: Any) -> str:
    actions = iteration["response"]["actions"]
    summary = " ".join(action["summary"] for action in actions) or iteration["response"]["decision"]["reason"]
    return f"[bold]Loop:[/bold] {summary}"


def _write(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(rows)


def load_included_world() -> World:
    """Films from the repository, and products from the generator."""
    with FILMS.open(encoding="utf-8", newline="") as file:
        films = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    products = [(review.text, review.label) for review in make_reviews(600)]
    fresh = [(review.text, review.label) for review in make_reviews(300, seed=2026)]
    return World(films[:1150], films[1150:1450], products, fresh, "film reviews", "product reviews")


def load_real_world(folder: Path, then: str) -> World:
    """IMDB, and then Rotten Tomatoes' sentences or Amazon's reviews of books and DVDs, from a folder."""
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
    home, foreign = ([(_replace_controls(text), said) for text, said in rows] for rows in (home, foreign))
    order = pd.Series(range(len(foreign))).sample(frac=1.0, random_state=7)
    rows = [foreign[place] for place in order]
    return World(home[:20000], home[20000:22000], rows[:-1000], rows[-1000:], "IMDB reviews", name)


def _replace_controls(text: str) -> str:
    """A text that the server accepts: some reviews hold control characters."""
    return "".join(letter if letter.isprintable() or letter.isspace() else " " for letter in text)


def main() -> int:
    """Run the story."""
    for name in [name for name in os.environ if name.startswith(("TILTYARD_", "MLFLOW_", "PREFECT_"))]:
        del os.environ[name]  # the story uses a separate folder
    parser = argparse.ArgumentParser(description="The whole loop as a story.")
    parser.add_argument("--data", type=Path, default=None, help="folder with imdb, rt_polarity and amazon")
    parser.add_argument("--then", choices=("rt_polarity", "amazon"), default="rt_polarity", help="the other domain")
    parser.add_argument("--json", action="store_true", help="the facts as JSON, and no story")
    arguments = parser.parse_args()
    narrator = Narrator(quiet=arguments.json)
    logging.getLogger("tiltyard.notices").addHandler(logging.NullHandler())  # alerts are read from the outbox
    logging.getLogger("tiltyard.notices").propagate = False
    started = time.monotonic()
    world = load_included_world() if arguments.data is None else load_real_world(arguments.data, arguments.then)
    with tempfile.TemporaryDirectory(prefix="tiltyard-story-") as folder:
        facts = run_story(world, narrator, Path(folder))
    facts["seconds"] = round(time.monotonic() - started, 1)
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        narrator.console.print()
        narrator.console.print(
            Panel(
                f"{facts['foreign']['accuracy']:.1%} → [bold]{facts['retrained']['accuracy_after']:.1%}[/bold] on "
                f"{world.foreign_name}, automatically, in {facts['seconds']:.0f} seconds.",
                title="The loop is closed", border_style="green",
            )
        )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
