"""What ``detect_drift`` and ``detect_data_drift`` return: dictionaries of JSON's types, with their keys."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from tiltyard.findings import Severity, Status


class FeatureDrift(TypedDict):
    """The test of one subject with the strongest evidence: ``kind`` is its finding code, ``method`` the test.

    Tests of numbers have both means and medians, and the share of rows ``beyond_reference``: where the reference has at
    most 1 % of its rows. Tests of missing values have both shares, tests of new values the categories with their
    counts, and tests of categories the ``shares`` that moved most: by category, before and now. Where rows belong
    together, ``independent_rows`` is what those of the window are worth, in ``blocks`` that say so. ``reading`` is
    ``drift``; ``difference`` for one below the limit; ``alike`` for one no larger than between groups or periods of the
    reference; ``chance`` for all else.
    """

    drift_detected: bool
    score: float
    limit: float
    p_value: float
    method: str
    kind: str
    reading: NotRequired[Literal["drift", "difference", "alike", "chance"]]
    mean: NotRequired[float | None]
    reference_mean: NotRequired[float | None]
    median: NotRequired[float | None]
    reference_median: NotRequired[float | None]
    beyond_reference: NotRequired[float]
    independent_rows: NotRequired[float]
    blocks: NotRequired[str]
    p_value_if_independent: NotRequired[float]
    share: NotRequired[float | None]
    reference_share: NotRequired[float | None]
    new_categories: NotRequired[dict[str, int]]
    shares: NotRequired[dict[str, list[float]]]


class DriftFinding(TypedDict):
    """A finding on drift; times are ISO 8601 in UTC."""

    code: str
    severity: Severity
    subject: str
    title: str
    message: str
    score: float | None
    limit: float | None
    evidence: dict[str, Any]
    next_step: str
    status: Status
    since: str | None
    until: str | None


class DriftDetection(TypedDict):
    """Whether data drifted.

    ``drift_score`` is the share of the tests that found drift. ``features`` is by subject, ``predictions`` the number
    of rows that were compared. ``not_sent`` has the columns of a reference frame that no row has (drift, unless
    they are ignored, always missing, or differ by design), ``not_compared`` others that differ by design.
    ``detectable_shift`` is the least shift of a share of rows that the comparison finds with a probability of 80 %.
    """

    drift_detected: bool
    status: Status
    message: str
    next_step: str
    drift_score: float | None
    features: dict[str, FeatureDrift]
    findings: list[DriftFinding]
    compared_with: str
    predictions: NotRequired[int]
    not_sent: NotRequired[list[str]]
    not_compared: NotRequired[list[str]]
    detectable_shift: NotRequired[float]
