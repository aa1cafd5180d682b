"""Which column is the label: every column with the reasons for and against it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.inference.column_facts import ColumnFacts
from tiltyard.formatting import format_count, format_percent

LABEL_NAMES = frozenset(
    {
        "label", "labels", "target", "class", "classes", "y", "sentiment", "outcome", "churn", "churned", "diagnosis",
        "polarity", "income", "survived", "default", "defaulted", "response", "dependent", "fraud", "spam", "species",
        "disorder", "attrition", "intent", "topic", "verdict", "exited", "readmitted", "stroke", "toxic",
    }
)  # fmt: skip
NAMES_OF_ANY_TARGET = frozenset({"label", "labels", "target", "y", "outcome", "response", "dependent"})
"""Those of the above that are given to quantities too; the others name classes, and say nothing of a quantity."""
WEAK_NAMES = frozenset(
    {"category", "status", "result", "quality", "grade", "rating", "stars", "score", "approved", "clicked"}
)
QUANTITY_NAMES = frozenset({"price", "amount", "value", "cost", "revenue", "sales", "salary", "charges", "demand"})
TRUTH_NAMES = frozenset({"is", "has", "was", "will", "did"})
ABOUT_A_LABEL = frozenset(
    {"id", "confidence", "score", "reason", "gold", "source", "count", "time", "date", "by", "at", "probability"}
)
NAMED_LIKE_A_LABEL = 8.0
"""From this score on a column has a name that speaks for it, not only its place and values."""
_LEAST_ROWS_A_CLASS = 5
_MOST_MISSING = 0.5


@dataclass(frozen=True)
class RankedLabel:
    """A column that may be the label.

    Attributes:
        name: the column.
        score: how much speaks for it, to be compared with the others of the same table only.
        reasons: what speaks for it and against it, in words.
        classes: how many different values it has.
        continuous: whether it holds numbers that measure a quantity, which no classifier predicts.
    """

    name: str
    score: float
    reasons: tuple[str, ...]
    classes: int
    continuous: bool = False


def rank_labels(columns: Iterable[ColumnFacts]) -> list[RankedLabel]:
    """The columns that can be the label, the likeliest first; of equal ones the later.

    A column of continuous numbers that would be likelier than all others stands first: it is what the file asks to
    predict, and the reader of the ranking has to refuse it by name.
    """
    candidates = [(_score_label(facts), facts.place) for facts in columns if not explain_no_label(facts)]
    return [found for found, _ in sorted(candidates, key=lambda item: (-item[0].score, -item[1]))]


def explain_no_label(facts: ColumnFacts) -> str:
    """Why a column cannot be the label; empty if it can."""
    if facts.nameless:
        return "it has no name"
    if facts.column.nested:
        return "it holds lists or objects"
    if facts.different < 2:
        return "it has fewer than two values"
    if facts.kind in ("text", "time"):
        return "it holds texts" if facts.kind == "text" else "it holds times"
    if facts.column.identifier:
        return "it identifies the rows"
    if facts.missing_share > _MOST_MISSING:
        return f"{format_percent(facts.missing_share)} of its cells are empty"
    if not facts.continuous and facts.different > max(2, facts.present // _LEAST_ROWS_A_CLASS):
        return f"it has {format_count(facts.different, 'value')} in {format_count(facts.present, 'row')}"
    return ""


def _score_label(facts: ColumnFacts) -> RankedLabel:
    weighed = [*_weigh_name(facts), *_weigh_place(facts), *_weigh_values(facts)]
    return RankedLabel(
        name=facts.name,
        score=sum(weight for weight, _ in weighed),
        reasons=tuple(reason for weight, reason in weighed if reason and weight),
        classes=facts.different,
        continuous=facts.continuous,
    )


def _weigh_name(facts: ColumnFacts) -> list[tuple[float, str]]:
    parts = facts.name_parts
    if facts.name.strip().lower() in (NAMES_OF_ANY_TARGET if facts.continuous else LABEL_NAMES):
        return [(10.0, f"'{facts.name}' is a usual name of a label")]
    about = sorted(ABOUT_A_LABEL & set(parts[-1:]))
    if about and len(parts) > 1:
        return [(-8.0, f"its name speaks of a {about[0]}")]
    if facts.continuous:
        quantity = set(parts) & QUANTITY_NAMES
        return [(2.0, "its name is that of a quantity which people predict")] if quantity else []
    usual = [part for part in parts if part in LABEL_NAMES]
    if usual:
        return [(6.0, f"its name holds '{usual[0]}'")]
    if parts[:1] and parts[0] in TRUTH_NAMES and facts.different == 2:
        return [(4.0, f"its name asks a question ('{parts[0]}')")]
    if set(parts) & WEAK_NAMES:
        return [(3.0, "its name is that of many labels")]
    return []


def _weigh_place(facts: ColumnFacts) -> list[tuple[float, str]]:
    if facts.place == facts.places - 1:
        return [(4.0, "it is the last column")]
    if facts.place == 0:
        return [(1.5, "it is the first column")]
    return []


def _weigh_values(facts: ColumnFacts) -> list[tuple[float, str]]:
    if facts.continuous:
        # Just less than a class of two values without any name: on equal terms a class is the likelier label.
        return [(-0.1, f"{format_count(facts.different, 'different number')}")]
    weighed = [(-10.0 * facts.missing_share, f"{format_percent(facts.missing_share)} of its cells are empty")]
    few = 2.0 if facts.different == 2 else 1.5 if facts.different <= 10 else 0.5 if facts.different <= 50 else -1.0
    weighed.append((few, f"it has {facts.different} values"))
    if facts.column.sign:
        weighed.append((-6.0, f"its numbers have the sign '{facts.column.sign}', and measure a quantity"))
    if facts.kind in ("category", "boolean"):
        weighed.append((1.0, ""))
        if facts.sample and all(word in GAP_WORDS for word in facts.sample):
            weighed.append((-3.0, "its words usually mean a missing value"))
    elif not bool((facts.column.ordered % 1 == 0).all()):
        weighed.append((-1.0, "it holds fractions"))
    return weighed
