"""What comes from spools: what was set aside, and what stays erased or pruned.

Frozen: what a ledger of this revision adds. Each later change is a separate migration. No row of
another table is touched.
"""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0007"
down_revision = "0006"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade(op: Operations) -> None:
    """Make the tables. Until when was pruned is in the events; what was erased before is known to nobody."""
    op.create_table(
        "set_aside",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("reason", NAME, nullable=False),
        sa.Column("project", NAME, nullable=False),
        sa.Column("key", NAME),
        sa.Column("made_us", sa.BigInteger),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("set_aside_by_time", "set_aside", ["at_us", "id"])
    op.create_table(
        "erasures",
        sa.Column("digest", NAME, primary_key=True),
        sa.Column("act", NAME, primary_key=True),
        sa.Column("project", NAME, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("group_key", sa.Text),
    )
    op.create_table(
        "pruned",
        sa.Column("project", NAME, primary_key=True),
        sa.Column("before_us", sa.BigInteger, nullable=False),
    )
    cutoffs: dict[str, int] = {}
    connection = op.get_bind()
    for project, evidence in connection.execute(sa.text("SELECT subject, evidence FROM events WHERE kind = 'pruned'")):
        before = round(datetime.fromisoformat(json.loads(evidence)["before"]).timestamp() * 1e6)
        cutoffs[project] = max(before, cutoffs.get(project, before))
    for project, before in cutoffs.items():
        connection.execute(_INSERT, {"project": project, "before": before})
    op.create_table(
        "kept_out",
        sa.Column("project", NAME, primary_key=True),
        sa.Column("reason", NAME, primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
    )


_INSERT = sa.text("INSERT INTO pruned (project, before_us) VALUES (:project, :before)")


def downgrade(op: Operations) -> None:
    """Drop what was set aside, and the knowledge of what was erased."""
    for table in ("kept_out", "pruned", "erasures", "set_aside"):
        op.drop_table(table)
