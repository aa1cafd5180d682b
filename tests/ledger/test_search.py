"""A search of the ledger finds what every word of it is in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.ledger.test_retention import ledger  # noqa: F401 - the fixture: in memory, in SQLite, in PostgreSQL
from tiltyard.ledger import Label, Ledger, SqlLedger
from tiltyard.testing import NOON, make_prediction


def test_a_search_finds_what_holds_every_word(ledger: Ledger) -> None:  # noqa: F811
    """A search reads input, label, version and id in any case and language; the limit counts what it finds."""
    straight = make_prediction(input={"text": 'He said "Go\\home" in der Straße'}, label="Grün", version="7")
    table = make_prediction(input={"place": "warm", "rooms": 3, "on": True}, at=NOON + timedelta(hours=1))
    ledger.record([straight, table, *(make_prediction(input={"text": "text"}) for _ in range(3))])
    ledger.record_labels([Label(table.id, "negative", NOON, "s")])
    for search in ("strasse", "STRASSE go\\home", '"GO', "grün 7", "der", straight.id[-9:]):
        assert list(ledger.predictions(search=search, limit=1)) == [straight], search
    for search in ("place rooms", "WARM 3", "true"):
        assert list(ledger.predictions(search=search, newest_first=True, limit=2)) == [table], search
        assert [row for row, _ in ledger.labelled_predictions(search=search)] == [table]
    assert list(ledger.predictions(search="warm strasse")) == []
    assert len(list(ledger.predictions(search="text", limit=2))) == 2
    assert list(ledger.labelled_predictions(search="strasse")) == []


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("filters", [{}, {"project": "films"}, {"project": "films", "version": "1", "shadow": False}])
def test_the_newest_and_the_first_prediction_are_found_by_the_index_of_time(
    tmp_path: Path, newest_first: bool, filters: dict[str, Any]
) -> None:
    """No row is sorted to find the newest or the first one: its cost does not grow with the ledger."""
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        opened.record([make_prediction() for _ in range(50)])
        executed: list[tuple[str, Any]] = []

        def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            executed.append((statement, parameters))

        engine = opened._database.engine
        event.listen(engine, "before_cursor_execute", keep)
        assert next(iter(opened.predictions(**filters, newest_first=newest_first, limit=1)), None) is not None
        event.remove(engine, "before_cursor_execute", keep)
        ((statement, parameters),) = [one for one in executed if "FROM predictions" in one[0]]
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert "predictions_by_time" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
