"""False alarms of drift where rows belong together, and the drift that is still found.

Simulated days and customers, the electricity market of New South Wales (elec2) with its rows, days and weeks in random
order, and reviews of films that the model has not seen (IMDB) against sentences of another source (Rotten Tomatoes).
The two corpora are looked for in ``TILTYARD_TEST_DATA``, or in ``../shared/data`` next to the project; without them
their rows are left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.drift import DriftOptions, evaluate_drift
from tiltyard.drift.profiles import Profile, Reference, Rows, build_reference, profile_rows, texts
from tiltyard.drift.profiles.rows import RowOrder
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.seasons import explain_by_season

RATE = 0.05
DAY, WEEK = 48, 336
YEAR = 364 * DAY
MARKET_START = datetime(1996, 5, 7, tzinfo=UTC)
MARKET = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
BUILDS = ("before", "now")
NO_ORDER = RowOrder()


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about five minutes with ``scale`` 1."""
    return [
        *_measure_days(scale),
        *_measure_customers(scale),
        *_measure_nights(scale),
        *_measure_power(scale),
        *_measure_market(scale),
        *_measure_films(scale),
    ]


def _measure_days(scale: float) -> list[Row]:
    """Weeks of a stream whose days differ, and that does not drift."""
    random = np.random.default_rng(0)
    references, weeks = scaled(60, scale), 20
    alarms = dict.fromkeys(BUILDS, 0)
    for _ in show_progress(range(references), "days"):
        stream = _draw_days(random, 160)
        both = _both_references(Rows(stream, order=RowOrder(times=np.arange(len(stream)) / 2.0, time_column="at")))
        for _ in range(weeks):
            week = _draw_days(random, 7)
            for build, reference in both.items():
                alarms[build] += _alarms(reference, Rows(week))
    name = "drift: weeks of alike days, no drift"
    return [make_row(name, RATE, alarms[build], references * weeks, build) for build in BUILDS]


def _draw_days(random: np.random.Generator, days: int) -> pd.DataFrame:
    """Days of 48 rows with a level of each day; levels of one day and the next correlate by 0.5."""
    level = np.empty(days)
    level[0] = random.normal()
    for day in range(1, days):
        level[day] = 0.5 * level[day - 1] + random.normal() * np.sqrt(0.75)
    rows = np.repeat(level, DAY)
    amount = 0.5 * rows + random.normal(size=len(rows))
    shop = np.where(random.random(len(rows)) < 1 / (1 + np.exp(-rows)), "a", "b")
    return pd.DataFrame({"amount": amount, "shop": shop, "double": 2 * amount + random.normal(size=len(rows))})


def _measure_customers(scale: float) -> list[Row]:
    """Windows of whole customers with up to 50 rows each."""
    random = np.random.default_rng(1)
    references, windows = scaled(60, scale), 20
    alarms = dict.fromkeys(BUILDS, 0)
    for _ in show_progress(range(references), "customers"):
        frame, who = _draw_customers(random, 300)
        both = _both_references(Rows(frame, order=RowOrder({"customer": who})))
        for _ in range(windows):
            window = Rows(_draw_customers(random, 25)[0])
            for build, reference in both.items():
                alarms[build] += _alarms(reference, window)
    name = "drift: windows of whole customers, no drift"
    return [make_row(name, RATE, alarms[build], references * windows, build) for build in BUILDS]


def _draw_customers(random: np.random.Generator, customers: int) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    sizes = random.integers(1, 51, customers)
    who = np.repeat(np.arange(customers), sizes)
    level, town = random.normal(size=customers), random.choice(list("abcdef"), customers)
    frame = pd.DataFrame({"amount": level[who] + random.normal(size=len(who)), "town": town[who]})
    return frame, who


