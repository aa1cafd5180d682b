"""What is found in tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tiltyard.data.columns import Roles
from tiltyard.data.read_table import read_column, read_table
from tiltyard.findings import Finding
from tiltyard.validation import DataValidator, ValidationReport, ValidationSection
from tiltyard.validation.table.duplicates import expected_repeats, row_keys
from tiltyard.validation.table.isolated_values import find_isolated_bounds
from tiltyard.validation.table.leakage import measure_power, measure_threshold_power
from tiltyard.validation.table.outliers import find_bounds, find_modified_z_bounds

ROWS = 400
RANDOM = np.random.default_rng(7)


def table(**columns: Any) -> pd.DataFrame:
    """A table in which nothing is to be found, but for the columns that are added."""
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "height": generator.normal(170, 10, ROWS),
            "colour": generator.choice(["red", "green", "blue"], ROWS),
            "label": generator.choice(["yes", "no"], ROWS),
            **columns,
        }
    )


def validate(frame: pd.DataFrame, **options: Any) -> ValidationReport:
    return DataValidator().validate_dataset(frame, **options)


def found(report: ValidationReport, code: str, subject: str | None = None) -> Finding:
    matching = [finding for finding in report.findings if finding.code == code and subject in (None, finding.subject)]
    assert len(matching) == 1, [(finding.code, finding.subject) for finding in report.findings]
    return matching[0]


def codes(report: ValidationReport) -> set[str]:
    return {finding.code for finding in report.findings}


def with_values(values: Any, **places: Any) -> np.ndarray:
    """A column with other values at some places (numbered from 0)."""
    column = np.array(values, dtype=object)
    for place, value in places.items():
        column[int(place.removeprefix("at"))] = value
    return column


def test_good_data_has_no_findings() -> None:
    """Data without a flaw passes without a word."""
    report = validate(table())
    assert report.findings == ()
    assert report.passes()
    assert report.quality_score > 99


def test_validation_does_not_change_the_frame() -> None:
    """Validation leaves the frame as it was."""
    frame = table(mixed=with_values(["1"] * ROWS, at3="x", at4=None))
    before = frame.copy(deep=True)
    validate(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.requirement("R-DATA-02")
@pytest.mark.parametrize(("gaps", "severity"), [(1, "info"), (30, "info"), (100, "warning"), (399, "error")])
def test_missing_cells_are_counted_and_weighed(gaps: int, severity: str) -> None:
    """Missing cells are reported with their share, as gravely as they are many."""
    ages = RANDOM.normal(size=ROWS)
    ages[:gaps] = np.nan
    report = validate(table(age=ages))
    assert report["missing_data"]["columns"]["age"]["missing"] == gaps
    finding = found(report, "data.missing-values")
    assert finding.severity == severity
    assert finding.score == pytest.approx(gaps / ROWS)


def test_a_column_without_any_value_is_named() -> None:
    """A column of gaps only is a separate error."""
    assert found(validate(table(lost=[None] * ROWS)), "data.empty-column").subject == "lost"


def test_rows_that_are_mostly_gaps_are_named() -> None:
    """Rows that miss more than half of their values are counted and numbered from 1."""
    frame = table(more=RANDOM.normal(size=ROWS))
    frame.loc[10:30, ["height", "more"]] = np.nan
    finding = found(validate(frame), "data.missing-rows")
    assert finding.evidence["rows"][:2] == [11, 12]
    frame.loc[10:30, "colour"] = None
    assert found(validate(frame), "data.empty-rows").score == pytest.approx(21 / ROWS)


def test_a_row_without_a_label_is_an_error() -> None:
    """No row may be without a label, and blank is without."""
    finding = found(validate(table(label=with_values(["a", "b"] * 200, at1=None, at6="  "))), "label.missing")
    assert (finding.severity, finding.evidence["rows"]) == ("error", [2, 7])


def test_numbers_written_as_text_are_findings_with_their_blanks() -> None:
    """Text that is numbers but for some blanks is reported with the blank rows, and profiled as numbers."""
    charges = with_values([f"{value:.2f}" for value in RANDOM.normal(60, 9, ROWS)], at4=" ", at9="")
    report = validate(table(charges=charges))
    finding = found(report, "data.numbers-as-text", "charges")
    assert "398 of 400" in finding.message
    assert finding.evidence["blank_rows"] == [5, 10]
    assert report["distributions"]["charges"]["mean"] == pytest.approx(60, abs=3)
    assert "data.missing-values" not in codes(report)


def test_words_among_numbers_are_named() -> None:
    """A word in a column of numbers is shown with its row."""
    finding = found(
        validate(table(age=with_values([str(20 + place % 50) for place in range(ROWS)], at7="old"))),
        "data.numbers-as-text",
    )
    assert "'old' (row 8)" in finding.message


def test_values_of_different_types_are_named() -> None:
    """Python numbers and words in one column are reported with the rows of the rarer type."""
    finding = found(validate(table(size=with_values(list(range(ROWS)), at2="large"))), "data.mixed-types")
    assert "'large' (row 3)" in finding.message


@pytest.mark.parametrize("word", ["00123", "red", "2020-01-02"])
def test_codes_words_and_dates_are_no_numbers_as_text(word: str) -> None:
    """Postal codes with leading zeros, words and dates do not count as numbers."""
    assert "data.numbers-as-text" not in codes(validate(table(column=[word, word + "1"] * 200)))


@pytest.mark.parametrize("stand_in", ["?", "N/A", "null", " ? "])
def test_words_that_stand_for_a_gap_are_findings(stand_in: str) -> None:
    """A question mark in a column of words counts as missing in the score and is reported."""
    report = validate(table(job=with_values(["cook", "clerk"] * 200, at3=stand_in, at8=stand_in)))
    assert found(report, "data.stand-in", "job").evidence["rows"] == [4, 9]
    assert report.score_parts["completeness"] < 1


def test_nines_far_away_stand_for_a_gap() -> None:
    """A repeated number of nines beyond the range of all others is reported, one within the range is not."""
    gains = RANDOM.integers(0, 500, ROWS).astype(float)
    gains[[3, 5]] = 99999
    assert found(validate(table(gain=gains)), "data.stand-in", "gain").evidence["count"] == 2
    within = RANDOM.integers(0, 2000, ROWS).astype(float)
    within[[3, 5]] = 999
    assert "data.stand-in" not in codes(validate(table(gain=within)))


def test_spellings_of_one_value_are_grouped() -> None:
    """Values that differ in case, space or hyphen only are one value in several spellings."""
    finding = found(
        validate(table(plan=with_values(["month-to-month", "one year"] * 200, at0="Month to month"))), "data.spellings"
    )
    assert finding.evidence["groups"] == [{"Month to month": 1, "month-to-month": 199}]


def test_constant_infinite_and_repeated_columns_are_findings() -> None:
    """A constant, an infinity and a name used twice each have a finding."""
    heights = RANDOM.normal(size=ROWS)
    heights[9] = np.inf
    report = validate(table(constant="x", ratio=heights))
    assert found(report, "data.constant-column").subject == "constant"
    assert found(report, "data.infinite").evidence["rows"] == [10]
    frame = table(other=1.5)
    frame.columns = pd.Index(["height", "height", "label", "other"])
    assert found(validate(frame), "data.repeated-name").subject == "height"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customer", [f"c-{place * 7919 % 10007}" for place in range(ROWS)]),
        ("row", list(range(1, ROWS + 1))),
        ("customer_id", [place * 7919 % 10007 for place in range(ROWS)]),
    ],
)
def test_columns_that_name_the_rows_are_findings(name: str, values: list[Any]) -> None:
    """Unique words, counting numbers, and unique numbers called id name rows."""
    assert found(validate(table(**{name: values})), "data.identifier").subject == name


def test_different_measurements_are_no_identifiers() -> None:
    """Numbers do not count as identifiers because they happen to be all different."""
    assert "data.identifier" not in codes(validate(table(weight=RANDOM.permutation(100_000)[:ROWS])))


def test_columns_that_say_the_same_are_paired() -> None:
    """A column and its renaming are one column."""
    colours = table()["colour"]
    finding = found(
        validate(table(farbe=colours.map({"red": "rot", "green": "gruen", "blue": "blau"}))), "data.redundant-columns"
    )
    assert finding.evidence["columns"] == ["colour", "farbe"]


ROWS_OF_FEW = st.lists(
    st.tuples(st.sampled_from([0.0, -0.0, 1.0, 2.5, None]), st.sampled_from(["a", "A", None]), st.sampled_from("yn")),
    min_size=2,
    max_size=60,
)


@pytest.mark.requirement("R-DATA-04")
@given(ROWS_OF_FEW)
@settings(max_examples=60)
def test_duplicates_and_contradictions_are_what_pandas_finds(rows: list[tuple[Any, ...]]) -> None:
    """Repeated rows are counted as pandas counts them; contradictory ones are those of groups with two labels."""
    frame = pd.DataFrame(rows, columns=["number", "word", "label"])
    measured = validate(frame)["duplicates"]
    assert measured["count"] == int(frame.duplicated().sum())
    labels = frame.groupby(["number", "word"], dropna=False)["label"].transform("nunique")
    assert measured["contradictory"]["count"] == int((labels > 1).sum())


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), min_size=1, max_size=50))
@settings(max_examples=60)
def test_distinct_values_are_counted_exactly(values: list[float]) -> None:
    """The number of distinct values is exact, for integers that no float can hold as well."""
    series = pd.Series(values)
    assert read_column(series, "x").different == series.nunique()


def test_repeats_in_a_coarse_table_say_nothing() -> None:
    """Where a few values make rows repeat by chance, repeats are not evaluated; in a fine table they are."""
    coarse = pd.DataFrame({"sex": ["m", "f"] * 200, "class": ["1", "2", "3", "3"] * 100, "label": ["a", "b"] * 200})
    assert found(validate(coarse), "data.duplicate-rows").status == "could_not_judge"
    copied = pd.concat([table(), table()[:100]], ignore_index=True)
    finding = found(validate(copied), "data.duplicate-rows")
    assert (finding.status, finding.evidence["count"], finding.evidence["rows"][0]) == ("found", 100, 401)


def test_chance_repeats_are_estimated_from_the_columns() -> None:
    """Over independent columns, the expected share of repeats is close to the share that is seen."""
    frame = pd.DataFrame({name: RANDOM.integers(0, 12, 500) for name in "abc"})
    columns = read_table(frame, "x", Roles()).columns
    expected = expected_repeats(columns, row_keys(columns, 500))
    assert expected == pytest.approx(frame.duplicated().mean(), abs=0.05)


def test_an_identifier_does_not_hide_duplicates() -> None:
    """Rows that are equal but for a column that names them are duplicates."""
    frame = pd.concat([table(), table()[:30]], ignore_index=True)
    frame.insert(0, "customer", [f"c{place}" for place in range(len(frame))])
    assert found(validate(frame), "data.duplicate-rows").evidence["count"] == 30


def test_equal_inputs_with_different_labels_are_findings() -> None:
    """Two equal rows with two labels are a contradiction."""
    frame = pd.concat([table(), table()[:8].assign(label="maybe")], ignore_index=True)
    finding = found(validate(frame), "label.contradictory")
    assert (finding.severity, finding.evidence["count"]) == ("warning", 16)


def test_equal_inputs_with_different_numbers_are_no_repeats() -> None:
    """Where a number is predicted, a row repeats another only with its number, and unlike ones contradict nothing."""
    frame = table(price=RANDOM.gamma(2, 50, ROWS).round(2))
    frame.loc[5, ["height", "colour", "label"]] = frame.loc[4, ["height", "colour", "label"]]
    repeated = pd.concat([frame, frame[:3]], ignore_index=True)
    report = DataValidator(target="number").validate_dataset(repeated, label="price")
    assert found(report, "data.duplicate-rows").evidence["count"] == 3
    assert "label.contradictory" not in codes(report)


def test_the_modified_z_score_is_iglewicz_and_hoaglins() -> None:
    """0.6745 (x − median) / MAD, on their own kind of example: 25.0 among 3.x is far beyond 3.5."""
    values = np.array([2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3])
    ordered = np.sort(values)
    deviation = np.median(np.abs(values - 2.45))
    assert find_modified_z_bounds(values, ordered) == pytest.approx(0.6745 * (values - 2.45) / deviation)
    assert (np.abs(find_modified_z_bounds(values, ordered)) > 3.5).tolist() == [False] * 8 + [True] * 2


def test_both_rules_must_be_broken() -> None:
    """The bounds are the wider ones of the modified z-score and of Tukey's outer fences."""
    ordered = np.sort(RANDOM.normal(size=2000))
    low, middle, high = np.quantile(ordered, [0.25, 0.5, 0.75])
    reach = 3.5 / 0.6745 * np.median(np.abs(ordered - middle))
    below, above, scale = find_bounds(ordered) or (0, 0, "")
    assert scale == "plain"
    assert below == pytest.approx(min(low - 3 * (high - low), middle - reach))
    assert above == pytest.approx(max(high + 3 * (high - low), middle + reach))


