"""Predictions, labels, findings, events with their chain, and the outbox.

Frozen: what a ledger of this revision holds. Each later change is a separate migration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RISING = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade(op: Operations) -> None:
    """Make all tables, and the chain's beginning."""
    _predictions(op)
    _labels(op)
    _findings(op)
    _events(op)
    _outbox(op)


def downgrade(op: Operations) -> None:
    """Drop everything the ledger holds."""
    for table in ("outbox", "chain", "events", "findings", "labels", "predictions"):
        op.drop_table(table)


def _predictions(op: Operations) -> None:
    op.create_table(
        "predictions",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("route", NAME, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("key", NAME),
        sa.Column("probabilities", sa.Text, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
    )
    op.create_index("predictions_by_time", "predictions", ["at_us", "id"])
    given = sa.text("key IS NOT NULL")
    op.create_index("predictions_by_key", "predictions", ["key"], sqlite_where=given, postgresql_where=given)


def _labels(op: Operations) -> None:
    op.create_table(
        "labels",
        sa.Column("sequence", RISING, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.UniqueConstraint("prediction_id", "at_us", "label", "source", name="labels_once"),
    )
    op.create_index("labels_by_time", "labels", ["at_us", "sequence"])


def _findings(op: Operations) -> None:
    op.create_table(
        "findings",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("version", NAME),
        sa.Column("code", NAME, nullable=False),
        sa.Column("severity", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("limit_value", sa.Double),
        sa.Column("since_us", sa.BigInteger),
        sa.Column("until_us", sa.BigInteger),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("findings_by_time", "findings", ["project", "at_us"])


def _events(op: Operations) -> None:
    op.create_table(
        "events",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("events_by_subject", "events", ["subject", "sequence"])
    chain = op.create_table(
        "chain",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("digest", NAME, nullable=False),
    )
    op.bulk_insert(chain, [{"name": "events", "sequence": 0, "digest": ""}])


def _outbox(op: Operations) -> None:
    op.create_table(
        "outbox",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("destination", NAME, nullable=False),
        sa.Column("due_us", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("leased_until_us", sa.BigInteger),
        sa.Column("sent_us", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
    )
    due = sa.text("due_us IS NOT NULL")
    op.create_index("outbox_due", "outbox", ["due_us"], sqlite_where=due, postgresql_where=due)
