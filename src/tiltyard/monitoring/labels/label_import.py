"""Labels from a file: which predictions they belong to, and which of them are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiltyard.choices import LABEL_FILE_COLUMNS
from tiltyard.csv_export import restore_cell
from tiltyard.data.conform.dates import parse_instant
from tiltyard.data.conform.labels import is_label_gap, point_decimals, write_label
from tiltyard.errors import DataError
from tiltyard.jsonable import json_form, to_json_object
from tiltyard.ledger import Label, Ledger, NamedPrediction
from tiltyard.ledger.label_intake import (
    CheckedLabel,
    ReportedLabel,
    check_labels,
    normalise_key,
    read_recorded_labels,
)
from tiltyard.project import DataSection
from tiltyard.suggest import nearest
from tiltyard.tasks import USUAL_TARGET, TaskTarget

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 1000
MOST_EXAMPLES = 5
ID_COLUMN, KEY_COLUMN = LABEL_FILE_COLUMNS["id"], LABEL_FILE_COLUMNS["key"]
LABEL_COLUMN, AT_COLUMN = LABEL_FILE_COLUMNS["label"], LABEL_FILE_COLUMNS["at"]
AT_FIELD = "at"


@dataclass(frozen=True)
class LabelColumns:
    """The columns of a file of labels.

    Attributes:
        id: ids of predictions; where it is missing, or a cell of it is empty, the key is used.
        key: the callers' own keys.
        label: the label; rows without one are skipped.
        at: when it was determined (ISO 8601), by ``at`` as over HTTP where there is no ``labelled_at``; default: now.
        label_in_project: the label's column in the project's data, which is read where the file has no ``label``.
    """

    id: str = ID_COLUMN
    key: str = KEY_COLUMN
    label: str = LABEL_COLUMN
    at: str = AT_COLUMN
    label_in_project: str | None = None


@dataclass(frozen=True)
class ImportOptions:
    """How the labels of a file are imported.

    Attributes:
        source: where the labels come from, for the record.
        late_after: a label that comes later than this after its prediction counts as late.
        timezone: the zone of times that name none; None: they are read as UTC, and counted.
        target: what the project predicts.
    """

    source: str = "import"
    late_after: timedelta = timedelta(hours=24)
    timezone: tzinfo | None = None
    target: TaskTarget = USUAL_TARGET


@json_form(also=("set_aside",))
@dataclass
class ImportReport:
    """The result of an import.

    Attributes:
        rows: rows read.
        stored: labels stored: new ones and corrections.
        corrected: of those, labels that differ from the one that counted before.
        repeated: labels that were known already; not stored again.
        superseded: labels older than the one that counts; stored, without effect.
        rare: labels of a class that training set aside or merged; stored, and no version predicts it.
        late: labels that came more than the monitoring window after their prediction.
        zoneless: labels whose time names no time zone; stored, their times read as UTC.
        unknown: rows whose id or key the ledger does not hold.
        ambiguous: rows whose key was used for several predictions, and whose time does not say which is meant.
        unlabelled: rows without a label.
        unexpected: labels that are not classes of the version; not stored.
        unexpected_labels: those labels, by how often they came.
        ahead: labels whose time is in the future; not stored.
        invalid: rows with an invalid time, or with neither id nor key.
        examples: some rows of each kind, by its name.
    """

    rows: int = 0
    stored: int = 0
    corrected: int = 0
    repeated: int = 0
    superseded: int = 0
    rare: int = 0
    late: int = 0
    zoneless: int = 0
    unknown: int = 0
    ambiguous: int = 0
    unlabelled: int = 0
    unexpected: int = 0
    unexpected_labels: dict[str, int] = field(default_factory=dict)
    ahead: int = 0
    invalid: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, example: str) -> None:
        """Count a row of a kind, and keep some of them as examples."""
        setattr(self, kind, getattr(self, kind) + 1)
        kept = self.examples.setdefault(kind, [])
        if len(kept) < MOST_EXAMPLES:
            kept.append(example)

    @property
    def nothing_new(self) -> bool:
        """Whether no label was stored, and none was known already."""
        return not self.stored and not self.repeated

    @property
    def set_aside(self) -> int:
        """Rows with a label that was not taken: it, its time, or what it is about has to be corrected."""
        return self.unknown + self.ambiguous + self.unexpected + self.ahead + self.invalid

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return to_json_object(self)


@dataclass(frozen=True)
class _LabelRow:
    """One row of a file: its position from 1, what it reports, and whether its time names no zone."""

    position: int
    reported: ReportedLabel
    zoneless: bool


def read_labels(path: Path, columns: LabelColumns = LabelColumns()) -> pd.DataFrame:
    """The rows of a file of labels with a header; its format, encoding and separators are detected.

    Raises:
        DataError: the file cannot be read, or has no column for the label, none of the name that is given for its
            times, or neither ids nor keys.
    """
    from tiltyard.data.sources import detect_layout, read_source  # noqa: PLC0415 - who counts labels reads no file

    layout = detect_layout(path, {}, header=True)
    section = DataSection(source=path.name, label=columns.label, **layout.options)
    verbatim = (columns.id, columns.key, columns.label, columns.label_in_project or columns.label)
    frame = read_source(section, path.resolve().parent, verbatim=verbatim)
    for name in {*verbatim} & {str(column) for column in frame.columns}:
        # As `label queue` writes a text that a spreadsheet would take for a formula.
        frame[name] = frame[name].map(lambda cell: restore_cell(cell) if isinstance(cell, str) else cell)
    known = [str(name) for name in frame.columns]
    if columns.at == AT_COLUMN and AT_COLUMN not in known and AT_FIELD in known:
        frame = frame.rename(columns={AT_FIELD: AT_COLUMN})
    if columns.label not in known and columns.label_in_project in known:
        frame = frame.rename(columns={columns.label_in_project: columns.label})
    elif columns.label not in known:
        raise DataError(
            f"{path} has no column '{columns.label}'; it has {', '.join(known)}.{nearest(columns.label, known)}",
            next_step="Name the column of the labels with --label-column.",
            code="feedback.no-label-column",
        )
    if columns.at not in (AT_COLUMN, *known):
        raise DataError(
            f"{path} has no column '{columns.at}'; it has {', '.join(known)}.{nearest(columns.at, known)}",
            next_step="Name the column of the labels' times with --at-column, or leave the option out.",
            code="feedback.no-time-column",
        )
    if columns.id not in known and columns.key not in known:
        raise DataError(
            f"{path} has neither a column '{columns.id}' nor '{columns.key}'; it has {', '.join(known)}.",
            next_step="Name the column of the prediction ids with --id-column, or that of your keys with --key-column.",
            code="feedback.no-id-column",
        )
    return frame.assign(**{columns.label: point_decimals(frame[columns.label], section.decimal)})


def import_labels(
    ledger: Ledger,
    model_name: str,
    frame: pd.DataFrame,
    *,
    columns: LabelColumns = LabelColumns(),
    options: ImportOptions = ImportOptions(),
    advance: Callable[[int], None] = lambda _rows: None,
) -> ImportReport:
    """Store the labels of a file's rows.

    Every label passes ``check_labels``, as over HTTP. One that is known already is not stored again, so that importing
    a file twice is importing it once. Of several rows about one prediction the last one counts, unless their times say
    otherwise.

    Args:
        ledger: where the predictions are.
        model_name: name of the registered model.
        frame: the rows, as ``read_labels`` gives them.
        columns: the columns of the file.
        options: the source, and which labels are late.
        advance: called with the number of rows processed, now and then.

    Raises:
        InputError: a label cannot be stored; the rows before it are.
        UnavailableError: the ledger cannot be reached.
    """
    report = ImportReport(rows=len(frame))
    counting = {label.prediction_id: label for label in ledger.labels(model_name=model_name)}
    rows = _read_rows(frame, columns, options, report)
    now = datetime.now(UTC)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        checked = check_labels(ledger, model_name, [row.reported for row in some], target=options.target, now=now)
        labels = []
        for row, found in zip(some, checked, strict=True):
            label, prediction = found.label, found.prediction
            if label is None or prediction is None:
                _note_refused(row, found, report)
            elif _counts(prediction, label, row, counting.get(prediction.id), report, options.late_after):
                labels.append(label)
                if found.status == "rare":
                    report.note("rare", f"row {row.position}: {found.reason}")
                before = counting.get(prediction.id)
                if before is None or label.at >= before.at:
                    counting[prediction.id] = label
        ledger.record_labels(labels)
        report.stored += len(labels)
        advance(len(some))
    return report


def count_labels(ledger: Ledger, model_name: str) -> dict[str, Any]:
    """How many labels count, by label, source and reason, and the share of the predictions that have one.

    ``outside_classes`` are those of them that the version of their prediction does not know, by label.
    """
    by_label: Counter[str] = Counter()
    by_source: Counter[str] = Counter()
    by_reason: Counter[str] = Counter()
    latest: datetime | None = None
    for label in ledger.labels(model_name=model_name):
        by_label[label.label] += 1
        by_source[label.source] += 1
        by_reason[label.reason] += 1
        latest = label.at if latest is None else max(latest, label.at)
    outside = read_recorded_labels(ledger, model_name, ledger.labelled_predictions(project=model_name)).set_aside
    total = ledger.prediction_stats(model_name).total
    labelled = by_label.total()
    return {
        "labels": labelled,
        "predictions": total,
        "coverage": labelled / total if total else 0.0,
        "by_label": dict(by_label.most_common()),
        "outside_classes": dict(Counter(label.label for label in outside.values()).most_common()),
        "by_source": dict(by_source.most_common()),
        "by_reason": dict(by_reason.most_common()),
        "latest": latest,
    }


def _note_refused(row: _LabelRow, found: CheckedLabel, report: ImportReport) -> None:
    # Local times of a zone west of UTC look like the future, and those east of it like the past.
    zone = (
        " It names no time zone and was read as UTC (see --timezone)."
        if found.status == "ahead" and row.zoneless
        else ""
    )
    report.note(found.status, f"row {row.position}: {found.reason}{zone}")
    if found.status == "unexpected":
        word = write_label(row.reported.label)
        report.unexpected_labels[word] = report.unexpected_labels.get(word, 0) + 1


def _counts(
    prediction: NamedPrediction,
    label: Label,
    row: _LabelRow,
    before: Label | None,
    report: ImportReport,
    late_after: timedelta,
) -> bool:
    """Whether a label says anything new; what it is goes into the report."""
    example = f"row {row.position}: {prediction.id} '{label.label}'"
    if before is not None and before.label == label.label:
        report.note("repeated", example)
        return False
    if row.zoneless:
        report.note("zoneless", f"{example}, {label.at:%Y-%m-%d %H:%M:%S}")
    if label.at - prediction.at > late_after:
        report.note("late", f"{example}, predicted {prediction.at:%Y-%m-%d}")
    if before is not None:
        corrects = label.at >= before.at
        report.note("corrected" if corrects else "superseded", f"{example}, was '{before.label}'")
    return True


def _read_rows(
    frame: pd.DataFrame, columns: LabelColumns, options: ImportOptions, report: ImportReport
) -> Iterator[_LabelRow]:
    names = (columns.id, columns.key, columns.label, columns.at)
    cells = [frame[name].astype(object).tolist() if name in frame.columns else [None] * len(frame) for name in names]
    for position, (*named_by, label, at) in enumerate(zip(*cells, strict=True), start=1):
        id_, key = ("" if is_label_gap(cell) else normalise_key(cell) for cell in named_by)
        if not id_ and not key and not is_label_gap(label):
            report.note("invalid", f"row {position}: neither id nor key")
            continue
        moment = None if is_label_gap(at) else parse_instant(at)
        if moment is None and not is_label_gap(at):
            report.note("invalid", f"row {position}: '{at}' is not an ISO 8601 time")
            continue
        zoneless = moment is not None and moment.tzinfo is None
        if moment is not None and zoneless:
            moment = moment.replace(tzinfo=options.timezone or UTC)
        yield _LabelRow(
            position, ReportedLabel(label, options.source, id_, key, moment), zoneless and options.timezone is None
        )
