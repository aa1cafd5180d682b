"""What `init` reads from an unknown file is what the checks and the models read from it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from tiltyard.data.conform.frames import infer_schema
from tiltyard.data.inference.class_choice import choose_metric, choose_positive
from tiltyard.data.inference.infer_columns import NamedColumns, infer_columns
from tiltyard.data.read_table import read_column
from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation.metrics import METRICS

RANDOM = np.random.default_rng(5)
ROWS = 240
REVIEWS = pd.DataFrame(
    {
        "review_id": np.arange(100) + 7000,
        "review": [f"A film about {subject} that was {RANDOM.choice(['fine', 'dull'])}" for subject in range(100)],
        "studio": RANDOM.choice(["North by West Pictures", "Blue Lake Films"], 100),
        "created_at": pd.date_range("2026-01-01", periods=100).astype(str),
        "sentiment": RANDOM.choice(["good", "bad"], 100),
    }
)
TWO = RANDOM.choice([0, 1], ROWS)
PLAN = RANDOM.choice(["basic", "plus", "pro"], ROWS)
FEE = RANDOM.normal(30, 9, ROWS).round(2)
AGE = RANDOM.integers(20, 70, ROWS)
PERSONS = [f"Lastname{place}, Mr. First{place * 7} Middle ({place})" for place in range(ROWS)]


def test_the_text_that_init_finds_is_a_text_to_the_checks() -> None:
    """A column of sentences is the text; names of several words that repeat are a category, and not the text."""
    found = infer_columns(REVIEWS)
    assert (found.task, found.text, found.label, found.time) == (
        "text-classification",
        "review",
        "sentiment",
        "created_at",
    )
    assert {column.name: column.role for column in found.columns}["review_id"] == "not used"
    kinds = {name: read_column(REVIEWS[name], str(name)).kind for name in REVIEWS.columns}
    assert kinds == {
        "review_id": "number",
        "review": "text",
        "studio": "category",
        "created_at": "time",
        "sentiment": "category",
    }


def test_texts_are_categories_in_a_stored_schema() -> None:
    """Schemas that travel with versions know no texts."""
    kinds = {
        column.name: column.kind for column in infer_schema(REVIEWS.assign(gap=None, old=[True, False] * 50)).columns
    }
    assert kinds["review"] == "category"
    assert (kinds["review_id"], kinds["gap"], kinds["old"]) == ("number", "empty", "boolean")


def test_a_named_column_that_is_missing_is_refused() -> None:
    """A label that the file does not have is named, with the columns that it has."""
    with pytest.raises(DataError, match="no column 'rating'"):
        infer_columns(REVIEWS, label="rating")


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"PassengerId": np.arange(ROWS), "Survived": TWO, "Pclass": TWO + 1, "Embarked": PLAN}, "Survived"),
        (
            {"airline": PLAN, "airline_sentiment": TWO, "airline_sentiment_confidence": FEE, "retweets": AGE},
            "airline_sentiment",
        ),
        ({"amount": FEE, "is_fraud": TWO, "plan": PLAN, "hour": AGE % 24}, "is_fraud"),
        ({"default.payment.next.month": TWO, "limit": FEE, "plan": PLAN}, "default.payment.next.month"),
        ({"fee": FEE, "kind": PLAN, "flag": TWO, "verdict": TWO}, "verdict"),
        ({"poisonous": RANDOM.choice(["e", "p"], ROWS), "cap": PLAN, "fee": FEE}, "poisonous"),
        ({"a": FEE, "b": PLAN, "Unnamed: 2": TWO}, "b"),
        ({"column_1": AGE, "column_2": FEE, "column_3": PLAN, "column_4": TWO}, "column_4"),
        ({"fee": FEE, "digit": np.arange(ROWS) % 10}, "digit"),
        ({"helped": AGE % 9, "Score": 1 + AGE % 5, "Time": 10**9 + AGE, "shown": FEE}, "Score"),
        ({"school": RANDOM.choice(["GP", "MS"], ROWS), "age": AGE, "G3": AGE % 20}, "G3"),
        ({"left": TWO.astype(str), "age": AGE, "discount": [f"{age % 30} %" for age in AGE]}, "left"),
        ({"plan": PLAN, "age": AGE, "y": TWO, "price": [f"{5 * (age % 9)} EUR" for age in AGE]}, "y"),
    ],
)
def test_the_label_is_found_by_name_place_and_values(columns: dict[str, object], label: str) -> None:
    """Names of labels, also within longer names, weigh more than places, and places more than values."""
    found = infer_columns(pd.DataFrame(columns))
    assert found.label == label
    assert next(column.reason for column in found.columns if column.name == label)
    assert label not in {other.name for other in found.runners_up}


@pytest.mark.parametrize("classes", [60, 77])
def test_many_classes_with_rows_for_each_are_a_label(classes: int) -> None:
    """Rows for each class decide, not how many classes there are."""
    rows = 20 * classes
    frame = pd.DataFrame(
        {
            "text": [f"where is my thing{place % classes} order {place}" for place in range(rows)],
            "category": [f"topic_{place % classes}" for place in range(rows)],
        }
    )
    found = infer_columns(frame)
    assert (found.label, found.text, len(found.classes)) == ("category", "text", classes)


@pytest.mark.parametrize("label", [None, "Survived"])
def test_names_of_persons_are_no_text(label: str | None) -> None:
    """A table with a column of names of persons stays a table without them, whether its label is named or not."""
    frame = pd.DataFrame({"Id": np.arange(ROWS), "Survived": TWO, "Name": PERSONS, "Fare": FEE, "Port": PLAN})
    found = infer_columns(frame, label=label)
    assert (found.task, found.label, found.text, found.ignored) == (
        "tabular-classification",
        "Survived",
        None,
        ("Id", "Name"),
    )
    assert found.features == ("Fare", "Port")


@pytest.mark.parametrize(
    ("titles", "text"),
    [
        ([f"Apple Phone {place} Pro Max" for place in range(ROWS)], "title"),
        ([f"Lastname{place} First" for place in range(ROWS)], "title"),
        ([f"超级好看的电影第{place}部真的很棒" for place in range(ROWS)], "title"),
        ([f"X{place}" for place in range(ROWS)], None),
    ],
)
def test_titles_are_the_text_where_there_is_nothing_else(titles: list[str], text: str | None) -> None:
    """A label and titles, names or words without blanks make a text project; a label and codes do not."""
    found = infer_columns(pd.DataFrame({"id": np.arange(ROWS), "title": titles, "kind": TWO}))
    assert (found.text, found.label) == (text, "kind")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([[1, 2], {"a": 1}] * 120, "lists or objects"),
        ([None] * ROWS, "empty"),
        (["x", *[None] * (ROWS - 1)], "of its cells are empty"),
        (570306133677760513 + np.arange(ROWS), "identifies rows"),
        (["Y"] * ROWS, "same value in every row"),
        ([f"A/5 {place * 7}" for place in range(ROWS)], "in almost every row"),
        ([f"C{place % 140}" for place in range(ROWS)], "occur once"),
        ([f"she said that it was all right on day {place}" for place in range(ROWS)], "holds texts"),
    ],
)
def test_what_a_table_cannot_learn_from_is_left_out_with_its_reason(cells: object, reason: str) -> None:
    """Lists, empty columns, ids, tickets and remarks are left out, each with its reason, unless kept."""
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=None), "age": AGE, "fee": FEE, "plan": PLAN, "y": TWO})
    known = NamedColumns(task="tabular-classification")
    column = infer_columns(frame, named=known).columns[0]
    assert (column.role, reason in column.reason) == ("left out", True), column
    kept = infer_columns(frame, named=NamedColumns(task="tabular-classification", kept=("x",)))
    assert kept.columns[0].role == "feature"


@pytest.mark.parametrize("amount", [FEE * 13.37, 1000 * np.arange(ROWS) + AGE, FEE.round(1)])
def test_a_continuous_label_is_a_number_to_predict_and_no_class(amount: np.ndarray) -> None:
    """A quantity, guessed or named, makes a regression; as classes it is refused with how many numbers there are."""
    frame = pd.DataFrame({"age": AGE % 7 * 1.5, "amount": amount})
    for label in (None, "amount"):
        found = infer_columns(frame, label=label)
        assert (found.label, found.task, found.classes, found.positive) == ("amount", "tabular-regression", {}, None)
        classes = NamedColumns(label=label, task="tabular-classification")
        with pytest.raises(DataError, match=r"The label 'amount' looks continuous: [\d,]+ different numbers") as error:
            infer_columns(frame, named=classes)
        assert len(str(error.value)) < 400


def test_a_continuous_label_is_named_although_another_name_sounds_like_a_class() -> None:
    """A continuous column whose name holds the word class is not the label; the price is."""
    frame = pd.DataFrame({"MSSubClass": 20 + np.arange(ROWS) // 2, "Zone": PLAN, "SalePrice": 1000 * np.arange(ROWS)})
    found = infer_columns(frame)
    assert (found.label, found.task) == ("SalePrice", "tabular-regression")


@pytest.mark.parametrize("name", ["income", "default", "stroke"])
def test_a_name_of_classes_says_nothing_of_a_quantity(name: str) -> None:
    """Amounts under a name that others give to classes are a feature, and the classes of the last column the label."""
    frame = pd.DataFrame({name: FEE * 13.37, "age": AGE, "paid": TWO})
    assert infer_columns(frame).label == "paid"
    frame = frame.rename(columns={name: "target"})
    found = infer_columns(frame)
    assert (found.label, found.task) == ("target", "tabular-regression")


def test_numbers_of_persons_are_left_out() -> None:
    """Whole numbers that all differ under a name such as EmployeeNumber identify rows, whatever their steps."""
    frame = pd.DataFrame({"EmployeeNumber": np.arange(ROWS) * 3 + AGE % 2, "fee": FEE, "y": TWO})
    assert infer_columns(frame).ignored == ("EmployeeNumber",)


def test_a_nameless_column_is_never_the_label() -> None:
    """Where only nameless columns could be the label there is none, and the reason is said."""
    with pytest.raises(DataError, match=re.escape("'Unnamed: 1': it has no name")):
        infer_columns(pd.DataFrame({"id": np.arange(ROWS), "Unnamed: 1": TWO}))


def test_a_column_with_two_purposes_is_refused() -> None:
    """The label cannot be the text or ignored at once."""
    for known in (NamedColumns(label="review", text="review"), NamedColumns(label="review", ignore=("review",))):
        with pytest.raises(UsageError, match="two purposes"):
            infer_columns(REVIEWS, named=known)


def test_the_metric_minds_a_rare_class() -> None:
    """Balanced classes are compared by accuracy, others by balanced accuracy, with the figures of always guessing."""
    assert choose_metric({"a": 40, "b": 60})[0] == "accuracy"
    metric, why = choose_metric({"False": 80, "True": 20})
    assert metric in METRICS
    assert (metric, "accuracy of 80%" in why) == ("balanced_accuracy", True)


@pytest.mark.parametrize(
    ("counts", "positive"),
    [
        ({"no": 50, "yes": 50}, "yes"),
        ({"e": 90, "p": 10}, "p"),
        ({"a": 10, "b": 90}, "a"),
        ({"Apnea": 50, "None": 50}, "Apnea"),
        ({"Benign": 50, "Malignant": 50}, "Malignant"),
        ({"cat": 10, "normal": 90}, "cat"),
        ({"0": 50, "1": 50}, "1"),
        ({"-1": 50, "1": 50}, "1"),
        ({"1": 50, "2": 50}, "1"),
        ({"1": 50, "5": 50}, "5"),
        ({"1": 50, "10": 50}, "10"),
        ({"a": 1, "b": 1, "c": 1}, None),
    ],
)
def test_the_positive_class_is_the_affirmative_or_rare_one(counts: dict[str, int], positive: str | None) -> None:
    """A word such as yes, or no, decides, else clear rarity; more than two classes have no positive one."""
    assert choose_positive(counts) == positive


@pytest.mark.parametrize(
    ("name", "cells", "found", "feature"),
    [
        ("film", [f"f{place // 6}" for place in range(ROWS)], True, True),
        ("customer", [f"c{place // 6}" for place in range(ROWS)], True, False),
        ("customer_id", RANDOM.integers(5000, 5060, ROWS), True, False),
        ("customer_id", [f"C-{place // 5:04}" for place in range(ROWS)], True, False),
        ("PatientID", RANDOM.integers(5000, 5060, ROWS), True, False),
        ("machine", RANDOM.integers(5000, 5060, ROWS), True, False),
        ("customer_id", np.arange(ROWS) + 7000, False, False),
        ("store_id", RANDOM.integers(1, 9, ROWS), False, True),
        ("humidity", RANDOM.integers(0, 60, ROWS), False, True),
    ],
)
def test_a_repeated_key_is_suggested_as_group_and_is_no_feature(
    name: str, cells: object, found: bool, feature: bool
) -> None:
    """A column named like a key, with 20 values or more that repeat, may say which rows belong together.

    A model does not learn from it, unless it names things in words, or is kept.
    """
    frame = pd.DataFrame({name: cells, "fee": FEE, "plan": PLAN, "y": TWO})
    guess = infer_columns(frame)
    assert guess.group_keys == ((name,) if found else ())
    assert (name in guess.features) == feature
    assert name in infer_columns(frame, named=NamedColumns(kept=(name,))).features


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([str(fee) if place % 9 else "?" for place, fee in enumerate(FEE)], "numbers but for '?' in 27 rows"),
        (
            [str(fee) if place % 9 else ("-", "n.a.")[place % 2] for place, fee in enumerate(FEE)],
            "numbers but for '-', ",
        ),
        ([f"{'$€'[place % 2]}{fee * 1000:.2f}" for place, fee in enumerate(FEE)], "its numbers have different signs"),
        ([f"{fee * 100:.2f}{' %' * (place % 2)}" for place, fee in enumerate(FEE)], "its numbers have different signs"),
        ([f"A-{place}" for place in range(ROWS)], "it holds another value in almost every row"),
    ],
)
def test_numbers_that_are_written_as_words_are_left_out_as_such(cells: list[str], reason: str) -> None:
    """Where a few words or different signs keep a column from being one of numbers, the reason names them."""
    guess = infer_columns(pd.DataFrame({"amount": cells, "fee": FEE, "plan": PLAN, "y": TWO}))
    found = {column.name: column for column in guess.columns}["amount"]
    assert (found.role, reason in found.reason) == ("left out", True), found.reason