@pytest.mark.requirement("R-DATA-05")
def test_a_tail_is_no_error_and_a_typing_mistake_is_a_warning() -> None:
    """Skewed amounts have no outliers worth a warning; an age of 999 has one, with its row."""
    incomes = np.exp(RANDOM.normal(10, 1, ROWS))
    assert not [one for one in validate(table(income=incomes)).findings if one.severity != "info"]
    ages = RANDOM.integers(18, 90, ROWS).astype(float)
    ages[11] = 999
    finding = found(validate(table(age=ages)), "data.outliers", "age")
    assert finding.severity == "warning"
    assert finding.evidence["rows"] == [12]
    assert finding.evidence["furthest"] == [999.0]


@pytest.mark.requirement("R-DATA-05")
@pytest.mark.parametrize(("usual", "mistake"), [((0, 16), 999), ((0, 12), -50), ((1, 6), 99), ((0, 2), 9)])
def test_a_value_that_stands_alone_among_few_whole_numbers_is_found(usual: tuple[int, int], mistake: int) -> None:
    """A single typing mistake in a column of few whole numbers is a warning that names its value and row."""
    friends = np.random.default_rng(3).integers(*usual, 300)
    friends[41] = mistake
    finding = found(validate(pd.DataFrame({"friends": friends, "label": ["a", "b"] * 150})), "data.outliers", "friends")
    assert (finding.severity, finding.evidence["furthest"], finding.evidence["rows"]) == ("warning", [mistake], [42])


