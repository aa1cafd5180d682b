"""Rows of one group or period are alike: a window of them tells less than as many independent rows."""

from __future__ import annotations

import functools
import json

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import DriftRequest, detect_data_drift, evaluate_drift
from tiltyard.drift.profiles import Profile, Reference, Rows, build_reference, profile_rows
from tiltyard.drift.profiles.blocks import compare_blocks, partition_groups, partition_periods
from tiltyard.drift.profiles.dependence import BlockScale, BlockStructure, Dependence, SubjectBlocks
from tiltyard.drift.profiles.rows import RowOrder
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.tables import ComparedOrder

DAY = 40


def days(rng: np.random.Generator, number: int, spread: float) -> pd.DataFrame:
    """Rows whose amount and shop have a part that is the day's own."""
    own = np.repeat(rng.normal(0, spread, number), DAY)
    amount = own + rng.normal(0, 1, number * DAY)
    shop = np.where(rng.random(number * DAY) < 1 / (1 + np.exp(-2 * own)), "a", "b")
    return pd.DataFrame({"amount": amount, "shop": shop, "still": rng.random(number * DAY)})


def in_time(frame: pd.DataFrame) -> Rows:
    return Rows(frame, order=RowOrder(times=np.arange(len(frame)) * 24 / DAY, time_column="at", clock=True))


def windows(reference: Reference, seed: int, number: int, spread: float, shift: float = 0.0) -> list[Profile]:
    rng = np.random.default_rng(seed)
    some = [days(rng, 7, spread) for _ in range(number)]
    return [profile_rows(reference.layout, one.assign(amount=one.amount + shift)) for one in some]


ALIKE = days(np.random.default_rng(0), 160, 0.6)
APART = days(np.random.default_rng(1), 160, 0.0)


# Not when the module is imported: each worker of pytest does that.
@functools.cache
def read_in_blocks() -> Reference:
    """The alike days as days."""
    return build_reference(in_time(ALIKE))


@functools.cache
def read_as_rows() -> Reference:
    """The alike days as independent rows."""
    return build_reference(ALIKE)


def test_alike_days_are_no_drift() -> None:
    """Weeks of such days as the reference's alarm at about the stated rate; as independent rows, half of them do."""
    seen = windows(read_in_blocks(), 2, 100, 0.6)
    alarms = [sum(evaluate_drift(one, week).drifted for week in seen) for one in (read_in_blocks(), read_as_rows())]
    assert alarms[0] <= 10
    assert alarms[1] >= 50


def test_what_only_days_explain_is_named_with_its_size_and_is_no_drift() -> None:
    """What would be drift of independent rows and is usual between days reads ``alike``, in the units of the data."""
    read = set()
    for week in windows(read_in_blocks(), 8, 12, 0.6):
        found = evaluate_drift(read_in_blocks(), week)
        as_rows = {(test.code, test.subject): test for test in evaluate_drift(read_as_rows(), week).tests}
        for test in found.tests:
            alone = as_rows[test.code, test.subject]
            read.add(test.reading)
            assert (test.reading == "drift") == test.drifted
            if test.reading == "alike":
                assert alone.drifted
                assert not test.drifted
                assert test.effect == alone.effect >= test.limit
                assert test.adjusted > 0.05
                named = "Different, but no more than consecutive rows by at of the training are: "
                assert named in found.verdict.message
                assert test.subject in found.verdict.message.split(named)[1]
                if test.subject == "amount":
                    assert "amount (median " in found.verdict.message
    assert {"alike", "chance"} <= read


def test_a_subject_of_few_blocks_grows_at_least_as_the_others_do() -> None:
    """Where two lengths of blocks are known of a subject, beyond them it inflates as the others do in the middle."""
    wandering = SubjectBlocks(tuple(BlockScale(64.0 * 2**step, 64, 4.0 * 2 ** (step / 2), 1.0) for step in range(4)))
    flat = SubjectBlocks((BlockScale(64.0, 28, 4.0, 1.0), BlockScale(128.0, 14, 4.0, 1.0)))

    def worth(subjects: dict[str, SubjectBlocks], rows: int) -> float:
        found = Dependence((BlockStructure("at", "time", 9000, 1.0, 0.0, subjects),)).effective_rows("few", rows, 9000)
        assert found is not None
        return found.window

    alone, among = {"few": flat}, {"few": flat, "many": wandering}
    assert worth(alone, 128) == worth(among, 128) == pytest.approx(128 / 4.0)
    assert worth(alone, 512) == pytest.approx(512 / 4.0)
    # Four times as long: twice the inflation, by the growth with the root of the length that the other one shows.
    assert worth(among, 512) == pytest.approx(512 / 8.0)
    assert among["many"].scales[-1].inflation > 8.0


