"""What a stream process has done and how far it is behind, for ``/metrics`` and ``/health``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tiltyard.streams.handling import Handled, Outcome


@dataclass
class StreamFigures:
    """The figures of one stream; they belong to one event loop, and are read from any thread.

    Attributes:
        stream: ``predictions`` or ``labels``.
        source: where its messages come from, without passwords.
        outcomes: messages by what became of them, counted once they are confirmed.
        lag: messages that are not confirmed; None while that is not known.
        problem: why nothing is taken now; empty while all is well.
        problem_code: the stable name of that error.
        next_step: what to do about it.
    """

    stream: str
    source: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    lag: int | None = None
    problem: str = ""
    problem_code: str = ""
    next_step: str = ""

    def count(self, handled: Sequence[Handled]) -> None:
        """Count messages that are confirmed."""
        self.outcomes.update(one.outcome for one in handled)

    def to_dict(self) -> dict[str, object]:
        """The figures as JSON-ready data."""
        return {
            "stream": self.stream,
            "source": self.source,
            "ok": not self.problem,
            "reason": self.problem,
            "lag": self.lag,
            "messages": dict(self.outcomes),
        }


class StreamCollector(Collector):
    """The figures of streams as metrics.

    Args:
        streams: the figures.
    """

    def __init__(self, streams: Sequence[StreamFigures]) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        messages = CounterMetricFamily(
            "tiltyard_stream_messages",
            "Messages that were taken from a stream and confirmed, by what became of them.",
            labels=["stream", "outcome"],
        )
        lag = GaugeMetricFamily(
            "tiltyard_stream_lag_messages", "Messages of a stream that are not confirmed yet.", labels=["stream"]
        )
        up = GaugeMetricFamily("tiltyard_stream_up", "Whether messages of a stream are being taken.", labels=["stream"])
        for one in self._streams:
            for outcome, count in sorted(one.outcomes.items()):
                messages.add_metric([one.stream, outcome], count)
            if one.lag is not None:
                lag.add_metric([one.stream], one.lag)
            up.add_metric([one.stream], 0.0 if one.problem else 1.0)
        yield from (messages, lag, up)
