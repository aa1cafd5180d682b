"""Profiles add up, come back from storage, and say what numpy and pandas say."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiltyard.drift.profiles import (
    Profile,
    Reference,
    Rows,
    build_reference,
    profile_rows,
    rows_frame,
)
from tiltyard.drift.profiles.bin_index import BinIndex
from tiltyard.drift.profiles.categories import category_name, count_categories
from tiltyard.drift.profiles.multivariate import JointLayout
from tiltyard.drift.profiles.numbers import NumberCounts, NumberLayout
from tiltyard.drift.profiles.schema import CONFIDENCE, LABEL, PREDICTION, RESIDUAL
from tiltyard.drift.profiles.texts import (
    TextLayout,
    _measure_overlap,
    bucket_of_terms,
    encode_texts,
    read_texts,
)
from tiltyard.errors import ArtifactError, DataError, UsageError

_law = settings(max_examples=30, deadline=None, database=None)
_WORDS = ["good", "film", "bad", "plot", "Ärger", "日本", "x1", "the", "a", "9", "…"]
_LOWERED = {code: code + 32 for code in range(65, 91)}
_cell = st.none() | st.floats() | st.integers(-5, 5) | st.sampled_from(["x", "", "1.5"])
_row = st.fixed_dictionaries(
    {
        "amount": _cell,
        "rank": st.none() | st.integers(-3, 40),
        "shop": st.none() | st.sampled_from(["a", "b", "c", "new", True, 1, 1.0, 2.5]) | st.text(max_size=3),
        "note": st.none() | st.text(max_size=20) | st.lists(st.sampled_from(_WORDS)).map(" ".join),
    }
)


def _frame(rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    amount = rng.normal(5, 2, rows)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(rows) < 0.05, np.nan, amount),
            "rank": rng.integers(0, 10, rows),
            "double": amount * 2 + rng.normal(0, 0.1, rows),
            "shop": rng.choice(["a", "b", "c"], rows),
            "note": [" ".join(rng.choice(_WORDS, 6)) for _ in range(rows)],
        }
    )


REFERENCE = build_reference(
    Rows(_frame(500), labels=np.array(["yes", "no"] * 250)),
    Rows(_frame(100, 1), np.array(["yes", "no"] * 50), np.linspace(0.5, 1, 100)),
    texts=["note"],
)


def _profile(rows: list[dict[str, Any]]) -> Profile:
    said = np.array(["yes" if len(str(row)) % 2 else "perhaps" for row in rows], object)
    sure = np.array([0.5 + (len(str(row)) % 7) / 14 for row in rows])
    frame = rows_frame(rows, REFERENCE.layout.columns)
    return profile_rows(REFERENCE.layout, Rows(frame, said, sure, said[:1]))


@pytest.mark.requirement("R-MON-14")
@_law
@given(st.lists(_row, max_size=12), st.lists(_row, max_size=12))
def test_merge_is_the_profile_of_the_union(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> None:
    """The profiles of two sets of rows add up to the profile of both, exactly, in either order."""
    whole = _profile([*a, *b])
    apart = _profile(a), _profile(b)
    # The label is known of the first row of each set alone.
    expected = apart[0] + apart[1]
    known = expected.with_parts(whole, [LABEL])
    assert known == whole
    assert expected == apart[1] + apart[0]


@_law
@given(st.lists(_row, max_size=8))
def test_a_profile_survives_storage(rows: list[dict[str, Any]]) -> None:
    """A profile comes back from its bytes as it was."""
    made = _profile(rows)
    assert Profile.from_bytes(made.to_bytes()) == made


def test_a_reference_survives_storage() -> None:
    """A reference comes back from its bytes with the same layout, profile and digest, and profiles rows alike."""
    read = Reference.from_bytes(REFERENCE.to_bytes())
    assert read.layout.digest == REFERENCE.layout.digest
    assert read.profile == REFERENCE.profile
    frame = _frame(50, 7)
    assert profile_rows(read.layout, frame) == profile_rows(REFERENCE.layout, frame)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 99}', b'{"format": 1, "layout": {}}'])
def test_a_reference_that_cannot_be_read(content: bytes) -> None:
    """Anything but a reference profile is refused, and the error says what to do."""
    with pytest.raises(ArtifactError, match="reference profile") as refused:
        Reference.from_bytes(content)
    assert "train" in refused.value.next_step


@_law
@given(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=50),
    st.lists(st.floats(), max_size=50),
)
@example([sys.float_info.max], [sys.float_info.max, -sys.float_info.max, math.inf, 0.0])
def test_bins_are_those_of_searchsorted(reference: list[float], values: list[float]) -> None:
    """Each number falls into the bin that numpy's searchsorted names, whatever the edges are."""
    layout = build_reference(pd.DataFrame({"x": np.array(reference)})).layout
    edges = layout.numbers["x"].edges
    given_ = np.array(values, np.float64)
    counted = profile_rows(layout, pd.DataFrame({"x": given_})).numbers["x"]
    present = given_[~np.isnan(given_)]
    expected = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    assert counted.bins.tolist() == expected.tolist()
    assert counted.missing == len(given_) - len(present)


