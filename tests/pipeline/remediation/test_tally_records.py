"""The tally in the ledger: what changed is written, and read together with what was written before."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.remediation.service_counts import PROJECT, SINCE, count, scrape
from tiltyard.ledger.records import finding_record
from tiltyard.pipeline.remediation import service_tally
from tiltyard.pipeline.remediation.service_checks import check_service
from tiltyard.pipeline.remediation.service_tally import Scrape, ServiceTally, update_tally
from tiltyard.pipeline.remediation.tally_records import COMPLETE_EVERY, encode_tally, read_tally
from tiltyard.testing import MemoryLedger

NAME = PROJECT.model_name
CALLS = {"2": {size: {f"{2**n / 1e4:g}": 3 for n in range(25)} for size in ("1", "2-8", "9-64")}}


def write(ledger: MemoryLedger, one: Scrape) -> ServiceTally:
    """A run: the tally as the ledger has it, updated, written, and read again."""
    tally = update_tally(read_tally(ledger, NAME), one, complete_every=COMPLETE_EVERY)
    ledger.findings.record([finding_record(check_service(PROJECT, tally, one.now), model_name=NAME, at=one.now)])
    found = read_tally(ledger, NAME)
    assert found is not None
    return found


def facts(tally: ServiceTally) -> dict[str, object]:
    return tally.model_dump(exclude={"changed", "forgotten", "runs_since_complete"})


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=1), min_size=1, max_size=40))
def test_what_is_read_is_what_was_counted(runs: list[dict[str, int]]) -> None:
    """Whichever workers each run sees, also forgotten ones that come back, the ledger gives the tally back."""
    ledger, totals, expected = MemoryLedger(), dict[str, int](), None
    most, service_tally.MOST_WORKERS = service_tally.MOST_WORKERS, 4
    try:
        for minutes, seen in enumerate(runs):
            for name, more in seen.items():
                totals[name] = totals.get(name, 0) + more
            version, since = ("2", SINCE) if minutes < 25 else ("3", SINCE + timedelta(minutes=25))
            workers = [count(name, totals[name], version=version) for name in seen]
            one = scrape(*workers, minutes=minutes, version=version, since=since)
            expected = update_tally(expected, one)
            assert facts(write(ledger, one)) == facts(expected)
    finally:
        service_tally.MOST_WORKERS = most


def test_a_run_writes_what_changed() -> None:
    """200 workers that are gone, of which all counts are known, are not written again by the next run."""
    ledger = MemoryLedger()
    write(ledger, scrape(*(count(f"server/{n}/1764500000.000", 900, calls=CALLS) for n in range(200))))
    tally = update_tally(
        read_tally(ledger, NAME), scrape(count("live", 5, calls=CALLS), minutes=2), complete_every=COMPLETE_EVERY
    )
    assert len(json.dumps(tally.model_dump(mode="json"))) > 200_000
    assert len(json.dumps(encode_tally(tally))) < 5_000
    assert tally.requests == 200 * 900 + 5


def test_a_tally_of_an_earlier_build_is_read() -> None:
    """One that was written whole, without saying so, is complete."""
    ledger = MemoryLedger()
    old = update_tally(None, scrape(count("a", 7, 2)))
    found = check_service(PROJECT, old, SINCE)
    evidence = {"tally": old.model_dump(mode="json", include={"version", "since", "workers"})}
    record = finding_record(found, model_name=NAME, at=SINCE)
    ledger.findings.record(
        [type(record)(**{**{n: getattr(record, n) for n in record.__slots__}, "evidence": evidence})]
    )
    known = read_tally(ledger, NAME)
    assert known is not None
    assert (known.requests, known.failures) == (9, 2)
