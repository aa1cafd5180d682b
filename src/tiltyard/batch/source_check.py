"""A table of any size against the rows that a version was trained on: read in parts, and nothing is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.batch.fragments import FileSource, Fragment, name_missing_source
from tiltyard.batch.plan import ScoreRequest
from tiltyard.batch.read_fragment import RowBatch, read_fragment
from tiltyard.batch.version_in_use import VersionInUse, use_version
from tiltyard.batch.version_lookup import VersionLookup
from tiltyard.data.loading import find_section
from tiltyard.data.sources.location import EXPOSED, SCHEMES, resolve_location
from tiltyard.drift import DriftOptions
from tiltyard.drift.findings import evaluate_drift, evaluate_without_reference
from tiltyard.drift.profiles import Profile, profile_rows
from tiltyard.drift.profiles.rows import rows_frame
from tiltyard.engines import Engine
from tiltyard.errors import DataError, UsageError
from tiltyard.findings import SEVERITIES, Finding
from tiltyard.formatting import format_count, format_percent
from tiltyard.jsonable import to_json_object
from tiltyard.project import Project
from tiltyard.redact import without_passwords
from tiltyard.result_display import ShownResult
from tiltyard.scoring import match_columns
from tiltyard.scoring.table.frame_encoding import read_feature
from tiltyard.scoring.text.text_inputs import TextColumns
from tiltyard.settings import Settings

UNREADABLE = "data.unreadable-cells"
UNREADABLE_ROWS = "data.unreadable-rows"
_MOST_UNREADABLE = 0.01  # a larger share is a fault of the table, and no few odd cells
_ROWS_OF_A_PART = 250_000


@dataclass(frozen=True)
class PartFacts:
    """What a part of a table looks like; the facts of two parts add up to those of both.

    Attributes:
        rows: its rows, those that cannot be read included.
        unreadable_rows: those that cannot be read as rows.
        unreadable: cells that are nothing of their column's kind, by column.
        profile: of the rows, in its own encoding; empty without one.
    """

    rows: int = 0
    unreadable_rows: int = 0
    unreadable: Mapping[str, int] = field(default_factory=dict)
    profile: bytes = b""


@dataclass
class PartWork:
    """Profiles parts of a table; the work of an engine.

    Attributes:
        source: the table.
        version: whose inputs its rows are.
    """

    source: FileSource
    version: VersionInUse

    def __call__(self, part: Fragment) -> PartFacts:
        """The facts of a part.

        Raises:
            DataError: it cannot be read, or lacks columns that the model reads.
        """
        rows, unreadable_rows = 0, 0
        unreadable: dict[str, int] = {}
        layout = self.version.layout
        profile = None if layout is None else Profile.empty(layout)
        needed = self.version.list_needed((), None)
        for batch in read_fragment(self.source, part, needed, self.version.words, self.version.project.data):
            rows += len(batch) + len(batch.refused)
            unreadable_rows += len(batch.refused)
            inputs = self._read_inputs(batch, unreadable)
            if layout is not None and profile is not None:
                profile += profile_rows(layout, inputs)
        return PartFacts(rows, unreadable_rows, unreadable, b"" if profile is None else profile.to_bytes())

    def _read_inputs(self, batch: RowBatch, unreadable: dict[str, int]) -> pd.DataFrame | pd.Series:
        """The rows as a model reads them; a cell that it cannot read is counted, and missing."""
        columns = self.version.inputs
        frame = self._make_frame(batch)
        if isinstance(columns, TextColumns):
            texts = frame["text"]
            wrong = np.array([not isinstance(cell, str) for cell in texts], np.bool_)
            _count(unreadable, "text", int((wrong & texts.notna().to_numpy()).sum()))
            return texts.where(~wrong, None)
        read = {}
        for column in columns:
            found = read_feature(frame[column.name], column, columns)
            read[column.name] = found.values
            if found.refused is not None:
                _count(unreadable, column.name, int(found.refused.sum()))
                if not isinstance(found.values, pd.Series):
                    read[column.name] = np.where(found.refused, np.nan, found.values)
        return pd.DataFrame(read, copy=False).reset_index(drop=True)

    def _make_frame(self, batch: RowBatch) -> pd.DataFrame:
        columns = self.version.inputs
        if batch.frame is not None:
            matched = self.version.columns or match_columns(columns, list(batch.frame.columns))
            frame = batch.frame[list(matched.values())].set_axis(list(matched), axis="columns")
            return frame.set_axis(["text"], axis="columns") if isinstance(columns, TextColumns) else frame
        rows = batch.objects or ()
        if isinstance(columns, TextColumns):
            texts = [row.get("text" if "text" in row else columns.name) for row in rows]
            return pd.DataFrame({"text": pd.Series(texts, dtype=object)})
        return rows_frame(map(columns.name_cells, rows), [column.name for column in columns])


@dataclass(frozen=True, repr=False)
class SourceCheck(ShownResult):
    """How a table of any size compares with the rows that a version was trained on.

    Attributes:
        source: the table, without passwords.
        model_name: the registered model.
        version: its version.
        rows: rows of the table.
        unreadable_rows: those that cannot be read as rows.
        unreadable: cells that are nothing of their column's kind, by column.
        findings: the gravest first.
    """

    source: str
    model_name: str
    version: str
    rows: int
    unreadable_rows: int
    unreadable: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing needs attention."""
        return not any(found.is_found and found.severity != "info" for found in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**to_json_object(self), "passed": self.passed}

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """Its title, and what is shown of it."""
        return f"{self.source} and {self.model_name} version {self.version}", {
            "rows": f"{self.rows:,}",
            "unreadable": dict(self.unreadable),
            "findings": [found.to_dict() for found in self.findings],
        }


