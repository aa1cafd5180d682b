"""Detectors of streams say what river's say, and stay quiet while nothing changes."""

from __future__ import annotations

import doctest
import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from tiltyard.errors import InputError
from tiltyard.monitoring.streams import Adwin, Kswin, PageHinkley, StreamDetector, adwin, kswin, page_hinkley

_law = settings(max_examples=10, deadline=None, database=None)
_shape = st.tuples(st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 1.0, -2.0]), st.sampled_from(["bits", "normal"]))


def stream(shape: tuple[int, float, str], rows: int = 1000) -> NDArray[np.float64]:
    seed, change, kind = shape
    rng = np.random.default_rng(seed)
    if kind == "bits":
        shares = np.where(np.arange(rows) < rows // 2, 0.2, min(max(0.2 + change / 4, 0.0), 1.0))
        return (rng.random(rows) < shares).astype(float)
    return rng.normal(np.where(np.arange(rows) < rows // 2, 0.0, change))


@pytest.mark.parametrize("module", [adwin, kswin, page_hinkley])
def test_examples(module: ModuleType) -> None:
    """The examples in the docstrings say what they say."""
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@_law
@given(_shape)
def test_adwin_is_rivers(shape: tuple[int, float, str]) -> None:
    """ADWIN finds the first change where river's does, and keeps the same window, mean and variance until then."""
    river = pytest.importorskip("river.drift")
    ours, theirs = Adwin(), river.ADWIN()
    for value in stream(shape).tolist():
        theirs.update(value)
        assert ours.update(value) == theirs.drift_detected
        assert ours.width == theirs.width
        if theirs.drift_detected:
            break
    assert ours.mean == pytest.approx(theirs.estimation)
    assert ours.variance == pytest.approx(theirs.variance / theirs.width)


@_law
@given(_shape, st.sampled_from(["up", "down", "both"]))
def test_page_hinkley_is_rivers(shape: tuple[int, float, str], direction: str) -> None:
    """Page and Hinkley's test finds changes where river's does."""
    river = pytest.importorskip("river.drift")
    ours = PageHinkley(threshold=20, direction=direction)  # type: ignore[arg-type]
    theirs = river.PageHinkley(threshold=20, mode=direction)
    for value in stream(shape).tolist():
        theirs.update(value)
        assert ours.update(value) == theirs.drift_detected


@_law
@given(st.integers(0, 2**31))
def test_kswin_decides_as_scipy(seed: int) -> None:
    """KSWIN's distance is a change exactly where scipy's exact p-value says so."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=30), rng.normal(rng.uniform(0, 2), size=30)
    exact = stats.ks_2samp(a, b, method="exact")
    assert (kswin._steps_apart(a, b) >= kswin._critical(30, 0.005)) == (exact.pvalue <= 0.005)


def test_kswin_finds_what_rivers_finds() -> None:
    """On a stream that moves and widens, KSWIN and river's find it within the same few dozen numbers."""
    river = pytest.importorskip("river.drift")
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(size=500), rng.normal(4, 2, size=500)]).tolist()
    ours, theirs = Kswin(0.0001), river.KSWIN(alpha=0.0001, seed=1)
    found: tuple[list[int], list[int]] = [], []
    for place, value in enumerate(values):
        if ours.update(value):
            found[0].append(place)
        theirs.update(value)
        if theirs.drift_detected:
            found[1].append(place)
    assert 500 <= found[0][0] < 560
    assert abs(found[0][0] - found[1][0]) < 40


@pytest.mark.parametrize("make", [Adwin, lambda: Kswin(1e-5), PageHinkley], ids=["adwin", "kswin", "page-hinkley"])
def test_quiet_while_nothing_changes(make) -> None:  # type: ignore[no-untyped-def]
    """Over ten streams of a thousand errors at one rate, there are next to no alarms; a change is always found."""
    alarms = 0
    for seed in range(10):
        detector: StreamDetector = make()
        alarms += sum(map(detector.update, stream((seed, 0.0, "bits"), 1000).tolist()))
    assert alarms <= 1
    changed: StreamDetector = make()
    found = [place for place, value in enumerate(stream((1, 3.0, "bits"), 2000)) if changed.update(value)]
    assert [place for place in found if place >= 1000]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number(value: float) -> None:
    """NaN and infinity are refused with what to do."""
    for detector in (Adwin(), Kswin(), PageHinkley()):
        with pytest.raises(InputError) as refused:
            detector.update(value)
        assert refused.value.next_step


def test_memory_is_bounded() -> None:
    """However long the stream, ADWIN keeps a handful of buckets for each doubling."""
    detector = Adwin()
    for value in stream((1, 0.0, "bits"), 20_000).tolist():
        detector.update(value)
    assert sum(map(len, detector._rows)) < 90
