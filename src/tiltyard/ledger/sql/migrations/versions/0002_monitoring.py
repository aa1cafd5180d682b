"""Findings say whether they were found, are clear or undecided; profiles of an hour's predictions.

Frozen: what a ledger of this revision adds. Each later change is a separate migration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Widen the findings, and make the table of profiles."""
    op.add_column("findings", sa.Column("status", NAME, nullable=False, server_default="found"))
    op.add_column("findings", sa.Column("next_step", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "profiles",
        sa.Column("project", NAME, primary_key=True),
        sa.Column("version", NAME, primary_key=True),
        sa.Column("route", NAME, primary_key=True),
        sa.Column("hour_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("layout", NAME, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("newest", NAME, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade(op: Operations) -> None:
    """Drop the profiles, which can be computed again, and what findings gained."""
    op.drop_table("profiles")
    op.drop_column("findings", "next_step")
    op.drop_column("findings", "status")
