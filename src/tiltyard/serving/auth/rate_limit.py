"""Rate limits: a token bucket for each caller.

A bucket holds up to ``burst`` tokens and gains ``rate`` of them a second; a request takes one, and waits where there is
none (the leaky bucket as a meter; ITU-T I.371, annex A).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic

# So many callers have a bucket; of more, the one that was silent for longest starts again with a full one.
MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """A bucket for each caller. Safe to use from several threads.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take_token(self, caller: str, rate: float, burst: float) -> float:
        """Take a token of a caller's bucket.

        Args:
            caller: whose bucket.
            rate: tokens that it gains a second, above 0.
            burst: most tokens that it holds, at least 1.

        Returns:
            0 if there was one; else the seconds until there is, and none was taken.
        """
        with self._lock:
            now = self._clock()
            bucket = self._buckets.get(caller)
            if bucket is None:
                bucket = self._buckets[caller] = _Bucket(burst, now)
                if len(self._buckets) > MOST_CALLERS:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(caller)
            bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
            bucket.at = now
            if bucket.tokens >= 1.0:
                bucket.tokens -= 1.0
                return 0.0
            return (1.0 - bucket.tokens) / rate
