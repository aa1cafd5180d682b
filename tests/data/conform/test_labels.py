"""One way from a raw label to a class."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.data import Dataset, load_dataset
from tiltyard.data.conform.labels import LabelCodec, conform_labels, is_label_gap, order_classes, write_label
from tiltyard.project import Project

ONES: list[object] = [1, 1.0, True, "1", "1.0", "1.00", " 1", "1.", "true", "TRUE", Decimal("1.0"), np.int64(1)]
ONES += [np.float32(1), np.bool_(True)]


@pytest.mark.parametrize("raw", ONES, ids=repr)
def test_every_spelling_of_one_meets_class_1(raw: object) -> None:
    """A class that is shown as ``1`` next to ``0`` takes the number, the boolean and the text in every spelling."""
    assert LabelCodec.from_classes(["0", "1"]).find_class(raw) == "1"


@pytest.mark.parametrize("spelling", [("TRUE", "FALSE"), ("true", "false"), ("True", "False")])
@pytest.mark.parametrize("raw", ONES, ids=repr)
def test_every_spelling_of_true_meets_a_boolean_class(spelling: tuple[str, str], raw: object) -> None:
    """A class that is true, in whatever letters the file has it, takes every spelling of true and of one."""
    assert LabelCodec.from_classes(spelling).find_class(raw) == spelling[0]


def test_true_is_a_number_only_next_to_its_pair() -> None:
    """``true`` meets class ``1`` only where the classes are the pair 0 and 1."""
    assert LabelCodec.from_classes(["0", "1", "2"]).find_class(True) is None
    assert LabelCodec.from_classes(["0", "1", "2"]).find_class("1.0") == "1"
    assert LabelCodec.from_classes(["True", "Perhaps"]).find_class(1) is None


@pytest.mark.parametrize("word", ["None", "NA", "nan", "null", "NaN", "n/a"])
def test_a_class_may_be_called_like_a_gap(word: str) -> None:
    """A word for a gap is a class where the training labels use it, and no gap is ever that class."""
    classes = conform_labels(pd.Series([word, "Apnea", word, None, " "]))
    codec = LabelCodec.from_classes(classes.dropna())
    assert classes.tolist()[:3] == [word, "Apnea", word]
    assert classes.isna().tolist() == [False, False, False, True, True]
    assert codec.find_class(f" {word}") == word
    assert [codec.find_class(gap) for gap in (None, float("nan"), pd.NaT, pd.NA, "", " \t")] == [None] * 6


def test_codes_and_versions_are_no_numbers() -> None:
    """Codes with needless zeros and spellings that several classes share meet their own spelling alone."""
    codec = LabelCodec.from_classes(["007", "7", "1.1", "1.10"])
    assert [codec.find_class(raw) for raw in ("007", 7, "7.0", "1.1", "1.10", 1.1)] == [
        "007",
        "7",
        "7",
        "1.1",
        "1.10",
        "1.1",
    ]
    assert LabelCodec.from_classes(["007", "a"]).find_class(7) is None
    assert LabelCodec.from_classes(["1.1", "1.10"]).find_class("1.100") is None


def test_accents_meet_however_they_are_written() -> None:
    """A composed and a decomposed letter are one class."""
    classes = conform_labels(pd.Series(["caf\u00e9", "cafe\u0301", "bar"]))
    codec = LabelCodec.from_classes(classes)
    assert classes.tolist() == ["caf\u00e9", "caf\u00e9", "bar"]
    assert codec.find_class("cafe\u0301 ") == "caf\u00e9"
    # A version from before may hold the decomposed spelling.
    assert LabelCodec.from_classes(["cafe\u0301"]).find_class("caf\u00e9") == "cafe\u0301"


def test_an_unknown_label_is_named_with_the_nearest_class() -> None:
    """A label that is not a class is described with the nearest class, or with all where none is near."""
    codec = LabelCodec.from_classes(["positive", "negative"])
    assert "Did you mean 'positive'?" in codec.describe_unknown("Positve")
    assert "The classes are negative, positive." in codec.describe_unknown("q")
    assert len(codec.describe_unknown("x" * 5000)) < 200


def test_labels_become_classes_as_the_file_spells_them() -> None:
    """Mixed spellings of a boolean become the commonest; whole numbers lose their fraction; other words stay."""
    folded = conform_labels(pd.Series(["TRUE", "true", "TRUE", "FALSE", "False", "False"]))
    assert folded.tolist() == ["TRUE"] * 3 + ["False"] * 3
    assert conform_labels(pd.Series(["1.0", "0.0", "1", "2.50"])).tolist() == ["1", "0", "1", "2.50"]
    assert conform_labels(pd.Series(["1.0", "b"])).tolist() == ["1.0", "b"]
    assert conform_labels(pd.Series([0.1, 1.0], dtype="float32")).tolist() == ["0.1", "1"]
    assert conform_labels(pd.Series(["yes", "?", "no"]), gaps=["?"]).isna().tolist() == [False, True, False]


cells = st.one_of(st.booleans(), st.integers(-(10**17), 10**17), st.sampled_from(["None", "NA", "a b", "é", "x\u0301"]))


@given(st.one_of(*(st.lists(one, min_size=1, max_size=8) for one in (st.booleans(), st.integers(-20, 20), cells))))
def test_a_codec_reads_what_it_learned(raw: list[object]) -> None:
    """Every label of the training finds the class that the training gave it, also by the class's own spelling."""
    classes = conform_labels(pd.Series(raw, dtype=object))
    codec = LabelCodec.from_classes(classes)
    for one, name in zip(raw, classes, strict=True):
        assert codec.find_class(one) == name
        assert codec.find_class(name) == name
    assert set(classes) == set(codec.classes)


