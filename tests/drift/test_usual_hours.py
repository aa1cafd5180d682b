"""Nights are compared with nights: what the training had at the same hours, or weekdays, raises no alarm."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import DriftEvaluation, DriftOptions, PredictionSource, evaluate_drift, find_drift
from tiltyard.drift.detectors.suite import DriftTest, compare_profiles, decide_tests
from tiltyard.drift.profiles import Profile, Reference, Rows, build_reference, profile_rows
from tiltyard.drift.profiles.rows import RowOrder
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.profiles.seasons.slots import find_hour_slots, find_weekdays
from tiltyard.testing import MemoryLedger, make_prediction

MONDAY = 4 * 24  # 5 January 1970, in hours
NIGHT, DAY = range(2, 4), range(24)
PER_HOUR = 60


def draw(
    random: np.random.Generator,
    days: Iterable[int],
    hours: range = DAY,
    *,
    night: float = 4.0,
    wednesday: float = 0.0,
    shift: float = 0.0,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of some days, 60 an hour, and their times; amounts are higher in two hours of the night, and on Wednesdays.

    Days differ by 0.2 standard deviations of the rows.
    """
    times = np.concatenate([np.repeat(np.array(hours) + MONDAY + 24 * day, PER_HOUR) for day in days]).astype(float)
    at_night = np.isin(times % 24, NIGHT) & (night > 0)
    level = np.repeat(random.normal(0, 0.2, len(times) // (PER_HOUR * len(hours))), PER_HOUR * len(hours))
    amount = night * at_night + wednesday * ((times - MONDAY) // 24 % 7 == 2) + level + shift
    kind = np.where(random.random(len(times)) < np.where(at_night, 0.7, 0.3), "x", "y")
    amount = amount + random.normal(size=len(times))
    return pd.DataFrame({"amount": amount, "kind": kind, "size": random.normal(size=len(times))}), times


def refer(frame: pd.DataFrame, times: np.ndarray, held_out: Rows | None = None) -> Reference:
    order = RowOrder(times=times, time_column="at", clock=True)
    return build_reference(Rows(frame, order=order), held_out)


def compare(reference: Reference, sent: tuple[pd.DataFrame, np.ndarray]) -> DriftEvaluation:
    frame, times = sent
    return evaluate_drift(reference, profile_rows(reference.layout, frame), hours=RowHours.from_clock(times))


# Not when the module is imported: each worker of pytest does that.
@functools.cache
def get_known() -> Reference:
    """Fourteen weeks, whose nights differ from their days."""
    return refer(*draw(np.random.default_rng(0), range(98)))


@functools.cache
def get_alike() -> Reference:
    """Sixty days, whose nights are as their days."""
    return refer(*draw(np.random.default_rng(4), range(60), night=0.0))


def count_alarms(reference: Reference, hours: range, *, shift: float = 0.0, windows: int = 20) -> int:
    random = np.random.default_rng(1)
    sent = [draw(random, [100 + window], hours, shift=shift) for window in range(windows)]
    return sum(compare(reference, one).verdict.severity == "error" for one in sent)


def test_nights_like_those_of_the_training_raise_no_alarm() -> None:
    """Nights alarm against the whole training, and not where its nights are known; the verdict says why."""
    assert count_alarms(replace(get_known(), seasons=None), NIGHT) >= 15
    assert count_alarms(get_known(), NIGHT) <= 3
    random = np.random.default_rng(3)
    found = [compare(get_known(), draw(random, [100 + day], NIGHT)) for day in range(4)]
    explained = [one for one in found if "season" in one.verdict.evidence]
    assert explained
    assert explained[0].verdict.evidence["season"] == "day"
    assert "training's own rows of these hours of the day are like these" in explained[0].verdict.message
    assert {one.severity for one in explained[0] if one.is_found} == {"info"}


def test_nights_unlike_those_of_the_training_stay_drift() -> None:
    """Beyond what nights differ by from one to the next, a shift is found as before."""
    without = count_alarms(replace(get_known(), seasons=None), NIGHT, shift=2.0)
    assert count_alarms(get_known(), NIGHT, shift=2.0) == without >= 19


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("hours", [NIGHT, range(6), DAY])
def test_where_all_hours_are_alike_every_drift_is_found_as_before(shift: float, hours: range) -> None:
    """Hours that do not differ explain nothing: each window has the verdict that it has without them."""
    random = np.random.default_rng(5)
    for day in range(8):
        sent = draw(random, [100 + day], hours, night=0.0, shift=shift)
        with_them, without = compare(get_alike(), sent), compare(replace(get_alike(), seasons=None), sent)
        assert with_them.verdict.to_dict() == without.verdict.to_dict()


def explain_slowly(reference: Reference, sent: tuple[pd.DataFrame, np.ndarray]) -> str | None:
    """The season by all tests, each time anew."""
    window, hours, options = profile_rows(reference.layout, sent[0]), RowHours.from_clock(sent[1]), DriftOptions()
    assert reference.seasons is not None
    assert hours is not None

    def decide(known: Reference, profile: Profile, at: RowHours | None = None) -> tuple[DriftTest, ...]:
        return decide_tests(compare_profiles(known, profile, options, at)[0], options)

    drifted = {(test.code, test.subject) for test in decide(reference, window, hours) if test.drifted}
    for usual in replace(reference.seasons).find_like(hours) if drifted else ():
        tests = decide(replace(reference, profile=usual.profile, dependence=usual.between_days), window)
        comparable = drifted <= {(test.code, test.subject) for test in tests}
        differs = any(test.drifted for test in decide(reference, usual.profile))
        if comparable and differs and not any(test.drifted for test in tests):
            return usual.season
    return None


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, 3.0])
def test_one_test_that_suffices_gives_the_verdict_of_all(shift: float) -> None:
    """The quick way out for true drift, and what is remembered of the hours, change no verdict."""
    random = np.random.default_rng(9)
    for day in range(4):
        for hours in (NIGHT, range(12, 14)):
            sent = draw(random, [100 + day], hours, shift=shift)
            expected = explain_slowly(get_known(), sent)
            assert [compare(get_known(), sent).verdict.evidence.get("season") for _ in range(2)] == [expected] * 2


def test_what_is_remembered_of_hours_is_of_one_reference_and_its_options() -> None:
    """The same hours are evaluated anew against another reference and by other options, and nothing of it is stored."""
    random = np.random.default_rng(3)
    known = get_known()
    before = known.to_bytes()
    assert known.seasons is not None
    # Of this reference the nights are not far from the whole, and some windows of a night are a little farther.
    nights = profile_rows(known.layout, draw(random, range(30), NIGHT, shift=-0.8)[0])
    other = replace(known, profile=nights, dependence=None)

    def measure(reference: Reference, profile: Profile) -> float:
        made, _ = compare_profiles(reference, profile, DriftOptions())
        return next(test.effect for test in made if test.code == "drift.number" and test.subject == "amount")

    sent = max(
        (draw(random, [100 + day], NIGHT) for day in range(10)),
        key=lambda one: measure(other, profile_rows(known.layout, one[0])),
    )
    window, hours = profile_rows(known.layout, sent[0]), RowHours.from_clock(sent[1])
    assert hours is not None
    usual = next(known.seasons.find_like(hours))
    near, far = measure(other, usual.profile), measure(other, window)
    assert far > near + 0.02
    strict, loose = (
        DriftOptions(ignore=frozenset({"kind"}), limits={"amount": one}) for one in ((near + far) / 2, near)
    )

    def explain(reference: Reference, options: DriftOptions) -> object:
        found = evaluate_drift(reference, window, options, hours=hours)
        assert found.drifted
        return found.verdict.evidence.get("season")

    order = (known, strict), (other, strict), (other, loose), (other, strict), (known, strict)
    assert [explain(*one) for one in order] == ["day", None, "day", None, "day"]
    assert known.to_bytes() == before
    assert next(known.seasons.find_like(hours)) is usual


def test_wednesdays_are_compared_with_wednesdays() -> None:
    """A window of a whole Wednesday is like the training's Wednesdays: a season of the week."""
    random = np.random.default_rng(7)
    reference = refer(*draw(random, range(98), night=0.0, wednesday=4.0))
    sent = [draw(random, [100 + 7 * week], night=0.0, wednesday=4.0) for week in range(4)]
    without = [compare(replace(reference, seasons=None), one).verdict.severity for one in sent]
    found = [compare(reference, one).verdict for one in sent]
    assert "error" in without
    assert {one.severity for one in found} == {"info"}
    assert "week" in {one.evidence.get("season") for one in found}
    assert any("training's own rows of these weekdays are like these" in one.message for one in found)


def test_few_days_show_no_season() -> None:
    """Where the training has rows of fewer than eight days at these hours, they explain nothing."""
    random = np.random.default_rng(8)
    reference = refer(*draw(random, range(5)))
    assert reference.seasons is not None
    assert list(reference.seasons.find_like(RowHours.from_clock(draw(random, [100], NIGHT)[1]))) == []  # type: ignore[arg-type]


def test_windows_of_half_the_training_or_more_have_no_season() -> None:
    """A window that covers most hours is compared with the whole training, as before."""
    known = get_known()
    assert known.seasons is not None
    hours = RowHours.from_clock(np.arange(MONDAY, MONDAY + 24 * 7.0))
    assert hours is not None
    assert list(known.seasons.find_like(hours)) == []


def test_seasons_survive_storing_and_texts_have_none() -> None:
    """A reference that was written down explains as before; texts, and rows without a clock, are kept without."""
    sent = draw(np.random.default_rng(3), [100], NIGHT)
    kept = Reference.from_bytes(get_known().to_bytes())
    assert kept.seasons == get_known().seasons
    assert compare(kept, sent).verdict.to_dict() == compare(get_known(), sent).verdict.to_dict()
    order = RowOrder(times=np.arange(200.0), time_column="at", clock=True)
    assert build_reference(Rows(pd.Series(["a film"] * 200), order=order)).seasons is None
    assert (
        build_reference(Rows(pd.DataFrame({"a": np.arange(200.0)}), order=replace(order, clock=False))).seasons is None
    )


def test_slots_are_the_hours_and_weekdays_of_the_calendar() -> None:
    """Hours since 1970 have the hour, the weekend and the weekday that the calendar gives them."""
    hours = np.random.default_rng(9).integers(0, 600_000, 300)
    for hour, slot, weekday in zip(hours, find_hour_slots(hours), find_weekdays(hours), strict=True):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=int(hour))
        assert weekday == moment.weekday()
        assert slot == moment.hour + 24 * (moment.weekday() >= 5)