def _measure_nights(scale: float) -> list[Row]:
    """Windows of two hours of a night that is always unlike the day; and nights that moved. Before: without hours."""
    random = np.random.default_rng(4)
    references, windows = max(2, round(6 * scale)), max(5, round(60 * scale))
    found = {(shift, build): 0 for shift in _NIGHT_SHIFTS for build in BUILDS}
    for _ in show_progress(range(references), "nights"):
        frame, hours = _draw_hours(random, range(98), range(24))
        now = build_reference(Rows(frame, order=RowOrder(times=hours, time_column="at", clock=True)))
        both = {"before": replace(now, seasons=None), "now": now}
        for window in range(windows):
            for shift in _NIGHT_SHIFTS:
                night, came = _draw_hours(random, [100 + window], _NIGHT)
                seen = profile_rows(now.layout, night.assign(amount=night["amount"] + shift))
                for build, reference in both.items():
                    verdict = evaluate_drift(reference, seen, hours=RowHours.from_clock(came)).verdict
                    found[shift, build] += verdict.severity == "error"
    rows = []
    for shift in _NIGHT_SHIFTS:
        name = (
            f"drift found in two hours of the night, shifted by {shift}"
            if shift
            else "drift: two usual hours of the night"
        )
        rows += [
            make_row(name, None if shift else RATE, found[shift, build], references * windows, build)
            for build in BUILDS
        ]
    return rows


_NIGHT = range(2, 4)
_NIGHT_SHIFTS = (0.0, 0.5, 1.0, 2.0)  # standard deviations of a row


