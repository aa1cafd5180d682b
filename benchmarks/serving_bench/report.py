"""The figures as a table with ratios, and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving_bench.measuring import Row
from rich.console import Console
from rich.table import Table

OURS = "tiltyard"


def ratios(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Tiltyard's predictions a second over each other system's, under the same load."""
    ours = {(row.texts, row.connections): row.rps for row in rows if row.system == OURS}
    return [
        {
            "system": row.system,
            "texts": row.texts,
            "connections": row.connections,
            "ratio": ours[row.texts, row.connections] / row.rps,
        }
        for row in rows
        if row.system != OURS and (row.texts, row.connections) in ours and row.rps > 0
    ]


def show(console: Console, rows: Sequence[Row], unavailable: Mapping[str, str]) -> None:
    """Print a table for each kind of input, and what could not be measured."""
    found = {(item["system"], item["texts"], item["connections"]): item["ratio"] for item in ratios(rows)}
    for kind in dict.fromkeys(row.texts for row in rows):
        table = Table(title=f"{kind}: responses by open connections; ratio: Tiltyard's over the system's", min_width=78)
        for title, side in (("system", "left"), *((name, "right") for name in _TITLES)):
            table.add_column(title, justify=side)  # type: ignore[arg-type]
        for row in (row for row in rows if row.texts == kind):
            ratio = found.get((row.system, kind, row.connections))
            table.add_row(
                row.system,
                str(row.connections),
                f"{row.rps:,.0f}",
                f"{row.p50_ms:.2f}",
                f"{row.p99_ms:.2f}",
                str(row.errors),
                f"{row.rss_mb:,.0f}",
                f"{row.cpu_us:,.0f}",
                "" if ratio is None else f"{ratio:.2f}",
            )
        console.print(table)
    for name, reason in unavailable.items():
        console.print(f"[bold]{name}[/bold] was not measured: {reason}", highlight=False)


_TITLES = ("open", "per s", "p50 ms", "p99 ms", "errors", "MB", "cpu µs", "ratio")


def plot(rows: Sequence[Row], file: Path, title: str) -> None:
    """Responses a second, logarithmic, one panel for each kind of input: by concurrency, or bars for a single one."""
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415
    from matplotlib.ticker import ScalarFormatter  # noqa: PLC0415

    open_at = sorted({row.connections for row in rows})
    systems = list(dict.fromkeys(row.system for row in rows))
    kinds = list(dict.fromkeys(row.texts for row in rows))
    figure, panels = pyplot.subplots(
        1, len(kinds), figsize=(5.5 * len(kinds), 4.5), sharey=True, squeeze=False, layout="constrained"
    )
    for panel, kind in zip(panels[0], kinds, strict=True):
        shown = [row for row in rows if row.texts == kind]
        _draw_bars(panel, shown) if len(open_at) == 1 else _draw_lines(panel, shown, systems)
        panel.set(title=kind, yscale="log")
        panel.grid(alpha=0.3, axis="y")
    panels[0][0].set_ylabel("responses a second" + (f", {open_at[0]} connections" if len(open_at) == 1 else ""))
    if len(open_at) > 1:
        for panel in panels[0]:
            panel.set_xticks(open_at)
            panel.xaxis.set_major_formatter(ScalarFormatter())
            panel.xaxis.minorticks_off()
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right center", fontsize="small")
    figure.suptitle(title)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def _draw_bars(panel: Any, rows: Sequence[Row]) -> None:
    colours = ["black" if row.system == OURS else "tab:blue" for row in rows]
    bars = panel.bar([row.system for row in rows], [row.rps for row in rows], color=colours)
    panel.bar_label(bars, [f"{row.rps:,.0f}" for row in rows], fontsize="small")
    panel.tick_params(axis="x", rotation=35)


def _draw_lines(panel: Any, rows: Sequence[Row], systems: Sequence[str]) -> None:
    for number, system in enumerate(systems):
        points = sorted((row.connections, row.rps) for row in rows if row.system == system)
        if points:
            style = {"linewidth": 2.5, "color": "black"} if system == OURS else {"color": f"C{number}"}
            panel.plot(*zip(*points, strict=True), marker="o", label=system, **style)
    panel.set(xscale="log", xlabel="connections")