def test_mistakes_at_both_ends_do_not_hide_one_another() -> None:
    """-50 and 999 in one column are both found."""
    ordered = np.sort(np.append(np.random.default_rng(3).integers(0, 12, 300), [-50, 999])).astype(float)
    assert find_isolated_bounds(ordered) == (0, 11)


_CLEAN_COUNTS: dict[str, Callable[[np.random.Generator, int], NDArray[Any]]] = {
    "poisson": lambda random, rows: random.poisson(0.5, rows),
    "geometric": lambda random, rows: random.geometric(0.3, rows),
    "negative binomial": lambda random, rows: random.negative_binomial(0.3, 0.2, rows),
    "mostly zero": lambda random, rows: random.poisson(4, rows) * (random.random(rows) < 0.1),
    "rarely not zero": lambda random, rows: random.poisson(8, rows) * (random.random(rows) < 0.02),
    "log-normal": lambda random, rows: random.lognormal(1, 1.5, rows).astype(int),
    "grades": lambda random, rows: random.integers(1, 6, rows),
    "a power law": lambda random, rows: random.zipf(3, rows),
}


@pytest.mark.parametrize("law", _CLEAN_COUNTS)
def test_clean_skewed_counts_have_no_value_that_stands_alone(law: str) -> None:
    """Of 200 clean samples of a skewed law, at most 5 % have a value that is called isolated."""
    random = np.random.default_rng(7)
    samples = [
        np.sort(_CLEAN_COUNTS[law](random, rows)).astype(float) for rows in (60, 120, 300, 1500) for _ in range(50)
    ]
    assert sum(find_isolated_bounds(sample) is not None for sample in samples) <= 10


