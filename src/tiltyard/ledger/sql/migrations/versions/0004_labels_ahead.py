"""Labels whose time is in the future, from before such times were refused: they outranked every correction.

When they were recorded is not known, only in which order. Each now has the time of the label recorded before it for the
same prediction, or else of the prediction itself, and a few microseconds: it counts instead of that one, as it did, and
any later correction counts instead of it. A finding for each project keeps what was changed.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
import uuid_utils
from alembic.operations import Operations

revision = "0004"
down_revision = "0003"

# Both are the code's own as of this revision; a migration does not follow later changes of it.
AHEAD_US = 60_000_000
CODE = "labels.ahead"
MOST_EXAMPLES = 20


def upgrade(op: Operations) -> None:
    """Move the labels."""
    connection = op.get_bind()
    now = time.time_ns() // 1000
    ahead = connection.execute(
        sa.text(
            "SELECT l.sequence, l.prediction_id, l.at_us, l.label, p.at_us AS made_us, p.project FROM labels l "
            "JOIN predictions p ON p.id = l.prediction_id WHERE l.at_us > :limit ORDER BY l.sequence"
        ),
        {"limit": now + AHEAD_US},
    ).all()
    moved: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in ahead:
        # The labels before it that were ahead too have their new times by now.
        before = connection.scalar(
            sa.text("SELECT max(at_us) FROM labels WHERE prediction_id = :id AND sequence < :sequence"),
            {"id": row.prediction_id, "sequence": row.sequence},
        )
        at = (row.made_us if before is None else max(before, row.made_us)) + 1
        connection.execute(
            sa.text("UPDATE labels SET at_us = :at WHERE sequence = :sequence"), {"at": at, "sequence": row.sequence}
        )
        moved[row.project].append({"prediction_id": row.prediction_id, "label": row.label, "at_us": row.at_us})
    for project, labels in moved.items():
        connection.execute(_INSERT, _describe(project, labels, now))


def downgrade(op: Operations) -> None:
    """Leave the labels as they are: the older code reads them too."""


_INSERT = sa.text(
    "INSERT INTO findings (id, at_us, project, code, severity, subject, score, message, evidence, status, next_step) "
    "VALUES (:id, :at_us, :project, :code, 'warning', 'labels', :score, :message, :evidence, 'found', :next_step)"
)


def _describe(project: str, labels: list[dict[str, Any]], now: int) -> dict[str, Any]:
    many = len(labels) != 1
    return {
        "id": str(uuid_utils.uuid7()),
        "at_us": now,
        "project": project,
        "code": CODE,
        "score": float(len(labels)),
        "message": f"{len(labels):,} label{'s' * many} had a time in the future. {'Each' if many else 'It'} now has "
        "the time of the label before it, or of its prediction, so that corrections count.",
        "evidence": json.dumps({"labels": len(labels), "examples": labels[:MOST_EXAMPLES]}),
        "next_step": "If the truth was another one, import it with its right time: tiltyard feedback import FILE",
    }
