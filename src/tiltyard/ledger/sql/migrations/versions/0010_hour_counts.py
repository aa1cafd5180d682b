"""Counts of predictions by hour, folded from the predictions by their readers.

Frozen: what a ledger of this revision adds. Each later change is a separate migration. No row of
another table is touched: what is there already is counted by the first reader. In PostgreSQL a prediction is marked
with the transaction that stores it; those from before have no mark.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0010"
down_revision = "0009"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Make the tables; nothing is counted yet."""
    op.create_table(
        "hour_counts",
        sa.Column("project", NAME, primary_key=True),
        sa.Column("hour_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", NAME, primary_key=True),
        sa.Column("route", NAME, primary_key=True),
        sa.Column("is_class", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label", NAME, primary_key=True),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("confidence", sa.Double),
        sa.Column("least", sa.Double),
        sa.Column("most", sa.Double),
        sa.Column("latency_ms", sa.Double),
        sa.Column("measured", sa.BigInteger, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("newest", NAME, nullable=False),
    )
    op.create_index("hour_counts_by_hour", "hour_counts", ["hour_us"])
    op.create_table("stale_hours", sa.Column("hour_us", sa.BigInteger, primary_key=True, autoincrement=False))
    marks = op.create_table(
        "count_marks",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("folded", sa.BigInteger, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("proof", NAME, nullable=False),
    )
    op.bulk_insert(marks, [{"name": "predictions", "folded": 0, "turn": 0, "proof": ""}])
    if op.get_bind().dialect.name == "postgresql":
        # In two steps: a column that has a default from the start is written into every row.
        op.execute("ALTER TABLE predictions ADD COLUMN arrived bigint")
        default = "CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
        op.execute(f"ALTER TABLE predictions ALTER COLUMN arrived SET DEFAULT {default}")
        op.execute("CREATE INDEX predictions_by_arrival ON predictions (arrived) WHERE arrived IS NOT NULL")


def downgrade(op: Operations) -> None:
    """Forget the counts."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE predictions DROP COLUMN arrived")
    for name in ("count_marks", "stale_hours", "hour_counts"):
        op.drop_table(name)
