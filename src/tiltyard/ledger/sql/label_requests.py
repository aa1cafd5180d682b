"""Requests for labels, in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, and_, case, exists, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.codec import decode_request, encode_requests
from tiltyard.ledger.records import RANDOM, LabelRequest
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import fetch_pages, time_conditions
from tiltyard.ledger.sql.schema import label_requests, labels, predictions
from tiltyard.ledger.storable import check_text

LABELLED_DRAW = 0.95
"""Share of a random draw that must have a label before predictions count that an earlier queue chose as hard."""
_REQUEST = tuple(label_requests.columns)


class SqlLabelRequests:
    """``LabelRequests`` of an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, requests: Sequence[LabelRequest]) -> None:
        """Store requests, each once; see ``LabelRequests.record``."""
        names = [column.name for column in _REQUEST]
        rows = [dict(zip(names, row, strict=True)) for row in sorted(encode_requests(requests), key=itemgetter(0, 1))]
        if not rows:
            return
        dialect = sqlite if self._database.is_sqlite else postgresql
        with self._database.write() as connection:
            connection.execute(dialect.insert(label_requests).on_conflict_do_nothing(), rows)

    def select(self, *, model_name: str | None = None, since: datetime | None = None) -> Iterator[LabelRequest]:
        """The requests, by time; see ``LabelRequests.select``."""
        query = select(*_REQUEST).where(*time_conditions(label_requests.c.at_us, since, None))
        if model_name is not None:
            query = query.join_from(label_requests, predictions, label_requests.c.prediction_id == predictions.c.id)
            query = query.where(predictions.c.project == check_text("project", model_name))
        order = (label_requests.c.at_us, label_requests.c.prediction_id, label_requests.c.queue_id)

        return map(decode_request, fetch_pages(self._fetch, query, order))

    def _fetch(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(query).all()


def label_reason() -> ScalarSelect[str]:
    """The reason of the request for the label at hand: ``random`` if one counts, else the first one's; NULL for none.

    A prediction that was drawn at random belongs to the sample. One that an earlier queue had chosen as hard belongs to
    it only once nearly all of its draw are labelled: until then the sample would consist of the hard ones.
    """
    column = label_requests.c
    return (
        select(column.reason)
        .where(column.prediction_id == labels.c.prediction_id)
        .order_by(~_counts_as_random(), column.at_us, column.queue_id)
        .limit(1)
        .correlate(labels)
        .scalar_subquery()
    )


def is_requested() -> ColumnElement[bool]:
    """That the label at hand is of a prediction that a queue chose."""
    return exists().where(label_requests.c.prediction_id == labels.c.prediction_id)


def is_sampled() -> ColumnElement[bool]:
    """That the label at hand was not requested, or was requested at random."""
    request = exists().where(label_requests.c.prediction_id == labels.c.prediction_id)
    return or_(~request, request.where(_counts_as_random()))


def _counts_as_random() -> ColumnElement[bool]:
    """That a request is a random one, and no earlier queue chose its prediction, or its draw is labelled."""
    column, earlier = label_requests.c, label_requests.alias("earlier")
    chosen_before = exists().where(
        earlier.c.prediction_id == column.prediction_id, earlier.c.reason != RANDOM, earlier.c.at_us < column.at_us
    )
    return and_(column.reason == RANDOM, or_(~chosen_before, column.queue_id.in_(_labelled_draws())))


def _labelled_draws() -> Select[tuple[str]]:
    """The queues of which nearly all random predictions have a label."""
    drawn, known = label_requests.alias("drawn"), labels.alias("known")
    has_label = exists().where(known.c.prediction_id == drawn.c.prediction_id)
    return (
        select(drawn.c.queue_id)
        .where(drawn.c.reason == RANDOM)
        .group_by(drawn.c.queue_id)
        .having(func.sum(case((has_label, 1), else_=0)) >= LABELLED_DRAW * func.count())
    )