def test_many_numbers_are_binned_as_by_searchsorted() -> None:
    """Heavy tails and a million values change nothing about that."""
    rng = np.random.default_rng(3)
    for reference in (rng.standard_cauchy(20_000), rng.lognormal(sigma=4, size=20_000), rng.random(20_000)):
        layout = build_reference(pd.DataFrame({"x": reference})).layout
        edges = layout.numbers["x"].edges
        values = np.concatenate([rng.choice(reference, 100_000), edges, np.nextafter(edges, -np.inf)])
        counted = profile_rows(layout, pd.DataFrame({"x": values})).numbers["x"]
        expected = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        assert counted.bins.tolist() == expected.tolist()


@pytest.mark.parametrize("apart", [0.0, 1.0, 1e-9])
def test_edges_too_close_for_a_grid_are_searched(apart: float) -> None:
    """A reference in clumps, whose edges no grid parts, is binned as by searchsorted, too."""
    rng = np.random.default_rng(8)
    reference = np.concatenate([apart * rng.random(20_000) + at for at in (0.0, 1e6, 1e6 + 1e-3, -3e7)])
    layout = build_reference(pd.DataFrame({"x": reference})).layout.numbers["x"]
    values = np.concatenate([rng.choice(reference, 50_000), layout.edges, [np.inf, -np.inf, np.nan, 0.0, -0.0]])
    counted = NumberCounts.from_values(layout, values)
    present = values[~np.isnan(values)]
    expected = np.bincount(np.searchsorted(layout.edges, present, side="right"), minlength=len(layout.edges) + 1)
    assert counted.bins.tolist() == expected.tolist()
    assert (counted.missing, counted.low, counted.high) == (1, -np.inf, np.inf)


def test_a_grid_parts_the_usual_shapes() -> None:
    """Normal, uniform, skewed and heavy-tailed numbers, few values and whole numbers need no search."""
    rng = np.random.default_rng(2)
    shapes = (rng.normal(1e4, 3, 20_000), rng.random(20_000), rng.lognormal(sigma=2, size=20_000))
    others = (rng.standard_t(2, 20_000), rng.poisson(3, 20_000) * 1.0, np.array([7.0]), rng.exponential(size=20_000))
    for values in (*shapes, *others):
        assert len(BinIndex.fit(NumberLayout.fit(np.asarray(values, np.float64)).edges).begins) > 0
    clumped = np.sort(np.concatenate([rng.random(40) * 1e-9 + 5, rng.random(40)]))
    assert len(BinIndex.fit(clumped).begins) == 0


@_law
@given(st.lists(st.floats(), max_size=60), st.integers(0, 60))
def test_moments_do_not_depend_on_the_order(values: list[float], cut: int) -> None:
    """Numbers profiled in two parts, or backwards, have the same profile down to the sign of zero."""
    layout = REFERENCE.layout.numbers["amount"]
    given_ = np.array(values, np.float64)
    whole = NumberCounts.from_values(layout, given_).to_stored()
    assert str(NumberCounts.from_values(layout, given_[::-1].copy()).to_stored()) == str(whole)
    assert str(
        (NumberCounts.from_values(layout, given_[:cut]) + NumberCounts.from_values(layout, given_[cut:])).to_stored()
    ) == str(whole)


