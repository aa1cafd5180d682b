"""ADWIN: a window that grows while nothing changes and shrinks when something does."""

from __future__ import annotations

from math import log, sqrt

from tiltyard.monitoring.streams.checking import finite

_BUCKETS = 5  # of a size, before two are merged into one of twice the size


class Adwin:
    """Adaptive windowing (Bifet and Gavaldà, 2007).

    The window W of the latest n numbers is kept in O(log n) buckets of exponentially growing size. Whenever two parts
    of it, of n₀ and n₁ numbers, have means that differ by more than

        ε = √((2 / m) σ² ln(2 / δ')) + (2 / 3m) ln(2 / δ'),   1/m = 1/n₀ + 1/n₁ (m counted from ``shortest``),
        δ' = δ / ln n,

    the older part is dropped. With bounded numbers a false alarm has at most the probability δ at each step. Without
    tuning it tells slow changes and fast ones; ``mean`` is that of what is still valid. Buckets and cuts are
    those of river's ADWIN, which however forgets everything after a change; here what is still valid stays.

    Args:
        delta: accepted rate of false alarms.
        clock: looks for a change at every so many numbers.
        shortest: fewest numbers of a part.
        grace: numbers before the first look.

    Example:
        >>> import random
        >>> stream = random.Random(1)
        >>> adwin = Adwin()
        >>> values = [stream.random() for _ in range(1000)] + [stream.random() + 1 for _ in range(1000)]
        >>> [place for place, value in enumerate(values) if adwin.update(value)][:1]
        [1023]
        >>> round(adwin.mean, 1)
        1.5
    """

    name = "adwin"

    def __init__(self, delta: float = 0.002, *, clock: int = 32, shortest: int = 5, grace: int = 10) -> None:
        self.delta = delta
        self.clock = clock
        self.shortest = shortest
        self.grace = grace
        # rows[i] holds buckets of 2^i numbers as (total, sum of squared deviations), the newest first.
        self._rows: list[list[tuple[float, float]]] = [[]]
        self._total = 0.0
        self._squares = 0.0
        self._seen = 0
        self.width = 0

    @property
    def mean(self) -> float:
        """The mean of the window; 0 while it is empty."""
        return self._total / self.width if self.width else 0.0

    @property
    def variance(self) -> float:
        """The variance of the window."""
        return self._squares / self.width if self.width else 0.0

    def update(self, value: float) -> bool:
        """See ``StreamDetector.update``; after a change the older part of the window is gone."""
        self._insert(finite(value))
        self._seen += 1
        if self._seen % self.clock or self.width <= self.grace:
            return False
        found = False
        while self._cut():
            found = True
        return found

    def _insert(self, value: float) -> None:
        if self.width:
            difference = value - self._total / self.width
            self._squares += self.width * difference * difference / (self.width + 1)
        self._rows[0].insert(0, (value, 0.0))
        self.width += 1
        self._total += value
        self._compress()

    def _compress(self) -> None:
        level = 0
        while level < len(self._rows) and len(self._rows[level]) > _BUCKETS:
            if level + 1 == len(self._rows):
                self._rows.append([])
            size = 1 << level
            (first, a), (second, b) = self._rows[level].pop(), self._rows[level].pop()
            difference = first / size - second / size
            self._rows[level + 1].insert(0, (first + second, a + b + difference * difference * size / 2))
            level += 1

    def _cut(self) -> bool:
        """Drop the oldest bucket if two parts of the window differ; whether they did."""
        older, older_total = 0, 0.0
        newer, newer_total = self.width, self._total
        limit = log(2 * log(self.width) / self.delta)
        for level in range(len(self._rows) - 1, -1, -1):
            row = self._rows[level]
            for place in range(len(row) - 1, -1, -1):
                total, size = row[place][0], 1 << level
                older, older_total = older + size, older_total + total
                newer, newer_total = newer - size, newer_total - total
                if (level == 0 and place == 0) or newer < self.shortest:
                    return False
                if older >= self.shortest and self._differ(older, older_total, newer, newer_total, limit):
                    self._drop()
                    return True
        return False

    def _differ(self, older: int, older_total: float, newer: int, newer_total: float, limit: float) -> bool:
        inverse = 1 / (older - self.shortest + 1) + 1 / (newer - self.shortest + 1)
        bound = sqrt(2 * inverse * self.variance * limit) + 2 / 3 * inverse * limit
        return abs(older_total / older - newer_total / newer) > bound

    def _drop(self) -> None:
        level = len(self._rows) - 1
        total, squares = self._rows[level].pop()
        size = 1 << level
        self.width -= size
        self._total -= total
        difference = total / size - self._total / self.width
        self._squares -= squares + size * self.width * difference * difference / (size + self.width)
        while self._rows and not self._rows[-1] and len(self._rows) > 1:
            self._rows.pop()
