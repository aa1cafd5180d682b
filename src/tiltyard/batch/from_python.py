"""Batch runs from Python and notebooks: of frames, or of what a project file could name."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import pandas as pd
import pyarrow.parquet as pq

from tiltyard.batch.plan import Record, ScoreRequest
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.run import RunOptions, ScoreJob, score_table
from tiltyard.batch.targets.choose_target import choose_target
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.input_rows import as_table
from tiltyard.engines import EngineName
from tiltyard.errors import UsageError
from tiltyard.project import BatchTable, Project, load_project
from tiltyard.redact import without_passwords
from tiltyard.settings import Settings
from tiltyard.tasks import check_confidence_level
from tiltyard.wiring import load_settings


@dataclass(frozen=True)
class ScoreOptions:
    """How a table is scored; what is None follows the project's ``[batch]``.

    Attributes:
        version: registry version; default: that of the alias.
        alias: default: ``champion``.
        columns: columns of the source that the result carries along; ``*`` for all.
        key: column with your own key of each row.
        record: which predictions are kept in the ledger.
        probabilities: whether the result has the probability of each class.
        confidence_level: of a prediction set for each row, such as 0.9: its labels as a JSON array, the likeliest
            first, in the column ``prediction_set``.
        strict: whether a row that cannot be scored stops the run.
        query, table: the rows, of a source that is a database.
        to_table: the table of the results, of a target that is a database.
        workers: processes that score.
        engine: where they are: ``local`` for this machine, ``ray`` for a Ray cluster.
        restart: forget an unfinished run to the same target.
        overwrite: replace a target that no batch run wrote.
    """

    version: str | None = None
    alias: str | None = None
    columns: Sequence[str] | None = None
    key: str | None = None
    record: Record | None = None
    probabilities: bool | None = None
    confidence_level: float | None = None
    strict: bool = False
    query: str | None = None
    table: str | None = None
    to_table: str | None = None
    workers: int | None = None
    engine: EngineName | None = None
    restart: bool = False
    overwrite: bool = False

    def make_job(self, project: Project, settings: Settings, source: str, target: str, root: Path) -> ScoreJob:
        """The job that is meant.

        Raises:
            UsageError: options contradict each other, or the target cannot be written to.
            InputError: the confidence is not between 0 and 1.
        """
        for first, second in (("version", "alias"), ("query", "table")):
            if getattr(self, first) is not None and getattr(self, second) is not None:
                raise UsageError(f"Both {first} and {second} are given.", next_step="Give one of them.")
        section, level = project.batch, self.confidence_level
        request = ScoreRequest(
            source=without_passwords(source),
            target=without_passwords(target),
            query=self.query or (f"table {self.table}" if self.table else ""),
            columns=section.columns if self.columns is None else tuple(self.columns),
            key=self.key or section.key,
            record=self.record or section.record,
            sample=section.sample,
            probabilities=section.probabilities if self.probabilities is None else self.probabilities,
            confidence_level=section.confidence_level if level is None else check_confidence_level(level),
            fragment_rows=section.fragment_rows,
            strict=self.strict,
            version=self.version,
            alias=None if self.version is not None else (self.alias or "champion"),
        )
        named = {name: value for name in ("query", "table") if (value := getattr(self, name)) is not None}
        place = choose_target(target, self.to_table, root, settings)
        return ScoreJob(project, settings, source, request, place, named, root)

    @property
    def run(self) -> RunOptions:
        """How it is carried out."""
        return RunOptions(self.workers, self.restart, self.overwrite, self.engine)


def make_table_job(project: Project, settings: Settings, table: BatchTable, source: str) -> ScoreJob:
    """The job of a table of the project file, ``[batch.NAME]``; what it does not say, ``[batch]`` says.

    Args:
        project: the project.
        settings: of this host.
        table: the table.
        source: its source, or one file of it.

    Raises:
        UsageError: the target cannot be written to.
    """
    names = ("version", "alias", "columns", "key", "record", "probabilities", "confidence_level", "strict")
    options = ScoreOptions(**{name: getattr(table, name) for name in (*names, "query", "table", "to_table")})
    return options.make_job(project, settings, source, table.target, project.root)


@overload
def score_source(
    source: Any,
    to: str | Path,
    *,
    project: Project | str | Path | None = ...,
    settings: Settings | None = ...,
    **how: Any,
) -> ScoreResult: ...


@overload
def score_source(
    source: Any,
    to: None = ...,
    *,
    project: Project | str | Path | None = ...,
    settings: Settings | None = ...,
    **how: Any,
) -> pd.DataFrame: ...


def score_source(
    source: Any,
    to: str | Path | None = None,
    *,
    project: Project | str | Path | None = None,
    settings: Settings | None = None,
    **how: Any,
) -> ScoreResult | pd.DataFrame:
    """Score a whole table with a registered version, as ``tiltyard score`` does.

    Args:
        source: a frame of pandas or polars, an Arrow table; or a file, glob, folder, or the URL of files or of a
            database.
        to: where the results go: a file (.parquet, .csv, .jsonl), a folder, or the URL of a database; None to have them
            returned.
        project: the project, or its folder or file; default: that of the working folder.
        settings: where things live; default: the environment, and ``.tiltyard`` next to the project file.
        how: options by the names of ``ScoreOptions``: ``version``, ``columns``, ``key``, ``record``, ….

    Returns:
        The result of the run; without ``to`` the results as a frame, the run in its ``attrs["run"]``.

    Raises:
        UsageError: an option is unknown, or the target cannot be used.
        DataError: the source cannot be read, or has no row that can be scored.
        NotFoundError: there is no such version.
        UnavailableError: ledger or registry cannot be reached.
    """
    unknown = sorted(how.keys() - ScoreOptions.__dataclass_fields__.keys())
    if unknown:
        names = ", ".join(ScoreOptions.__dataclass_fields__)
        raise UsageError(f"score has no option '{unknown[0]}'; it has {names}.", next_step="Correct its name.")
    options = ScoreOptions(**how)
    used = project if isinstance(project, Project) else load_project(Path(project) if project is not None else Path())
    settings = settings or load_settings(used)
    with tempfile.TemporaryDirectory(prefix="tiltyard-score-") as made:
        folder = Path(made)
        if isinstance(source, str | Path):
            written = str(source)
        else:
            written = str(folder / "rows.parquet")
            pq.write_table(as_table(read_table_like(source, "The source")), written)
        target = str(folder / "results.parquet") if to is None else str(to)
        job = options.make_job(used, settings, written, target, Path.cwd())
        # What people see of the run: not the files through which a frame passes.
        shown: dict[str, Any] = {"source": "A data frame"} if not isinstance(source, str | Path) else {}
        shown |= {"target": "A data frame"} if to is None else {}
        result = score_table(replace(job, request=replace(job.request, **shown)), options.run)
        if to is not None:
            return result
        frame = pd.read_parquet(target)
    frame.attrs["run"] = result
    return frame