def test_the_joint_of_a_row_is_its_own() -> None:
    """A row's distance from the plane is the formula's, and the same to the last bit whichever rows come with it."""
    rng = np.random.default_rng(4)
    for width in (3, 4, 6, 9, 16):
        columns = [rng.normal(size=5000) for _ in range(width)]
        columns[0][::7] = np.nan
        joint = JointLayout.fit([f"c{number}" for number in range(width)], columns)
        assert joint is not None
        whole = joint.measure(columns)
        parts = [joint.measure([column[at].copy() for column in columns]) for at in (slice(0, 1237), slice(1237, None))]
        assert np.array_equal(np.concatenate(parts, axis=1), whole)
        standard = np.nan_to_num((np.stack(columns, axis=1) - joint.means) * joint.factors).clip(-8, 8)
        scores = standard @ joint.components
        assert np.allclose(whole[0], (standard**2).sum(axis=1) - (scores**2).sum(axis=1), atol=1e-9)
        assert np.allclose(whole[1], (scores**2) @ joint.weights)


def test_moments_are_those_of_the_values() -> None:
    """Mean, standard deviation, least and greatest are the values', the first two to a hundredth of the deviation."""
    frame = _frame(5000, 4)
    counted = profile_rows(REFERENCE.layout, frame).numbers["amount"]
    layout = REFERENCE.layout.numbers["amount"]
    assert counted.mean(layout) == pytest.approx(frame.amount.mean(), abs=layout.scale / 100)
    assert counted.std(layout) == pytest.approx(frame.amount.std(ddof=0), abs=layout.scale / 100)
    assert (counted.low, counted.high) == (frame.amount.min(), frame.amount.max())
    assert counted.missing == frame.amount.isna().sum()


def test_what_is_no_number_is_invalid() -> None:
    """A text in a column of numbers is counted as invalid, not as missing."""
    rows: list[dict[str, Any]] = [{"amount": "many"}, {"amount": "2.5"}, {"amount": None}, {}]
    counted = profile_rows(REFERENCE.layout, rows_frame(rows, REFERENCE.layout.columns)).numbers["amount"]
    assert (counted.present, counted.invalid, counted.missing) == (1, 1, 2)


def test_known_categories_are_counted_and_new_ones_named() -> None:
    """Known categories are counted, new ones counted and named, and what means the same is the same."""
    frame = pd.DataFrame({"shop": ["a", " a", "b", None, "new", "new", "newer"]})
    counted = profile_rows(REFERENCE.layout, frame).categories["shop"]
    named = dict(zip(REFERENCE.layout.categories["shop"].named, counted.counts.tolist(), strict=False))
    assert named == {"a": 2, "b": 1, "c": 0}
    assert (counted.new, counted.missing, counted.sample) == (3, 1, {"new": 2, "newer": 1})


_name = st.text(max_size=4) | st.sampled_from(
    ["", "exactly 8", "just  7", "a name of more than sixteen bytes", "日本語日本語"]
)


@_law
@given(st.lists(st.none() | _name, max_size=40), st.integers(0, 5))
def test_strings_are_counted_one_by_one(values: list[str | None], skipped: int) -> None:
    """Strings of any length are distinguished and counted as Python does it, however they lie in memory."""
    expected = Counter(category_name(value) for value in values[skipped:] if value is not None)
    for kind in ("str", "object", "category"):
        series = pd.Series(values, dtype="str").astype(kind)
        assert count_categories(series.iloc[skipped:]) == expected
    for arrow in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        chunked = pa.chunked_array([pa.array(values[:7], pa.string()), pa.array(values[7:], pa.string())]).cast(arrow)
        assert count_categories(pd.Series(pd.arrays.ArrowExtensionArray(chunked)).iloc[skipped:]) == expected


