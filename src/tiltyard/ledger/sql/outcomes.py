"""Live outcomes of champion and challenger, counted in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, select

from tiltyard.aliases import CHALLENGER, CHAMPION
from tiltyard.ledger.ports import NO_RARE_CLASSES, Became
from tiltyard.ledger.records import SHADOW, ShadowOutcomes, SplitOutcome
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import newest_label, time_conditions
from tiltyard.ledger.sql.schema import labels, predictions
from tiltyard.ledger.storable import check_text


class SqlOutcomes:
    """``LiveOutcomes`` of an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_shadow(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> ShadowOutcomes:
        """Which version was right on inputs that both predicted; see ``LiveOutcomes.count_shadow``."""
        shadow = predictions.alias("shadow")
        said = (predictions.c.label, shadow.c.label, labels.c.label)
        query = (
            select(*said, func.count())
            .join_from(shadow, predictions, predictions.c.id == shadow.c.key)
            .join(labels, and_(labels.c.prediction_id == predictions.c.id, newest_label()))
            .where(
                shadow.c.project == check_text("project", model_name),
                shadow.c.version == check_text("challenger", challenger),
                shadow.c.route == SHADOW,
                predictions.c.project == model_name,
                predictions.c.route == CHAMPION,
                *time_conditions(shadow.c.at_us, since, None),
            )
            .group_by(*said)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found = count_outcomes(
            [(str(mine), str(theirs), str(label), int(count)) for mine, theirs, label, count in rows], became
        )
        return ShadowOutcomes(found[True, True], found[True, False], found[False, True], found[False, False])

    def list_split(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> list[SplitOutcome]:
        """The labelled rows of both, in the order of their labels; see ``LiveOutcomes.list_split``."""
        column = predictions.c
        theirs = and_(column.route == CHALLENGER, column.version == check_text("challenger", challenger))
        matching = [column.project == check_text("project", model_name), *time_conditions(column.at_us, since, None)]
        with self._database.read(snapshot=True) as connection:
            first = connection.execute(select(func.min(column.at_us)).where(*matching, theirs)).scalar()
            if first is None:
                return []
            query = (
                select(column.route == CHALLENGER, column.label, labels.c.label)
                .join_from(predictions, labels, and_(labels.c.prediction_id == column.id, newest_label()))
                .where(*matching, theirs | (column.route == CHAMPION), column.at_us >= first)
                .order_by(labels.c.at_us, labels.c.sequence)
            )
            rows = connection.execute(query).all()
        from tiltyard.data.conform.labels import match_labels  # noqa: PLC0415 - it brings pandas, which a server does without

        right = match_labels([str(row[1]) for row in rows], [str(row[2]) for row in rows], became)
        return [SplitOutcome(bool(row[0]), one) for row, one in zip(rows, right, strict=True) if one is not None]


def count_outcomes(
    groups: Sequence[tuple[str, str, str, int]], became: Became = NO_RARE_CLASSES
) -> Counter[tuple[bool, bool]]:
    """Rows by whether the champion and the challenger were right.

    Args:
        groups: the champion's class, the challenger's, the label, and the number of rows that have these three.
        became: as of ``LiveOutcomes.count_shadow``.
    """
    from tiltyard.data.conform.labels import match_labels  # noqa: PLC0415 - it brings pandas, which a server does without

    labels_ = [label for _, _, label, _ in groups]
    champion = match_labels([mine for mine, _, _, _ in groups], labels_, became)
    challenger = match_labels([theirs for _, theirs, _, _ in groups], labels_, became)
    counted: Counter[tuple[bool, bool]] = Counter()
    for first, second, (_, _, _, rows) in zip(champion, challenger, groups, strict=True):
        if first is not None or second is not None:
            counted[bool(first), bool(second)] += rows
    return counted
