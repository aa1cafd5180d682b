"""A sampling CPU profiler for the running process: it records the stacks of all threads many times.

A sample costs the process about a tenth of a millisecond; between profiles it costs nothing. Profilers that hook into
the interpreter (cProfile, pyinstrument) see only the thread that starts them, and a server works on several.
"""

from __future__ import annotations

import base64
import hashlib
import html
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tiltyard._version import __version__

Stack = tuple[str, ...]
_PACKAGES = Path(__file__).parents[3]
# Within the page, so that it looks the same as a file; a header names its digest, and nothing else may style or run.
STYLE = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:78rem;padding:0 1rem;color:#1c1f26}"
STYLE_DIGEST = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
_WIDTH, _LINE = 1200, 17
# A frame thinner than this many pixels cannot be read or pointed at.
_THINNEST = 0.5


@dataclass(frozen=True)
class CpuProfile:
    """The stacks of the threads of a process.

    Attributes:
        seconds: how long the process was sampled.
        samples: how often.
        stacks: how often each stack was found; its first entry is the thread's name, then come the frames, the
            outermost first.
    """

    seconds: float
    samples: int
    stacks: Counter[Stack]

    def format_collapsed(self) -> str:
        """A line a stack, its frames joined by semicolons, then its count: the format of flamegraph.pl."""
        return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(self.stacks.items()))

    def speedscope(self, name: str) -> dict[str, Any]:
        """The profile in the format of https://www.speedscope.app/file-format-schema.json, one for each thread."""
        frames: dict[str, int] = {}
        threads: dict[str, list[tuple[list[int], int]]] = {}
        for stack, count in sorted(self.stacks.items()):
            indices = [frames.setdefault(frame, len(frames)) for frame in stack[1:]]
            threads.setdefault(stack[0], []).append((indices, count))
        return {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "name": name,
            "exporter": f"tiltyard {__version__}",
            "shared": {"frames": [{"name": frame} for frame in frames]},
            "profiles": [
                {
                    "type": "sampled",
                    "name": thread,
                    "unit": "none",
                    "startValue": 0,
                    "endValue": sum(count for _, count in samples),
                    "samples": [indices for indices, _ in samples],
                    "weights": [count for _, count in samples],
                }
                for thread, samples in threads.items()
            ],
        }

    def page(self, name: str) -> str:
        """The profile as an HTML page with a flame graph, without any script."""
        bars = list(_draw_bars(self.stacks))
        depth = max((bar.depth for bar in bars), default=0) + 1
        drawing = "".join(bar.svg(self.samples) for bar in bars)
        title = html.escape(name)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Profile of {title}</title>'
            f"<style>{STYLE}</style></head><body>"
            f"<h1>Profile of {title}</h1>"
            f"<p>{self.samples} samples of all threads in {self.seconds:.1f} seconds. The width of a bar shows how "
            "often its frame was found; point at it for its name. A waiting thread ends in a call such as wait or "
            "poll.</p>"
            f'<svg role="img" aria-label="Flame graph" viewBox="0 0 {_WIDTH} {depth * _LINE}" width="100%" '
            f'font-family="monospace" font-size="11">{drawing}</svg></body></html>'
        )


def sample_threads(seconds: float, interval: float) -> CpuProfile:
    """Sample the stacks of all other threads.

    Args:
        seconds: how long.
        interval: seconds from one sample to the next.
    """
    own = threading.get_ident()
    began = time.perf_counter()
    samples, stacks = 0, Counter[Stack]()
    while (passed := time.perf_counter() - began) < seconds or not samples:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for identity, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see other threads
            if identity != own:
                stacks[(names.get(identity, f"thread {identity}"), *_frame_names(frame))] += 1
        samples += 1
        time.sleep(min(interval, max(0.0, seconds - passed)))
    return CpuProfile(time.perf_counter() - began, samples, stacks)


@dataclass(frozen=True)
class _Bar:
    """One bar of a flame graph: in pixels from the left, and lines from the top."""

    left: float
    width: float
    depth: int
    name: str
    count: int

    def svg(self, samples: int) -> str:
        top = self.depth * _LINE
        name = html.escape(self.name)
        hue = sum(self.name.encode()) % 40 + 15
        fits = int((self.width - 6) / 6.7)
        label = html.escape(self.name if len(self.name) <= fits else self.name[: fits - 1] + "…") if fits > 3 else ""
        return (
            f"<g><title>{name}: {self.count} of {samples} samples</title>"
            f'<rect x="{self.left:.1f}" y="{top}" width="{max(self.width - 0.5, 0.5):.1f}" height="{_LINE - 1}" rx="2" '
            f'fill="hsl({hue},85%,72%)"/>'
            f'<text x="{self.left + 3:.1f}" y="{top + 12}" fill="#1b1b1b">{label}</text></g>'
        )


def _draw_bars(stacks: Counter[Stack]) -> Iterator[_Bar]:
    total = sum(stacks.values())
    scale = _WIDTH / total if total else 0.0
    yield from _draw_level(sorted(stacks.items()), 0, 0.0, scale)


def _draw_level(stacks: Sequence[tuple[Stack, int]], depth: int, left: float, scale: float) -> Iterator[_Bar]:
    """The bars of stacks that share their first ``depth`` frames, and the bars above them."""
    groups: dict[str, list[tuple[Stack, int]]] = {}
    for stack, count in stacks:
        if len(stack) > depth:
            groups.setdefault(stack[depth], []).append((stack, count))
    for name, members in groups.items():
        count = sum(number for _, number in members)
        width = count * scale
        if width >= _THINNEST:
            yield _Bar(left, width, depth, name, count)
            yield from _draw_level(members, depth + 1, left, scale)
        left += width


def _frame_names(frame: FrameType | None) -> list[str]:
    """Names of the frames, the outermost first."""
    names = []
    while frame is not None:
        code = frame.f_code
        names.append(f"{code.co_qualname} ({_shorten_path(code.co_filename)}:{frame.f_lineno})")
        frame = frame.f_back
    return names[::-1]


def _shorten_path(name: str) -> str:
    """A file's path without this machine's folders."""
    path = Path(name)
    if path.is_relative_to(_PACKAGES):
        return path.relative_to(_PACKAGES).as_posix()
    parts = path.parts
    for mark in ("site-packages", "dist-packages"):
        if mark in parts:
            return "/".join(parts[parts.index(mark) + 1 :])
    return path.name