@given(st.lists(st.one_of(st.integers(-50, 50).map(str), st.floats(-5, 5).map(str)), unique=True))
def test_numbers_are_in_the_order_of_numbers(names: list[str]) -> None:
    """Classes that are numbers are in their order, however many digits they have."""
    numbers = [float(name) for name in order_classes(names)]
    assert numbers == sorted(numbers) or any("e" in name for name in names)
    assert order_classes(["10", "9", "2"]) == ("2", "9", "10")
    assert order_classes(["10", "9", "b"]) == ("10", "9", "b")


@pytest.mark.parametrize(
    "labels",
    [
        [True, False, True],
        [1.0, 0.0, 1.0],
        [3, 12, 12],
        [0.5, 1.0, 2.0],
        ["b ", "None", "b"],
        ["cafe\u0301", "caf\u00e9", "x"],
    ],
    ids=str,
)
def test_formats_agree_on_labels(labels: list[object], tmp_path: Path) -> None:
    """The labels of one table are the same classes from Parquet, JSON Lines and CSV."""
    frame = pd.DataFrame({"kind": range(10 * len(labels)), "label": labels * 10})
    frame.to_parquet(tmp_path / "table.parquet")
    frame.to_json(tmp_path / "table.jsonl", orient="records", lines=True, force_ascii=False)
    frame.to_csv(tmp_path / "table.csv", index=False)
    found = [load(tmp_path, f"table.{ending}") for ending in ("parquet", "jsonl", "csv")]
    assert found[0].labels.to_list() == found[1].labels.to_list() == found[2].labels.to_list()
    codec = LabelCodec(found[0].classes)
    assert [codec.find_class(one) for one in labels * 10] == found[0].labels.to_list()


@pytest.mark.parametrize(
    "words", [("TRUE", "FALSE"), ("true", "false"), ("1.0", "0.0"), ("None", "Apnea"), ("NA", "x")]
)
def test_a_file_spells_its_classes(words: tuple[str, str], tmp_path: Path) -> None:
    """Classes are spelt as in the file, but for a needless fraction; words for gaps stay classes."""
    (tmp_path / "table.csv").write_text("kind,label\n" + "".join(f"{n},{words[n % 2]}\n" for n in range(30)))
    spelt = [word.removesuffix(".0") for word in words]
    assert load(tmp_path, "table.csv").classes == order_classes(spelt)


@pytest.mark.parametrize(("words", "spelt"), [(("1,0", "0,0"), ("0", "1")), (("0,5", "1,5"), ("0.5", "1.5"))])
def test_labels_follow_the_decimal_separator_of_the_file(
    words: tuple[str, str], spelt: tuple[str, str], tmp_path: Path
) -> None:
    """Labels that are numbers with decimal commas are the classes that the same numbers are elsewhere; words stay."""
    (tmp_path / "table.csv").write_text("kind;label\n" + "".join(f"{n};{words[n % 2]}\n" for n in range(30)))
    assert load(tmp_path, "table.csv", separator=";", decimal=",").classes == spelt
    (tmp_path / "table.csv").write_text(
        "kind;label\n" + "".join(f"{n};{'a,b' if n % 2 else '1,0'}\n" for n in range(30))
    )
    assert load(tmp_path, "table.csv", separator=";", decimal=",").classes == ("1,0", "a,b")


def load(folder: Path, source: str, **data: str) -> Dataset:
    """The rows of a file with a column ``label``."""
    project = {"name": "p", "task": "tabular-classification"}
    return load_dataset(
        Project.model_validate({"project": project, "data": {"source": source, **data}, "root": folder})
    )


def test_gaps_are_distinguished_from_labels() -> None:
    """Only what says nothing is a gap: zero, false and the word nan are labels."""
    assert not any(is_label_gap(raw) for raw in (0, 0.0, False, "nan", "0", np.float64(0)))
    assert all(is_label_gap(raw) for raw in (None, np.nan, np.float32("nan"), np.datetime64("NaT"), "", " "))
    assert [write_label(raw) for raw in (np.bool_(False), Decimal("2.0"), 2.5, " a ")] == ["False", "2", "2.5", "a"]
