"""Counts of workers are added up over restarts, servers and scrapes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.remediation.service_counts import SINCE, count, scrape, tally
from tiltyard.pipeline.remediation import service_tally
from tiltyard.pipeline.remediation.service_tally import update_tally


def test_a_restart_between_scrapes_loses_nothing_that_was_seen() -> None:
    """A worker that started again counts from nothing, under another key; what the first had counted stays."""
    seen = tally(scrape(count("a/0/1", 70, 3)), scrape(count("a/0/2", 10, 1)), scrape(count("a/0/2", 15, 2)))
    assert (seen.requests, seen.failures) == (90, 5)
    assert (seen.latest["predicted"], seen.latest["model-error"]) == (5, 1)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.data())
def test_servers_behind_one_address_are_never_subtracted_from_each_other(seen: list[str], data: st.DataObject) -> None:
    """Whichever servers each scrape happens to see, the sums are those of each server's latest counts."""
    totals: dict[str, list[int]] = {}
    scrapes = []
    for name in seen:
        good, bad = totals.setdefault(name, [0, 0])
        totals[name] = [good + data.draw(st.integers(0, 50)), bad + data.draw(st.integers(0, 3))]
        scrapes.append(scrape(count(name, *totals[name])))
    found = tally(*scrapes)
    assert found.failures == sum(bad for _, bad in totals.values())
    assert found.requests == sum(map(sum, totals.values()))
    assert all(number >= 0 for number in found.latest.values())


def test_an_input_that_several_workers_met_counts_once() -> None:
    """Retries of one failing input reach every worker behind a balancer; they are one failure."""
    poison = frozenset({"d00d"})
    workers = [count(name, 20, 1, inputs=poison) for name in "abcdef"]
    assert tally(scrape(*workers)).failures == 1
    other = count("g", 20, 2, inputs=frozenset({"d00d", "cafe"}))
    assert tally(scrape(*workers, other)).failures == 2


def test_a_version_that_returns_begins_again() -> None:
    """Counts of an earlier time as champion do not speak about this one; those of a worker that started later do."""
    seen = tally(
        scrape(count("old", 5, 40), count("new", 4, 2, minutes=1), minutes=2, returned=True),
        scrape(count("old", 10, 41), count("new", 6, 2, minutes=1), minutes=3, returned=True),
    )
    assert (seen.requests, seen.failures) == (5 + 1 + 6 + 2, 1 + 2)
    promoted = tally(scrape(count("old", 5, 40)))
    assert (promoted.requests, promoted.failures) == (45, 40)


def test_another_champion_begins_anew_and_keeps_the_calls_of_the_one_before() -> None:
    """Model calls of the previous champion stay for the comparison, also when its servers are gone."""
    first = scrape(count("a", 9, 1, calls={"2": {"1": {"0.001": 80}}}))
    second = scrape(count("b", 3, version="3"), version="3", previous="2", since=SINCE + timedelta(hours=1), minutes=61)
    found = tally(first, second)
    assert (found.version, found.requests, found.failures) == ("3", 3, 0)
    assert found.previous_calls == {"1": {"0.001": 80}}


def test_calls_that_did_not_return_are_failures() -> None:
    """Requests for which a worker was ended count, each once, however often they are read."""
    found = tally(scrape(count("a", 5)), scrape(count("a", 5), hangs=2), scrape(count("b", 1), hangs=3))
    assert (found.failures, found.requests, found.latest["model-timeout"]) == (3, 9, 1)


def test_workers_that_were_forgotten_stay_in_the_sums(monkeypatch: object) -> None:
    """More workers than are kept: the sums hold all of them."""
    most = service_tally.MOST_WORKERS
    found = tally(*(scrape(count(f"w{n}", 2, 1), minutes=n) for n in range(most + 20)))
    assert len(found.workers) == most
    assert (found.failures, found.requests) == (most + 20, 3 * (most + 20))


def test_the_first_scrape_knows_no_interval_of_the_service() -> None:
    """Overload of an unknown time ago is not of this interval; that since the scrape before is."""
    first = update_tally(None, scrape(count("a", 10, overload=90)))
    assert not any(first.latest_service.values())
    second = update_tally(first, scrape(count("a", 10, overload=95), count("b", 1, overload=2)))
    assert second.latest_service["overload"] == 7


def test_inputs_of_an_earlier_time_as_champion_hide_no_failure_of_this_one() -> None:
    """An input on which two workers failed before, and other ones now: each new one counts, and no old one."""
    old, new = frozenset({"d00d", "cafe"}), frozenset({"beef"})
    before = scrape(*(count(name, 5, 2, inputs=old) for name in "abc"), minutes=2, returned=True)
    after = scrape(count("a", 5, 3, inputs=old | new), count("b", 5, 2, inputs=old), minutes=3, returned=True)
    assert tally(before, after).failures == 1
    again = scrape(*(count(name, 5, 3, inputs=old | new) for name in "abc"), minutes=4, returned=True)
    assert tally(before, after, again).failures == 1


def test_an_input_that_forgotten_workers_met_still_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that falls again and again meets the same poisoned input at each start."""
    monkeypatch.setattr(service_tally, "MOST_WORKERS", 3)
    starts = [scrape(count(f"w{n}", 2, 1, inputs=frozenset({"d00d"})), minutes=n) for n in range(12)]
    assert tally(*starts).failures == 1


def test_more_workers_than_are_remembered_are_not_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that all respond are all kept: one that is forgotten would be counted as new by the next scrape."""
    monkeypatch.setattr(service_tally, "MOST_WORKERS", 3)
    all_of_them = [count(name, 10, 1) for name in "abcdef"]
    assert tally(scrape(*all_of_them), scrape(*all_of_them, hangs=1), scrape(*all_of_them, hangs=1)).failures == 7


def test_repeats_count_where_nothing_works() -> None:
    """Traffic of few different inputs, all of which fail, does not wait; one that is predicted changes that."""
    broken = count("a", 0, 12, model_error_repeated=900)
    assert (tally(scrape(broken)).failures, tally(scrape(broken)).requests) == (912, 912)
    assert tally(scrape(count("a", 1, 12, model_error_repeated=900))).failures == 12
    assert tally(scrape(count("a", 0, 2, model_error_repeated=900))).failures == 2