def test_very_many_categories_are_counted() -> None:
    """More categories than the compiled loop holds are counted all the same, and so are long names that begin alike."""
    names = [f"{'long ' * 5}{number % 3000}" for number in range(10_000)]
    assert count_categories(pd.Series(names, dtype="str")) == Counter(names)
    few = [f"{'long ' * 5}{number % 300}{' and longer' * (number % 2)}" for number in range(10_000)]
    assert count_categories(pd.Series(few, dtype="str")) == Counter(few)


def test_many_new_categories_stay_bounded() -> None:
    """However many new categories there are, a few dozen are named, with exact counts, in any order of merging."""
    values = [f"c{number % 3000}" for number in range(9000)]
    frames = [pd.DataFrame({"shop": values[start::3]}) for start in range(3)]
    parts = [profile_rows(REFERENCE.layout, frame) for frame in frames]
    merged = parts[2] + parts[0] + parts[1]
    counted = merged.categories["shop"]
    assert counted == profile_rows(REFERENCE.layout, pd.DataFrame({"shop": values})).categories["shop"]
    assert len(counted.sample) == 32
    assert set(counted.sample.values()) == {3}
    assert len(merged.to_bytes()) < 20_000


def test_measures_of_texts_are_those_counted_by_hand() -> None:
    """Lengths, words, letters and unknown words are what counting by hand gives."""
    frame = pd.DataFrame({"note": ["Good FILM, zzz!", "日本 plot", "", None]})
    made = profile_rows(REFERENCE.layout, frame)
    layout = REFERENCE.layout.numbers

    def mean(measure: str) -> float:
        return made.numbers[f"note.{measure}"].mean(layout[f"note.{measure}"])

    def near(value: float, measure: str) -> Any:
        return pytest.approx(value, abs=layout[f"note.{measure}"].scale / 50 + 1e-9)

    assert mean("characters") == near((15 + 7 + 0) / 3, "characters")
    assert mean("words") == near(5 / 3, "words")
    assert mean("unknown_words") == near((1 / 3 + 0) / 2, "unknown_words")
    assert mean("letters") == near((11 / 13 + 1) / 2, "letters")
    assert (made.terms["note"].texts, made.terms["note"].missing) == (3, 1)
    assert made.terms["note"].counts.sum() == 5


_piece = st.sampled_from(
    ["a", "Film", "x1", " ", "\n", "\x1c", "-", "'", "é", "ß", "日本", "\u2028", "½", "word" * 5, "." * 30]
)


@_law
@given(st.lists(st.lists(_piece, max_size=60).map("".join) | st.text(max_size=80), min_size=1, max_size=4))
def test_texts_are_measured_as_python_does(texts: list[str]) -> None:
    """Characters, words, their length and the share of letters are those that Python counts, in any script."""
    known = TextLayout.fit(encode_texts(texts))
    measured, terms = read_texts(known, encode_texts(texts))
    sets = []
    for text, found in zip(texts, measured.T, strict=True):
        held = "".join(letter if letter.isalpha() or letter.isnumeric() else " " for letter in text)
        words = [word for word in held.split(" ") if len(word) > 1]
        inked = [letter for letter in text if not letter.isspace()]
        letters = sum(letter.isalpha() for letter in text)
        expected = (
            len(text),
            len(words),
            sum(map(len, words)) / len(words) if words else np.nan,
            letters / len(inked) if inked else np.nan,
        )
        assert found[:4].tolist() == pytest.approx(expected, nan_ok=True)
        sets.append({word.translate(_LOWERED) for word in words})
    distinct = sum(map(len, sets))
    assert 0.8 * distinct - 2 <= terms.counts.sum() <= distinct  # terms may share a bucket
    shared = Counter(word for words in sets for word in words)
    for text, held_words, share in zip(texts, sets, measured[4], strict=True):
        if held_words and all(shared[word] > 1 for word in held_words):
            assert share == 0, text


