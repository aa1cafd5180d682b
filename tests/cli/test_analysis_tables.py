"""What train, the report and the console show of a version's evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tiltyard.cli.training.analysis_tables import print_evaluation
from tiltyard.errors import ArtifactError
from tiltyard.evaluation import Importance, compare_importance, evaluate_fairness, group_rows, label_predictions
from tiltyard.evaluation.importance import FeatureWeight
from tiltyard.monitoring.report.evaluation_tables import EvaluationTable, evaluation_tables
from tiltyard.registry.package.stored_evaluation import ConfusedLabels, StoredCoverage, StoredEvaluation

BINARY = StoredEvaluation(
    rows=30,
    metric="accuracy",
    value=0.9,
    guesses={"majority": 0.6, "stratified": 0.5},
    classes=("no", "yes"),
    confusion=(ConfusedLabels(0, 0, 17), ConfusedLabels(0, 1, 1), ConfusedLabels(1, 0, 2), ConfusedLabels(1, 1, 10)),
)


def measure(steady: float, noisy: float = 0.9) -> Importance:
    """Two columns; the shuffles of the second do not agree."""
    weights = FeatureWeight("steady", steady, 0.001), FeatureWeight("noisy", 0.1, noisy)
    return Importance("permutation", "loss of accuracy", 100, weights)


def find(stored: StoredEvaluation, name: str) -> EvaluationTable:
    (table,) = [table for table in evaluation_tables(stored) if table.name == name]
    return table


def test_guessing_and_the_confusion_matrix_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The metric stands next to that of guessing, and every cell of the matrix is there, those of 0 too."""
    print_evaluation(replace(BINARY, confusion=BINARY.confusion[:1] + BINARY.confusion[2:]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["this", "version", "0.9000"] in lines
    assert ["guessing:", "always", "the", "most", "frequent", "label", "0.6000"] in lines
    assert ["no", "17", "0"] in lines
    assert ["yes", "2", "10"] in lines


def test_of_many_labels_the_most_frequent_confusions_are_shown() -> None:
    """A matrix of 30 labels is not readable; which labels are mistaken for which others is."""
    classes = tuple(f"class {number}" for number in range(30))
    cells = tuple(ConfusedLabels(number, (number + 1) % 30, number + 1) for number in range(30))
    table = find(replace(BINARY, classes=classes, confusion=cells, rows=465), "confusion")
    assert table.rows[0] == ("class 29", "class 0", "30")
    assert len(table.rows) == 10
    assert "465 of 465 test rows" in table.note
    assert "30 pairs" in table.note


@pytest.mark.parametrize(("classes", "size"), [(("no", "yes"), "Labels in a set"), ((), "Width")])
def test_coverage_is_shown_by_slice(classes: tuple[str, ...], size: str) -> None:
    """What intervals or sets held stands next to what is stated, for all rows and for each slice."""
    shares = (
        StoredCoverage("all rows", 288, 0.9063, 0.867, 0.935, 51.25),
        StoredCoverage("a", 30, 0.8, 0.6, 0.9, None),
    )
    stored = replace(BINARY, classes=classes, confusion=(), stated=0.9, coverage=shares)
    table = find(stored, "coverage")
    assert table.heads[-1] == size
    assert table.rows[0] == ("all rows", "288", "90.6%", "86.7% to 93.5%", "51.25")
    assert table.rows[1] == ("a", "30", "80.0%", "60.0% to 90.0%", "no end")
    assert "Stated is 90%" in table.note
    many = find(replace(stored, coverage=shares * 20), "coverage")
    assert len(many.rows) < 20
    assert f"{40 - len(many.rows)} slices more" in many.note


def test_columns_within_chance_are_not_shown() -> None:
    """Of columns only those are shown that count for more than the shuffles differ."""
    table = find(replace(BINARY, importance=measure(0.5)), "importance")
    assert [row[0] for row in table.rows] == ["steady"]
    assert "1 column is within the chance" in table.note
    none = find(replace(BINARY, importance=measure(0.0)), "importance")
    assert none.rows == ()
    assert "No column" in none.note


@pytest.mark.parametrize(
    ("before", "retrainings", "rows", "words"),
    [
        (0.1, 4, [("steady", "50.0%", "83.3%")], "by 4 trainings"),
        (0.5, 4, [], "None beyond chance"),
        (0.1, 0, [], "Not shown"),
    ],
)
def test_only_changes_beyond_chance_are_shown(
    before: float, retrainings: int, rows: list[tuple[str, ...]], words: str
) -> None:
    """A change is shown where retrainings tell it from chance; else the table says why there is none."""
    retrained = [measure(0.5 + number / 1_000) for number in range(retrainings)]
    change = compare_importance(measure(before), measure(0.5), retrained)
    table = find(replace(BINARY, importance=measure(0.5), change=change), "change")
    assert list(table.rows) == rows
    assert words in table.note


def test_terms_are_shown_and_their_change_is_not_shown() -> None:
    """Of texts the terms of each label are shown; nothing is said of single terms that come and go."""
    terms = Importance(
        "terms", "weight", 9, (FeatureWeight("bad", 1.0, None, "no"), FeatureWeight("fine", 1.0, None, "yes"))
    )
    stored = replace(BINARY, importance=terms, change=compare_importance(terms, terms))
    assert find(stored, "importance").rows == (("no", "bad"), ("yes", "fine"))
    assert find(stored, "change").rows == ()


def test_differences_between_groups_that_are_alike_are_within_chance() -> None:
    """Of many groups that are treated alike two are far apart: that is within chance, nearly always."""
    random = np.random.default_rng(0)
    beyond = 0
    for _ in range(12):
        truth = random.choice(["no", "yes"], 600)
        labelled = label_predictions(truth, random.choice(["no", "yes"], 600), None, ("no", "yes"), "yes")
        groups = group_rows(pd.Series(random.choice([f"town {place}" for place in range(8)], 600), name="town"))
        table = find(replace(BINARY, fairness=evaluate_fairness(labelled, [groups])), "fairness")
        beyond += any(row[1].startswith("demographic") and row[4] == "beyond chance" for row in table.rows)
    assert beyond <= 1


def test_what_is_stored_is_read_again() -> None:
    """The file of a version holds all of it, several labels and sensitive columns included."""
    random = np.random.default_rng(0)
    truth, predicted = random.choice(["a", "b", "c"], (2, 300))
    labelled = label_predictions(truth, predicted, None, ("a", "b", "c"))
    fairness = evaluate_fairness(labelled, [group_rows(pd.Series(random.choice(["f", "m"], 300), name="sex"))])
    stored = replace(BINARY, classes=("a", "b", "c"), importance=measure(0.5), fairness=fairness)
    stored = replace(stored, change=compare_importance(measure(0.1), measure(0.5), [measure(0.5)] * 3))
    assert StoredEvaluation.from_bytes(stored.to_bytes()) == stored
    assert find(stored, "fairness").heads[-1] == "Label"


@pytest.mark.parametrize("content", [b"no JSON", b"{}", BINARY.to_bytes().replace(b'"true": 1', b'"true": 7')])
def test_another_file_is_refused(content: bytes) -> None:
    """Anything but an evaluation is an error with a next step, not a traceback."""
    with pytest.raises(ArtifactError, match=r"evaluation\.json"):
        StoredEvaluation.from_bytes(content)
