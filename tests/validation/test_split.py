"""What is found between the sides of a split."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.errors import UsageError
from tiltyard.findings import Finding
from tiltyard.validation import DataValidator, SplitReport, ValidationSection

RANDOM = np.random.default_rng(11)
TEXTS = [f"Sentence number {place:03d} says that the {'good' if place % 3 else 'bad'} one won." for place in range(400)]
LABELS = ["pos" if place * 7919 % 5 < 2 else "neg" for place in range(400)]


@pytest.fixture(autouse=True)
def reseed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws the same samples, whichever ran before it."""
    monkeypatch.setattr(sys.modules[__name__], "RANDOM", np.random.default_rng(11))


def side(rows: int, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {"size": RANDOM.normal(size=rows), "colour": RANDOM.choice(["red", "green", "blue"], rows), **columns}
    )


def validate(X_train: Any, X_test: Any, y_train: Any, y_test: Any, **options: Any) -> SplitReport:
    return DataValidator().validate_train_test_split(X_train, X_test, y_train, y_test, **options)


def labels(rows: int, share: float = 0.4) -> list[str]:
    return ["a" if place < share * rows else "b" for place in RANDOM.permutation(rows)]


def found(report: SplitReport, code: str) -> Finding:
    matching = [finding for finding in report.findings if finding.code == code]
    assert len(matching) == 1, [(finding.code, finding.subject) for finding in report.findings]
    return matching[0]


@pytest.mark.requirement("R-DATA-09")
def test_a_good_split_has_no_findings() -> None:
    """Two samples of one distribution pass without a word, texts and tables alike."""
    report = validate(side(800), side(200), labels(800), labels(200))
    assert report.findings == ()
    assert report.passes()
    assert validate(TEXTS[:300], TEXTS[300:], LABELS[:300], LABELS[300:]).findings == ()


@pytest.mark.requirement("R-DATA-09")
def test_test_rows_that_training_has_seen_are_counted() -> None:
    """Equal inputs on both sides are found, whatever their labels, with their rows on the test side."""
    train = side(300)
    test = pd.concat([side(97), train[:3]], ignore_index=True)
    y_train = labels(300)
    other = ["b" if label == "a" else "a" for label in y_train[:1]]
    report = validate(train, test, y_train, [*labels(97), *other, *y_train[1:3]])
    finding = found(report, "split.duplicates")
    assert finding.score == pytest.approx(0.03)
    assert finding.evidence["rows"] == [98, 99, 100]
    assert finding.evidence["other_label"] == 1
    assert report["duplicates"]["count"] == 3


def test_test_rows_of_numbers_that_training_has_seen_are_counted() -> None:
    """Where a number is predicted, equal inputs on both sides are found as those of classes are."""
    train = side(300)
    test = pd.concat([side(97), train[:3]], ignore_index=True)
    numbers = RANDOM.gamma(2, 50, 397)
    report = DataValidator(target="number").validate_train_test_split(
        train, test, numbers[:300], [*numbers[300:], numbers[0], numbers[1], -1.0]
    )
    finding = found(report, "split.duplicates")
    assert (finding.evidence["count"], finding.evidence["other_label"]) == (3, 1)


def test_an_identifier_does_not_hide_a_leak() -> None:
    """Rows that are equal but for a number of each are found on both sides."""
    train = side(300)
    test = pd.concat([side(60), train[:30]], ignore_index=True)
    train.insert(0, "row", range(300))
    test.insert(0, "row", range(300, 390))
    assert found(validate(train, test, labels(300), labels(90)), "split.duplicates").evidence["count"] == 30


def test_near_copies_of_texts_are_counted_apart() -> None:
    """A text in another case and punctuation is a near copy, an equal one is not counted among these."""
    test = [*TEXTS[300:], TEXTS[7], TEXTS[8].upper() + " !"]
    report = validate(TEXTS[:300], test, LABELS[:300], [*LABELS[300:], LABELS[7], LABELS[8]])
    assert report["duplicates"]["rows"] == [101]
    assert report["near_duplicates"]["rows"] == [102]
    assert found(report, "split.near-duplicates").evidence["count"] == 1


def test_near_copies_within_the_test_side_are_no_leak() -> None:
    """Copies that stand on one side only are not findings."""
    test = [*TEXTS[300:], TEXTS[310].upper()]
    assert validate(TEXTS[:300], test, LABELS[:300], [*LABELS[300:], "pos"])["near_duplicates"]["count"] == 0


def test_a_shift_of_labels_needs_size_and_significance() -> None:
    """A large difference is a warning; a small one, or one by chance among few rows, is none."""
    finding = found(validate(side(800), side(400), labels(800, 0.4), labels(400, 0.6)), "split.label-shift")
    assert finding.severity == "warning"
    assert finding.score == pytest.approx(0.4, abs=0.01)  # Cohen's w of 0.4 against 0.6
    assert "split.label-shift" not in {
        one.code for one in validate(side(800), side(40), labels(800, 0.4), labels(40, 0.55)).findings
    }


