"""A profile of the running process: where its threads are, looked at many times.

Sampling costs the process about a tenth of a millisecond a look, and needs nothing to be compiled in or restarted.
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
    """Where the threads of a process were.

    Attributes:
        seconds: how long it was looked at.
        looks: how often.
        stacks: how often each stack was met, its outermost frame first; that is the thread's name.
    """

    seconds: float
    looks: int
    stacks: Counter[Stack]

    def collapsed(self) -> str:
        """A line a stack, frames parted by semicolons, then how often it was met: what flamegraph.pl reads."""
        return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(self.stacks.items()))

    def speedscope(self, name: str) -> dict[str, Any]:
        """The profile as https://www.speedscope.app/file-format-schema.json has it, one for each thread."""
        frames: dict[str, int] = {}
        threads: dict[str, list[tuple[list[int], int]]] = {}
        for stack, count in sorted(self.stacks.items()):
            places = [frames.setdefault(frame, len(frames)) for frame in stack[1:]]
            threads.setdefault(stack[0], []).append((places, count))
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
                    "samples": [places for places, _ in samples],
                    "weights": [count for _, count in samples],
                }
                for thread, samples in threads.items()
            ],
        }

    def page(self, name: str) -> str:
        """The profile as an HTML page with a flame graph, without any script."""
        drawn = list(_drawn(self.stacks))
        depth = max((box.depth for box in drawn), default=0) + 1
        boxes = "".join(box.svg(self.looks) for box in drawn)
        title = html.escape(name)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Profile of {title}</title>'
            f"<style>{STYLE}</style></head><body>"
            f"<h1>Profile of {title}</h1>"
            f"<p>{self.looks} looks at all threads in {self.seconds:.1f} seconds. A bar is as wide as it "
            "was often met; point at one for its name. A thread that waits ends in a call such as wait or poll.</p>"
            f'<svg role="img" aria-label="Flame graph" viewBox="0 0 {_WIDTH} {depth * _LINE}" width="100%" '
            f'font-family="monospace" font-size="11">{boxes}</svg></body></html>'
        )


def sample_threads(seconds: float, interval: float) -> CpuProfile:
    """Look at the stacks of all other threads for a while.

    Args:
        seconds: how long.
        interval: seconds from one look to the next.
    """
    own = threading.get_ident()
    began = time.perf_counter()
    looks, stacks = 0, Counter[Stack]()
    while (passed := time.perf_counter() - began) < seconds or not looks:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for identity, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see other threads
            if identity != own:
                stacks[(names.get(identity, f"thread {identity}"), *_stack(frame))] += 1
        looks += 1
        time.sleep(min(interval, max(0.0, seconds - passed)))
    return CpuProfile(time.perf_counter() - began, looks, stacks)


@dataclass(frozen=True)
class _Box:
    """One bar of a flame graph: in pixels from the left, and lines from the top."""

    left: float
    width: float
    depth: int
    name: str
    count: int

    def svg(self, looks: int) -> str:
        top = self.depth * _LINE
        name = html.escape(self.name)
        hue = sum(self.name.encode()) % 40 + 15
        fits = int((self.width - 6) / 6.7)
        shown = html.escape(self.name if len(self.name) <= fits else self.name[: fits - 1] + "…") if fits > 3 else ""
        return (
            f"<g><title>{name}: {self.count} of {looks} looks</title>"
            f'<rect x="{self.left:.1f}" y="{top}" width="{max(self.width - 0.5, 0.5):.1f}" height="{_LINE - 1}" rx="2" '
            f'fill="hsl({hue},85%,72%)"/>'
            f'<text x="{self.left + 3:.1f}" y="{top + 12}" fill="#1b1b1b">{shown}</text></g>'
        )


def _drawn(stacks: Counter[Stack]) -> Iterator[_Box]:
    total = sum(stacks.values())
    scale = _WIDTH / total if total else 0.0
    yield from _level(sorted(stacks.items()), 0, 0.0, scale)


def _level(stacks: Sequence[tuple[Stack, int]], depth: int, left: float, scale: float) -> Iterator[_Box]:
    """The bars of stacks that share their first ``depth`` frames, and those upon them."""
    groups: dict[str, list[tuple[Stack, int]]] = {}
    for stack, count in stacks:
        if len(stack) > depth:
            groups.setdefault(stack[depth], []).append((stack, count))
    for name, members in groups.items():
        count = sum(number for _, number in members)
        width = count * scale
        if width >= _THINNEST:
            yield _Box(left, width, depth, name, count)
            yield from _level(members, depth + 1, left, scale)
        left += width


def _stack(frame: FrameType | None) -> list[str]:
    """Names of the frames, the outermost first."""
    names = []
    while frame is not None:
        code = frame.f_code
        names.append(f"{code.co_qualname} ({_short(code.co_filename)}:{frame.f_lineno})")
        frame = frame.f_back
    return names[::-1]


def _short(name: str) -> str:
    """A file's path without this machine's folders."""
    path = Path(name)
    if path.is_relative_to(_PACKAGES):
        return path.relative_to(_PACKAGES).as_posix()
    parts = path.parts
    for mark in ("site-packages", "dist-packages"):
        if mark in parts:
            return "/".join(parts[parts.index(mark) + 1 :])
    return path.name
