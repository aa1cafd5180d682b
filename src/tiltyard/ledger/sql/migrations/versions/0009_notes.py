"""Notes: what programs keep between their runs, such as when a schedule is due next.

Frozen: what a ledger of this revision adds. Each later change is a separate migration. No row of
another table is touched.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0009"
down_revision = "0008"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Make the table."""
    op.create_table(
        "notes",
        sa.Column("topic", NAME, primary_key=True),
        sa.Column("name", NAME, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )


def downgrade(op: Operations) -> None:
    """Forget the notes: schedules begin anew."""
    op.drop_table("notes")
