"""What the analysis of a trained version has found, as short tables on the terminal."""

from __future__ import annotations

from tiltyard.cli.output import console, print_table
from tiltyard.evaluation import Evaluation, FairnessReport, Importance, ImportanceChange
from tiltyard.formatting import shorten_name
from tiltyard.promotion.model_analysis import ModelAnalysis

MOST_CLASSES = 8
MOST_FEATURES = 5


def print_analysis(evaluation: Evaluation, analysis: ModelAnalysis) -> None:
    """Print the confusion matrix, what the version goes by, how that changed, and how groups are treated."""
    _print_confusion(evaluation)
    if analysis.importance is not None:
        _print_importance(analysis.importance)
        if analysis.change is not None:
            _print_change(analysis.change, analysis.importance.kind)
    if analysis.fairness is not None:
        _print_fairness(analysis.fairness)


def _print_confusion(evaluation: Evaluation) -> None:
    if len(evaluation.classes) > MOST_CLASSES:
        console.print(
            f"Confusion matrix of {len(evaluation.classes)} labels: confusion_matrix.json and plots/ of the run"
        )
        return
    rows = zip(evaluation.classes, evaluation.confusion_matrix, strict=True)
    print_table(
        "Confusion matrix (a row for each true label, a column for each prediction)",
        ["", *map(shorten_name, evaluation.classes)],
        [(shorten_name(label), *counts) for label, counts in rows],
    )


def _print_importance(importance: Importance) -> None:
    if importance.kind == "terms":
        labels = dict.fromkeys(one.label for one in importance.features)
        terms = {label: [one.name for one in importance.features if one.label == label] for label in labels}
        print_table(
            "\nTerms that count most",
            ["label", "terms"],
            [(label, ", ".join(map(shorten_name, found[:MOST_FEATURES]))) for label, found in terms.items()],
        )
        return
    clear = [one for one in importance.features if one.value > (one.deviation or 0.0)]
    if not clear:
        console.print("\nNo column counts for more than the chance of shuffling")
        return
    print_table(
        f"\nColumns that count most ({importance.unit} when shuffled; those within chance are left out)",
        ["column", "loss", "±"],
        [(shorten_name(one.name), one.value, one.deviation) for one in clear[:MOST_FEATURES]],
    )


def _print_change(change: ImportanceChange, kind: str) -> None:
    if kind == "terms":
        # There is no interval of a term's weight, and single terms come and go with a few texts.
        console.print("\nChange from the champion: importance_change.json of the run (of terms, without intervals)")
        return
    known = (*change.rose, *change.fell)
    clear = sorted((one for one in known if one.is_clear), key=lambda one: -abs(one.difference))
    if not clear:
        console.print("\nChange from the champion: none that is more than the chance of shuffling")
        return
    print_table(
        "\nChange from the champion (shares of all importance; those within chance are left out)",
        ["column", "champion", "this version"],
        [(shorten_name(one.name), one.before, one.after) for one in clear[:MOST_FEATURES]],
    )


def _print_fairness(report: FairnessReport) -> None:
    rows: list[tuple[object, ...]] = []
    for column in report.columns:
        for measure, (_, found) in column.worst.items():
            if found.interval is not None:
                low, high = found.interval
                verdict = "within chance" if low <= 0 <= high else "clear"
                pair = f"{shorten_name(found.most)} / {shorten_name(found.least)}"
                rows.append((column.column, measure.replace("_", " "), found.value, pair, verdict))
        if not column.worst:
            rows.append((column.column, "not evaluated: too few rows", None, None, None))
    print_table(
        "\nFairness (differences between groups; 95 % intervals)",
        ["column", "measure", "value", "most / least", "difference"],
        rows,
    )
