"""Live outcomes of champion and challenger, counted in SQL."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, and_, case, func, null, or_, select, true

from tiltyard.aliases import CHAMPION
from tiltyard.ledger.ports import NO_RARE_CLASSES, Became
from tiltyard.ledger.records import (
    CALLER,
    REQUEST,
    SHADOW,
    Assignment,
    ShadowOutcome,
    ShadowOutcomes,
    SplitOutcome,
    is_in_share,
    make_unit,
)
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import newest_label, time_conditions
from tiltyard.ledger.sql.label_requests import is_sampled
from tiltyard.ledger.sql.schema import labels, predictions
from tiltyard.ledger.storable import check_text, decode_json, encode_json


class SqlOutcomes:
    """``LiveOutcomes`` of an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_shadow(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> ShadowOutcomes:
        """Which version was right on inputs that both predicted; see ``LiveOutcomes.count_shadow``."""
        shadow = predictions.alias("shadow")
        said = (predictions.c.label, shadow.c.label, labels.c.label, case((_has_known_unit(shadow), 1), else_=0))
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
                is_sampled(),
                *time_conditions(shadow.c.at_us, since, None),
            )
            .group_by(*said)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        of_known: list[list[tuple[str, str, str, int]]] = [[], []]
        for mine, theirs, label, is_known, count in rows:
            of_known[is_known].append((str(mine), str(theirs), str(label), int(count)))
        return sum_shadow(count_outcomes(of_known[1], became), count_outcomes(of_known[0], became).total())

    def list_shadow_units(
        self,
        model_name: str,
        challenger: str,
        *,
        since: datetime | None = None,
        became: Became = NO_RARE_CLASSES,
        group_key: str | None = None,
        error_cap: float | None = None,
    ) -> list[ShadowOutcome]:
        """The rows of units that both predicted; see ``LiveOutcomes.list_shadow_units``."""
        shadow, unit, content = predictions.alias("shadow"), predictions.c.unit, predictions.c.input
        both = (
            shadow.c.project == check_text("project", model_name),
            shadow.c.version == check_text("challenger", challenger),
            shadow.c.route == SHADOW,
            predictions.c.project == model_name,
            predictions.c.route == CHAMPION,
            _has_known_unit(shadow),
            *time_conditions(shadow.c.at_us, since, None),
        )
        # The key as JSON writes it; what else has these letters is sorted out after reading.
        grouped = None if group_key is None else content.contains(encode_json(group_key), autoescape=True)
        listed: ColumnElement[bool] = true() if error_cap is not None else unit.is_not(None)
        listed = listed if grouped is None else or_(listed, grouped)
        sent = null() if grouped is None else case((grouped, content), else_=null())
        with self._database.read(snapshot=True) as connection:
            rows = connection.execute(
                select(unit, predictions.c.label, shadow.c.label, labels.c.label, sent, predictions.c.id)
                .join_from(shadow, predictions, predictions.c.id == shadow.c.key)
                .join(labels, and_(labels.c.prediction_id == predictions.c.id, newest_label()))
                .where(*both, listed, is_sampled())
                .order_by(_first_label())
            ).all()
            sizes = connection.execute(
                select(unit, func.count())
                .join_from(shadow, predictions, predictions.c.id == shadow.c.key)
                .where(*both, unit.is_not(None))
                .group_by(unit)
            ).all()
        found = [
            (
                name_unit(one, decode_json(raw) if raw else {}, model_name, group_key) or name_row(id_, error_cap),
                *(str(mine), str(theirs), str(label)),
            )
            for one, mine, theirs, label, raw, id_ in rows
        ]
        return match_shadow_units(
            [(one, mine, theirs, label) for one, mine, theirs, label in found if one is not None],
            {str(unit): int(count) for unit, count in sizes},
            became,
            error_cap,
        )

    def list_split(
        self,
        model_name: str,
        challenger: str,
        *,
        since: datetime | None = None,
        became: Became = NO_RARE_CLASSES,
        error_cap: float | None = None,
    ) -> list[SplitOutcome]:
        """The labelled rows of the split test, in the order of their labels; see ``LiveOutcomes.list_split``."""
        column, version = predictions.c, check_text("challenger", challenger)
        matching = [
            column.project == check_text("project", model_name),
            # All that begins with the version and "@", which is followed by "A" in binary order.
            column.assignment >= f"{version}@",
            column.assignment < f"{version}A",
            column.unit.is_not(None),
            *time_conditions(column.at_us, since, None),
        ]
        with self._database.read(snapshot=True) as connection:
            rows = connection.execute(
                select(column.unit, column.assignment, column.label, labels.c.label)
                .join_from(predictions, labels, and_(labels.c.prediction_id == column.id, newest_label()))
                .where(*matching, is_sampled())
                .order_by(_first_label())
            ).all()
            sizes = connection.execute(select(column.unit, func.count()).where(*matching).group_by(column.unit)).all()
        return match_split(
            [(str(unit), str(assignment), str(mine), str(label)) for unit, assignment, mine, label in rows],
            {str(unit): int(count) for unit, count in sizes},
            became,
            error_cap,
        )


def _first_label() -> ScalarSelect[int]:
    """The place of a prediction's first label in the ledger: callers may give their labels any time."""
    first = labels.alias("first")
    return (
        select(func.min(first.c.sequence))
        .where(first.c.prediction_id == predictions.c.id)
        .correlate(predictions)
        .scalar_subquery()
    )


