"""Predictions that were made together, or for one caller, share a unit; those of a split test have an assignment.

Rows from before have neither: which of them came in one request or from one caller is not known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0005"
down_revision = "0004"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Widen the predictions."""
    op.add_column("predictions", sa.Column("unit", NAME))
    op.add_column("predictions", sa.Column("assignment", NAME))
    given = sa.text("assignment IS NOT NULL")
    op.create_index(
        "predictions_by_unit", "predictions", ["assignment", "unit"], sqlite_where=given, postgresql_where=given
    )


def downgrade(op: Operations) -> None:
    """Drop what predictions gained."""
    op.drop_index("predictions_by_unit", "predictions")
    op.drop_column("predictions", "assignment")
    op.drop_column("predictions", "unit")
