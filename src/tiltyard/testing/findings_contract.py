"""What every log of findings and every store of hourly profiles must do. Needs pytest; part of ``LedgerContract``."""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tiltyard.errors import InputError, UsageError
from tiltyard.ledger import BatchFragment, BatchRun, HourProfile, Ledger
from tiltyard.testing.records import NOON, make_finding, make_prediction

_HOUR = timedelta(hours=1)
_FILMS: dict[str, Any] = {"model_name": "films", "version": "1", "route": "champion"}


class FindingContract:
    """Recording findings and reading them again."""

    def test_a_finding_is_read_as_it_was_recorded(self, ledger: Ledger) -> None:
        """What was found is what is read, what is absent stays absent, and twice is once."""
        full = make_finding(since=NOON - _HOUR, until=NOON, status="clear", next_step="Nothing.", evidence={"x": [1.5]})
        bare = make_finding(version=None, score=None, limit=None, message="", evidence={}, at=NOON + _HOUR)
        ledger.findings.record([full, bare])
        ledger.findings.record([replace(full, message="again")])
        assert list(ledger.findings.select()) == [full, bare]

    def test_a_score_that_is_no_number_is_absent(self, ledger: Ledger) -> None:
        """NaN and infinities as scores are stored as none."""
        ledger.findings.record([make_finding(score=float("nan"), limit=float("inf"))])
        (found,) = ledger.findings.select()
        assert (found.score, found.limit) == (None, None)

    def test_finding_filters_narrow_alone_and_together(self, ledger: Ledger) -> None:
        """Each filter narrows to what it names; all of them work together; a dot at the end means a beginning."""
        first = make_finding(code="drift.number", subject="a")
        second = make_finding(code="drift.verdict", subject="all", status="could_not_judge", at=NOON + _HOUR)
        third = make_finding(code="performance.accuracy", subject="a", severity="error", at=NOON + 2 * _HOUR)
        other = make_finding(project="songs", version="2", at=NOON + 3 * _HOUR)
        ledger.findings.record([third, other, first, second])

        def select(**filters: Any) -> list[Any]:
            return list(ledger.findings.select(**filters))

        assert select(project="films") == [first, second, third]
        assert select(code="drift.", project="films") == [first, second]
        assert select(code="drift.verdict") == [second]
        assert select(subject="a") == [first, third]
        assert select(severity="error", status="found") == [third]
        assert select(status="could_not_judge") == [second]
        assert select(version="2") == [other]
        assert select(since=NOON + _HOUR, until=NOON + 3 * _HOUR) == [second, third]
        assert select(newest_first=True, limit=2) == [other, third]
        assert select(limit=0) == []

    def test_latest_of_each_subject(self, ledger: Ledger) -> None:
        """Of each project, code and subject the newest finding is listed, newest first."""
        old, new = make_finding(), make_finding(at=NOON + _HOUR, status="clear")
        b = make_finding(subject="b", at=NOON + 2 * _HOUR)
        other = make_finding(project="songs", at=NOON + 3 * _HOUR)
        ledger.findings.record([new, old, b, other])
        assert ledger.findings.latest() == [other, b, new]
        assert ledger.findings.latest(project="films", limit=1) == [b]
        assert ledger.findings.latest(until=NOON + _HOUR, subject="length", project="films") == [old]

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"severity": "fatal"}, "severity = 'fatal'"),
            ({"status": "odd"}, "status = 'odd'"),
            ({"message": "\ud800"}, "message.*surrogate"),
            ({"at": NOON.replace(tzinfo=None)}, "time zone"),
            ({"evidence": {"x": object()}}, "evidence"),
        ],
    )
    def test_an_unstorable_finding_refuses_the_whole_call(
        self, ledger: Ledger, changes: dict[str, Any], named: str
    ) -> None:
        """A finding that cannot be stored is refused by field, and its neighbours are not stored either."""
        with pytest.raises(InputError, match=named) as refused:
            ledger.findings.record([make_finding(), make_finding(**changes)])
        assert refused.value.next_step
        assert list(ledger.findings.select()) == []

    def test_finding_filters_that_cannot_be_meant(self, ledger: Ledger) -> None:
        """An unknown filter is refused with the nearest known one, and a negative limit too."""
        with pytest.raises(UsageError, match="severity"):
            ledger.findings.select(severty="error")  # type: ignore[call-arg]
        with pytest.raises(UsageError, match="negative"):
            ledger.findings.latest(limit=-1)


