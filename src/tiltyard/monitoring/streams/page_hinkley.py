"""Page and Hinkley's test: a sum of deviations that should hover, and climbs when the mean moved."""

from __future__ import annotations

from typing import Literal

from tiltyard.monitoring.streams.checking import finite

Direction = Literal["up", "down", "both"]


class PageHinkley:
    """The test of Page (1954), with Hinkley's running mean.

    With x̄ₜ the mean so far, Uₜ = α Uₜ₋₁ + (xₜ - x̄ₜ - δ) is kept, and so is its mirror image for a falling mean. The
    mean rose when Uₜ - min U > λ; it fell when max of the mirror image lies as far above. δ is what a mean may wander,
    λ what evidence is asked for: larger is slower and surer. Figures are those of river's PageHinkley.

    Args:
        fewest: numbers before the first alarm.
        delta: tolerated deviation.
        threshold: λ.
        alpha: forgetting factor.
        direction: which change to tell.

    Example:
        >>> import random
        >>> stream = random.Random(1)
        >>> test = PageHinkley()
        >>> values = [stream.random() for _ in range(1000)] + [stream.random() + 1 for _ in range(1000)]
        >>> [place for place, value in enumerate(values) if test.update(value)]
        [1040]
    """

    name = "page-hinkley"

    def __init__(
        self,
        fewest: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 0.9999,
        direction: Direction = "both",
    ) -> None:
        self.fewest = fewest
        self.delta = delta
        self.threshold = threshold
        self.alpha = alpha
        self.direction = direction
        self._seen = 0
        self._mean = self._up = self._down = 0.0
        self._lowest, self._highest = float("inf"), float("-inf")

    def update(self, value: float) -> bool:
        """See ``StreamDetector.update``."""
        number = finite(value)
        self._seen += 1
        self._mean += (number - self._mean) / self._seen
        deviation = number - self._mean
        self._up = self.alpha * self._up + deviation - self.delta
        self._down = self.alpha * self._down + deviation + self.delta
        self._lowest = min(self._lowest, self._up)
        self._highest = max(self._highest, self._down)
        if self._seen < self.fewest:
            return False
        rose = self.direction != "down" and self._up - self._lowest > self.threshold
        fell = self.direction != "up" and self._highest - self._down > self.threshold
        if rose or fell:
            self._start()
        return rose or fell

    def _start(self) -> None:
        self._seen = 0
        self._mean = self._up = self._down = 0.0
        self._lowest, self._highest = float("inf"), float("-inf")
