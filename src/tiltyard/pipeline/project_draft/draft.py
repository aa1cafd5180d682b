"""Draft a project file, and check that validation and training take what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.data.columns import Roles
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.inference.infer_columns import InferredColumns, infer_columns, settle_classes
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.read_table import read_table
from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation.metrics import get_task_metric
from tiltyard.findings import Finding
from tiltyard.pipeline.project_draft.request import DraftRequest, FirstRead, ProjectDraft, name_folder_columns
from tiltyard.pipeline.project_draft.write_project import write_project, write_schema
from tiltyard.pipeline.training.data_checks import DataCheck, validate_data
from tiltyard.project import parse_project
from tiltyard.tasks import reads_text
from tiltyard.validation import infer_required_schema
from tiltyard.validation.table.leakage import evaluate_leakage, measure_leakage

LEAK = "leakage.column"
AMBIGUOUS = "the order of its dates is not known (--date-order)"
OTHER_ORDER = "its dates are in another order than those of the project"
_SHOWN = 3


def guess_columns(request: DraftRequest, read: FirstRead) -> InferredColumns:
    """What the columns mean: what the request names, and what is inferred from the rest.

    Raises:
        DataError: no column can be the label, or nothing is left to learn from.
        UsageError: a metric, class or column that the request names does not exist.
    """
    request = name_folder_columns(request, read)
    extra = (*request.sensitive, *(() if request.group is None else (request.group,)))
    named = replace(request.named, others=extra)
    guess = _leave_out_ambiguous(infer_columns(read.frame, named=named, rules=read.rules), request, read)
    if request.metric is not None:
        guess = replace(guess, metric=get_task_metric(request.metric, guess.task).name, metric_reason="as you said")
    if request.positive is not None and not guess.classes:
        what = TaskData.find_for(guess.task).describe_label(())
        raise UsageError(
            f"--positive names a class, and the label '{guess.label}' is {what}.",
            next_step="Leave --positive out, or name a label of classes: --label COLUMN.",
        )
    if request.positive is not None:
        codec = LabelCodec(tuple(guess.classes))
        positive = codec.find_class(request.positive)
        if positive is None:
            raise UsageError(
                f"--positive: {codec.describe_unknown(request.positive)}", next_step="Name a class of the label."
            )
        guess = replace(guess, positive=positive)
    if request.group is not None:
        reasons = {request.group: "it says which rows belong together"}
        guess = replace(leave_out(guess, reasons), group_keys=())
    return guess


def _leave_out_ambiguous(guess: InferredColumns, request: DraftRequest, read: FirstRead) -> InferredColumns:
    """The guess without dates whose order is not known: in a wrong one they would teach the wrong days."""
    reasons = dict.fromkeys(read.dates.ambiguous, AMBIGUOUS)
    reasons |= {name: f"{OTHER_ORDER} ({order})" for name, order in read.dates.others.items()}
    unknown = {name: reason for name, reason in reasons.items() if name not in request.named.kept}
    if guess.time in reasons and request.named.time is None:
        columns = tuple(replace(one, role="feature") if one.role == "time" else one for one in guess.columns)
        guess = replace(guess, time=None, columns=columns)
    # Of a column that is left out anyway, that its dates could be read is what a person can do something about.
    columns = tuple(
        replace(one, reason=unknown[one.name])
        if one.role == "left out" and one.name in unknown and one.name not in request.named.ignore
        else one
        for one in guess.columns
    )
    return leave_out(replace(guess, columns=columns), unknown)


def leave_out(guess: InferredColumns, reasons: Mapping[str, str]) -> InferredColumns:
    """The guess without some features, each with the reason."""
    columns = tuple(
        replace(column, role="left out", reason=reasons[column.name])
        if column.name in reasons and column.role == "feature"
        else column
        for column in guess.columns
    )
    return replace(guess, columns=columns)


def draft_project(
    request: DraftRequest, read: FirstRead, guess: InferredColumns, accepted: tuple[str, ...] = ()
) -> ProjectDraft:
    """The project file for a guess; the schema is that of the rows as training will read them.

    Args:
        request: what is known.
        read: what the data file holds.
        guess: what the columns mean.
        accepted: findings that the project ignores, such as ``leakage.column:votes``.

    Raises:
        DataError: training could not read the rows, or nothing is left to learn from.
        ProjectError: what was stated does not fit together.
    """
    if not reads_text(guess.task) and not guess.features:
        reasons = "; ".join(
            f"'{column.name}': {column.reason}" for column in guess.columns if column.role == "left out"
        )
        raise DataError(
            f"No column is left to learn the label '{guess.label}' from ({reasons or 'there is no other'}).",
            next_step="Keep a column with --keep COLUMN, or name another label with --label.",
            code="data.no-features",
        )
    file = request.output.resolve()
    dataset = load_dataset(parse_project(write_project(request, read, guess, accepted), file))
    counts = dataset.labels.value_counts()
    role = TaskData.find_for(guess.task).column_role
    classes = {name: int(counts[name]) for name in dataset.classes}
    guess = settle_classes(guess, classes, keep_metric=request.metric is not None)
    content = write_project(request, read, guess, accepted)
    if set(dataset.classes) != set(guess.classes):
        guess = _spell_classes(guess, dataset)
        content = write_project(request, read, guess, accepted)
    learned = [guess.label, *((guess.text,) if guess.text else guess.features)]
    rules = ReadingRules.from_section(parse_project(content, file).data)
    present = [name for name in dataset.frame.columns if name in learned]
    content += write_schema(
        infer_required_schema(dataset.frame[present], label=guess.label, text=guess.text, rules=rules, label_role=role)
    )
    return ProjectDraft(content, parse_project(content, file), dataset, guess)


def _spell_classes(guess: InferredColumns, dataset: Dataset) -> InferredColumns:
    """The guess with the classes as training spells them: a first reading takes TRUE for a value, not for a word."""
    counts = dataset.labels.value_counts()
    positive = LabelCodec(dataset.classes).find_class(guess.positive)
    return replace(guess, classes={name: int(counts[name]) for name in dataset.classes}, positive=positive)


def check_draft(draft: ProjectDraft) -> DataCheck:
    """What `tiltyard validate` will say of a draft.

    Raises:
        DataError: the rows cannot be divided into a training and a test side.
    """
    split = split_dataset(draft.dataset, draft.project.split, draft.project.data.time)
    return validate_data(draft.dataset, split, draft.project)


def find_leaks(draft: ProjectDraft) -> tuple[Finding, ...]:
    """The features that give the label away, as errors."""
    guess, limits = draft.guess, draft.project.validation
    if reads_text(guess.task):
        return ()
    rules = ReadingRules.from_section(draft.project.data)
    roles = Roles(guess.label, features=guess.features, label_role=TaskData.find_for(guess.task).column_role)
    table = read_table(draft.dataset.frame, draft.project.name, roles, rules)
    found = evaluate_leakage(measure_leakage(table), limits)
    return tuple(leak for leak in found if leak.code == LEAK and leak.severity == "error" and leak.is_found)


def refuse_draft(check: DataCheck) -> None:
    """Refuse to write a project that validation would refuse.

    Raises:
        DataError: the data breaks a limit (``data.draft-refused``); it names the gravest findings.
    """
    if check.passed:
        return
    errors = [found for found in check.findings if found.severity == "error"]
    more = f" (and {len(errors) - _SHOWN} more)" if len(errors) > _SHOWN else ""
    raise DataError(
        "Training would refuse this data: " + " ".join(found.message for found in errors[:_SHOWN]) + more,
        next_step=f"{errors[0].next_step} Or write the project file all the same with --no-check, and change the "
        "limits in [validation].",
        code="data.draft-refused",
        findings=[found.to_dict() for found in errors],
    )
