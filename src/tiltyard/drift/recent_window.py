"""Drift of a model's latest predictions in the ledger, from its training or from rows that a caller brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.drift.api import DriftRequest, describe_drift, detect_data_drift, tell_power
from tiltyard.drift.detectors.domain_classifier import LEAST_ROWS
from tiltyard.drift.detectors.suite import DriftTest
from tiltyard.drift.findings import DriftEvaluation, evaluate_without_reference
from tiltyard.drift.from_ledger import PredictionSource, compare_window, find_drift
from tiltyard.drift.given_reference import GivenReference, read_given_rows, replace_training
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Reference, rows_frame
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.result_types import DriftDetection
from tiltyard.drift.tables import ComparedOrder, separate_sides
from tiltyard.errors import ArtifactError
from tiltyard.ledger import Ledger, Prediction
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.project import Project

_MOST_ROWS = 100_000


@dataclass(frozen=True)
class RecentWindow:
    """The predictions of a window, and what is known of the version that made them.

    Attributes:
        ledger: where they are.
        source: whose predictions are meant; None without a champion.
        profile: the champion's ``profile.json``; None where it has none.
        window: begin and end.
        model_name: name of the registered model.
        project: the model's project; None where it is not here.
    """

    ledger: Ledger
    source: PredictionSource | None
    profile: bytes | None
    window: tuple[datetime, datetime]
    model_name: str
    project: Project | None = None

    def compare_with_training(self, request: DriftRequest) -> DriftDetection:
        """Drift of the champion's inputs and predictions from the profile of its training."""
        if self.source is None:
            return describe_drift(evaluate_without_reference(None), f"the training of {self.model_name}")
        evaluation = find_drift(self.ledger, self.profile, self.source, self.window, request.options)
        return _describe_window(evaluation, self._training, request.options)

    def compare_with_rows(self, given: Any, request: DriftRequest) -> DriftDetection:
        """Drift from rows that a caller brings.

        Where the champion made enough of the predictions, its columns are compared by the tests that compare it with
        its training, so that rows like those of the training give the verdict of the training. Otherwise the inputs of
        all versions are compared with the rows.

        Args:
            given: a table, or a series or list of texts.
            request: the limits, and whether to train a classifier.

        Raises:
            UsageError: the threshold cannot be used, or the rows have none of the columns that the champion reads.
        """
        known, source = self._read_reference(), self.source
        if known is None or source is None or not self._is_enough(source, request.options):
            return self._compare_inputs(given, known, request)
        text = self.project.data.text if self.project else None
        rows = read_given_rows(given, known, source.schema, text)
        other = replace_training(known, rows, request.options)
        further: Sequence[DriftTest] = self._separate(source, known, rows, other) if request.domain_classifier else ()
        evaluation = compare_window(self.ledger, other.reference, source, self.window, other.options, further)
        reference = (
            f"the reference given, which is like {self._training}"
            if other.like_training
            else (f"the reference given, which differs from {self._training}: predictions are not compared")
        )
        found = _describe_window(evaluation, reference, request.options)
        found["not_sent"] = _list_lost(evaluation)
        found["not_compared"] = list(other.not_compared)
        return found

    @property
    def _training(self) -> str:
        return f"the training of {self.model_name} version {self.source.version if self.source else ''}".rstrip()

    def _read_reference(self) -> Reference | None:
        try:
            return None if self.profile is None else Reference.from_bytes(self.profile)
        except ArtifactError:
            return None  # of another format

    def _is_enough(self, source: PredictionSource, options: DriftOptions) -> bool:
        """Whether the champion itself made enough of the predictions, or all of them."""
        stats = self.ledger.prediction_stats(self.model_name, *self.window)
        mine = stats.by_version.get(source.version, 0)
        return mine >= options.min_rows or mine == stats.total

    def _read_predictions(self, version: str | None = None) -> list[Prediction]:
        newest = self.ledger.predictions(
            project=self.model_name,
            since=self.window[0],
            until=self.window[1],
            version=version,
            shadow=False,
            limit=_MOST_ROWS,
            newest_first=True,
        )
        return [row for row in newest if not is_redacted(row.input)][::-1]

    def _compare_inputs(self, given: Any, known: Reference | None, request: DriftRequest) -> DriftDetection:
        rows = self._read_predictions()
        schema = self.source.schema if self.source else None
        own = ReadingRules.from_section(self.project.data) if self.project else USUAL_RULES
        order = ComparedOrder(
            dependence=known.dependence if known else None, hours=RowHours.from_moments(row.at for row in rows)
        )
        request = replace(request, order=order)
        return detect_data_drift(given, [row.input for row in rows], request, schema, schema.rules if schema else own)

    def _separate(
        self, source: PredictionSource, known: Reference, rows: pd.DataFrame, other: GivenReference
    ) -> list[DriftTest]:
        """Whether a classifier tells the champion's inputs from the rows, by the columns that both have."""
        columns = [name for name in known.layout.columns if name in rows.columns]
        sent = rows_frame((row.input for row in self._read_predictions(source.version)), columns)
        if min(len(sent), len(rows)) < max(other.options.min_rows, LEAST_ROWS):
            return []
        now = read_given_rows(sent, known, source.schema)
        texts = [name for name in columns if name in known.layout.texts]
        return [separate_sides(rows[columns], now[columns], texts, other.options)]


def _describe_window(evaluation: DriftEvaluation, reference: str, options: DriftOptions) -> DriftDetection:
    known = evaluation.verdict.evidence
    rows, reference_rows = int(known.get("rows", 0)), int(known.get("reference_rows", 0))
    found: DriftDetection = {**describe_drift(evaluation, reference), "predictions": rows}
    return tell_power(found, evaluation, options, reference_rows)


def _list_lost(evaluation: DriftEvaluation) -> list[str]:
    """Columns that the reference has and no row of the window."""
    shares = [(test.subject, dict(test.details)) for test in evaluation.tests if test.code == "drift.missing"]
    return [subject for subject, known in shares if known["share"] == 1.0 > known["reference_share"]]
