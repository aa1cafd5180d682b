"""Batch runs: tables that were scored as a whole, and the profiles of their fragments.

Frozen: what a ledger of this revision adds. Each later change is a separate migration. No row of
another table is touched.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0008"
down_revision = "0007"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Make the tables."""
    op.create_table(
        "batch_runs",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("project", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("finished_us", sa.BigInteger),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("batch_runs_by_time", "batch_runs", ["project", "started_us"])
    op.create_table(
        "batch_fragments",
        sa.Column("run_id", NAME, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("layout", NAME, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade(op: Operations) -> None:
    """Forget the batch runs; their recorded predictions stay."""
    op.drop_table("batch_fragments")
    op.drop_table("batch_runs")
