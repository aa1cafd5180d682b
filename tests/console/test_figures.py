"""Plots of known values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from tiltyard.charts.axes import ValueAxis
from tiltyard.console.data import metric_history, versions_view
from tiltyard.registry import VersionInfo
from tiltyard.testing import NOON
from tiltyard.testing.registry import MemoryRegistry

figures = pytest.importorskip("tiltyard.console.layout.figures")
pages = pytest.importorskip("tiltyard.console.pages.versions")

COLORS = {"good": "#111111", "bad": "#222222"}


def test_the_champion_is_drawn_at_its_value(registry: MemoryRegistry, add_version: Callable[..., VersionInfo]) -> None:
    """Metrics are lines over versions, with a gap where one is missing, and the star is on the champion's value."""
    add_version(accuracy=0.8, f1=0.7)
    add_version("champion", accuracy=0.9)
    history = metric_history(versions_view(registry, "films", "accuracy"))
    lines = {trace.name: trace for trace in figures.metrics_figure(history, "accuracy").data}
    assert list(lines["Accuracy"].x) == ["v1", "v2"]
    assert list(lines["Accuracy"].y) == [0.8, 0.9]
    assert list(lines["F1"].y) == [0.7, None]
    assert (list(lines["Champion"].x), list(lines["Champion"].y)) == (["v2"], [0.9])
    assert lines["Accuracy"].line.width > lines["F1"].line.width


def test_without_a_champion_there_is_no_star(registry: MemoryRegistry, add_version: Callable[..., VersionInfo]) -> None:
    """Nothing is marked where no version is champion, or the champion lacks the metric."""
    add_version(accuracy=0.8)
    view = versions_view(registry, "films", "accuracy")
    assert [trace.name for trace in figures.metrics_figure(metric_history(view), "accuracy").data] == ["Accuracy"]
    add_version("champion")
    view = versions_view(registry, "films", "accuracy")
    assert [trace.name for trace in figures.metrics_figure(metric_history(view), "accuracy").data] == ["Accuracy"]


def test_a_tie_names_every_best_version(registry: MemoryRegistry, add_version: Callable[..., VersionInfo]) -> None:
    """Where several versions are equally good, none of them alone is called the best."""
    add_version(accuracy=0.9)
    add_version(accuracy=0.9)
    assert "Accuracy is 0.9000 in all versions." in pages.describe_metrics(versions_view(registry, "films", "accuracy"))
    add_version("champion", accuracy=0.8)
    words = pages.describe_metrics(versions_view(registry, "films", "accuracy"))
    assert "best in versions 1, 2 with 0.9000" in words
    add_version(accuracy=0.95)
    assert "best in version 4 with 0.9500" in pages.describe_metrics(versions_view(registry, "films", "accuracy"))


def test_the_timeline_spans_its_window() -> None:
    """Bars are stacked by label in the labels' colours, and the axis ends with the last bin."""
    step = timedelta(minutes=30)
    rows = [(NOON + i * step, label, i) for i in range(3) for label in ("bad", "good")]
    figure = figures.timeline_figure(pd.DataFrame(rows, columns=["start", "label", "count"]), step, COLORS)
    assert [(trace.name, list(trace.y), trace.marker.color) for trace in figure.data] == [
        ("bad", [0, 1, 2], "#222222"),
        ("good", [0, 1, 2], "#111111"),
    ]
    assert list(figure.layout.xaxis.range) == ["2026-03-01 12:00:00", "2026-03-01 13:30:00"]
    assert figure.layout.barmode == "stack"


def test_the_histogram_is_drawn_in_the_middle_of_its_bins() -> None:
    """A bar stands over its bin, and the axis begins with the lowest bin."""
    histogram = pd.DataFrame(
        [(0.5, 0.55, "good", 4), (0.55, 0.6, "good", 2)], columns=["low", "high", "label", "count"]
    )
    figure = figures.confidence_figure(histogram, COLORS)
    assert list(figure.data[0].x) == pytest.approx([0.525, 0.575])
    assert list(figure.data[0].y) == [4, 2]
    assert list(figure.layout.xaxis.range) == [0.5, 1.0]


def test_labels_have_different_colours() -> None:
    """Labels have different colours, and the same label the same colour in whatever order they come."""
    assert figures.label_colors(["bad", "good"]) == figures.label_colors(["good", "bad"])
    assert len(set(figures.label_colors("abcdefg").values())) == 7


@pytest.mark.parametrize(
    "figure",
    [
        figures.timeline_figure(pd.DataFrame(columns=["start", "label", "count"]), timedelta(hours=1), COLORS),
        figures.confidence_figure(pd.DataFrame(columns=["low", "high", "label", "count"]), COLORS),
        figures.numbers_figure(pd.DataFrame(columns=["low", "high", "count"]), "#111111"),
        figures.runs_figure(pd.DataFrame(columns=["start_time", "run_name"])),
        figures.blank(),
    ],
)
def test_a_plot_of_nothing_has_no_axes(figure: Any) -> None:
    """Where nothing is drawn, the plot says so and shows no values of axes."""
    shown = figures.hide_empty_axes(figure)
    assert (shown.layout.xaxis.visible, shown.layout.yaxis.visible) == (False, False)
    assert [words.text for words in shown.layout.annotations] == ["Nothing to show yet"]


def test_a_plot_of_something_keeps_its_axes() -> None:
    """A plot with a single value keeps its axes, whatever the value."""
    zero = figures.blank().add_scatter(x=["v1"], y=[0.0])
    bar = figures.blank().add_bar(x=[3], y=["age"], orientation="h")
    assert [figures.hide_empty_axes(one).layout.yaxis.visible for one in (zero, bar)] == [None, None]


def test_no_two_ticks_read_alike(registry: MemoryRegistry, add_version: Callable[..., VersionInfo]) -> None:
    """The axis of metrics writes as many decimals as its values have: metrics that are close stay apart."""
    add_version(accuracy=0.9651)
    add_version("champion", accuracy=0.9655)
    history = metric_history(versions_view(registry, "films", "accuracy"))
    # d3: up to six decimals, without the zeros at the end
    assert figures.metrics_figure(history, "accuracy").layout.yaxis.tickformat == ".6~f"
    words = [text for text in ValueAxis(0.9, 0.98, percent=True).draw() if "</text>" in text]
    assert len(words) == len({re.sub(r".*>(.*)</text>", r"\1", text) for text in words})
    assert "92.5%" in " ".join(ValueAxis(0.9, 1.0, percent=True).draw())


def test_no_plot_leads_to_another_host() -> None:
    """The plots' options have no logo and no cloud."""
    assert figures.CONFIG["displaylogo"] is False
    assert not figures.CONFIG["plotlyServerURL"]
    assert not figures.CONFIG["showSendToCloud"]
