"""The evaluation of a version as tables: the same that ``train``, the report and the console show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tiltyard.evaluation import (
    GUESSES,
    FairnessReport,
    Importance,
    ImportanceChange,
    find_metric,
)
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import choose_form, format_count, format_number, join_names, number_repeats, shorten_name
from tiltyard.registry.package.stored_evaluation import StoredEvaluation

MOST_CLASSES = 8
MOST_CONFUSIONS = 10
MOST_FEATURES = 10
MOST_SLICES = 12

NO_EVALUATION = (
    "The version holds no evaluation of its training: it was made elsewhere or by an earlier release. Train a version "
    "to see guessing, errors, coverage, importance and fairness here."
)

Row = tuple[str, ...]
_GUESSES: Mapping[str, str] = {str(kind): words for kind, words in GUESSES.items()}


@dataclass(frozen=True)
class EvaluationTable:
    """A table of an evaluation.

    Attributes:
        name: short name.
        title: its heading.
        note: what it shows, or why there are no rows, in a sentence.
        heads: k titles of columns.
        rows: rows of k texts; may be empty.
    """

    name: str
    title: str
    note: str
    heads: Row = ()
    rows: tuple[Row, ...] = ()


def evaluation_tables(stored: StoredEvaluation) -> list[EvaluationTable]:
    """Guessing, confusions or errors, coverage, what the version goes by, how that changed, how groups are treated."""
    tables = [tabulate_guesses(stored), tabulate_confusion(stored) if stored.classes else tabulate_errors(stored)]
    if stored.stated is not None:
        tables.append(tabulate_coverage(stored, stored.stated))
    if stored.importance is not None:
        tables.append(tabulate_importance(stored.importance))
        if stored.change is not None:
            tables.append(tabulate_change(stored.change, stored.importance))
    if stored.fairness is not None:
        tables.append(tabulate_fairness(stored.fairness))
    return tables


def tabulate_guesses(stored: StoredEvaluation) -> EvaluationTable:
    """The version's metric next to that of guessing."""
    rows = [("this version", "not defined" if stored.value is None else f"{stored.value:.4f}")]
    metric = find_metric(stored.metric)
    usual = () if metric is None else TaskEvaluation.find_for_target(metric.target).guesses
    for kind in dict.fromkeys((*usual, *stored.guesses)):
        value = stored.guesses.get(kind)
        rows.append((f"guessing: {_GUESSES.get(kind, kind)}", "not defined" if value is None else f"{value:.4f}"))
    title = stored.metric if metric is None else metric.title
    note = f"{title} on {format_count(stored.rows, 'test row')}: a model is of use where it beats both guesses."
    return EvaluationTable("baseline", "Against guessing", note, ("Predictions", title), tuple(rows))


def tabulate_errors(stored: StoredEvaluation) -> EvaluationTable:
    """How large the errors of predicted numbers are."""
    rows = [
        (f"{float(share):.0%} of the errors are at most", format_number(value))
        for share, value in stored.error_quantiles.items()
    ]
    if stored.bias is not None:
        rows.append(("mean of predicted less true number", format_number(stored.bias)))
    note = f"Distance of predicted and true number on {format_count(stored.rows, 'test row')}, in the label's unit."
    return EvaluationTable("errors", "Size of the errors", note, ("Errors", "Distance"), tuple(rows))


def tabulate_coverage(stored: StoredEvaluation, stated: float) -> EvaluationTable:
    """How often the intervals of numbers, or the sets of labels, held the truth: overall, by label and by slice."""
    kind, held, size = ("sets", "label", "Labels in a set") if stored.classes else ("intervals", "number", "Width")
    rows = tuple(
        (
            shorten_name(one.title),
            f"{one.rows:,}",
            f"{one.share:.1%}",
            f"{one.low:.1%} to {one.high:.1%}",
            "no end" if one.size is None else format_number(one.size),
        )
        for one in stored.coverage[:MOST_SLICES]
    )
    left_out = len(stored.coverage) - len(rows)
    note = f"Stated is {stated:.0%}: the share of rows without a part in the calibration whose true {held} is inside."
    note += f" {format_count(left_out, 'slice')} more: {kind}.json." if left_out else ""
    heads = ("Rows", "Count", "Inside", "95 % interval", size)
    return EvaluationTable("coverage", f"Coverage of prediction {kind}", note, heads, rows)


