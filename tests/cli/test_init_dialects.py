"""A table is one table, whatever it is written in: from ``tiltyard init`` to the rows that training sees."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.films import Films
from tiltyard.cli.main import main
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.data.sources import detect_layout
from tiltyard.project import load_project

RANDOM = np.random.default_rng(4)
ROWS = 120
Y = np.arange(ROWS) % 2
TABLE = pd.DataFrame(
    {
        "age": RANDOM.integers(20, 70, ROWS),
        "fee": RANDOM.normal(30 + 6 * Y, 9).round(2),
        "plan": RANDOM.choice(["café", "plus, large", "pro"], ROWS),
        "churn": np.array(["no", "yes"])[Y],
    }
)
SIMPLE = TABLE.assign(plan=TABLE["plan"].str.replace(", ", " "))


def write_csv(table: pd.DataFrame = TABLE, encoding: str = "utf-8", **options: object) -> bytes:
    return str(table.to_csv(index=False, **options)).encode(encoding)  # type: ignore[call-overload]


def write_json(**options: object) -> bytes:
    return str(TABLE.to_json(orient="records", force_ascii=False, **options)).encode()  # type: ignore[call-overload]


def end_rows(separator: str) -> bytes:
    header, *rows = write_csv(SIMPLE, sep=separator).decode().splitlines()
    return "\n".join([header, *(row + separator for row in rows)]).encode()


DIALECTS: dict[str, Callable[[], bytes]] = {
    "semicolons.csv": lambda: write_csv(sep=";", decimal=","),
    "quoted-decimal-commas.csv": lambda: write_csv(decimal=","),
    "tabs.tsv": lambda: write_csv(sep="\t"),
    "tabs.csv": lambda: write_csv(sep="\t"),
    "utf-16.csv": lambda: write_csv(encoding="utf-16"),
    "excel-unicode.txt": lambda: write_csv(encoding="utf-16", sep="\t", lineterminator="\r\n"),
    "latin1.csv": lambda: write_csv(encoding="latin-1"),
    "bars.txt": lambda: write_csv(encoding="windows-1252", sep="|"),
    "excel.csv": lambda: write_csv(encoding="utf-8-sig", lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC),
    "packed.csv.gz": lambda: gzip.compress(write_csv()),
    "nameless-ending": lambda: write_csv(sep=";"),
    "lines-called.json": lambda: write_json(lines=True),
    "array.json": write_json,
    "indented.json": lambda: write_json(indent=2),
    "array-called.jsonl": write_json,
    "trailing-comma.csv": lambda: end_rows(","),
    "trailing-semicolon.csv": lambda: end_rows(";"),
    "trailing-tab.tsv": lambda: end_rows("\t"),
    "no-header.csv": lambda: write_csv(header=False),
    "no-header-semicolons.csv": lambda: write_csv(header=False, sep=";", decimal=","),
    "no-header.data": lambda: write_csv(SIMPLE, header=False, sep="|"),
}


@pytest.mark.parametrize(("stated", "says"), [(",", "--sep says ','"), (";", ""), (None, "")])
def test_a_separator_line_that_contradicts_sep_is_named(tmp_path: Path, stated: str | None, says: str) -> None:
    """A first line `sep=;` counts; where --sep says otherwise, that is said with the way out."""
    file = tmp_path / "rows.csv"
    file.write_bytes(b"sep=;\n" + write_csv(sep=";", decimal=","))
    layout = detect_layout(file, {"separator": stated})
    assert layout.options["separator"] == ";"
    [said] = [one for one in layout.notices if one.startswith("The first line says")]
    assert (says in said, "--sep" in said) == (True, bool(says))


def init(root: Path, name: str, content: bytes) -> Dataset:
    (root / name).write_bytes(content)
    with pytest.raises(SystemExit) as left:
        main(["init", str(root / name), "--output", str(root / "tiltyard.toml"), "--yes"])
    assert left.value.code in (0, None)
    return load_dataset(load_project(root / "tiltyard.toml"))


@pytest.mark.parametrize("name", list(DIALECTS))
def test_a_table_is_the_same_in_every_dialect(tmp_path: Path, name: str) -> None:
    """Rows, kinds, labels and every cell are those of the table, without an option and without an edit."""
    table = SIMPLE if name.startswith("trailing") or name == "no-header.data" else TABLE
    dataset = init(tmp_path, name, DIALECTS[name]())
    inputs = pd.DataFrame(dataset.inputs)
    names = [f"column_{place}" for place in (1, 2, 3)] if name.startswith("no-header") else ["age", "fee", "plan"]
    assert list(inputs) == names
    assert list(dataset.labels) == list(table["churn"])
    for column, original in zip(names, ("age", "fee", "plan"), strict=True):
        assert inputs[column].tolist() == table[original].tolist()


@pytest.mark.parametrize(("ending", "separator"), [(".tsv", "\t"), (".txt", "|"), (".csv", ";")])
def test_a_lone_quote_swallows_no_row(tmp_path: Path, ending: str, separator: str) -> None:
    """Texts that begin with a quote that is not closed are rows like any other."""
    texts = [f"they {('praise', 'blame')[y]} it at length, {place} times over and again" for place, y in enumerate(Y)]
    texts[7] = '"' + texts[7]
    texts[61] = texts[61].replace("it", '"it')
    lines = [
        separator.join(["text", "label"]),
        *(f"{text}{separator}{'pn'[y]}" for text, y in zip(texts, Y, strict=True)),
    ]
    dataset = init(tmp_path, f"rows{ending}", "\n".join(lines).encode())
    assert list(dataset.inputs) == texts


@pytest.mark.parametrize("separator", [",", ";"])
def test_decimal_separators_between_cells_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], separator: str
) -> None:
    """Where the decimal separator also separates the cells, the first such line is named with its counts."""
    rows = [
        f"{y}{separator}{age}{separator}{age / 4:.2f}".replace(".", separator)
        for age, y in zip(range(20, 60), Y[:40], strict=True)
    ]
    (tmp_path / "rows.csv").write_text("\n".join([separator.join(["label", "age", "fee"]), *rows]))
    with pytest.raises(SystemExit) as left:
        main(["init", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "tiltyard.toml"), "--yes"])
    assert left.value.code == 1
    assert "line 2 has 4 cells, and the header has 3" in capsys.readouterr().err
    assert not (tmp_path / "tiltyard.toml").exists()


def test_grouped_rows_from_a_file_to_a_champion_and_again(tmp_path: Path, fresh_store: Path) -> None:
    """An array of objects with a group reaches a champion; trained again from its rows it has the same two sides."""
    (tmp_path / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, tmp_path / ".tiltyard" / "mlflow.db")
    rows = TABLE.assign(fee=TABLE["fee"] + 20 * Y, customer=np.arange(ROWS) // 4)
    rows.to_json(tmp_path / "rows.json", orient="records")
    films = Films(tmp_path)
    films.call("init", "rows.json", "--yes", "--group", "customer")
    films.call("validate")
    trained = films.call_json("train", "--champion")
    again = films.call_json("train", "--from-version", "champion")
    assert isinstance(trained, dict)
    assert isinstance(again, dict)
    assert trained["status"] == "Set as champion"
    project = load_project(tmp_path / "tiltyard.toml")
    dataset = load_dataset(project)
    assert project.split.group == "customer"
    assert list(pd.DataFrame(dataset.inputs)) == ["age", "fee", "plan"]
    split = split_dataset(dataset, project.split)
    assert not set(split.train.frame["customer"]) & set(split.test.frame["customer"])
    for outcome in (trained, again):
        assert (outcome["train_rows"], outcome["test_rows"]) == (len(split.train), len(split.test))
    assert again["metrics"] == trained["metrics"]
