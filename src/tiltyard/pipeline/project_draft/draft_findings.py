"""What a first project file leaves out or decides, as findings."""

from __future__ import annotations

import shlex

from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.inference.column_facts import NAMELESS
from tiltyard.data.inference.date_order import DateOrder
from tiltyard.data.inference.group_keys import describe_group_key
from tiltyard.data.inference.infer_columns import ColumnGuess, InferredColumns
from tiltyard.data.inference.input_choice import NESTED
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, join_names, join_values
from tiltyard.project.toml_values import write_toml_value
from tiltyard.tasks import reads_text


def describe_guess(guess: InferredColumns) -> list[Finding]:
    """A finding for each column that is left out or may be a key of groups, and for classes called like gaps."""
    found = [_left_out_finding([column.name], column.reason) for column in guess.columns if column.role == "left out"]
    unused = [column for column in guess.columns if column.role == "not used"]
    nested = [column.name for column in unused if column.kind == "list"]
    nameless = [column.name for column in unused if NAMELESS.fullmatch(column.name.strip())]
    if nested:
        found.append(_left_out_finding(nested, choose_form(len(nested), NESTED, "they hold lists or objects")))
    if nameless:
        reason = f"the header has no name for {choose_form(len(nameless), 'it', 'them')}"
        found.append(_left_out_finding(nameless, reason))
    found += [describe_group_key(name) for name in guess.group_keys]
    found += [_marked_numbers_finding(one) for one in guess.columns if one.role == "feature" and one.reason]
    words = [name for name in guess.classes if name in GAP_WORDS]
    return found + ([_gap_words_finding(guess.label, words)] if words else [])


def describe_dates(dates: DateOrder, guess: InferredColumns) -> list[Finding]:
    """Findings about the order of dates: the one that was found, and columns whose order is not known."""
    named = [column.name for column in guess.columns if column.role in ("feature", "time")]
    found = [
        Finding(
            "data.date-order",
            "info",
            name,
            "Order of dates",
            f"'{name}' holds dates, read as data.dates = \"{dates.order}\": {cell}.",
            evidence={"order": dates.order, "cell": cell},
            next_step="State another order with --date-order.",
        )
        for name, cell in dates.columns.items()
        if name in named
    ]
    if reads_text(guess.task):
        return found
    return [
        *found,
        *(
            _ambiguous_finding(name, f"dates whose order the cells do not show, such as {cell}")
            for name, cell in dates.ambiguous.items()
        ),
        *(_other_order_finding(name, order, dates) for name, order in dates.others.items()),
    ]


def _ambiguous_finding(name: str, what: str) -> Finding:
    return Finding(
        "data.ambiguous-dates",
        "warning",
        name,
        "Dates in an unknown order",
        f"'{name}' holds {what}. It is not read as a date.",
        next_step="State the order: --date-order day-first, --date-order month-first or a format; or write ISO 8601.",
    )


def _other_order_finding(name: str, order: str, dates: DateOrder) -> Finding:
    own = join_names([f"'{one}'" for one in dates.columns])
    instead = f"; then {own} {choose_form(len(dates.columns), 'is', 'are')} left out" if own else ""
    return Finding(
        "data.ambiguous-dates",
        "warning",
        name,
        "Dates in another order",
        f"'{name}' holds dates in the order {order}, and the project's is {dates.order} (data.dates): it has one next "
        "to ISO 8601. It is not read as a date.",
        evidence={"order": order, "project": dates.order},
        next_step=f"Write them in ISO 8601, or as the project does. Or read this column (tiltyard init --force "
        f"--date-order {shlex.quote(order)}{instead}).",
    )


def _left_out_finding(names: list[str], reason: str) -> Finding:
    quoted = join_names([f"'{name}'" for name in names])
    return Finding(
        "data.column-left-out",
        "info",
        join_names(names),
        "Column that is left out",
        f"{quoted} {choose_form(len(names), 'is', 'are')} left out: {reason}.",
        evidence={"columns": names},
        next_step="Keep it with --keep, if it is a feature.",
    )


def _marked_numbers_finding(column: ColumnGuess) -> Finding:
    return Finding(
        "data.marked-numbers",
        "warning",
        column.name,
        "Numbers and other words",
        f"'{column.name}' is read as a column of categories: {column.reason}.",
        evidence={"column": column.name},
        next_step="Say which words are missing cells (tiltyard init --gap WORD, data.gaps), or correct them.",
    )


def _gap_words_finding(label: str, words: list[str]) -> Finding:
    return Finding(
        "data.gap-word-class",
        "warning",
        label,
        "Class that is called like a gap",
        f"{join_values(words)} {choose_form(len(words), 'is a class', 'are classes')} of '{label}', not "
        f"{choose_form(len(words), 'a gap', 'gaps')}.",
        evidence={"classes": words},
        next_step="If such a word means that a label is missing, declare it as a gap: "
        f"data.gaps = {write_toml_value(tuple(words))}.",
    )
