"""One comparison with a reference: quiet on its own rows, loud on others, and open about what it cannot compare."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tiltyard.drift import DriftOptions, evaluate_drift
from tiltyard.drift.profiles import Profile, Rows, build_reference, profile_rows
from tiltyard.errors import UsageError
from tiltyard.project import MonitoringSection

WORDS = np.array([f"word{n}" for n in range(400)])


def frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    amount = rng.normal(5, 2, rows)
    return pd.DataFrame(
        {
            "amount": amount,
            "double": amount * 2 + rng.normal(0, 0.5, rows),
            "skewed": rng.lognormal(0, 1.5, rows),
            "whole": rng.poisson(3, rows),
            "gappy": np.where(rng.random(rows) < 0.05, np.nan, rng.random(rows)),
            "flag": rng.random(rows) < 0.1,
            "shop": rng.choice(list("abcd"), rows, p=[0.5, 0.3, 0.15, 0.05]),
            "town": [f"t{number % 3000}" for number in rng.zipf(1.6, rows)],
        }
    )


def texts(rng: np.random.Generator, rows: int, words: int = 400) -> pd.Series:
    return pd.Series([" ".join(rng.choice(WORDS[:words], rng.integers(3, 20))) for _ in range(rows)], dtype=object)


POPULATION = frame(np.random.default_rng(0), 6000)
TABLE = build_reference(POPULATION)
LETTERS = texts(np.random.default_rng(1), 3000)
TEXT = build_reference(LETTERS)


def test_a_verdict_says_of_which_rows_a_share_is() -> None:
    """A verdict names values that are gone, or cannot be read as numbers, and not only a share of the rows."""
    window = POPULATION.head(300).astype(object)
    window["amount"] = None
    window.loc[:199, "skewed"] = "much"
    message = evaluate_drift(TABLE, profile_rows(TABLE.layout, window)).verdict.message
    assert "amount (missing in 0% → 100% of the rows)" in message
    assert "skewed (no number in 0% → 67% of the rows)" in message


@pytest.mark.parametrize(("column", "limited"), [("amount", True), ('the "sum" in EUR', True), ("flag.new", False)])
def test_the_advice_is_a_line_of_the_project_file(column: str, limited: bool) -> None:
    """The line by which expected drift is accepted can be read as the project file, whatever the column is called."""
    rng = np.random.default_rng(3)
    then, now = rng.normal(0, 1, 2000), rng.normal(1.0 if limited else 40.0, 1, 2000)
    reference = build_reference(pd.DataFrame({column: then, "other": rng.random(2000)}))
    window = profile_rows(reference.layout, pd.DataFrame({column: now, "other": rng.random(2000)}))
    found = next(one for one in evaluate_drift(reference, window).findings if one.subject == column)
    section, _, line = found.next_step.partition("If this is expected: ")[2].partition(" ")
    read = tomllib.loads(f"{section}\n{line}")["monitoring"]
    options = DriftOptions.from_section(MonitoringSection.model_validate(read))
    accepted = evaluate_drift(reference, window, options)
    assert column not in [one.subject for one in accepted.findings if one.is_found]


def test_undrifted_tables_alarm_as_often_as_stated() -> None:
    """Over 200 windows drawn from the reference, comparisons find drift no more often than stated and chance allows."""
    rng = np.random.default_rng(2)
    ways = (
        DriftOptions(threshold=1e-6),
        DriftOptions(threshold=1e-6, correction="benjamini-hochberg"),
        DriftOptions(threshold=1e-6, numbers="psi", categories="jensen-shannon"),
    )
    alarms = np.zeros(len(ways), int)
    for _ in range(200):
        window = POPULATION.iloc[rng.choice(len(POPULATION), 150, replace=False)]
        seen = profile_rows(TABLE.layout, window)
        alarms += [evaluate_drift(TABLE, seen, options).drifted for options in ways]
    assert alarms.max() <= stats.binom.ppf(0.999, 200, 0.05)


@pytest.mark.parametrize(("columns", "rows"), [(5, 120), (40, 400)])
def test_a_plane_of_few_rows_does_not_alarm(columns: int, rows: int) -> None:
    """Where a reference has few rows for its numbers, windows of its source are as near to its plane as they are."""
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(40):
        reference = build_reference(pd.DataFrame(rng.normal(size=(rows, columns))).rename(columns=str))
        window = profile_rows(reference.layout, pd.DataFrame(rng.normal(size=(rows, columns))).rename(columns=str))
        evaluation = evaluate_drift(reference, window, DriftOptions(threshold=1e-6, min_rows=20))
        alarms += any(test.code == "drift.joint" and test.drifted for test in evaluation.tests)
    assert alarms <= stats.binom.ppf(0.999, 40, 0.05)


def test_undrifted_texts_alarm_as_often_as_stated() -> None:
    """Over 60 windows of texts drawn from the reference, the same holds."""
    rng = np.random.default_rng(2)
    options = DriftOptions(threshold=1e-6)
    alarms = 0
    for _ in range(60):
        window = LETTERS.iloc[rng.choice(len(LETTERS), 150, replace=False)]
        alarms += evaluate_drift(TEXT, profile_rows(TEXT.layout, window), options).drifted
    assert alarms <= stats.binom.ppf(0.999, 60, 0.05)


@pytest.mark.parametrize(
    ("change", "code", "subject"),
    [
        (lambda f: f.assign(skewed=f.skewed * 1.8), "drift.number", "skewed"),
        (lambda f: f.assign(shop=np.where(np.arange(len(f)) % 2, "d", f.shop)), "drift.category", "shop"),
        (lambda f: f.assign(shop=np.where(np.arange(len(f)) % 9, f.shop, "e")), "drift.new-category", "shop"),
        (lambda f: f.assign(town=[f"x{n}" for n in range(len(f))]), "drift.new-category", "town"),
        (lambda f: f.assign(gappy=f.gappy.where(np.arange(len(f)) % 4 > 0)), "drift.missing", "gappy"),
        (lambda f: f.drop(columns="whole"), "drift.missing", "whole"),
        (lambda f: f.assign(whole="many"), "drift.invalid", "whole"),
        (lambda f: f.assign(double=f.double.to_numpy()[::-1]), "drift.joint", "joint.residual"),
    ],
)
def test_drift_is_found_and_named(change, code: str, subject: str) -> None:  # type: ignore[no-untyped-def]
    """What was changed is what is found, with its code and subject, and the verdict says so first."""
    rows = change(frame(np.random.default_rng(4), 1000))
    evaluation = evaluate_drift(TABLE, profile_rows(TABLE.layout, rows))
    assert evaluation.drifted
    assert evaluation.verdict.severity == "error"
    assert evaluation.verdict.next_step
    found = {(finding.code, finding.subject): finding for finding in evaluation.findings[1:] if finding.is_found}
    assert (code, subject) in found
    assert {about for _, about in found} <= {subject, "joint.residual", "joint.spread"}
    assert subject in evaluation.verdict.message
    assert found[code, subject].score >= found[code, subject].limit  # type: ignore[operator]
    json.dumps([finding.to_dict() for finding in evaluation])


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (lambda t: t.str.slice(0, 20), "text.characters"),
        (lambda t: t.str.replace("word", "lxqz"), "text.unknown_words"),
        (lambda t: t.str.replace("word", "1234"), "text.letters"),
    ],
)
def test_changed_texts_are_found_by_their_measures(change, subject: str) -> None:  # type: ignore[no-untyped-def]
    """Other lengths, unknown words and what is hardly language are found in texts."""
    evaluation = evaluate_drift(TEXT, profile_rows(TEXT.layout, change(texts(np.random.default_rng(4), 500))))
    assert ("drift.text", subject) in {(found.code, found.subject) for found in evaluation if found.is_found}


def test_rows_of_the_training_itself_are_no_drift() -> None:
    """Texts that taught the model have no unknown word, which raises no finding."""
    rare = pd.Series([f"{text} once{place}" for place, text in enumerate(LETTERS)], dtype=object)
    reference = build_reference(rare)
    evaluation = evaluate_drift(reference, profile_rows(reference.layout, LETTERS.iloc[:500]))
    assert "text.unknown_words" not in {found.subject for found in evaluation if found.is_found}


def test_missing_terms_of_equal_texts_are_found() -> None:
    """Texts of the same length and of known words alone, of which some are no longer used."""
    evaluation = evaluate_drift(TEXT, profile_rows(TEXT.layout, texts(np.random.default_rng(4), 500, words=250)))
    assert "drift.terms" in {found.code for found in evaluation if found.is_found}


@pytest.mark.requirement("R-MON-06")
def test_predictions_and_labels_are_compared_with_training() -> None:
    """Predicted labels, confidence and true labels are compared with those at training."""
    rng = np.random.default_rng(6)

    def rows(count: int, share: float, low: float) -> Rows:
        said = np.where(rng.random(count) < share, "yes", "no")
        return Rows(frame(rng, count)[["amount", "whole"]], said, rng.uniform(low, 1, count), said)

    reference = build_reference(rows(3000, 0.5, 0.5), rows(1000, 0.5, 0.5))
    same = evaluate_drift(reference, profile_rows(reference.layout, rows(1000, 0.5, 0.5)))
    assert same.verdict.status == "clear"
    other = evaluate_drift(reference, profile_rows(reference.layout, rows(1000, 0.8, 0.75)))
    found = {finding.code for finding in other if finding.is_found}
    assert found == {"drift.verdict", "drift.score", "drift.prediction", "drift.label"}


def test_a_trifle_in_a_large_window_is_no_drift() -> None:
    """A difference that is sure and small is reported as no drift; a smaller limit makes it one."""
    rng = np.random.default_rng(7)
    base = build_reference(pd.DataFrame({"x": rng.normal(size=100_000)}))
    window = profile_rows(base.layout, pd.DataFrame({"x": rng.normal(0.05, 1, 200_000)}))
    evaluation = evaluate_drift(base, window)
    assert evaluation.verdict.status == "clear"
    (test,) = (test for test in evaluation.tests if test.code == "drift.number")
    assert test.p_value < 1e-6
    assert 0.01 < test.effect < 0.1
    assert evaluate_drift(base, window, DriftOptions(limits={"x": 0.01})).drifted
    assert not evaluate_drift(base, window, DriftOptions(limits={"x": 0.01}, ignore=frozenset({"x"}))).drifted


def test_too_few_rows_have_a_next_step_and_no_alarm() -> None:
    """Too few rows, in all or of one column, give a next step, and no alarm."""
    few = evaluate_drift(TABLE, profile_rows(TABLE.layout, frame(np.random.default_rng(1), 99)))
    assert few.verdict.status == "could_not_judge"
    assert "99" in few.verdict.message
    assert few.verdict.next_step
    assert evaluate_drift(TABLE, Profile.empty(TABLE.layout)).verdict.status == "could_not_judge"
    sparse = POPULATION.head(500).assign(rare=[1.0] * 5 + [float("nan")] * 495)
    base = build_reference(sparse)
    evaluation = evaluate_drift(base, profile_rows(base.layout, sparse))
    assert evaluation.verdict.status == "clear"
    assert [(f.subject, f.status) for f in evaluation.findings[1:]] == [("rare", "could_not_judge")]


def test_a_profile_of_another_layout_is_refused() -> None:
    """A profile that follows the layout of another reference is refused."""
    with pytest.raises(UsageError, match="layout"):
        evaluate_drift(TABLE, TEXT.profile)