def test_a_word_is_the_same_in_any_text() -> None:
    """A word is known wherever it stands: in capitals, next to other scripts, across 64 bytes, at the very end."""
    words = ["ab", "film", "plotting", "wonderful", "unforgettable", "antidisestablishmentarianism"]
    known = TextLayout.fit(encode_texts([" ".join(words)] * 2))
    for word in words:
        texts = [word, word.upper(), f"é {word}", *(f"{'.' * before}{word}{' ' * 70}" for before in range(70)), word]
        measured, terms = read_texts(known, encode_texts(texts))
        assert measured[4].tolist() == [0.0] * len(texts)
        assert terms.counts.max() == len(texts)
    measured, _ = read_texts(known, encode_texts(["filmé", "fílm", "wonderfuL1", "antidisestablishmentarianisms"]))
    assert measured[4].tolist() == [1.0] * 4


@pytest.mark.parametrize("number", [60, 300], ids=["more words than texts", "more texts than words"])
def test_the_overlap_of_words_is_that_of_pairs_of_texts(number: int) -> None:
    """The mean square of the product of two different standardised texts, over the number of words."""
    random = np.random.default_rng(5)
    occurs = np.repeat(
        random.random((number, 50)) < random.uniform(0.1, 0.9, 50), 2, axis=1
    )  # each word has one that comes with it
    owners, words = np.nonzero(occurs)
    hashes = words.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    seen = np.zeros((number, 1024))
    seen[owners, bucket_of_terms(hashes)] = 1
    shares = seen.mean(axis=0)
    common = (shares >= 0.05) & (shares <= 0.95)
    standard = (seen[:, common] - shares[common]) / np.sqrt(shares[common] * (1 - shares[common]))
    products = [float(standard[i] @ standard[j]) ** 2 for i in range(number) for j in range(number) if i != j]
    found = _measure_overlap(hashes, owners, number)[0.05]
    assert found == pytest.approx(np.mean(products) / common.sum(), rel=1e-4)
    assert found > 1.2


def test_broken_correlations_lie_off_the_plane() -> None:
    """Numbers that no longer hang together lie off the plane of the reference."""
    frame = _frame(2000, 5)
    apart = frame.assign(double=np.random.default_rng(0).permutation(frame.double))
    layout = REFERENCE.layout.numbers[RESIDUAL]
    same = profile_rows(REFERENCE.layout, frame).numbers[RESIDUAL].mean(layout)
    broken = profile_rows(REFERENCE.layout, apart).numbers[RESIDUAL].mean(layout)
    assert broken > same + 0.3 * layout.scale


def test_predictions_come_from_rows_held_out() -> None:
    """The reference of predictions and of unknown words counts the rows that the model did not learn from."""
    profile = REFERENCE.profile
    assert profile.rows == 500
    assert profile.numbers["amount"].rows == 500
    assert profile.numbers[CONFIDENCE].rows == profile.categories[PREDICTION].rows == 100
    assert profile.numbers["note.unknown_words"].rows == 100
    assert profile.categories[LABEL].rows == 500


def test_profiles_of_different_layouts_are_not_added() -> None:
    """Profiles of different layouts are not added."""
    other = build_reference(pd.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(UsageError, match="layouts"):
        REFERENCE.profile + other.profile
    with pytest.raises(DataError, match="no rows"):
        build_reference(pd.DataFrame({"x": []}))


@pytest.mark.requirement("R-MON-15")
def test_a_profile_takes_kilobytes_for_any_number_of_rows() -> None:
    """A profile takes kilobytes, whatever the number of rows."""
    few, many = (len(profile_rows(REFERENCE.layout, _frame(rows, 9)).to_bytes()) for rows in (100, 20_000))
    assert many < 2 * few + 4000 < 30_000


def test_predictions_may_come_as_categories() -> None:
    """Predicted labels as categories have the profile of the same labels as text, one that no row has left out."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"amount": random.normal(size=500)})
    named = np.array(["no", "yes", "perhaps"], object)[random.integers(0, 2, 500)]
    sure = random.random(500)
    layout = build_reference(Rows(frame, named, sure)).layout
    grouped = pd.Categorical(named, categories=["perhaps", "yes", "no", "other"])
    assert profile_rows(layout, Rows(frame, grouped, sure)) == profile_rows(layout, Rows(frame, named, sure))
