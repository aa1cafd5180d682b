"""Two data frames checked, and their split, as an MLflow run."""

from __future__ import annotations

import pandas as pd

from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.inference.infer_columns import infer_columns
from tiltyard.errors import DataError
from tiltyard.pipeline.mlops_results import DataValidationResult
from tiltyard.project import ValidationSection
from tiltyard.registry import ExperimentTracker
from tiltyard.tasks import TASKS
from tiltyard.validation import DataValidator, SplitReport, ValidationReport


def report_data(
    tracker: ExperimentTracker,
    limits: ValidationSection | None,
    sides: tuple[pd.DataFrame, pd.DataFrame],
    label: str | None,
    text: str | None,
) -> DataValidationResult:
    """What is found in the train side, the test side and their split, kept as an MLflow run.

    Args:
        tracker: where the run is recorded.
        limits: how bad the data may be; None: the usual ones.
        sides: labelled training rows, and test rows with the same columns.
        label: the label's column; None to guess it.
        text: the column of texts; None to guess it.

    Raises:
        DataError: no column looks like a label, or the sides have different columns.
    """
    train_data, test_data = (
        read_table_like(side, f"{name}_data") for side, name in zip(sides, ("train", "test"), strict=True)
    )
    guess = infer_columns(train_data, label=label, text=text)
    validator = DataValidator(limits=limits, target=TASKS[guess.task].target)
    missing = [str(name) for name in train_data.columns if name not in test_data.columns]
    if missing:
        raise DataError(
            f"The test side lacks the column '{missing[0]}', which the train side has.",
            next_step="Give both sides the same columns.",
            code="data.column-missing",
        )
    reports = {
        name: validator.validate_dataset(frame, name, label=guess.label, text=guess.text)
        for name, frame in (("train_data", train_data), ("test_data", test_data))
    }
    X_train, X_test = (frame.drop(columns=[guess.label]) for frame in sides)
    split = validator.validate_train_test_split(X_train, X_test, train_data[guess.label], test_data[guess.label])
    checked: dict[str, ValidationReport | SplitReport] = {**reports, "split": split}
    findings = [finding for report in checked.values() for finding in report.findings]
    scores = {name: validator.get_data_quality_score(name) for name in reports}
    with tracker.start_run("data-validation") as run:
        tracker.log_params({"train_rows": len(train_data), "test_rows": len(test_data), "label": guess.label})
        tracker.log_metrics({f"{name}_quality_score": score for name, score in scores.items()})
        content = {name: report.to_dict() for name, report in checked.items()}
        tracker.log_dict(content, "validation/findings.json")
    return {
        "train": reports["train_data"],
        "test": reports["test_data"],
        "split": split,
        "quality_score": min(scores.values()),
        "passed": all(report.passes() for report in checked.values()),
        "findings": [found.to_dict() for found in findings],
        "run_id": run.run_id,
    }