def tabulate_confusion(stored: StoredEvaluation) -> EvaluationTable:
    """The confusion matrix, or of many labels the pairs that are confused most."""
    names = number_repeats(map(shorten_name, stored.classes))
    if len(names) <= MOST_CLASSES:
        counts = {cell.labels: cell.rows for cell in stored.confusion}
        places = range(len(names))
        return EvaluationTable(
            "confusion",
            "Confusion matrix",
            f"{format_count(stored.rows, 'test row')}: a row for each true label, a column for each predicted label.",
            ("True label", *names),
            tuple((names[true], *(f"{counts.get((true, place), 0):,}" for place in places)) for true in places),
        )
    wrong = sorted((cell for cell in stored.confusion if cell.true != cell.predicted), key=lambda cell: -cell.rows)
    total = sum(cell.rows for cell in wrong)
    note = f"{total:,} of {format_count(stored.rows, 'test row')} got another label than their own."
    if len(wrong) > MOST_CONFUSIONS:
        pairs = format_count(len(wrong), "pair")
        note += f" The {MOST_CONFUSIONS} most frequent of {pairs}; all are in confusion_matrix.json."
    rows = tuple((names[one.true], names[one.predicted], f"{one.rows:,}") for one in wrong[:MOST_CONFUSIONS])
    heads = ("True label", "Predicted label", "Rows")
    return EvaluationTable("confusion", "Most frequent confusions", note, heads, rows)


def tabulate_importance(importance: Importance) -> EvaluationTable:
    """The terms that speak for each label, or the columns that count for more than chance."""
    if importance.kind == "terms":
        labels = dict.fromkeys(one.label for one in importance.features)
        found = {label: [one.name for one in importance.features if one.label == label] for label in labels}
        rows = tuple(
            (shorten_name(label), ", ".join(map(shorten_name, terms[:MOST_FEATURES]))) for label, terms in found.items()
        )
        note = f"The terms that speak most for each label, by {importance.unit}."
        return EvaluationTable("importance", "Terms that count most", note, ("Label", "Terms"), rows)
    title = "Columns that count most"
    clear = [one for one in importance.features if one.is_clear]
    rest = len(importance.features) - len(clear)
    left_out = f"{rest} {choose_form(rest, 'column is', 'columns are')} within the chance of shuffling." if rest else ""
    if not clear:
        note = "No column counts for more than the chance of shuffling; columns that say the same hide one another."
        return EvaluationTable("importance", title, note)
    measure = importance.unit[:1].upper() + importance.unit[1:]
    note = f"{measure} when the column is shuffled, ± half of the 95 % interval over the shuffles. {left_out}".strip()
    losses = tuple((shorten_name(one.name), f"{one.value:.4f}", f"{one.error:.4f}") for one in clear[:MOST_FEATURES])
    return EvaluationTable("importance", title, note, ("Column", "Loss", "±"), losses)


def tabulate_change(change: ImportanceChange, importance: Importance) -> EvaluationTable:
    """What counts more or less than in the champion; only what retrainings tell from chance."""
    title = "Change from the champion"
    if importance.kind == "terms":
        note = (
            "Not shown: single terms come and go with a few texts, and what of it is chance is not known. The weights "
            "are in importance_change.json of the run."
        )
        return EvaluationTable("change", title, note)
    if not change.retrainings:
        note = (
            "Not shown: what of it is chance is not known, since training again a few times would take too long or "
            "failed, or since the champion was evaluated by another metric."
        )
        return EvaluationTable("change", title, note)
    basis = f"by {change.retrainings} trainings on halves of the rows"
    if not change.clear:
        return EvaluationTable("change", title, f"None beyond chance, {basis}.")
    rows = tuple(
        (shorten_name(one.name), f"{one.before:.1%}", f"{one.after:.1%}") for one in change.clear[:MOST_FEATURES]
    )
    note = f"Shares of all importance. Only columns that changed beyond chance, {basis}."
    return EvaluationTable("change", title, note, ("Column", "Champion", "This version"), rows)


def tabulate_fairness(report: FairnessReport) -> EvaluationTable:
    """How far the groups of each sensitive column are apart, and whether that may be chance."""
    several = any(len(column.labels) > 1 for column in report.columns)
    rows: list[Row] = []
    for column in report.columns:
        name = shorten_name(column.column)
        for measure, (label, found) in column.worst.items():
            interval, verdict = "", ""
            if found.interval is not None:
                low, high = found.interval
                interval = f"{low:.2f} to {high:.2f}"
                verdict = "within chance" if low <= 0 <= high else "beyond chance"
            pair = f"{shorten_name(found.most)} / {shorten_name(found.least)}"
            row = (name, measure.replace("_", " "), f"{found.value:.3f}", interval, verdict, pair)
            rows.append((*row, shorten_name(label)) if several else row)
        if not column.worst:
            rows.append((name, "too few rows", "", "", "", "", *([""] if several else [])))
    labels = {part.label for column in report.columns for part in column.labels}
    about = "Of each measure the label with the widest gap" if several else f"The label is {join_names(sorted(labels))}"
    note = f"{about}. Between the two groups farthest apart, with the 95 % interval for all pairs of groups together."
    heads = ("Column", "Measure", "Value", "95 % interval", "Verdict", "Most / least", *(["Label"] if several else []))
    return EvaluationTable("fairness", "Fairness of the sensitive columns", note, heads, tuple(rows))