def test_no_spread_is_not_evaluated() -> None:
    """A column of which more than half is one number is reported as not evaluated, and not silently fine."""
    gains = np.where(np.arange(ROWS) % 3 == 0, RANDOM.integers(1, 9000, ROWS), 0)
    assert found(validate(table(gain=gains)), "data.outliers").status == "could_not_judge"


def test_numbers_that_cannot_be_learnt_are_errors() -> None:
    """A target of one number, or with infinite ones, fails as it would fail a training, and the report names it."""
    rows = table(fee=np.linspace(0, 1, ROWS))
    for cells, code in ((2.5, "label.constant"), ([np.inf, *range(ROWS - 1)], "data.infinite")):
        report = DataValidator(target="number").validate_dataset(rows.assign(price=cells), "rents", label="price")
        only = found(report, code)
        assert (only.severity, only.subject, report.passes()) == ("error", "price", False)
        assert report.describe()[1]["label"] == "price"


def test_unsuitable_labels_are_four_different_findings() -> None:
    """One label, a rare one, an uneven pair and a label for each row are four different findings."""
    for alike in ("a", 2.5):
        only = found(validate(table(label=alike)), "label.one-class")
        assert (only.severity, "classifier" in only.message) == ("error", False)
    rare = validate(table(label=with_values(["a", "b"] * 200, at0="c")))
    assert found(rare, "label.rare-class").evidence["counts"] == {"c": 1}
    uneven = validate(table(label=["a"] * 320 + ["b"] * 80))
    assert found(uneven, "label.imbalance").score == pytest.approx(4.0)
    assert (
        found(validate(table(label=[f"n{place}" for place in range(ROWS)])), "label.many-classes").severity == "error"
    )
    assert "label.imbalance" not in codes(validate(table(label=["a"] * 250 + ["b"] * 150)))


