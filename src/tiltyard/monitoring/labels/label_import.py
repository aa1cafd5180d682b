"""Labels from a file: which predictions they belong to, and which of them are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from tiltyard.data.conform.labels import write_label
from tiltyard.data.sources import detect_layout, read_source
from tiltyard.errors import DataError
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Label, Ledger, Prediction
from tiltyard.project import DataSection
from tiltyard.suggest import nearest

ROWS_AT_ONCE = 1000
MOST_EXAMPLES = 5
ID_COLUMN, KEY_COLUMN, LABEL_COLUMN, AT_COLUMN = "prediction_id", "key", "label", "labelled_at"


@dataclass(frozen=True)
class LabelColumns:
    """The columns of a file of labels.

    Attributes:
        id: ids of predictions; where it is missing, or a cell of it is empty, the key is used.
        key: the callers' own keys.
        label: the label; rows without one are skipped.
        at: when it was determined (ISO 8601); default: now.
    """

    id: str = ID_COLUMN
    key: str = KEY_COLUMN
    label: str = LABEL_COLUMN
    at: str = AT_COLUMN


@dataclass(frozen=True)
class ImportOptions:
    """How the labels of a file are imported.

    Attributes:
        source: where the labels come from, for the record.
        late_after: a label that comes later than this after its prediction counts as late.
    """

    source: str = "import"
    late_after: timedelta = timedelta(hours=24)


@dataclass
class ImportReport:
    """The result of an import.

    Attributes:
        rows: rows read.
        stored: labels stored: new ones and corrections.
        corrected: of those, labels that differ from the one that counted before.
        repeated: labels that were known already; not stored again.
        superseded: labels older than the one that counts; stored, without effect.
        late: labels that came more than the monitoring window after their prediction.
        unknown: rows whose id or key the ledger does not hold.
        unlabelled: rows without a label.
        unexpected: labels that the version does not predict; stored, since they may be right, but they may be typing
            errors.
        invalid: rows with an invalid time, or with neither id nor key.
        examples: some rows of each kind, by its name.
    """

    rows: int = 0
    stored: int = 0
    corrected: int = 0
    repeated: int = 0
    superseded: int = 0
    late: int = 0
    unknown: int = 0
    unlabelled: int = 0
    unexpected: int = 0
    invalid: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, example: str) -> None:
        """Count a row of a kind, and keep some of them as examples."""
        setattr(self, kind, getattr(self, kind) + 1)
        kept = self.examples.setdefault(kind, [])
        if len(kept) < MOST_EXAMPLES:
            kept.append(example)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return to_json_object(self)


@dataclass(frozen=True)
class _LabelRow:
    """One row of a file: the prediction, the label and the time."""

    position: int
    id: str
    key: str
    label: str
    at: datetime | None


def read_labels(path: Path, columns: LabelColumns = LabelColumns()) -> pd.DataFrame:
    """The rows of a file of labels with a header; its format, encoding and separators are detected.

    Raises:
        DataError: the file cannot be read, or has no column for the label, or neither ids nor keys.
    """
    section = DataSection(source=path.name, label=columns.label, **detect_layout(path, {}, header=True).options)
    frame = read_source(section, path.resolve().parent, verbatim=(columns.id, columns.key, columns.label))
    known = [str(name) for name in frame.columns]
    if columns.label not in known:
        raise DataError(
            f"{path} has no column '{columns.label}'; it has {', '.join(known)}.{nearest(columns.label, known)}",
            next_step="Name the column of the labels with --label-column.",
            code="feedback.no-label-column",
        )
    if columns.id not in known and columns.key not in known:
        raise DataError(
            f"{path} has neither a column '{columns.id}' nor '{columns.key}'; it has {', '.join(known)}.",
            next_step="Name the column of the prediction ids with --id-column, or that of your keys with --key-column.",
            code="feedback.no-id-column",
        )
    return frame


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

    A label that is known already is not stored again, so that importing a file twice is importing it once. Of several
    rows about one prediction the last one counts, unless their times say otherwise.

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
    counting = {label.prediction_id: label for label in ledger.labels(project=model_name)}
    rows = _rows(frame, columns, report)
    now = datetime.now(UTC)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        keyed = ledger.ids_by_key([row.key for row in some if not row.id and row.key], project=model_name)
        labels = []
        for row in some:
            prediction = ledger.prediction(row.id or keyed.get(row.key, ""))
            if prediction is None or prediction.project != model_name:
                report.note("unknown", f"row {row.position}: {row.id or row.key}")
                continue
            label = Label(prediction.id, row.label, row.at or now, options.source)
            if _counts(prediction, label, row, counting.get(prediction.id), report, options.late_after):
                labels.append(label)
                before = counting.get(prediction.id)
                if before is None or label.at >= before.at:
                    counting[prediction.id] = label
        ledger.record_labels(labels)
        report.stored += len(labels)
        advance(len(some))
    return report


def count_labels(ledger: Ledger, model_name: str) -> dict[str, Any]:
    """How many labels count, by label and by source, and the share of the predictions that have one."""
    by_label: Counter[str] = Counter()
    by_source: Counter[str] = Counter()
    latest: datetime | None = None
    for label in ledger.labels(project=model_name):
        by_label[label.label] += 1
        by_source[label.source] += 1
        latest = label.at if latest is None else max(latest, label.at)
    total = ledger.prediction_stats(model_name).total
    labelled = by_label.total()
    return {
        "labels": labelled,
        "predictions": total,
        "coverage": labelled / total if total else 0.0,
        "by_label": dict(by_label.most_common()),
        "by_source": dict(by_source.most_common()),
        "latest": latest,
    }


def _counts(
    prediction: Prediction,
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
    if len(prediction.probabilities) > 1 and label.label not in prediction.probabilities:
        report.note("unexpected", f"{example}, the version knows {', '.join(sorted(prediction.probabilities))}")
    if label.at - prediction.at > late_after:
        report.note("late", f"{example}, predicted {prediction.at:%Y-%m-%d}")
    if before is not None:
        corrects = label.at >= before.at
        report.note("corrected" if corrects else "superseded", f"{example}, was '{before.label}'")
    return True


def _rows(frame: pd.DataFrame, columns: LabelColumns, report: ImportReport) -> Iterator[_LabelRow]:
    count = len(frame)
    ids, keys, labels, times = (
        _cells(frame, name, count) for name in (columns.id, columns.key, columns.label, columns.at)
    )
    for position, (id_, key, label, at) in enumerate(zip(ids, keys, labels, times, strict=True), start=1):
        if not label:
            report.note("unlabelled", f"row {position}")
            continue
        if not id_ and not key:
            report.note("invalid", f"row {position}: neither id nor key")
            continue
        try:
            moment = _moment(at)
        except ValueError:
            report.note("invalid", f"row {position}: '{at}' is not an ISO 8601 time")
            continue
        yield _LabelRow(position, id_, key, label, moment)


def _cells(frame: pd.DataFrame, name: str, count: int) -> Sequence[str]:
    if name not in frame.columns:
        return [""] * count
    return [_cell(value) for value in _values(frame[name])]


def _values(column: pd.Series) -> Iterable[Any]:
    return column.astype(object).where(column.notna(), "").tolist()


def _cell(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else write_label(value)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
