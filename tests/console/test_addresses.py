"""Every state of a page has an address, and an address leads back to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.console.conftest import Serve
from tiltyard.console.data.period import WINDOWS, choose_range
from tiltyard.console.layout.where import Where
from tiltyard.testing import MemoryLedger, make_prediction
from tiltyard.testing.registry import MemoryRegistry

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
    lambda text: text.strip()
)
KEYS = st.sampled_from(["period", "search", "version", "label", "column", "since"])


@given(subject=TEXTS, query=st.dictionaries(KEYS, TEXTS))
def test_a_link_leads_to_the_place_that_it_was_written_for(subject: str, query: dict[str, str]) -> None:
    """Whatever a subject or a query holds, its link is read back as the same place."""
    place = Where("/predictions/", subject, query)
    path, _, search = place.link().partition("?")
    assert Where.read("/predictions/", subject, f"?{search}" if search else "") == place
    assert path.startswith("/predictions/")
    assert not set(path) & set("?#& ")


def test_a_usual_choice_leaves_no_trace_in_the_address() -> None:
    """A link to the usual choice has no query, and other keys stay as they are."""
    place = Where("/predictions", "", {"period": "week", "search": "slow"})
    assert place.link(period=None) == "/predictions?search=slow"
    assert place.link_to("/incidents") == "/incidents?period=week"


@pytest.mark.parametrize("stored", [None, 7, {}, {"path": 3, "query": [1]}, {"query": {"period": 5}}])
def test_what_a_browser_makes_up_is_a_place_too(stored: object) -> None:
    """A place of another shape than ours is read as one without a query or subject that means anything."""
    assert Where.from_stored(stored).period == WINDOWS["day"]


def test_a_range_goes_before_a_named_period() -> None:
    """Two moments in order are the period; others are passed over."""
    query = {"period": "week", "since": "2026-01-01T10:00", "until": "2026-01-03T10:00:00Z"}
    period = Where("/", "", query).period
    assert (period.until, period.span) == (datetime(2026, 1, 3, 10, tzinfo=UTC), timedelta(days=2))
    assert Where("/", "", {**query, "until": query["since"]}).period == WINDOWS["week"]


def test_bins_of_a_long_range_are_whole_hours() -> None:
    """Hours are counted once for all readers: a range of more than three hours has no narrower bins."""
    now = datetime(2026, 1, 3, tzinfo=UTC)
    assert choose_range(now - timedelta(hours=2), now).step == timedelta(minutes=5)
    assert choose_range(now - timedelta(hours=5), now).step == timedelta(hours=1)


def test_filters_narrow_the_list_and_are_in_its_links(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """Version, label and route of the address narrow the list; each choice is a link that keeps the others."""
    now = datetime.now(UTC)
    rows = [
        make_prediction(at=now, version="1", label="good", input={"text": "first"}),
        make_prediction(at=now, version="2", label="good", input={"text": "second"}),
        make_prediction(at=now, version="2", label="bad", input={"text": "third"}),
    ]
    ledger.record(rows)
    reader = serve(registry, ledger)
    listed = json.dumps(reader.render("predictions", None, "?version=2&label=good")["predictions-recent"])
    assert '"second"' in listed
    assert '"first"' not in listed
    assert '"third"' not in listed
    controls = json.dumps(reader.render("predictions", None, "?version=2&label=good")["predictions-controls"])
    assert "version=2" in controls
    assert "label=bad" in controls
    empty = reader.render("predictions", None, "?version=7")
    assert "0 listed" in json.dumps(empty["predictions-recent"])


def test_the_chosen_time_goes_along_to_other_pages(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """The menu of a page about a week leads to pages about that week."""
    content = serve(registry, ledger).open("/predictions?period=week&search=slow")
    assert '"/incidents?period=week"' in content
    assert '"value":"slow"' in content.replace(" ", "")


def test_a_moment_in_the_past_shows_its_predictions(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """A range in the past counts and lists what was predicted in it, and nothing else."""
    then = datetime(2026, 2, 1, 12, tzinfo=UTC)
    ledger.record([make_prediction(at=then, input={"text": "old"}), make_prediction(at=datetime.now(UTC))])
    shown = serve(registry, ledger).render("predictions", None, "?since=2026-02-01T11:00&until=2026-02-01T13:00")
    assert '"1"' in json.dumps(shown["predictions-facts"])
    assert '"old"' in json.dumps(shown["predictions-recent"])
