"""The figures as a table with ratios, and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.serving_bench.measuring import Row
from rich.console import Console
from rich.table import Table

OURS = "tiltyard"


def ratios(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Tiltyard's answers a second over each other system's, under the same load."""
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
        table = Table(title=f"{kind}: answers by open connections; ratio: Tiltyard's over the system's", min_width=78)
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
                "" if ratio is None else f"{ratio:.2f}",
            )
        console.print(table)
    for name, reason in unavailable.items():
        console.print(f"[bold]{name}[/bold] was not measured: {reason}", highlight=False)


_TITLES = ("open", "per s", "p50 ms", "p99 ms", "errors", "MB", "ratio")


def plot(rows: Sequence[Row], file: Path, title: str) -> None:
    """Answers a second by concurrency, one panel for each kind of input, both axes logarithmic."""
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415
    from matplotlib.ticker import ScalarFormatter  # noqa: PLC0415

    kinds = list(dict.fromkeys(row.texts for row in rows))
    figure, panels = pyplot.subplots(
        1, len(kinds), figsize=(5.5 * len(kinds), 4.5), sharey=True, squeeze=False, layout="constrained"
    )
    for panel, kind in zip(panels[0], kinds, strict=True):
        for system in dict.fromkeys(row.system for row in rows):
            points = sorted((row.connections, row.rps) for row in rows if (row.system, row.texts) == (system, kind))
            style = {"linewidth": 2.5, "color": "black"} if system == OURS else {"linewidth": 1.2}
            panel.plot(*zip(*points, strict=True), marker="o", label=system, **style) if points else None
        panel.set(title=kind, xscale="log", yscale="log", xlabel="connections")
        panel.set_xticks(sorted({row.connections for row in rows}))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("answers a second")
    panels[0][-1].legend(fontsize="small")
    figure.suptitle(title)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
