"""SVG charts are whole pictures, whatever names and values they show."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import findfont, get_font

from tiltyard.charts.axes import HEIGHT, WIDTH, BinChart, TimeChart, ValueAxis, round_ticks
from tiltyard.charts.colours import COLOURS
from tiltyard.charts.labels import measure_labels
from tiltyard.charts.panel import spread
from tiltyard.charts.svg import STYLE, draw_legend, draw_svg
from tiltyard.charts.svg_bars import draw_histogram, draw_limits, draw_pairs, draw_shares

NASTY = '<b>"Müller & Söhne"</b>'
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    """An axis has two to six ticks at equal distances, none of them outside."""
    ticks = round_ticks(low, low + width)
    assert 2 <= len(ticks) <= 6
    assert low - 1e-6 * width <= ticks[0] <= ticks[-1] <= low + width * (1 + 1e-6)
    steps = [(second - first) / width for first, second in pairwise(ticks)]
    assert max(steps) - min(steps) < 1e-4


@pytest.mark.parametrize(
    "picture",
    [
        draw_histogram([0, 1, 2], [3, 0], NASTY),
        draw_shares({NASTY: 3, "b": 1}, NASTY, 9),
        draw_shares({}, NASTY),
        draw_pairs([NASTY, "b"], [0.5, 0.5], [1.0, 0.0], NASTY),
        draw_limits([(NASTY * 4, 3.2, "0.32", True), ("b", 0.1, "0.01", False)], NASTY),
    ],
)
def test_names_of_any_kind_leave_a_picture_well_formed(picture: str) -> None:
    """Names with signs of markup are escaped, and the picture is read out by its title."""
    root = ElementTree.fromstring(picture)
    assert root.get("aria-label") == NASTY
    assert "<b>" not in picture


def test_a_bin_with_anything_in_it_shows() -> None:
    """However high the highest bar is, a bin with one row has a bar, and an empty one has none."""
    bars = ElementTree.fromstring(draw_histogram([0, 1, 2, 3], [1, 0, 10**9], "rows"))
    assert [float(str(bar.get("height"))) > 1 for bar in bars.iter("rect")] == [True, False, True]


def test_times_and_values_lie_inside_the_picture() -> None:
    """The earliest and latest time are at the edges, and values beyond the axis are drawn at its ends."""
    chart = TimeChart(SINCE, SINCE + timedelta(days=1), ValueAxis(0, 1, percent=True))
    assert 0 < chart.x(SINCE) < chart.x(SINCE + timedelta(days=1)) < WIDTH
    assert 0 < chart.values.y(7.0) == chart.values.y(1.0) < chart.values.y(-3.0) < HEIGHT
    points = [(SINCE + timedelta(hours=hour), 0.5, 0.4, 0.6) for hour in (1, 2)]
    parts = [*chart.draw_axes(), *chart.draw_band(points, COLOURS[0]), *chart.draw_whiskers(points, COLOURS[1])]
    drawn = ElementTree.fromstring(draw_svg(parts, "accuracy", (WIDTH, HEIGHT), STYLE))
    words = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert {"0%", "100%", "01 Jan 00:00", "02 Jan 00:00"} <= set(words)


def test_bins_fill_the_width() -> None:
    """Bins of equal width lie between the axis and the right edge, named at every second one."""
    chart = BinChart(4, ValueAxis(0, 0.5, percent=True))
    widths = [chart.x(place + 1) - chart.x(place) for place in range(4)]
    assert all(math.isclose(width, widths[0]) for width in widths)
    axes = "".join(chart.draw_axes(["a", "b", "c", "d"]))
    assert ">a<" in axes
    assert ">b<" not in axes


def test_a_legend_names_each_series_with_its_colour() -> None:
    """Names are escaped, and stand by their colours."""
    legend = draw_legend([(NASTY, COLOURS[0]), ("b", COLOURS[1])])
    assert "<b>" not in legend
    assert all(colour in legend for colour in COLOURS[:2])


def test_the_widths_of_signs_are_those_of_a_wide_font() -> None:
    """Labels are as wide as in DejaVu Sans, from whose file the table was made; other signs have room enough."""
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(1000, 72)
    for sign in map(chr, range(32, 127)):
        assert measure_labels([sign], 1.0) == pytest.approx(
            font.load_char(ord(sign)).linearHoriAdvance / 65536e3, abs=1e-3
        )
    for sign in "éßΩЖм–…□":
        assert measure_labels([sign], 1.0) >= font.load_char(ord(sign)).linearHoriAdvance / 65536e3


@given(st.lists(st.floats(-1e12, 1e12), max_size=5), st.booleans())
def test_an_axis_holds_all_its_values(values: list[float], zero: bool) -> None:
    """The ends of an axis differ, and every value is between them; and zero where that is required."""
    low, high = spread(values, zero=zero)
    assert low < high
    assert all(low <= value <= high for value in [*values, *([0.0] if zero else [])])
    assert 2 <= len(round_ticks(low, high)) <= 6
