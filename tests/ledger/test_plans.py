"""SQLite finds by its indexes what pages and reports read of a large ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from tiltyard.ledger import Label, SqlLedger
from tiltyard.testing import NOON, make_prediction


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as opened:
        rows = [make_prediction(project="films", at=NOON + timedelta(seconds=number)) for number in range(50)]
        opened.record(rows)
        opened.record_labels([Label(row.id, "positive", NOON, "s") for row in rows[::10]])
        yield opened


def explain(ledger: SqlLedger, statements: list[tuple[str, Any]]) -> list[str]:
    """The steps of what the database did for statements."""
    with ledger._database.read() as connection:
        return [
            str(row[3])
            for statement, values in statements
            if statement.startswith("SELECT") and "predictions" in statement
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@pytest.fixture
def statements(ledger: SqlLedger) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        seen.append((statement, values))

    engine = ledger._database.engine
    event.listen(engine, "before_cursor_execute", keep)
    yield seen
    event.remove(engine, "before_cursor_execute", keep)


def test_few_labels_of_many_predictions_are_counted_from_the_labels(
    ledger: SqlLedger, statements: list[tuple[str, Any]]
) -> None:
    """A report of a month looks up the rows that have a label, not the labels of all rows."""
    with ledger._database.read() as connection:
        connection.execute(text("SELECT 1"))
    statements.clear()
    hour = timedelta(hours=1)
    found = ledger.profiles.count_labelled(model_name="films", since=NOON, until=NOON + hour, step=hour)
    assert found == {NOON: 5}
    steps = explain(ledger, statements[-1:])
    assert any("SEARCH predictions USING INDEX sqlite_autoindex_predictions_1 (id=?)" in step for step in steps), steps
