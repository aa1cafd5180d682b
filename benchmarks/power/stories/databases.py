"""What the stories ask of an SQLite file, past our own code."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tiltyard.ledger import Ledger, Prediction


def list_damage(folder: Path) -> Iterator[str]:
    """What SQLite's own check says of each database of a folder that has been opened."""
    for file in sorted(folder.rglob("*.db")):
        try:
            with closing(sqlite3.connect(file)) as connection:
                found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        except sqlite3.Error as error:
            found = [str(error)]
        if found != ["ok"]:
            yield f"{file.name} is damaged: {found[0]}"


def list_changes(found: Prediction, written: Prediction) -> list[str]:
    """Whether a prediction came back as it was written."""
    return [] if found == written else [f"The prediction {found.id} is not what was recorded"]


def prediction_ids(ledger: Ledger) -> list[str]:
    """The ids of all predictions of a ledger."""
    return [prediction.id for prediction in ledger.predictions()]