@pytest.mark.parametrize("dated", [True, False])
def test_what_cannot_be_compared_at_these_hours_is_not_explained(dated: bool) -> None:
    """Drift of predictions is explained only where the held-out rows that show them have times too."""
    random = np.random.default_rng(10)

    def predict(frame: pd.DataFrame, times: np.ndarray) -> Rows:
        labels = np.where(frame["amount"] > 2, "high", "low").astype(object)
        order = RowOrder(times=times, time_column="at", clock=True) if dated else RowOrder()
        return Rows(frame, labels, np.full(len(frame), 0.9), order=order)

    reference = refer(*draw(random, range(98)), predict(*draw(random, range(98, 196))))
    severities = []
    for day in range(4):
        frame, times = draw(random, [203 + day], NIGHT)
        window = profile_rows(reference.layout, replace(predict(frame, times), order=RowOrder()))
        severities.append(evaluate_drift(reference, window, hours=RowHours.from_clock(times)).verdict.severity)
    assert ("error" in severities) == (not dated)


def test_a_monitored_night_is_reported_as_a_season() -> None:
    """Through the ledger, a window of one night has the verdict of the training's nights, without earlier windows."""
    random = np.random.default_rng(3)
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=MONDAY + 24 * 102 + NIGHT.start)
    verdicts = []
    for _ in range(4):
        frame, times = draw(random, [102], NIGHT)
        ledger = MemoryLedger()
        ledger.record(
            [
                make_prediction(at=start + timedelta(hours=time - times[0], seconds=place % PER_HOUR), input=row)
                for place, (row, time) in enumerate(zip(frame.to_dict("records"), times, strict=True))
            ]
        )
        window = start, start + timedelta(hours=len(NIGHT))
        verdicts.append(find_drift(ledger, get_known().to_bytes(), PredictionSource("films", "1"), window).verdict)
    assert "error" not in {verdict.severity for verdict in verdicts}
    assert "day" in {verdict.evidence.get("season") for verdict in verdicts}