@pytest.mark.parametrize("slip", ["inf", "n/a?", ""])
def test_labels_that_are_numbers_but_for_slips_are_to_be_predicted_as_numbers(slip: str) -> None:
    """A cell that is not a finite number hides that all others are: it is named, and the task of numbers proposed."""
    labels = [f"{place}.5" for place in range(ROWS - 1)] + [slip or "0.25"]
    finding = found(validate(table(label=labels)), "label.many-classes")
    assert 'task = "tabular-regression"' in finding.next_step
    assert (f"'{slip}'" in finding.next_step) == bool(slip)


@pytest.mark.requirement("R-DATA-06")
def test_balance_is_counted_by_label() -> None:
    """Class balance counts labels as they are written everywhere: 1, 1.0 and '1' are one."""
    balance = validate(table(label=with_values([0, 1.0] * 200, at1="1")))["class_balance"]
    assert balance["counts"] == {"0": 200, "1": 200}
    assert balance["evenness"] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["word", "number", "gap"])
def test_a_column_that_gives_the_label_away_is_an_error(kind: str) -> None:
    """The label renamed, a number that depends on it, and gaps that fall with it are all found."""
    labels = table()["label"]
    given = {
        "word": labels.map({"yes": "approved", "no": "refused"}),
        "number": labels.map({"yes": 10.0, "no": 20.0}) + RANDOM.normal(size=ROWS),
        "gap": pd.Series(RANDOM.normal(size=ROWS)).where(labels == "yes"),
    }[kind]
    finding = found(validate(table(outcome=given)), "leakage.column")
    assert (finding.subject, finding.severity) == ("outcome", "error")
    assert finding.score == pytest.approx(1.0)


