"""The version that a run predicts with, in whichever process it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tiltyard.batch.plan import ScoreRequest
from tiltyard.batch.result_tables import ResultColumns
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.drift.profiles import Layout, Reference
from tiltyard.errors import ArtifactError
from tiltyard.ledger.records import TEXT_GROUP
from tiltyard.project import Project
from tiltyard.registry import VersionInfo
from tiltyard.registry.package.manifest import FOLDER, Manifest, Verified, read_verified, verify
from tiltyard.registry.package.packaging import Package, read_prediction_sets
from tiltyard.registry.package.signing import host_keys
from tiltyard.registry.package.version_loader import load_copy
from tiltyard.registry.package.version_seal import check_identity
from tiltyard.scoring import (
    FrameScorer,
    FrameScores,
    Scorer,
    UnknownPolicy,
    make_scorer,
    match_columns,
)
from tiltyard.scoring.factory import accept_scorer, read_columns
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.text_inputs import TextColumns
from tiltyard.settings import Settings
from tiltyard.tasks import SetCalibration, reads_text, require_sets

if TYPE_CHECKING:
    from tiltyard.batch.read_fragment import RowBatch


@dataclass
class VersionInUse:
    """A version with this host's copy of its files; its model is loaded when it scores first.

    Attributes:
        project: how inputs are read, and what is recorded.
        settings: of this host.
        info: the version.
        folder: the copy.
        probabilities: whether results have the probability of each class.
        level: the confidence of the prediction sets of results; None for no sets.
        columns: the names of the source for what the model reads, by the model's; empty until the source is known.
        known: the columns of the source; None where that is not known at once.
        compiled: a file with its compiled form; None for none.
    """

    project: Project
    settings: Settings
    info: VersionInfo
    folder: Path
    probabilities: bool = False
    columns: Mapping[str, str] | None = None
    known: Sequence[str] | None = None
    compiled: Path | None = None
    level: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        names = ("project", "settings", "info", "folder", "probabilities", "columns", "known", "compiled", "level")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def verified(self) -> Verified:
        """Its manifest, by which its files were verified.

        Raises:
            ArtifactError: the files are not what was packaged as this version.
        """
        keys = host_keys(self.settings)
        verified = verify(self.folder, keys)
        check_identity(verified, self.info, keys)
        return verified

    @property
    def manifest(self) -> Manifest:
        """What is known of it, verified."""
        return self.verified.manifest

    @cached_property
    def reference(self) -> Reference | None:
        """What its training rows look like; None where that was not kept, or cannot be read."""
        name = f"{FOLDER}/{PROFILE}"
        if name not in self.manifest.files:
            return None
        content = read_verified(self.folder, self.manifest, name)
        try:
            return Reference.from_bytes(content)
        except ArtifactError:
            return None

    @property
    def layout(self) -> Layout | None:
        """How its rows are profiled."""
        return None if self.reference is None else self.reference.layout

    @cached_property
    def result(self) -> ResultColumns:
        """The columns of its results."""
        rule = self.manifest.decision
        abstains = rule is not None and (rule.abstain_below is not None or rule.abstain_cost is not None)
        shown = ResultColumns(self.project.serving.answer, self.probabilities, abstains)
        return shown if self.level is None else replace(shown, sets=self.require_prediction_sets(), level=self.level)

    def require_prediction_sets(self) -> SetCalibration | None:
        """What makes the prediction sets that are requested; None where none are.

        Raises:
            InputError: the version makes none, or none of this confidence.
        """
        if self.level is None:
            return None
        sets = read_prediction_sets(self.folder, self.manifest)
        return require_sets(sets, self.manifest.classes, self.info.version, self.level)

    @cached_property
    def inputs(self) -> InputColumns | TextColumns:
        """What its model reads."""
        manifest = self.manifest
        return TextColumns(manifest.text_column) if reads_text(manifest.task) else read_columns(manifest)

    @cached_property
    def scorer(self) -> FrameScorer:
        """What scores frames: the compiled form that another process wrote, where there is one."""
        policy = UnknownPolicy.from_options(self.project.serving)
        scorer: Scorer | None = None
        if self.compiled is not None:
            from tiltyard.scoring.stored_scorer import read_scorer  # noqa: PLC0415 - imports numba

            scorer = accept_scorer(read_scorer(self.compiled, read_columns(self.manifest)), self.manifest)
        if scorer is None:
            scorer = make_scorer(self._load_package())
        return FrameScorer(scorer, self.inputs, policy)

    def warm_up(self) -> None:
        """Load what every row needs, so that processes that are forked from this one share it."""
        _ = self.scorer, self.layout, self.result

    def _load_package(self) -> Package:
        return load_copy(self.info, self.folder, self.settings.trusted_types, host_keys(self.settings))

    @property
    def words(self) -> list[str]:
        """The source's columns of words: their distinct values are few."""
        manifest = self.manifest
        if reads_text(manifest.task) or self.columns is None:
            return []
        kinds = {name: dtype.lower() for name, dtype in manifest.columns.items()}
        return [own for name, own in self.columns.items() if kinds[name].startswith(("str", "category", "large"))]

    def list_needed(self, carried: Sequence[str], key: str | None) -> list[str] | None:
        """The columns that are read of a source; None for all."""
        if "*" in carried or self.known is None or self.columns is None:
            return None
        data = self.project.data
        further = (*data.slices, *data.sensitive, self.project.split.group, key, *carried)
        wanted = dict.fromkeys([*self.columns.values(), *(name for name in further if name in self.known)])
        return [str(name) for name in wanted]

    def score(self, rows: RowBatch) -> FrameScores:
        """The scores of some rows."""
        if rows.objects is not None:
            return self.scorer.score_objects([self._leave_others_out(row) for row in rows.objects])
        frame = rows.frame if rows.frame is not None else pd.DataFrame()
        columns = self.columns or match_columns(self.inputs, list(frame.columns))
        return self.scorer.score(frame[list(columns.values())].set_axis(list(columns), axis="columns"))

    def _leave_others_out(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the model reads of an object: a table has further columns, such as the key.

        Of an object that lacks a feature all stays, so that a name which is nearly the feature's is in the reason.
        """
        if not isinstance(self.inputs, InputColumns):
            return row
        names = self.inputs.names
        named = row if row.keys() == names else self.inputs.name_cells(row)
        return {name: cell for name, cell in named.items() if name in names} if named.keys() > names else named

    def pick_input(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The input of a row as the ledger keeps it: what the model reads, and what rows differ by."""
        manifest, group = self.manifest, self.project.split.group
        if reads_text(manifest.task):
            name = "text" if "text" in row else manifest.text_column
            text = {"text": row.get(name)}
            return {**text, TEXT_GROUP: row[group]} if group is not None and row.get(group) is not None else text
        names = self.columns or {name: name for name in manifest.columns}
        data = self.project.data
        further = (*data.slices, *data.sensitive, group)
        found = {name: row[own] for name, own in names.items() if own in row}
        return found | {name: row[name] for name in further if name is not None and name in row}


def use_version(
    project: Project, settings: Settings, info: VersionInfo, copy: Path, request: ScoreRequest
) -> VersionInUse:
    """A version for what is requested.

    Raises:
        InputError: it makes no prediction sets of the confidence that is requested.
    """
    found = VersionInUse(project, settings, info, copy, request.probabilities, level=request.confidence_level)
    found.require_prediction_sets()
    return found
