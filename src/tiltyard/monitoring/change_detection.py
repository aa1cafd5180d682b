"""Whether a version makes more errors than it used to: a change point in its labelled predictions.

The stream holds, for each labelled prediction in the order of the predictions, 1 where it was wrong and 0 where it was
right. ADWIN (Bifet and Gavaldà, SIAM Data Mining 2007; river's implementation) keeps a window of the stream and drops
its older part whenever the means of two parts differ by more than

    ε = √((2 / m) σ² ln(2 / δ')) + (2 / 3m) ln(2 / δ'),   1/m = 1/n₀ + 1/n₁,   δ' = δ / ln n.

Unlike a comparison with the value at training, this says when the change took place, and it needs no baseline: a
version whose labels come from hard cases alone is compared with itself.

**False alarms.** δ bounds one test, and a long stream has many. Measured on 1,000 streams of independent errors at a
constant rate (0.05, 0.15 and 0.4), δ = 0.01 found a rise in at most 0.1 % of the streams of 2,000 rows and in at most
1.5 % of those of 20,000, over all tests of a stream; δ = 0.04 in 0.5 % and 9.4 %. So δ is a fifth of the accepted rate
of false alarms.

**Units.** Rows of one request, caller or group (``name_unit``) can be right and wrong together; a row each, they raised
alarms in 40 % of streams of 100 batches of 50 (correlation 0.2). So it is tested whether units differ by more than
independent rows would (1 %). If they do, the stream holds one value for each unit, its share of errors, at the place of
its first row, and ``min_rows`` counts units; else it holds rows, and nothing is lost. Errors that come together in
another way (a hard hour of many callers) still raise more alarms.

**Numbers.** The stream holds the absolute error of each row, as a share of a cap beyond which it does not count: three
times the mean absolute error at training. ADWIN's bound is for values from 0 to 1, so it holds for them as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.resampling.error_units import arrange_stream
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import choose_form, format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Label, Prediction
from tiltyard.ledger.sql.outcomes import name_unit
from tiltyard.monitoring.estimates.task_part import TaskMonitoring
from tiltyard.monitoring.findings_from_run import GET_LABELS
from tiltyard.project import MonitoringSection
from tiltyard.tasks import USUAL_TARGET, TaskTarget

CHANGE = "performance.change"

CLOCK = 32
"""A test takes place after so many rows."""

GRACE_PERIOD = 30
"""Rows before the first test."""

MIN_PART = 5
"""Fewest rows of either part."""

DELTA_SHARE = 0.2
"""δ, as a share of the accepted rate of false alarms."""


@dataclass(frozen=True)
class ErrorRise:
    """A rise of the error rate that lasts until the end of the stream.

    Attributes:
        position: the value at which the rate began to rise, from 0.
        rows_before: number of values with the rate before: of rows, or of units.
        rate_before: share of errors before.
        rows: number of values with the present rate.
        rate: present share of errors.
    """

    position: int
    rows_before: int
    rate_before: float
    rows: int
    rate: float

    @property
    def loss(self) -> float:
        """The loss of accuracy, as a share of the accuracy before."""
        return (self.rate - self.rate_before) / (1 - self.rate_before)


def detect_error_rise(errors: NDArray[np.bool_] | NDArray[np.float64], false_alarm_rate: float) -> ErrorRise | None:
    """The rise of the error rate that still lasts; None where there is none, or where a fall came after it.

    Rises that follow one another without a fall between them are one rise, which begins at the first of them: a slow
    decay is found in steps.

    Args:
        errors: n booleans, in the order of the predictions: whether each was wrong; or n shares of errors.
        false_alarm_rate: accepted share of unchanged streams, of up to 20,000 rows, in which a rise is found.
    """
    changes = locate_changes(errors, false_alarm_rate * DELTA_SHARE)
    parts = [errors[start:end] for start, end in pairwise([0, *changes, len(errors)])]
    first = len(parts) - 1
    while first > 0 and parts[first].mean() > parts[first - 1].mean():
        first -= 1
    if first == len(parts) - 1:
        return None
    before, now = parts[first], parts[-1]
    return ErrorRise(changes[first], len(before), float(before.mean()), len(now), float(now.mean()))


def change_findings(
    labelled: Sequence[tuple[Prediction, Label]],
    limits: MonitoringSection,
    group_key: str | None = None,
    error: float | None = None,
    *,
    target: TaskTarget = USUAL_TARGET,
) -> list[Finding]:
    """The finding on a change of the error rate, of numbers of the error, over the life of a version.

    Args:
        labelled: its labelled predictions, oldest first.
        limits: the project's ``[monitoring]``.
        group_key: under which key of a recorded input its group stands; None where the project has no groups.
        error: of numbers the mean absolute error at training; None where that is not known.
        target: what the version predicts.
    """
    of_target = TaskMonitoring.find_for_target(target)
    words, errors = of_target.words, of_target.measure_errors(labelled, error)
    if isinstance(errors, str):
        return [could_not_judge(CHANGE, words.metric, errors)]
    if len(labelled) < limits.min_rows:
        few = f"{format_count(len(labelled), 'labelled prediction')} {choose_form(len(labelled), 'is', 'are')} too few"
        why = f"{few} to find a change; {limits.min_rows:,} are needed."
        return [could_not_judge(CHANGE, words.metric, why, GET_LABELS)]
    stream = arrange_stream(
        errors.values, [name_unit(row.unit, row.input, row.project, group_key) for row, _ in labelled]
    )
    if len(stream.values) < limits.min_rows:
        why = (
            f"The errors of {format_count(len(labelled), 'labelled prediction')} come together in "
            f"{format_count(len(stream.values), 'request, caller or group', 'requests, callers or groups')}, too few "
            f"to find a change; {limits.min_rows:,} are needed."
        )
        return [could_not_judge(CHANGE, words.metric, why, GET_LABELS)]
    rise = detect_error_rise(stream.values, limits.false_alarm_rate)
    first, last = labelled[0][0].at, labelled[-1][0].at
    kind = "requests, callers or groups" if stream.by_unit else "labelled predictions"
    if rise is None:
        message = f"{words.what} did not rise over {len(stream.values):,} {kind}."
        return [Finding(CHANGE, "info", words.metric, message=message, since=first, until=last, status="clear")]
    changed_at = labelled[stream.first[rise.position]][0].at
    loss = of_target.measure_loss(rise.rate, rise.rate_before)
    found = loss > limits.max_loss
    now, before = (of_target.describe_rate(rate, errors) for rate in (rise.rate, rise.rate_before))
    return [
        Finding(
            code=CHANGE,
            subject=words.metric,
            severity="warning" if found else "info",
            score=loss,
            limit=limits.max_loss,
            message=f"{words.what} rose on {changed_at:%Y-%m-%d %H:%M} UTC: {words.measure} is {now} on the "
            f"latest {rise.rows:,} {kind} and was {before} on {rise.rows_before:,} "
            f"before, a loss of {loss:.1%}, of which {limits.max_loss:.1%} is allowed.",
            evidence={
                **to_json_object(rise),
                "by_unit": stream.by_unit,
                "changed_at": changed_at.isoformat(),
                "detector": "ADWIN",
                **({} if errors.cap is None else {"cap": errors.cap}),
            },
            since=first,
            until=last,
            status="found" if found else "clear",
            next_step="Find out what changed at that time, and retrain with the new labels: tiltyard retrain."
            if found
            else "",
        )
    ]


def locate_changes(errors: NDArray[np.bool_] | NDArray[np.float64], delta: float) -> list[int]:
    """The rows at which the rate changed, in their order: each begins a part with another rate.

    Args:
        errors: n booleans, or n shares.
        delta: ADWIN's δ.
    """
    from river.drift import ADWIN  # noqa: PLC0415 - half a second

    changes: list[int] = []
    values = errors.astype(float).tolist()
    begin = row = 0
    detector = ADWIN(delta=delta, clock=CLOCK, min_window_length=MIN_PART, grace_period=GRACE_PERIOD)
    while row < len(values):
        detector.update(values[row])
        row += 1
        if detector.drift_detected:
            begin += _most_likely_change(errors[begin:row])
            changes.append(begin)
            # The rows after the change are read again, by a detector that has seen none before it.
            row = begin
            detector = ADWIN(delta=delta, clock=CLOCK, min_window_length=MIN_PART, grace_period=GRACE_PERIOD)
    return changes


def _most_likely_change(errors: NDArray[np.bool_] | NDArray[np.float64]) -> int:
    """The value that divides n values into two parts of greatest likelihood (Hinkley, Biometrika 57, 1970).

    ADWIN drops buckets of many rows: where its window begins is a coarse estimate of the change.
    """
    rows = len(errors)
    sizes = np.arange(MIN_PART, rows - MIN_PART + 1)
    wrong = np.cumsum(errors, dtype=np.float64)
    before = wrong[sizes - 1]
    after = np.maximum(wrong[-1] - before, 0.0)
    likelihood = _log_likelihood(before, sizes) + _log_likelihood(after, rows - sizes)
    return int(sizes[likelihood.argmax()])


def _log_likelihood(wrong: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The greatest log-likelihood of so many errors among so many rows."""
    rate = np.minimum(wrong / rows, 1.0)
    of_wrong = wrong * np.log(np.where(wrong > 0, rate, 1.0))
    of_right = (rows - wrong) * np.log(np.where(rate < 1, 1 - rate, 1.0))
    return np.asarray(of_wrong + of_right, dtype=np.float64)
