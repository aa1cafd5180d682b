"""On a terminal ``tiltyard init`` shows what it takes each column for, and asks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import pandas as pd
from click.testing import CliRunner

from tiltyard.cli.data.init import init_command
from tiltyard.cli.data.init_dialogue import ask_about_columns, ask_about_leaks
from tiltyard.data.inference.infer_columns import InferredColumns
from tiltyard.data.sources import FileLayout
from tiltyard.findings import Finding
from tiltyard.pipeline.project_draft.request import DraftRequest, FirstRead, read_dates

ROWS = 120
TABLE = pd.DataFrame(
    {
        "plan": [("basic", "plus", "pro")[place % 3] for place in range(ROWS)],
        "remark": [f"she said at {place} that it was quite all right with her then" for place in range(ROWS)],
        "amount": [place * 1.37 for place in range(ROWS)],
        "churn": [place % 2 for place in range(ROWS)],
    }
)


@dataclass(frozen=True)
class Dialogue:
    """What was shown, and what came of it."""

    shown: str
    guess: InferredColumns


def talk(frame: pd.DataFrame, replies: Sequence[str]) -> Dialogue:
    """Reply to the questions about a frame's columns, one line each; every reply has to be used."""
    kept: list[InferredColumns] = []

    @click.command()
    def command() -> None:
        read = FirstRead(FileLayout(), frame, (), folder=False)
        kept.append(ask_about_columns(DraftRequest(Path("rows.csv"), Path("tiltyard.toml")), read_dates(read, None))[2])
        assert sys.stdin.read() == ""

    done = CliRunner().invoke(command, input="".join(f"{reply}\n" for reply in replies))
    assert done.exit_code == 0, done.output + repr(done.exception)
    return Dialogue(done.output, kept[0])


def test_enter_takes_what_is_shown() -> None:
    """The first rows, each column with its role and reason, and the runners-up are shown; Enter takes the guess."""
    found = talk(TABLE, ["", ""])
    assert (found.guess.label, found.guess.text) == ("churn", "remark")
    for part in (
        "basic",
        "1.37",
        "'churn' is a usual name of a label",
        "it holds prose",
        "May be the label, too: 'plan'",
    ):
        assert part in " ".join(found.shown.split())


def test_another_label_is_taken_and_shown_again() -> None:
    """After a misspelt name the question comes again with the nearest; a right one changes the guess."""
    found = talk(TABLE, ["pln", "plan", "", ""])
    assert found.guess.label == "plan"
    assert "There is no column 'pln'. Did you mean 'plan'?" in found.shown
    assert list(found.guess.classes) == ["basic", "plus", "pro"]


def test_a_text_project_can_become_a_table() -> None:
    """The reply none to the question for the text makes a table, in which the text is left out."""
    found = talk(TABLE, ["", "none", ""])
    assert (found.guess.task, found.guess.text, found.guess.ignored) == ("tabular-classification", None, ("remark",))


def test_the_order_of_dates_is_a_question_where_the_cells_do_not_show_it() -> None:
    """Dates whose days are all 12 or less are shown with a cell; the order that is named makes them dates."""
    days = pd.Series([f"0{place % 9 + 1}/1{place % 3}/2024" for place in range(ROWS)])
    frame = TABLE[["plan", "churn"]].assign(signed=days)
    for reply, role in (("month-first", "feature"), ("none", "left out")):
        found = talk(frame, [reply, ""])
        assert "'signed' (01/10/2024)" in found.shown
        [column] = [column for column in found.guess.columns if column.name == "signed"]
        assert (column.kind, column.role) == ("time", role)


def test_a_continuous_label_is_proposed_as_a_number_and_another_label_as_classes() -> None:
    """Where the likeliest label is a quantity the task is a regression; with another label it is none any more."""
    found = talk(TABLE[["plan", "amount"]], ["plan", "plan"])
    assert "Label 'amount': a number. Metric mae" in found.shown
    assert (found.guess.label, found.guess.task) == ("plan", "tabular-classification")


def test_columns_that_give_the_label_away_stay_on_request() -> None:
    """Each such column is shown with its evidence; those that are not left out are returned."""
    leaks = [Finding("leakage.column", "error", name, message=f"'{name}' tells it") for name in ("a", "b")]
    kept: list[str] = []

    @click.command()
    def command() -> None:
        kept.extend(ask_about_leaks(leaks))

    shown = CliRunner().invoke(command, input="\nn\n").output
    assert (kept, "'a' tells it" in shown) == (["b"], True)


def test_without_a_terminal_the_guesses_are_taken_and_said(tmp_path: Path) -> None:
    """Where there is no terminal init asks nothing, and says so unless --yes did."""
    TABLE.to_csv(tmp_path / "rows.csv", index=False)
    for option, said in (([], True), (["--yes", "--force"], False)):
        arguments = [str(tmp_path / "rows.csv"), "--output", str(tmp_path / "tiltyard.toml"), *option]
        done = CliRunner().invoke(init_command, arguments)
        assert done.exit_code == 0, done.output
        assert ("Without a terminal" in done.output) == said
        assert "Other columns that may be the label: 'plan'" in done.output