def test_a_column_that_is_distributed_otherwise_is_named() -> None:
    """Numbers, categories and lengths of texts that differ between the sides are found, equal ones are not."""
    report = validate(side(800), side(300, size=RANDOM.normal(0.7, 1, 300)), labels(800), labels(300))
    assert found(report, "split.feature-shift").subject == "size"
    report = validate(side(800), side(300, colour=["red"] * 200 + ["blue"] * 100), labels(800), labels(300))
    assert found(report, "split.feature-shift").subject == "colour"
    longer = [text + " And some more words after that." for text in TEXTS[300:]]
    assert found(validate(TEXTS[:300], longer, LABELS[:300], LABELS[300:]), "split.feature-shift").subject == "text"


def test_many_columns_do_not_make_a_false_alarm() -> None:
    """Among a hundred columns of chance none is reported."""
    train = pd.DataFrame(RANDOM.normal(size=(500, 100)))
    report = validate(train, pd.DataFrame(RANDOM.normal(size=(200, 100))), labels(500), labels(200))
    assert report.findings == ()


def test_small_and_strange_sides_are_findings() -> None:
    """Too few rows, labels only the test side has, and other columns are separate errors or warnings."""
    small = validate(side(10), side(5), labels(10), labels(5))
    assert {(one.subject, one.severity) for one in small.findings if one.code == "split.too-small"} == {
        ("train", "error"),
        ("test", "warning"),
    }
    new = validate(side(300), side(100), labels(300), [*labels(90), *["c"] * 10])
    assert found(new, "split.new-label").evidence["counts"] == {"c": 10}
    assert found(validate(side(300), side(100), labels(300), ["a"] * 98 + ["b"] * 2), "split.rare-label").evidence[
        "counts"
    ] == {"b": 2}
    columns = found(validate(side(300), side(100).drop(columns="size"), labels(300), labels(100)), "split.columns")
    assert columns.evidence["only_train"] == ["size"]
    assert not validate([], [], [], []).passes()
    assert not validate(pd.DataFrame(), pd.DataFrame(), [], []).passes()


def test_overlap_beyond_its_limit_is_an_error() -> None:
    """More overlap than the limit is an error, less is a warning, none of it when ignored."""
    train = side(300)
    test = pd.concat([side(80), train[:20]], ignore_index=True)
    report = validate(train, test, labels(300), labels(100))
    assert report.passes()
    assert not report.passes(ValidationSection(max_overlap=0.1))
    assert report.passes(ValidationSection(max_overlap=0.1, ignore=("split.duplicates:test",)))


def test_a_model_tells_different_sides_apart() -> None:
    """The adversarial check is near 0.5 for equal sides and finds an interaction that no column shows alone."""
    same = validate(side(400), side(400), labels(400), labels(400), adversarial=True)
    assert same["adversarial"]["interval"][0] < 0.55
    assert same.findings == ()
    first = RANDOM.normal(size=400)
    mirrored = pd.DataFrame({"u": first, "v": -first + RANDOM.normal(scale=0.1, size=400)})
    straight = pd.DataFrame({"u": first[::-1], "v": first[::-1] + RANDOM.normal(scale=0.1, size=400)})
    report = validate(straight, mirrored, labels(400), labels(400), adversarial=True)
    assert {one.code for one in report.findings} == {"split.told-apart"}
    words = validate(
        TEXTS[:200],
        [text.replace("good", "fine") for text in TEXTS[200:]],
        LABELS[:200],
        LABELS[200:],
        adversarial=True,
    )
    assert words["adversarial"]["auc"] > 0.7


def test_inputs_of_any_usual_kind_are_taken() -> None:
    """Frames, series, lists, arrays of texts and matrices give the same report; anything else is refused."""
    series = [pd.Series(TEXTS[:300], name="text"), pd.Series(TEXTS[300:], name="text", index=range(7, 107))]
    expected = validate(TEXTS[:300], TEXTS[300:], LABELS[:300], LABELS[300:]).to_dict()
    assert validate(series[0], series[1], pd.Series(LABELS[:300]), np.array(LABELS[300:])).to_dict() == expected
    frames = [one.to_frame() for one in series]
    assert validate(frames[0], frames[1], LABELS[:300], LABELS[300:]).to_dict() == expected
    matrix = validate(RANDOM.normal(size=(90, 2)), RANDOM.normal(size=(40, 2)), [0, 1] * 45, [0, 1] * 20)
    assert set(matrix["feature_shift"]) == {"feature_0", "feature_1"}
    with pytest.raises(UsageError, match="X_test is not a table"):
        validate(TEXTS, 3, LABELS, LABELS)
    with pytest.raises(UsageError, match="400 inputs and 3 labels"):
        validate(TEXTS, TEXTS, LABELS, LABELS[:3])


def test_groups_on_both_sides_are_an_error_and_nameless_rows_are_counted() -> None:
    """A group with rows on both sides is named with its test rows; rows without a group are groups alone."""
    train, test = side(300), side(100)
    names = pd.Series([f"c{place % 50}" for place in range(300)]), pd.Series([f"d{place % 20}" for place in range(100)])
    y_train, y_test = labels(300), labels(100)
    assert validate(train, test, y_train, y_test, groups=names).findings == ()
    mixed = pd.Series(["c1", None, "c1", "c7", None, *names[1][5:]])
    report = validate(train, test, y_train, y_test, groups=(names[0], mixed))
    assert not report.passes()
    assert "2 groups" in found(report, "split.parted-group").message
    assert "3 test rows" in found(report, "split.parted-group").message
    assert found(report, "split.nameless-group").evidence["nameless"] == 2
