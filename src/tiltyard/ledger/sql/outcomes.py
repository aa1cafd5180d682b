"""Live outcomes of champion and challenger, counted in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select

from tiltyard.aliases import CHALLENGER, CHAMPION
from tiltyard.ledger.codec import check_text
from tiltyard.ledger.records import SHADOW, ShadowOutcomes, SplitOutcome
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import newest_label, time_conditions
from tiltyard.ledger.sql.schema import labels, predictions


class SqlOutcomes:
    """``LiveOutcomes`` of an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_shadow(self, project: str, challenger: str, *, since: datetime | None = None) -> ShadowOutcomes:
        """Which version was right on inputs that both predicted; see ``LiveOutcomes.count_shadow``."""
        shadow = predictions.alias("shadow")
        # By their names: PostgreSQL would take the same expression, with its own parameters, for another one.
        champion_right = _number(predictions.c.label == labels.c.label).label("champion_right")
        challenger_right = _number(shadow.c.label == labels.c.label).label("challenger_right")
        query = (
            select(champion_right, challenger_right, func.count())
            .join_from(shadow, predictions, predictions.c.id == shadow.c.key)
            .join(labels, and_(labels.c.prediction_id == predictions.c.id, newest_label()))
            .where(
                shadow.c.project == check_text("project", project),
                shadow.c.version == check_text("challenger", challenger),
                shadow.c.route == SHADOW,
                predictions.c.project == project,
                predictions.c.route == CHAMPION,
                *time_conditions(shadow.c.at_us, since, None),
            )
            .group_by(champion_right, challenger_right)
        )
        with self._database.read() as connection:
            found = {(bool(champion), bool(theirs)): int(rows) for champion, theirs, rows in connection.execute(query)}
        return ShadowOutcomes(
            both_right=found.get((True, True), 0),
            only_champion_right=found.get((True, False), 0),
            only_challenger_right=found.get((False, True), 0),
            both_wrong=found.get((False, False), 0),
        )

    def list_split(self, project: str, challenger: str, *, since: datetime | None = None) -> list[SplitOutcome]:
        """The labelled rows of both, in the order of their labels; see ``LiveOutcomes.list_split``."""
        column = predictions.c
        theirs = and_(column.route == CHALLENGER, column.version == check_text("challenger", challenger))
        matching = [column.project == check_text("project", project), *time_conditions(column.at_us, since, None)]
        with self._database.read(snapshot=True) as connection:
            first = connection.execute(select(func.min(column.at_us)).where(*matching, theirs)).scalar()
            if first is None:
                return []
            query = (
                select(column.route == CHALLENGER, column.label == labels.c.label)
                .join_from(predictions, labels, and_(labels.c.prediction_id == column.id, newest_label()))
                .where(*matching, theirs | (column.route == CHAMPION), column.at_us >= first)
                .order_by(labels.c.at_us, labels.c.sequence)
            )
            return [SplitOutcome(bool(side), bool(right)) for side, right in connection.execute(query)]


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    # A number in both databases: SQLite has no booleans to group by.
    return case((condition, 1), else_=0)