class ProfileContract:
    """Counting hours and keeping their profiles."""

    def test_predictions_are_counted_by_hour(self, ledger: Ledger) -> None:
        """Each hour's predictions are counted, of that project, version and route alone; empty hours are absent."""
        first, second = make_prediction(at=NOON), make_prediction(at=NOON + _HOUR - timedelta(microseconds=1))
        third = make_prediction(at=NOON + 2 * _HOUR)
        others = [make_prediction(**{name: "9"}) for name in ("project", "version", "route")]
        ledger.record([first, second, third, *others, make_prediction(at=NOON + 3 * _HOUR)])
        counts = ledger.profiles.counts(**_FILMS, since=NOON, until=NOON + 3 * _HOUR)
        assert [(count.hour, count.rows, count.newest) for count in counts] == [
            (NOON, 2, max(first.id, second.id)),
            (NOON + 2 * _HOUR, 1, third.id),
        ]

    def test_a_later_profile_of_an_hour_replaces_the_earlier_one(self, ledger: Ledger) -> None:
        """A profile comes back byte for byte, by hour; a later one of the same hour takes its place."""
        kept = HourProfile(
            project="films", version="1", route="champion", hour=NOON, layout="a", rows=2, newest="x", body=b"\0\xff"
        )
        later, other = replace(kept, hour=NOON + _HOUR), replace(kept, route="shadow")
        ledger.profiles.store([later, kept, other])
        ledger.profiles.store([])
        assert ledger.profiles.load(**_FILMS, since=NOON, until=NOON + 2 * _HOUR) == [kept, later]
        again = replace(kept, layout="b", rows=3, newest="y", body=b"")
        ledger.profiles.store([again])
        assert ledger.profiles.load(**_FILMS, since=NOON, until=NOON + _HOUR) == [again]

    def test_profiles_are_forgotten_with_their_rows(self, ledger: Ledger) -> None:
        """When a prediction is erased or redacted, what was kept of its hour goes too; other hours stay."""
        rows = [make_prediction(at=NOON + hour * _HOUR + timedelta(minutes=30)) for hour in range(3)]
        ledger.record(rows)
        kept = [
            HourProfile(
                project="films",
                version="1",
                route="champion",
                hour=NOON + hour * _HOUR,
                layout="a",
                rows=1,
                newest="x",
                body=b"",
            )
            for hour in range(3)
        ]
        ledger.profiles.store(kept)
        ledger.retention.erase([rows[0].id])
        ledger.retention.redact([rows[1].id], "requested")
        assert ledger.profiles.load(**_FILMS, since=NOON, until=NOON + 3 * _HOUR) == [kept[2]]


class BatchRunContract:
    """Runs over whole tables, and the profiles of their fragments."""

    def test_a_later_state_of_a_run_replaces_the_earlier_one(self, ledger: Ledger) -> None:
        """A run comes back as it was saved last, the latest begin first, of the model that is named."""
        run = BatchRun("a" * 32, "films", "3", "in.parquet", "out.parquet", NOON)
        later = replace(run, id="b" * 32, started=NOON + _HOUR)
        other = replace(run, id="c" * 32, project="rents")
        for one in (run, later, other):
            ledger.batch_runs.save(one)
        done = replace(run, finished=NOON + _HOUR, rows=10, refused=1, recorded=9, evidence={"drift": "clear"})
        ledger.batch_runs.save(done)
        assert ledger.batch_runs.select(model_name="films") == [later, done]
        assert ledger.batch_runs.select(model_name="films", limit=1) == [later]
        assert ledger.batch_runs.find(run.id) == done
        assert ledger.batch_runs.find("d" * 32) is None

    def test_a_fragment_counts_once(self, ledger: Ledger) -> None:
        """Fragments come by number, byte for byte; one that is added again takes the place of what was there."""
        kept = [BatchFragment("a" * 32, number, 5, 1, "layout", bytes([number, 255])) for number in (1, 0, 70)]
        for one in (*kept, BatchFragment("b" * 32, 0, 1, 0, "", b"")):
            ledger.batch_runs.add(one)
        ledger.batch_runs.add(replace(kept[0], rows=6))
        assert list(ledger.batch_runs.fragments("a" * 32)) == [kept[1], replace(kept[0], rows=6), kept[2]]


class NoteContract:
    """What programs keep between their runs."""

    def test_a_note_takes_the_place_of_an_earlier_one(self, ledger: Ledger) -> None:
        """Notes come by name, of the topic that is named, as they were written last, and may be removed."""
        before = ledger.leases.read_clock()
        for topic, name, content in (
            ("schedule/films", "nightly", {"due": None}),
            ("schedule/films", "Hourly", {"rows": [1, 2.5]}),
            ("schedule/rents", "nightly", {}),
            ("schedule/films", "nightly", {"due": "2026-11-30"}),
        ):
            ledger.notes.put(topic, name, content)
        found = ledger.notes.select("schedule/films")
        assert [(one.name, one.content) for one in found] == [
            ("Hourly", {"rows": [1, 2.5]}),
            ("nightly", {"due": "2026-11-30"}),
        ]
        assert all(before <= one.at <= ledger.leases.read_clock() for one in found)
        assert ledger.notes.find("schedule/films", "nightly") == found[1]
        ledger.notes.remove("schedule/films", "nightly")
        ledger.notes.remove("schedule/films", "nightly")
        assert ledger.notes.find("schedule/films", "nightly") is None
        assert len(ledger.notes.select("schedule/rents")) == 1

    def test_a_note_that_cannot_be_stored_is_refused(self, ledger: Ledger) -> None:
        """By the field's name, and nothing is stored."""
        with pytest.raises(InputError, match="content"):
            ledger.notes.put("topic", "name", {"what": object()})
        with pytest.raises(InputError, match="NUL"):
            ledger.notes.put("topic", "\0", {})
        assert ledger.notes.select("topic") == []