def check_source(
    project: Project, settings: Settings, source: str, engine: Engine, root: Path, alias: str = "champion"
) -> SourceCheck:
    """Check a table of any size: cells that cannot be read, and drift from the rows that a version was trained on.

    The table is read in parts, whose profiles are added in their order: memory does not grow with it, and the result is
    the same to the bit whatever engine reads it.

    Args:
        project: the project.
        settings: of this host.
        source: a file, a glob, a folder or a URL, as ``tiltyard score`` takes it.
        engine: where the parts are read.
        root: folder that a relative source starts from.
        alias: of the version.

    Raises:
        DataError: the source cannot be read, has no row, or lacks columns that the model reads.
        UsageError: it is a database.
        NotFoundError: there is no such version.
    """
    location = resolve_location(source, root, "The source", EXPOSED)
    if location.scheme not in SCHEMES | {"", "file"}:
        raise UsageError(
            f"{location.written} is a database, whose rows cannot be read in parts.",
            next_step="Write the rows to a Parquet file, and name that.",
        )
    with name_missing_source(root):
        files = FileSource(find_section(project, source, root), root)
        known = files.list_columns()
    with VersionLookup(settings) as versions:
        info = versions.get_version(project.model_name, alias=alias)
        version = use_version(project, settings, info, versions.fetch(info), ScoreRequest(source, ""))
    version = replace(version, known=known, columns=None if known is None else match_columns(version.inputs, known))
    with closing(engine):
        total = _fold(engine, PartWork(files, version), files.cut(_ROWS_OF_A_PART), version)
    if not total.rows:
        raise DataError(f"{location.written} holds no rows.", next_step="Check the source.", code="data.empty")
    return SourceCheck(
        without_passwords(source),
        info.name,
        info.version,
        total.rows,
        total.unreadable_rows,
        total.unreadable,
        tuple(_evaluate(version, total)),
    )


def _fold(engine: Engine, work: PartWork, parts: Iterator[tuple[int, Fragment]], version: VersionInUse) -> _Total:
    start = _Total(profile=None if version.layout is None else Profile.empty(version.layout))
    return engine.fold(work, parts, start, _Total.add)


@dataclass(frozen=True)
class _Total:
    profile: Profile | None
    rows: int = 0
    unreadable_rows: int = 0
    unreadable: Mapping[str, int] = field(default_factory=dict)

    def add(self, part: PartFacts) -> _Total:
        names = sorted({*self.unreadable, *part.unreadable})
        return _Total(
            None if self.profile is None else self.profile + Profile.from_bytes(part.profile),
            self.rows + part.rows,
            self.unreadable_rows + part.unreadable_rows,
            {name: self.unreadable.get(name, 0) + part.unreadable.get(name, 0) for name in names},
        )


def _evaluate(version: VersionInUse, total: _Total) -> Sequence[Finding]:
    reference = version.reference
    if reference is None or total.profile is None:
        drift = evaluate_without_reference(version.info.version)
    else:
        drift = evaluate_drift(reference, total.profile, DriftOptions.from_section(version.project.monitoring))
    findings = [*drift]
    counts = [(UNREADABLE, name, count, "cell") for name, count in total.unreadable.items()]
    if total.unreadable_rows:
        counts.append((UNREADABLE_ROWS, "rows", total.unreadable_rows, "row"))
    for code, subject, count, noun in counts:
        share = count / total.rows
        findings.append(
            Finding(
                code,
                "warning" if share > _MOST_UNREADABLE else "info",
                subject,
                f"{noun.capitalize()}s cannot be read",
                f"{format_count(count, noun)} of {format_count(total.rows, 'row')} ({format_percent(share)}) cannot be "
                "read as what training knew.",
                next_step="Score the table, and read the reasons in the file of refused rows; then correct the source.",
                score=share,
                limit=_MOST_UNREADABLE,
            )
        )
    return sorted(findings, key=lambda one: (not one.is_found, -SEVERITIES.index(one.severity), one.status == "clear"))


def _count(counts: dict[str, int], name: str, more: int) -> None:
    if more:
        counts[name] = counts.get(name, 0) + more