def _draw_hours(
    random: np.random.Generator, days: Iterable[int], hours: range
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Rows of some days, 60 an hour; nights are four standard deviations higher, days differ by 0.2."""
    times = np.concatenate([np.repeat(np.array(hours) + 24.0 * day, 60) for day in days])
    at_night = np.isin(times % 24, _NIGHT)
    level = np.repeat(random.normal(0, 0.2, len(times) // (60 * len(hours))), 60 * len(hours))
    kind = np.where(random.random(len(times)) < np.where(at_night, 0.7, 0.3), "x", "y")
    amount = 4 * at_night + level + random.normal(size=len(times))
    return pd.DataFrame({"amount": amount, "kind": kind, "size": random.normal(size=len(times))}), times


def _measure_power(scale: float) -> list[Row]:
    """Drift of independent rows, whose groups and times are known now: found as often as before."""
    random = np.random.default_rng(2)
    references, windows = scaled(20, scale), 10
    found = {(kind, build): 0 for kind in _DRIFTS for build in BUILDS}
    for _ in show_progress(range(references), "power"):
        frame = _draw_independent(random, 5000)
        order = RowOrder({"customer": random.integers(0, 500, 5000)}, np.arange(5000.0), "at")
        both = _both_references(Rows(frame, order=order))
        for _ in range(windows):
            for kind in _DRIFTS:
                window = Rows(_apply_drift(_draw_independent(random, 500), kind))
                for build, reference in both.items():
                    found[kind, build] += _alarms(reference, window)
    runs, rows = references * windows, []
    for kind, name in _DRIFTS.items():
        # Of drift that independent rows show, 95 % are promised.
        promised = RATE if kind == "none" else 0.95 * found[kind, "before"] / runs
        title = f"drift found in independent rows: {name}" if kind != "none" else "drift: independent rows, no drift"
        least = kind != "none"
        rows += [make_row(title, promised, found[kind, build], runs, build, least) for build in BUILDS]
    return rows


_DRIFTS = {
    "none": "none",
    "0.2": "a shift of 0.2 standard deviations",
    "0.5": "a shift of 0.5 standard deviations",
    "1.0": "a shift of 1 standard deviation",
    "lost": "a lost column",
    "swapped": "swapped categories",
}


def _draw_independent(random: np.random.Generator, rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": random.normal(size=rows),
            "skewed": random.lognormal(size=rows),
            "whole": random.poisson(3, rows),
            "shop": random.choice(list("abcd"), rows, p=[0.5, 0.3, 0.15, 0.05]),
        }
    )


def _apply_drift(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    if kind == "none":
        return frame
    if kind == "lost":
        return frame.drop(columns="skewed")
    if kind == "swapped":
        return frame.assign(shop=frame["shop"].map({"a": "b", "b": "a"}).fillna(frame["shop"]))
    return frame.assign(amount=frame["amount"] + float(kind))


def _measure_market(scale: float) -> list[Row]:
    """elec2: the model and its reference from the first fifth, then a window each week."""
    file = find_data("elec2/elec.csv")
    if file is None:
        return []
    stream = pd.read_csv(file)
    rows = []
    for size, name in ((1, "rows"), (DAY, "days"), (WEEK, "weeks")):
        alarms, windows = dict.fromkeys(BUILDS, 0), 0
        for seed in show_progress(range(max(1, round(6 * scale))), f"elec2, {name}"):
            found = _monitor_market(_permute(stream, size, np.random.default_rng(seed)))
            windows += len(found)
            for build in BUILDS:
                alarms[build] += sum(one[build] for one in found)
        title, promised = f"drift: elec2 weeks, {name} permuted, no drift", RATE if size == 1 else 0.1
        rows += [make_row(title, promised, alarms[build], windows, build) for build in BUILDS]
    # From May 1997 on the market is joined to another: three columns that stood still move.
    joined = int(np.argmax(stream["transfer"].to_numpy() != stream["transfer"].iloc[0]))
    found = _monitor_market(stream, seasons=True)
    for title, part in (
        ("before", [one for one in found if one["end"] <= joined]),
        ("after", [one for one in found if one["end"] > joined]),
    ):
        name = f"drift: elec2 weeks in their order, {title} the market is joined to another"
        rows += [make_row(name, None, sum(one[build] for one in part), len(part), build) for build in BUILDS]
    # A season of the joined market can only explain weeks whose year before lies in it too.
    known = [one for one in found if one["end"] - WEEK - YEAR >= joined]
    unlike = "drift: elec2 weeks after that, in their order, that differ from the same week of the year before too"
    return [*rows, make_row(unlike, None, sum(one["unlike"] for one in known), len(known))]


def _permute(stream: pd.DataFrame, size: int, random: np.random.Generator) -> pd.DataFrame:
    """The stream with its blocks of so many rows in random order."""
    starts = random.permutation(len(stream) // size) * size
    return stream.iloc[(starts[:, None] + np.arange(size)).ravel()].reset_index(drop=True)


def _monitor_market(stream: pd.DataFrame, *, seasons: bool = False) -> list[dict[str, int]]:
    """Of each week after the first fifth, whether each build raises an alarm, and the row at its ``end``.

    With ``seasons``, drift of a season does not count; earlier windows are those of the same version. ``unlike`` says
    whether the week differs from that of 52 weeks before, where the version was there.
    """
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    begin = len(stream) // 5
    teach = int(begin * 0.8)
    inputs, hours = stream[MARKET], np.arange(len(stream)) / 2.0
    model = DecisionTreeClassifier(max_depth=8, min_samples_leaf=30, random_state=0)
    model.fit(inputs.iloc[:teach], stream["class"].iloc[:teach])

    def take(start: int, stop: int) -> Rows:
        probabilities = model.predict_proba(inputs.iloc[start:stop])
        return Rows(
            inputs.iloc[start:stop],
            probabilities.argmax(axis=1).astype(str).astype(object),
            probabilities.max(axis=1),
            order=RowOrder(times=hours[start:stop], time_column="date", clock=True),
        )

    both = _both_references(replace(take(0, teach), predictions=None, confidences=None), take(teach, begin))
    now = both["now"]

    def read_window(period: tuple[datetime, datetime]) -> tuple[Profile, RowHours | None]:
        start, stop = (int((at - MARKET_START) / timedelta(minutes=30)) for at in period)
        if start < begin:
            return Profile.empty(now.layout), None
        return profile_rows(now.layout, take(start, stop)), RowHours.from_clock(hours[start:stop])

    found = []
    for start in range(begin, len(stream) - WEEK + 1, WEEK):
        week = take(start, start + WEEK)
        seen = profile_rows(now.layout, week)
        came = RowHours.from_clock(hours[start : start + WEEK])
        evaluation = evaluate_drift(now, seen, hours=came)
        if seasons:
            at = MARKET_START + start * timedelta(minutes=30)
            period = at, at + timedelta(days=7)
            evaluation = explain_by_season(evaluation, now, (seen, came), period, read_window, DriftOptions())
        before = _alarms(both["before"], week)
        unlike = False
        if seasons and start - YEAR >= begin:
            past = replace(now, profile=profile_rows(now.layout, take(start - YEAR, start - YEAR + WEEK)))
            unlike = evaluate_drift(past, seen, hours=came).drifted
        now_alarms = evaluation.verdict.severity == "error"
        found.append({"end": start + WEEK, "before": before, "now": now_alarms, "unlike": unlike})
    return found


def _measure_films(scale: float) -> list[Row]:
    """A model of reviews of four fifths of the films, on reviews of the others and on other texts."""
    reviews, sentences = find_data("imdb/train.parquet"), find_data("rt_polarity/rt-polarity.pos")
    if reviews is None or sentences is None:
        return []
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    random = np.random.default_rng(3)
    frame = pd.read_parquet(reviews)
    films = frame["film"].unique()
    other = frame["film"].isin(random.choice(films, len(films) // 5, replace=False)).to_numpy()
    known, test = frame[~other], random.random(int((~other).sum())) < 0.2
    vectoriser = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=50_000)
    model = LogisticRegression(C=10, max_iter=200)
    model.fit(vectoriser.fit_transform(known["text"][~test]), known["label"][~test])

    def predict(rows: pd.DataFrame) -> Rows:
        probabilities = model.predict_proba(vectoriser.transform(rows["text"]))
        labels = model.classes_[probabilities.argmax(axis=1)].astype(object)
        order = RowOrder({"film": rows["film"].to_numpy()}) if "film" in rows else NO_ORDER
        return Rows(rows["text"].reset_index(drop=True), labels, probabilities.max(axis=1), order=order)

    teach, held = replace(predict(known[~test]), predictions=None, confidences=None), predict(known[test])
    least = texts._LEAST_SHARE  # noqa: SLF001 - the rule for words was another before
    texts._LEAST_SHARE = 0.0  # noqa: SLF001
    before = build_reference(replace(teach, order=NO_ORDER), replace(held, order=NO_ORDER))
    texts._LEAST_SHARE = least  # noqa: SLF001
    both = {"before": before, "now": build_reference(teach, held)}
    others = frame[other].reset_index(drop=True)
    seen = predict(others)
    rows = []
    for size in (500, 2000):
        for name, whole in (("reviews", False), ("whole films", True)):
            windows = _draw_films(others["film"].to_numpy(), size, scaled(100, scale), random, whole=whole)
            title = f"drift: {size:,} reviews of other films ({name}), as accurate"
            rows += _count_alarms(title, 0.1, both, [_choose(seen, places) for places in windows])
    lines = sentences.read_text(encoding="utf-8", errors="replace").splitlines()
    foreign = predict(pd.DataFrame({"text": lines}))
    drawn = [random.choice(len(lines), 500, replace=False) for _ in range(scaled(50, scale))]
    title = "drift found: 500 sentences of another source"
    return rows + _count_alarms(title, 1.0, both, [_choose(foreign, places) for places in drawn])


def _draw_films(
    films: NDArray[np.object_], size: int, number: int, random: np.random.Generator, *, whole: bool
) -> Iterator[NDArray[np.intp]]:
    for _ in range(number):
        if whole:
            _, codes = np.unique(films, return_inverse=True)
            yield np.argsort(random.permutation(codes.max() + 1)[codes], kind="stable")[:size]
        else:
            yield random.choice(len(films), size, replace=False)


def _count_alarms(name: str, promised: float, both: dict[str, Reference], windows: list[Rows]) -> list[Row]:
    rows = []
    for build, reference in both.items():
        alarms = sum(_alarms(reference, window) for window in show_progress(windows, name))
        rows.append(make_row(name, promised, alarms, len(windows), build))
    return rows


def _choose(rows: Rows, places: NDArray[np.intp]) -> Rows:
    labels, confidences = rows.predictions, rows.confidences
    assert labels is not None
    assert confidences is not None
    return Rows(rows.inputs.iloc[places].reset_index(drop=True), labels[places], confidences[places])


def _both_references(rows: Rows, held_out: Rows | None = None) -> dict[str, Reference]:
    """The reference as of independent rows, which it was before, and as of rows that belong together."""
    apart = None if held_out is None else replace(held_out, order=NO_ORDER)
    return {"before": build_reference(replace(rows, order=NO_ORDER), apart), "now": build_reference(rows, held_out)}


def _alarms(reference: Reference, window: Rows) -> bool:
    return evaluate_drift(reference, profile_rows(reference.layout, window)).drifted


def find_data(name: str) -> Path | None:
    root = Path(os.environ.get("TILTYARD_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if (root / name).exists():
        return root / name
    print(f"Left out: {name} is not in {root}; name the folder in TILTYARD_TEST_DATA.", file=sys.stderr)
    return None
