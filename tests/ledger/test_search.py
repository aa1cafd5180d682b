"""A search of the ledger finds what every word of it is in."""

from __future__ import annotations

from datetime import timedelta

from tests.ledger.test_retention import ledger  # noqa: F401 - the fixture: in memory, in SQLite, in PostgreSQL
from tiltyard.ledger import Label, Ledger
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