def test_alike_days_do_not_hide_drift() -> None:
    """A shift beyond what days differ by is found in weeks of alike days."""
    found = [
        evaluate_drift(read_in_blocks(), week).drifted for week in windows(read_in_blocks(), 3, 20, 0.6, shift=2.0)
    ]
    assert np.mean(found) >= 0.9


def test_independent_rows_keep_their_power() -> None:
    """Where rows are independent, knowing their times and groups changes no test."""
    groups = RowOrder({"who": np.arange(len(APART)) // 5}, np.arange(len(APART)) / 2.0, "at")
    known, unknown = build_reference(Rows(APART, order=groups)), build_reference(APART)
    assert known.dependence is not None
    assert [one.subjects for one in known.dependence.structures] == [{}, {}]
    [week] = windows(known, 4, 1, 0.0, shift=0.5)
    assert evaluate_drift(known, week).tests == evaluate_drift(unknown, week).tests
    assert evaluate_drift(known, week).drifted


@pytest.mark.parametrize("size", [2, 10, 30])
def test_inflation_of_groups(size: int) -> None:
    """Groups of s rows that correlate by ρ inflate the variance by 1 + (s - 1) ρ (Kish)."""
    rng = np.random.default_rng(size)
    own = np.repeat(rng.normal(0, 1, 1200), size)
    frame = pd.DataFrame({"x": own + rng.normal(0, 1, len(own))})
    known = build_reference(Rows(frame, order=RowOrder({"who": np.repeat(np.arange(1200), size)})))
    assert known.dependence is not None
    [structure] = known.dependence.structures
    # The ranks of normal numbers that correlate by 0.5 do so by 0.48.
    assert structure.subjects["number:x"].scales[0].inflation == pytest.approx(1 + (size - 1) * 0.48, rel=0.3)
    worth = known.dependence.effective_rows("number:x", 600, len(frame))
    assert worth is not None
    assert worth.window == pytest.approx(600 / (1 + (size - 1) * 0.48), rel=0.5)


def test_groups_of_customers_are_no_drift() -> None:
    """Windows of whole customers alarm at about the stated rate, however alike a customer's rows are."""
    rng = np.random.default_rng(5)

    def customers(number: int) -> tuple[pd.DataFrame, np.ndarray]:
        who = np.repeat(np.arange(number), 25)
        return pd.DataFrame({"x": rng.normal(0, 1, number)[who] + rng.normal(0, 0.5, len(who))}), who

    frame, who = customers(200)
    reference = build_reference(Rows(frame, order=RowOrder({"who": who})))
    found = [evaluate_drift(reference, profile_rows(reference.layout, customers(20)[0])).drifted for _ in range(100)]
    assert sum(found) <= 10


def test_long_memory_grows_with_the_window() -> None:
    """Where levels wander for long, a longer window is worth hardly more rows; a known length in hours counts."""
    rng = np.random.default_rng(6)
    level = np.repeat(np.cumsum(rng.normal(0, 0.2, 200)), 40)
    frame = pd.DataFrame({"x": level + rng.normal(0, 1, len(level))})
    known = build_reference(in_time(frame)).dependence
    assert known is not None
    worth = [known.effective_rows("number:x", rows, len(frame)) for rows in (100, 800, 4000)]
    assert all(one is not None for one in worth)
    assert [one.window for one in worth if one is not None][2] < 40
    # As many rows of a shorter time say less about other times; more rows of the same time do not help.
    dense = known.effective_rows("number:x", 100_000, len(frame), hours=24.0)
    assert dense is not None
    assert dense.window < 100


def test_few_groups_are_not_measured() -> None:
    """Fewer than eight groups say nothing about how groups differ."""
    assert len(partition_groups(np.arange(300) % 5)) < 8
    known = build_reference(Rows(ALIKE, order=RowOrder({"who": np.arange(len(ALIKE)) % 5}))).dependence
    assert known is not None
    assert known.structures == ()


def test_blocks_keep_groups_whole() -> None:
    """Each row is in one block, and no group is in two."""
    keys = np.random.default_rng(7).integers(0, 500, 3000)
    blocks = partition_groups(keys)
    assert np.array_equal(np.sort(np.concatenate(blocks)), np.arange(3000))
    assert sum(len(np.unique(keys[block])) for block in blocks) == len(np.unique(keys))
    assert all(len(block) == len(scale[0]) for scale in partition_periods(np.arange(3000)) for block in scale)


@pytest.mark.parametrize("of", ["number", "category", "share", "terms"])
def test_independent_rows_are_not_inflated(of: str) -> None:
    """Blocks of independent rows differ as expected, by every way of counting."""
    rng = np.random.default_rng(8)
    shares = np.full(6, 1 / 6)
    counts = rng.multinomial(80, shares, 60) if of in ("number", "category") else rng.binomial(80, 0.3, (60, 6))
    found = compare_blocks(counts.astype(float), np.full(60, 80.0), of)
    assert found is not None
    assert found[0] == pytest.approx(1.0, abs=0.3)


def test_stored_references_come_back() -> None:
    """A reference is stored with how alike its rows are; one of an older build has none, and is compared as before."""
    assert read_in_blocks().dependence is not None
    assert Reference.from_bytes(read_in_blocks().to_bytes()).dependence == read_in_blocks().dependence
    older = json.loads(read_in_blocks().to_bytes())
    del older["dependence"]
    read = Reference.from_bytes(json.dumps(older).encode())
    assert read.dependence is None
    [week] = windows(read, 9, 1, 0.6)
    evaluation = evaluate_drift(read, week)
    assert evaluation.tests == evaluate_drift(read_as_rows(), week).tests
    assert evaluation.verdict.evidence["dependence"] == "not measured"


def test_evidence_says_what_rows_are_worth() -> None:
    """A test of alike rows says in which blocks they are alike, and how many independent rows they are worth."""
    [week] = windows(read_in_blocks(), 10, 1, 0.6)
    verdict = evaluate_drift(read_in_blocks(), week).verdict
    assert verdict.evidence["dependence"] == ["consecutive rows by at"]
    [amount] = [test for test in verdict.evidence["tests"] if test["subject"] == "amount" and "blocks" in test]
    assert amount["independent_rows"] < 100


def test_words_of_one_subject_stay_unseen() -> None:
    """Names in all texts about one thing do not count as known words, and texts about other things do not drift."""
    rng = np.random.default_rng(11)
    common = np.array([f"word{number}" for number in range(300)])

    def about(films: range) -> pd.Series:
        names = np.array([[f"name{film:04}x{number}" for number in range(4)] for film in films])
        lines = [" ".join([*rng.choice(common, 12), *rng.choice(some, 3)]) for some in names for _ in range(5)]
        return pd.Series(lines, dtype=object)

    texts = about(range(700))
    test = rng.random(len(texts)) < 0.2
    reference = build_reference(Rows(texts[~test]), Rows(texts[test]))
    found = evaluate_drift(reference, profile_rows(reference.layout, about(range(1000, 1050))))
    [unknown] = [one for one in found.tests if one.subject == "text.unknown_words"]
    assert unknown.effect < 0.05
    assert not found.drifted


def test_a_frame_and_a_profile_of_the_same_rows_agree() -> None:
    """Rows are drift against the training's frame where they are against its profile, with the same blocks."""
    rng = np.random.default_rng(12)
    a_week = RowHours.from_clock(np.arange(168.0))
    request = DriftRequest(order=ComparedOrder(dependence=read_in_blocks().dependence, hours=a_week))
    verdicts = []
    for shift in (0.0, 0.0, 0.0, 2.0):
        week = days(rng, 7, 0.6)
        week["amount"] += shift
        by_profile = evaluate_drift(read_in_blocks(), profile_rows(read_in_blocks().layout, week), hours=a_week).drifted
        verdicts.append((by_profile, detect_data_drift(ALIKE, week, request)["drift_detected"]))
    assert verdicts == [(False, False)] * 3 + [(True, True)]
    assert any(detect_data_drift(ALIKE, days(rng, 7, 0.6))["drift_detected"] for _ in range(6))
