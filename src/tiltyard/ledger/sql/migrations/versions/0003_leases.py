"""Leases: who does what only one may do at a time.

Frozen: what a ledger of this revision adds. Each later change is a separate migration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003"
down_revision = "0002"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Make the table of leases."""
    op.create_table(
        "leases",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("holder", NAME, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )


def downgrade(op: Operations) -> None:
    """Drop the leases; they mean nothing to those who are gone."""
    op.drop_table("leases")
