"""Requests for labels: which predictions a labelling queue held, and why each was chosen.

Frozen: what a ledger of this revision adds. Each later change is a separate migration.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0006"
down_revision = "0005"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Make the table of requests. Labels from before have none: they count as organic, as they did."""
    op.create_table(
        "label_requests",
        sa.Column("prediction_id", NAME, primary_key=True),
        sa.Column("queue_id", NAME, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("reason", NAME, nullable=False),
        sa.Column("probability", sa.Double),
    )


def downgrade(op: Operations) -> None:
    """Drop the requests: the older code counts every label alike."""
    op.drop_table("label_requests")
