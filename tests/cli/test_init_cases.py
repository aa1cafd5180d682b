"""Small files as people have them: what ``tiltyard init --yes`` makes of each, without an edit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tests.cli.test_init_odd_files import run_init
from tests.films import Films
from tiltyard.cli.data.init import init_command
from tiltyard.data import load_dataset, split_dataset
from tiltyard.pipeline import validate_data
from tiltyard.project import load_project

RANDOM = np.random.default_rng(7)
ROWS = 240
PLACES = np.arange(ROWS)
Y = PLACES % 2
AGE = RANDOM.integers(20, 70, ROWS)
FEE = RANDOM.normal(30 + 20 * Y, 9).round(2)
PLAN = np.where(Y == 1, RANDOM.choice(["basic", "plus", "pro"], ROWS), RANDOM.choice(["basic", "pro"], ROWS))
TEXT = [(f"see you at six then {place}", f"win a free prize now number {place}")[y] for place, y in enumerate(Y)]


def choose(no: str, yes: str) -> list[str]:
    return [(no, yes)[y] for y in Y]


def csv(encoding: str = "utf-8", /, **columns: Any) -> bytes:
    return str(pd.DataFrame(columns).to_csv(index=False)).encode(encoding)


def lines(head: str, row: Callable[[int], str], *more: str) -> bytes:
    return "\n".join([head, *map(row, range(ROWS)), *more, ""]).encode()


def table(**columns: Any) -> bytes:
    """Age, fee and plan, and what else is named: the label last."""
    return csv(age=AGE, fee=FEE, plan=PLAN, **columns)


def join_texts(head: str, separator: str, quoted: tuple[int, ...]) -> bytes:
    return lines(head, lambda i: f"{('ham', 'spam')[Y[i]]}{separator}{chr(34) * (i in quoted)}{TEXT[i]}")


@dataclass(frozen=True)
class Case:
    """A file, and what is right for it.

    Attributes:
        content: its bytes.
        label: the column that is the label.
        classes: as training spells them.
        inputs: the columns that are learnt from.
        findings: codes and subjects that ``init`` names.
        rows: how many training knows.
    """

    content: bytes
    label: str = "y"
    classes: tuple[str, ...] = ("0", "1")
    inputs: tuple[str, ...] = ("age", "fee", "plan")
    findings: frozenset[tuple[str, str]] = frozenset()
    rows: int = ROWS


CASES: dict[str, Case] = {
    "label-true-false.csv": Case(table(churn=choose("FALSE", "TRUE")), "churn", ("FALSE", "TRUE")),
    "label-capitalised.csv": Case(table(churn=choose("False", "True")), "churn", ("False", "True")),
    "blank-after-comma.csv": Case(
        table(income=choose("<=50K", ">50K")).replace(b",", b", "),
        "income",
        ("<=50K", ">50K"),
        findings=frozenset({("data.trimmed-names", "columns")}),
    ),
    "blanks-around.csv": Case(
        table(y=Y).replace(b",", b" ,\t"), findings=frozenset({("data.trimmed-names", "columns")})
    ),
    "class-none.csv": Case(
        table(disorder=choose("None", "Apnea")),
        "disorder",
        ("Apnea", "None"),
        findings=frozenset({("data.gap-word-class", "disorder")}),
    ),
    "class-null.csv": Case(
        table(state=choose("null", "set")),
        "state",
        ("null", "set"),
        findings=frozenset({("data.gap-word-class", "state")}),
    ),
    "class-none-and-na.csv": Case(
        table(disorder=choose("None", "NA")),
        "disorder",
        ("NA", "None"),
        findings=frozenset({("data.gap-word-class", "disorder")}),
    ),
    "class-nan.csv": Case(
        table(state=choose("nan", "N/A")),
        "state",
        ("N/A", "nan"),
        findings=frozenset({("data.gap-word-class", "state")}),
    ),
    "class-na-and-unlabelled.csv": Case(
        table(y=["" if place % 9 == 0 else word for place, word in enumerate(choose("NA", "yes"))]),
        classes=("NA", "yes"),
        findings=frozenset({("data.gap-word-class", "y"), ("data.rows-set-aside", "y")}),
        rows=ROWS - len(range(0, ROWS, 9)),
    ),
    "class-null.jsonl": Case(
        str(
            pd.DataFrame({"age": AGE, "fee": FEE, "plan": PLAN, "label": choose("null", "None")}).to_json(
                orient="records", lines=True
            )
        ).encode(),
        "label",
        ("None", "null"),
        findings=frozenset({("data.gap-word-class", "label")}),
    ),
    "category-none.csv": Case(
        csv(age=AGE, fee=FEE, extra=np.array(["", "None", "basic"])[(PLACES + (FEE > 40)) % 3], y=Y),
        inputs=("age", "fee", "extra"),
        findings=frozenset({("data.gap-word", "extra")}),
    ),
    "category-na.csv": Case(
        csv(age=AGE, fee=FEE, region=np.where(PLACES % 5 == 0, *np.array(["NA", "EU"])[[Y, 1 - Y]]), y=Y),
        inputs=("age", "fee", "region"),
        findings=frozenset({("data.gap-word", "region")}),
    ),
    "nameless-columns.csv": Case(
        lines(
            "v1,v2,,,", lambda i: f"{('ham', 'spam')[Y[i]]},{TEXT[i]},,,", "spam,one more,a,b,c", "ham,another,a,b,d"
        ),
        "v1",
        ("ham", "spam"),
        ("v2",),
        frozenset({("data.column-left-out", "Unnamed: 2, Unnamed: 3, Unnamed: 4")}),
        rows=ROWS + 2,
    ),
    "nameless-table.csv": Case(
        lines("age,fee,plan,y,,", lambda i: f"{AGE[i]},{FEE[i]},{PLAN[i]},{Y[i]},,"),
        findings=frozenset({("data.column-left-out", "Unnamed: 4"), ("data.column-left-out", "Unnamed: 5")}),
    ),
    "nameless.tsv": Case(
        lines("text\t\tlabel\t", lambda i: f"{TEXT[i]}\t\t{('ham', 'spam')[Y[i]]}\t"),
        "label",
        ("ham", "spam"),
        ("text",),
        frozenset({("data.column-left-out", "Unnamed: 1, Unnamed: 3")}),
    ),
    "latin1.csv": Case(
        csv(
            "latin-1",
            label=choose("neg", "pos"),
            text=[f"{w} {i}" for i, w in enumerate(choose("déjà cassé hélas", "très élevé"))],
        ),
        "label",
        ("neg", "pos"),
        ("text",),
    ),
    "lists-in-cells.jsonl": Case(
        "\n".join(
            json.dumps({"review": TEXT[i], "helpful": [i % 3, 3], "tags": {"a": i}, "stars": 1.0 + 4 * int(Y[i])})
            for i in range(ROWS)
        ).encode(),
        "stars",
        ("1", "5"),
        ("review",),
        frozenset({("data.column-left-out", "helpful, tags")}),
    ),
    "labels-as-floats.csv": Case(table(y=Y.astype(float))),
    "labels-with-zeros.csv": Case(table(y=choose("0.00", "1.00"))),
    "trailing-comma.csv": Case(
        lines("y,age,fee,plan", lambda i: f"{Y[i]},{AGE[i]},{FEE[i]},{PLAN[i]},"),
        findings=frozenset({("data.trailing-cell", "columns")}),
    ),
    "separator-line.csv": Case(
        b"sep=;\r\n" + table(y=Y).replace(b".", b"\0").replace(b",", b";").replace(b"\0", b",").replace(b"\n", b"\r\n")
    ),
    "separator-line.txt": Case(b"sep=|\n" + table(y=Y).replace(b",", b"|")),
    "lone-quote.tsv": Case(join_texts("label\ttext", "\t", (50, 150)), "label", ("ham", "spam"), ("text",)),
    "two-lone-quotes.txt": Case(join_texts("label|text", "|", (7, 8)), "label", ("ham", "spam"), ("text",)),
    "unlabelled-row.csv": Case(
        table(y=["" if place == 100 else str(y) for place, y in enumerate(Y)]),
        findings=frozenset({("data.rows-set-aside", "y")}),
        rows=ROWS - 1,
    ),
    "rare-class.csv": Case(
        table(y=["other" if place in (17, 91) else word for place, word in enumerate(choose("no", "yes"))]),
        classes=("no", "yes"),
        findings=frozenset({("data.rare-classes", "y")}),
        rows=ROWS - 2,
    ),
    "names-collide.csv": Case(
        csv(fee=FEE + 30 * (PLACES % 3), plan=PLAN, language=np.array(["C", "C+", "C#"])[PLACES % 3]),
        "language",
        ("C", "C#", "C+"),
        ("fee", "plan"),
    ),
    "names-collide-by-signs.csv": Case(
        csv(fee=FEE + 30 * (PLACES % 3), plan=PLAN, y=np.array(["a/b", "a b", "a_b"])[PLACES % 3]),
        classes=("a b", "a/b", "a_b"),
        inputs=("fee", "plan"),
    ),
    "label-in-two-spellings.csv": Case(
        table(y=[("cafe\u0301", "caf\u00e9")[place // 2 % 2] if y else "bar" for place, y in enumerate(Y)]),
        classes=("bar", "caf\u00e9"),
    ),
    "name-decomposed.csv": Case(
        csv(**{"mon a\u0302ge": AGE, "fee": FEE, "y": Y}),
        inputs=("mon \u00e2ge", "fee"),
        findings=frozenset({("data.trimmed-names", "columns")}),
    ),
    "two-spellings-of-e.csv": Case(
        csv(age=AGE, fee=FEE, place=np.array(["bar", "cafe\u0301", "caf\u00e9"])[RANDOM.integers(0, 3, ROWS)], y=Y),
        inputs=("age", "fee", "place"),
    ),
    "row-numbers-and-leak.csv": Case(
        csv(**{"": PLACES, "votes_yes": 3 * Y, "fee": FEE, "plan": PLAN, "y": Y}),
        inputs=("fee", "plan"),
        findings=frozenset({("data.column-left-out", "Unnamed: 0"), ("leakage.column", "votes_yes")}),
    ),
    "double-names.csv": Case(
        table(y=Y).replace(b"age,fee", b"fee,fee", 1),
        inputs=("fee", "fee.1", "plan"),
        findings=frozenset({("data.repeated-name", "fee")}),
    ),
    "triple-names.csv": Case(
        table(y=Y).replace(b"age,fee,plan", b"x,x,x", 1),
        inputs=("x", "x.1", "x.2"),
        findings=frozenset({("data.repeated-name", "x")}),
    ),
    "name-of-the-label-twice.csv": Case(
        csv(y=Y, age=AGE, fee=FEE, plan=PLAN).replace(b"plan", b"y", 1),
        inputs=("age", "fee", "y.1"),
        findings=frozenset({("data.repeated-name", "y")}),
    ),
    "big-ids.jsonl": Case(
        str(
            pd.DataFrame({"user": 2**60 + PLACES, "fee": FEE, "plan": PLAN, "y": Y}).to_json(
                orient="records", lines=True
            )
        ).encode(),
        inputs=("fee", "plan"),
        findings=frozenset({("data.column-left-out", "user")}),
    ),
    "big-ids.csv": Case(
        csv(tweet_id=570306133677760513 + PLACES, fee=FEE, plan=PLAN, y=Y),
        inputs=("fee", "plan"),
        findings=frozenset({("data.column-left-out", "tweet_id")}),
    ),
    "big-ids-as-words.csv": Case(
        csv(order=[f"A-{570306133677760513 + place}" for place in PLACES], fee=FEE, plan=PLAN, y=Y),
        inputs=("fee", "plan"),
        findings=frozenset({("data.column-left-out", "order")}),
    ),
    "names-of-persons.csv": Case(
        csv(
            PassengerId=PLACES,
            Survived=Y,
            Pclass=1 + PLACES % 3,
            Name=[f"Lastname{place}, Mr. First{place * 7}" for place in PLACES],
            Fare=FEE,
        ),
        "Survived",
        inputs=("Pclass", "Fare"),
        findings=frozenset({("data.column-left-out", "PassengerId"), ("data.column-left-out", "Name")}),
    ),
    "names-of-firms.csv": Case(
        csv(company=[f"Acme{place} Trading Ltd" for place in PLACES], fee=FEE, plan=PLAN, churn=Y),
        "churn",
        inputs=("fee", "plan"),
        findings=frozenset({("data.column-left-out", "company")}),
    ),
    "titles.csv": Case(
        csv(title=[f"The Return Of Mr Fox {place}" for place in PLACES], year=1950 + AGE, rate=FEE, y=Y),
        inputs=("year", "rate"),
        findings=frozenset({("data.column-left-out", "title")}),
    ),
    "many-classes.csv": Case(
        csv(
            text=[f"where is my thing{place % 60} order {place}" for place in range(1200)],
            category=[f"topic_{place % 60}" for place in range(1200)],
        ),
        "category",
        tuple(sorted(f"topic_{place}" for place in range(60))),
        ("text",),
        rows=1200,
    ),
    "imbalanced-noise.csv": Case(
        csv(a=RANDOM.integers(20, 70, ROWS), b=RANDOM.integers(0, 100, ROWS), y=PLACES * 7919 % 97 < 20),
        classes=("False", "True"),
        inputs=("a", "b"),
    ),
}
CHAMPIONS = ["class-none.csv", "double-names.csv", "lists-in-cells.jsonl", "names-collide.csv"]


@pytest.mark.parametrize("name", list(CASES))
def test_a_file_becomes_a_project_without_an_edit(tmp_path: Path, name: str) -> None:
    """Label, classes, inputs and rows are the right ones, what was guessed is said, and validation passes."""
    case = CASES[name]
    found = run_init(tmp_path, name, case.content)
    assert "error" not in found, found
    project = load_project(tmp_path / "tiltyard.toml")
    dataset = load_dataset(project)
    inputs = (dataset.inputs.name,) if isinstance(dataset.inputs, pd.Series) else tuple(dataset.inputs)
    assert (project.data.label, dataset.classes, inputs, len(dataset)) == (
        case.label,
        case.classes,
        case.inputs,
        case.rows,
    )
    assert case.findings <= {(one["code"], one["subject"]) for one in found["findings"]}
    assert validate_data(dataset, split_dataset(dataset, project.split, project.data.time), project).passed


def test_a_continuous_label_makes_a_regression_and_is_refused_as_classes(tmp_path: Path) -> None:
    """A quantity is proposed as a number to predict; classes are refused by name, and another label may be named."""
    content = csv(age=AGE, plan=PLAN, amount=FEE * 13.37)
    found = run_init(tmp_path, "rows.csv", content)["guess"]
    assert (found["label"], found["task"], found["metric"]) == ("amount", "tabular-regression", "mae")
    project = load_project(tmp_path / "tiltyard.toml")
    assert (project.task, project.model_name) == ("tabular-regression", f"{project.name}-regressor")
    assert load_dataset(project).labels.dtype == np.float64
    (tmp_path / "tiltyard.toml").unlink()
    refused = run_init(tmp_path, "rows.csv", content, "--task", "tabular-classification")["error"]
    assert (refused.code, "tabular-regression" in refused.next_step) == ("data.label-continuous", True)
    assert run_init(tmp_path, "rows.csv", content, "--label", "plan")["guess"]["label"] == "plan"


def test_a_word_among_numbers_is_named_and_becomes_a_gap(tmp_path: Path) -> None:
    """The reason why a column of numbers is left out names the option that makes a feature of it."""
    content = csv(age=AGE, plan=PLAN, fee=[str(fee) if place % 9 else "?" for place, fee in enumerate(FEE)], y=Y)
    reasons = {one["name"]: one["reason"] for one in run_init(tmp_path, "rows.csv", content)["guess"]["columns"]}
    assert "--gap" in reasons["fee"]
    (tmp_path / "tiltyard.toml").unlink()
    run_init(tmp_path, "rows.csv", content, "--gap", "?")
    dataset = load_dataset(load_project(tmp_path / "tiltyard.toml"))
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert dataset.inputs["fee"].isna().sum() == len(range(0, ROWS, 9))
    assert dataset.inputs["fee"].dtype == np.float64


@pytest.mark.parametrize("above", ["Customers in 2026", "# written by a tool", "Report\n\nCustomers, all"])
def test_lines_above_the_header_are_named(tmp_path: Path, above: str) -> None:
    """A title or a comment above the header is refused, with the step that makes a table of the file."""
    content = table(y=Y)
    refused = run_init(tmp_path, "rows.csv", above.encode() + b"\n" + content)["error"]
    assert (refused.code, "above the header" in refused.next_step) == ("data.uneven-rows", True)
    assert "error" not in run_init(tmp_path, "rows.csv", content)


@pytest.mark.parametrize("around", [{"count": ROWS}, {}, {"meta": {"page": 1}, "next": None}])
def test_rows_within_an_object_are_named(tmp_path: Path, around: dict[str, object]) -> None:
    """A response of an API that holds the rows in a list is refused; the list alone is a table."""
    rows = pd.DataFrame({"age": AGE, "fee": FEE, "plan": PLAN, "y": Y}).to_dict("records")
    refused = run_init(tmp_path, "rows.json", json.dumps({**around, "data": rows}))["error"]
    assert (refused.code, f"'data' holds {ROWS} rows" in str(refused)) == ("data.rows-within", True)
    assert "error" not in run_init(tmp_path, "rows.json", json.dumps(rows))


@pytest.mark.parametrize("options", [(), ("--group", "customer_id"), ("--keep", "customer_id")])
def test_a_key_of_customers_is_proposed_as_the_group(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A key that rows share is left out and proposed in the project file; --group takes it, --keep learns it."""
    content = csv(customer_id=1000 + PLACES // 4, age=AGE, fee=FEE, y=Y)
    found = run_init(tmp_path, "rows.csv", content, *options)
    project, written = load_project(tmp_path / "tiltyard.toml"), (tmp_path / "tiltyard.toml").read_text()
    assert ("customer_id" in project.data.ignore) == ("--keep" not in options)
    assert project.split.group == ("customer_id" if "--group" in options else None)
    assert ('# group = "customer_id"' in written) == ("--group" not in options)
    said = {one["code"]: one for one in found["findings"]}
    assert ("data.group-key" in said) == ("--group" not in options)


def test_the_rows_that_init_tells_are_those_that_training_has(tmp_path: Path) -> None:
    """Rows that are set aside are not counted among those of the project; how many there are in the file is said."""
    label = ["" if place in (3, 9) else "rare" if place == 50 else word for place, word in enumerate(choose("a", "b"))]
    (tmp_path / "rows.csv").write_bytes(table(y=label))
    arguments = [str(tmp_path / "rows.csv"), "--output", str(tmp_path / "tiltyard.toml"), "--yes"]
    done = CliRunner().invoke(init_command, arguments)
    assert f"for {ROWS - 3} rows, of {ROWS} rows in the data:" in " ".join(done.output.split())
    found = run_init(tmp_path, "rows.csv", table(y=label), "--force")
    assert (found["rows"], found["rows_read"]) == (ROWS - 3, ROWS)


@pytest.mark.parametrize(
    ("write", "read_as"),
    [
        (lambda fee: f"{fee} %", {}),
        (lambda fee: f"-${40 * fee:,.2f}", {"thousands": ","}),
        (lambda fee: f"{40 * fee:_.2f} €".replace(".", ",").replace("_", "."), {"decimal": ",", "thousands": "."}),
        (lambda fee: f"£{fee}", {}),
        (lambda fee: f"{fee} EUR", {}),
        (lambda fee: f"CHF {40 * fee:,.2f}", {"thousands": ","}),
    ],
)
def test_numbers_with_a_sign_are_numbers(
    tmp_path: Path, write: Callable[[float], str], read_as: dict[str, str]
) -> None:
    """A column whose cells all have the same sign of percent or of a currency is one of numbers, and init says so."""
    content = csv(age=AGE, rate=["" if place == 7 else write(fee) for place, fee in enumerate(FEE)], plan=PLAN, y=Y)
    found = run_init(tmp_path, "rows.csv", content)
    assert (found["read_as"], found["guess"]["label"]) == (read_as, "y")
    [said] = [one for one in found["findings"] if one["code"] == "data.number-sign"]
    project = load_project(tmp_path / "tiltyard.toml")
    dataset = load_dataset(project)
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert dataset.inputs["rate"].dtype == np.float64
    assert dataset.inputs["rate"].isna().sum() == 1
    assert f"is read as {dataset.inputs['rate'][0]:.10g}." in said["message"]
    checked = validate_data(dataset, split_dataset(dataset, project.split, project.data.time), project).findings
    assert ("data.numbers-as-text", "rate") not in {(one.code, one.subject) for one in checked}


@pytest.mark.parametrize(
    ("cells", "code", "words"),
    [
        (["5 %", "7", "9 %"], "data.mixed-signs", "without a sign"),
        (["$5", "€7", "£2"], "data.mixed-signs", "'$', '€', '£'"),
        (["5 EUR", "7 USD", "2 EUR"], "data.mixed-signs", "'EUR', 'USD'"),
        (["5 %"] * 9 + ["7 %"] * 9 + ["open"], "data.marked-numbers", "--gap 'open'"),
        (["5"] * 3 + ["7"] * 3 + ["?"], "data.marked-numbers", "--gap '?'"),
    ],
)
def test_numbers_that_are_read_as_categories_are_named(tmp_path: Path, cells: list[str], code: str, words: str) -> None:
    """A feature of numbers whose signs differ, or with a word among them, is named with the remedy."""
    content = csv(age=AGE, fee=FEE, rate=(cells * ROWS)[:ROWS], y=Y)
    said = {one["code"]: one["message"] for one in run_init(tmp_path, "rows.csv", content)["findings"]}
    assert words in said[code]


def test_decimal_commas_between_cells_are_refused_and_quotes_work(tmp_path: Path) -> None:
    """The next step of the refusal, quotes around cells with a comma, makes a project of the file."""
    content = csv(y=Y, age=AGE, fee=[f"{fee:.2f}".replace(".", ",") for fee in FEE])
    refused = run_init(tmp_path, "rows.csv", content.replace(b'"', b""))["error"]
    assert (refused.code, "double quotes" in refused.next_step) == ("data.uneven-rows", True)
    assert run_init(tmp_path, "rows.csv", content)["read_as"] == {"decimal": ","}


@pytest.mark.parametrize("name", CHAMPIONS)
def test_three_commands_end_with_a_champion(tmp_path: Path, fresh_store: Path, name: str) -> None:
    """Init, validate and train --champion end well, one after the other."""
    (tmp_path / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, tmp_path / ".tiltyard" / "mlflow.db")
    (tmp_path / name).write_bytes(CASES[name].content)
    films = Films(tmp_path)
    films.call("init", name, "--yes")
    films.call("validate")
    assert "Set as champion" in films.call("train", "--champion").stdout
