"""What is requested of a first project file, and what reading the data file found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from tiltyard.data import Dataset
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.inference.date_order import DAY_FIRST, ISO, DateOrder, find_date_order
from tiltyard.data.inference.infer_columns import InferredColumns, NamedColumns
from tiltyard.data.sources import FileLayout, detect_layout, read_source
from tiltyard.data.sources.source_reading import find_source_files
from tiltyard.errors import DataError, UsageError
from tiltyard.findings import Finding
from tiltyard.formatting import format_count
from tiltyard.project import DataSection, Project

_FEW_WORDS = 50


@dataclass(frozen=True)
class DraftRequest:
    """What is known before the data file is read.

    Attributes:
        data: the data file or folder.
        output: where the project file will stand.
        name: the project's name; None: from the folder's name.
        model: the registered model; None: by the project's name.
        named: columns and task that are known.
        positive: the positive class; None: chosen.
        metric: the metric; None: proposed by the shares of the classes.
        group: the column of rows that belong together.
        sensitive: columns whose groups fairness compares.
        layout: keys of ``[data]`` that are known, None for those to be detected.
        header: whether the first row holds names; None: detected.
        dates: how dates are written, as ``data.dates`` says it; None: detected.
    """

    data: Path
    output: Path
    name: str | None = None
    model: str | None = None
    named: NamedColumns = field(default_factory=NamedColumns)
    positive: str | None = None
    metric: str | None = None
    group: str | None = None
    sensitive: tuple[str, ...] = ()
    layout: Mapping[str, str | tuple[str, ...] | None] = field(default_factory=dict)
    header: bool | None = None
    dates: str | None = None


@dataclass(frozen=True)
class FirstRead:
    """What a data file holds.

    Attributes:
        layout: how it is written.
        frame: all of its rows.
        findings: what was renamed or left out.
        folder: whether it is a folder of texts.
        dates: how its dates are written.
    """

    layout: FileLayout
    frame: pd.DataFrame
    findings: tuple[Finding, ...]
    folder: bool
    dates: DateOrder = field(default_factory=DateOrder)

    @property
    def rules(self) -> ReadingRules:
        """How its cells are read; ambiguous dates as if days came first, so that they count as dates."""
        options = self.layout.options
        return ReadingRules(
            decimal=options.get("decimal", "."),
            thousands=options.get("thousands"),
            dates=DAY_FIRST if self.dates.ambiguous and self.dates.order == ISO else self.dates.order,
            unreadable_dates="gap" if self.dates.unreadable or self.dates.ambiguous else "refuse",
        )


@dataclass(frozen=True)
class ProjectDraft:
    """A project file that training reads.

    Attributes:
        content: its text.
        project: what it says.
        dataset: the rows that it describes.
        guess: what its columns were inferred to be.
    """

    content: str
    project: Project
    dataset: Dataset
    guess: InferredColumns


def read_data_file(request: DraftRequest) -> FirstRead:
    """Read a data file in the layout that is stated or detected.

    Raises:
        UsageError: there is no such file.
        DataError: it cannot be read.
    """
    data = request.data.resolve()
    if not data.exists():
        raise UsageError(f"The data file {request.data} does not exist.", next_step="Check the path.")
    layout = detect_layout(data, request.layout, header=request.header)
    found: list[Finding] = []
    section = DataSection(source=str(data), **layout.options)
    frame = read_source(section, Path(), found=found).rename(columns=str)
    _refuse_rows_within(frame, data.name)
    frame = _keep_gap_words(frame, section)
    texts = any(file.is_folder for file in find_source_files(section, Path()) or ())
    read = FirstRead(layout, frame, tuple(found), texts)
    return read if read.folder else read_dates(read, request.dates)


def read_dates(read: FirstRead, stated: str | None) -> FirstRead:
    """The same rows with their dates in the order that is stated, or found in them."""
    plain = replace(read, dates=DateOrder())
    return replace(plain, dates=find_date_order(read.frame, plain.rules, stated))


def name_folder_columns(request: DraftRequest, read: FirstRead) -> DraftRequest:
    """The request with the columns that a folder of texts always has."""
    if not read.folder:
        return request
    named = replace(request.named, label=request.named.label or "label", text=request.named.text or "text")
    return replace(request, named=named)


def _refuse_rows_within(frame: pd.DataFrame, file: str) -> None:
    """Refuse one JSON object that holds the rows in a list, as responses of an API do."""
    for name in frame.columns if len(frame) == 1 else ():
        cell = frame[name].iloc[0]
        if isinstance(cell, list) and len(cell) > 1 and all(isinstance(row, dict) for row in cell):
            raise DataError(
                f"{file} is one object, and its list '{name}' holds {format_count(len(cell), 'row')}.",
                next_step=f"Write that list alone into a file, for example with: jq '.\"{name}\"' {file} > rows.json",
                code="data.rows-within",
                column=str(name),
            )


def _keep_gap_words(frame: pd.DataFrame, section: DataSection) -> pd.DataFrame:
    """The rows with the words None, NA, null, … as values in columns of few words that would be no label without them.

    A label keeps such words in training, too. They are kept where no cell of the column is empty, for there such a
    word is likelier a class than a gap; and where it has two words or more, but fewer than two without these.
    """
    suspected = [
        str(name)
        for name in frame.columns
        if frame[name].isna().any() and _holds_few_words(frame[name]) and frame[name].nunique() <= _FEW_WORDS
    ]
    if not suspected:
        return frame
    words = read_source(section, Path(), verbatim=tuple(suspected)).rename(columns=str)
    kept = {name: words[name] for name in suspected if _needs_words(frame[name], words[name])}
    return frame.assign(**kept)


def _holds_few_words(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column.dtype) or bool(column.isna().all())


def _needs_words(settled: pd.Series, words: pd.Series) -> bool:
    different = words.nunique()
    if settled.nunique() < 2 <= different <= _FEW_WORDS:
        return True
    return bool(words.notna().all()) and settled.nunique() > 0