def test_columns_of_chance_have_little_power() -> None:
    """Columns without a bearing on the label, many categories among them, have little power."""
    labels = RANDOM.integers(0, 2, 4000)
    assert measure_power(RANDOM.integers(0, 500, 4000), labels) < 0.15
    assert measure_power(np.arange(4000), labels) == 0.0
    assert measure_power(labels.astype(np.intp), labels) == pytest.approx(1.0)
    assert measure_threshold_power(RANDOM.normal(size=4000), labels) < 0.1
    assert measure_threshold_power((1 - labels).astype(np.float64), labels) == pytest.approx(1.0)


def test_power_does_not_flatter_a_frequent_label() -> None:
    """Always predicting the frequent label has no power, however frequent it is."""
    labels = (RANDOM.random(4000) < 0.02).astype(np.intp)
    assert measure_power(np.zeros(4000, dtype=np.intp), labels) == 0.0


def test_any_pandas_type_can_be_validated() -> None:
    """Nullable, categorical, time, interval, list and decimal columns are all taken without an error."""
    report = validate(
        table(
            nullable=pd.array([1, None] * 200, dtype="Int64"),
            flag=pd.array([True, None] * 200, dtype="boolean"),
            grade=pd.Categorical(["a", "b", "c", "a"] * 100),
            at=pd.date_range("2026-01-01", periods=ROWS, tz="Europe/Rome"),
            took=pd.to_timedelta(np.arange(ROWS), unit="s"),
            month=pd.period_range("1990-01", periods=ROWS, freq="M"),
            items=[[1, 2], [3]] * 200,
            iso=[f"2026-01-{1 + place % 28:02d}" for place in range(ROWS)],
        )
    )
    kinds = {name: facts["kind"] for name, facts in report["data_types"]["columns"].items()}
    assert kinds["nullable"] == "number"
    assert kinds["flag"] == "boolean"
    assert (kinds["at"], kinds["took"], kinds["iso"]) == ("time", "time", "time")
    assert report["missing_data"]["columns"]["flag"]["missing"] == 200


@pytest.mark.requirement("R-DATA-06")
def test_distributions_are_what_numpy_says() -> None:
    """Count, mean, deviation and histogram of a column are those of its numbers."""
    values = RANDOM.normal(size=ROWS)
    values[3] = np.nan
    facts = validate(table(value=values))["distributions"]["value"]
    known = values[~np.isnan(values)]
    assert facts["count"] == ROWS - 1
    assert facts["mean"] == pytest.approx(known.mean())
    assert facts["std"] == pytest.approx(known.std(ddof=1))
    assert facts["histogram"]["counts"] == np.histogram(known, bins=30)[0].tolist()


def test_order_of_rows_makes_no_difference() -> None:
    """The same rows in another order have the same codes and the same counts."""
    frame = pd.concat([table(age=with_values(["3", "4"] * 200, at5="?")), table(age="5")[:40]], ignore_index=True)
    shuffled = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    first, second = validate(frame), validate(shuffled)
    assert codes(first) == codes(second)
    assert first["duplicates"]["count"] == second["duplicates"]["count"]
    assert first.score_parts == pytest.approx(second.score_parts)


def test_an_empty_frame_is_a_finding() -> None:
    """No rows and no columns is an error finding with score 0, not a crash."""
    for frame in (pd.DataFrame(), pd.DataFrame({"a": [], "label": []})):
        report = validate(frame)
        assert found(report, "data.too-few-rows").severity == "error"
        assert report.quality_score == 0
        assert not report.passes()


def test_limits_decide_what_is_an_error() -> None:
    """A broken limit makes its finding an error; the same value within the limit is none."""
    frame = table(age=with_values(RANDOM.normal(size=ROWS).tolist(), at0=None, at1=None))
    for limits, severity in (
        (ValidationSection(max_missing=0.004), "error"),
        (ValidationSection(max_missing=0.005), "info"),
    ):
        assert found(DataValidator(limits=limits).validate_dataset(frame), "data.missing-values").severity == severity
