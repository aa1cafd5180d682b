"""KSWIN: the newest numbers of a window against a sample of its older ones, by Kolmogorov and Smirnov."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random

import numpy as np

from tiltyard.monitoring.streams.checking import finite


class Kswin:
    """Kolmogorov–Smirnov windowing (Raab, Heusinger and Schleif, 2020).

    A window of the latest numbers is kept. Its newest ``newest`` numbers are compared with as many drawn at random
    from the older ones; a p-value of at most ``alpha`` and a distance above 0.1 is a change, and leaves the newest
    numbers alone in the window. It sees any change of the distribution, not only of the mean. Since a test is made at
    every step, ``alpha`` must be small. The p-value is exact, as scipy's for two samples of one size.

    Args:
        alpha: significance of each test.
        window: numbers that are kept.
        newest: numbers of the newer part.
        seed: of the draws.

    Example:
        >>> import random
        >>> stream = random.Random(1)
        >>> kswin = Kswin(alpha=0.0001)
        >>> values = [stream.random() for _ in range(1000)] + [3 * stream.random() for _ in range(1000)]
        >>> 1000 <= [place for place, value in enumerate(values) if kswin.update(value)][0] < 1030
        True
    """

    name = "kswin"

    def __init__(self, alpha: float = 0.005, window: int = 100, newest: int = 30, seed: int = 0) -> None:
        self.alpha = alpha
        self.window = window
        self.newest = newest
        self._random = Random(seed)  # noqa: S311 - a draw, not a secret
        self._held: deque[float] = deque(maxlen=window)
        self._critical = max(_critical(newest, alpha), int(np.floor(0.1 * newest + 1e-9)) + 1)

    def update(self, value: float) -> bool:
        """See ``StreamDetector.update``; after a change the newest numbers stay."""
        self._held.append(finite(value))
        if len(self._held) < self.window:
            return False
        held = list(self._held)
        newest = held[-self.newest :]
        older = self._random.sample(held[: -self.newest], self.newest)
        if _steps_apart(older, newest) < self._critical:
            return False
        self._held.clear()
        self._held.extend(newest)
        return True


def _steps_apart(a: Iterable[float], b: Iterable[float]) -> int:
    """The distance of two samples of one size n, in steps of 1 / n."""
    first, second = np.sort(np.fromiter(a, float)), np.sort(np.fromiter(b, float))
    both = np.concatenate([first, second])
    below = np.searchsorted(first, both, side="right") - np.searchsorted(second, both, side="right")
    return int(np.abs(below).max())


def _critical(n: int, alpha: float) -> int:
    """The fewest steps whose exact p-value is at most alpha."""
    from scipy.stats import ks_2samp  # noqa: PLC0415

    base = np.arange(n, dtype=float)
    for steps in range(1, n + 1):
        # Two samples without ties that are exactly so many steps apart.
        moved = np.concatenate([base[: n - steps] + 0.5 + steps - 0.5 + 0.25, base[n - steps :] + n])
        if float(ks_2samp(base, moved, method="exact").pvalue) <= alpha:
            return _steps_apart(base, moved)
    return n + 1