def _has_known_unit(shadow: FromClause) -> ColumnElement[bool]:
    """That it is known with which other rows the champion's row came; builds before units did not record it."""
    return or_(shadow.c.unit.is_not(None), predictions.c.unit.is_not(None))


def sum_shadow(counted: Mapping[tuple[bool, bool], int], unknown: int) -> ShadowOutcomes:
    """The outcomes of ``LiveOutcomes.count_shadow``, by whether champion and challenger were right."""
    pairs = ((True, True), (True, False), (False, True), (False, False))
    both, champion, challenger, neither = (counted.get(pair, 0) for pair in pairs)
    return ShadowOutcomes(both, champion, challenger, neither, unknown)


def name_unit(unit: str | None, content: object, model_name: str, group_key: str | None) -> str | None:
    """The unit of a row: its group where the input names one, else what it shares with other rows of its request.

    Args:
        unit: the unit of its request.
        content: the input as it was recorded.
        model_name: the registered model.
        group_key: see ``LiveOutcomes.list_shadow_units``.
    """
    if group_key is None or not isinstance(content, Mapping) or group_key not in content:
        return unit
    from tiltyard.data.conform.labels import is_label_gap, write_label  # noqa: PLC0415 - as below

    group = content[group_key]
    return unit if is_label_gap(group) else make_unit(CALLER, model_name, f"{group_key}\0{write_label(group)}")


def name_row(id_: object, error_cap: float | None) -> str | None:
    """The unit of a row that is a request by itself, where all rows are listed: see ``LiveOutcomes``; else None."""
    return None if error_cap is None else f"{REQUEST}{id_}"


def match_split(
    rows: Sequence[tuple[str, str, str, str]],
    sizes: Mapping[str, int],
    became: Became = NO_RARE_CLASSES,
    error_cap: float | None = None,
) -> list[SplitOutcome]:
    """Outcomes of the labelled rows of a split test, in their order.

    Args:
        rows: the unit, the assignment, the predicted class and the label of each.
        sizes: how many rows each unit has, labelled or not.
        became: as of ``LiveOutcomes.count_shadow``; rows whose labels are not counted are left out of ``sizes`` too.
        error_cap: see ``LiveOutcomes``.
    """
    right = grade([mine for _, _, mine, _ in rows], [label for _, _, _, label in rows], became, error_cap)
    left_out = Counter(unit for (unit, *_), one in zip(rows, right, strict=True) if one is None)
    shares = {stored: Assignment.decode(stored).share for stored in {row[1] for row in rows}}
    return [
        SplitOutcome(unit, is_in_share(unit, shares[stored]), shares[stored], one, sizes[unit] - left_out[unit])
        for (unit, stored, _, _), one in zip(rows, right, strict=True)
        if one is not None
    ]


def match_shadow_units(
    rows: Sequence[tuple[str, str, str, str]],
    sizes: Mapping[str, int],
    became: Became = NO_RARE_CLASSES,
    error_cap: float | None = None,
) -> list[ShadowOutcome]:
    """Outcomes of labelled rows that two versions predicted, in their order.

    Args:
        rows: the unit, the champion's class, the challenger's and the label of each.
        sizes: how many rows each unit has, labelled or not; of groups, which may come again at any time, only the
            labelled ones count.
        became: as of ``LiveOutcomes.count_shadow``; rows whose labels are not counted are left out of ``sizes`` too.
        error_cap: see ``LiveOutcomes``.
    """
    labels_ = [label for _, _, _, label in rows]
    champion = grade([mine for _, mine, _, _ in rows], labels_, became, error_cap)
    challenger = grade([theirs for _, _, theirs, _ in rows], labels_, became, error_cap)
    pairs = list(zip(champion, challenger, strict=True))
    if error_cap is not None:
        # A row is compared where both are known; of classes, None means that neither was predicted.
        pairs = [(None, None) if None in pair else pair for pair in pairs]
    left_out = Counter(unit for (unit, *_), pair in zip(rows, pairs, strict=True) if pair == (None, None))
    labelled = Counter(unit for unit, *_ in rows)
    return [
        ShadowOutcome(unit, mine or False, theirs or False, sizes.get(unit, labelled[unit]) - left_out[unit])
        for (unit, *_), (mine, theirs) in zip(rows, pairs, strict=True)
        if (mine, theirs) != (None, None)
    ]


def grade(
    predicted: Sequence[str], labels_: Sequence[str], became: Became, error_cap: float | None
) -> Sequence[float | None]:
    """How right each prediction is, True or False of a class, 0 to 1 of a number; None where it does not count.

    Args:
        predicted: n classes, or n numbers as text.
        labels_: the n true ones.
        became: as of ``LiveOutcomes.count_shadow``.
        error_cap: see ``LiveOutcomes``; None: they are classes.
    """
    if error_cap is None:
        from tiltyard.data.conform.labels import match_labels  # noqa: PLC0415 - it brings pandas, see above

        return match_labels(predicted, labels_, became)
    return [_grade_number(mine, label, error_cap) for mine, label in zip(predicted, labels_, strict=True)]


def _grade_number(predicted: str, label: str, error_cap: float) -> float | None:
    try:
        error = abs(float(predicted) - float(label))
    except ValueError:
        return None
    return 1.0 - min(error / error_cap, 1.0) if math.isfinite(error) else None


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
