"""Profiles and counts of past hours, kept in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.prediction_stats import combine_tallies
from tiltyard.ledger.records import HourCount, HourProfile, PredictionStats
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.hours.counts import CountQuery, SqlCounts
from tiltyard.ledger.sql.schema import profiles
from tiltyard.ledger.storable import check_text, from_micros, to_micros

_KEY = ("project", "version", "route", "hour_us")
_KEPT = ("layout", "rows", "newest", "body")


class SqlProfiles:
    """``HourProfiles`` in an SQL database."""

    def __init__(self, database: Database, counts: SqlCounts) -> None:
        self._database = database
        self._counts = counts

    def counts(self, *, model_name: str, version: str, route: str, since: datetime, until: datetime) -> list[HourCount]:
        """How many predictions each hour holds; see ``HourProfiles.counts``."""
        return self._counts.count_hours(CountQuery(model_name, since, until, version=version, route=route))

    def count_steps(
        self, *, model_name: str, since: datetime, until: datetime, step: timedelta
    ) -> dict[datetime, PredictionStats]:
        """Summaries of steps of time; see ``HourProfiles.count_steps``."""
        found = self._counts.tally_steps(CountQuery(model_name, since, until), step)
        return {start: combine_tallies(tallies) for start, tallies in found.items()}

    def count_labelled(
        self, *, model_name: str, since: datetime, until: datetime, step: timedelta
    ) -> dict[datetime, int]:
        """How many predictions have a label; see ``HourProfiles.count_labelled``."""
        return self._counts.count_labelled(CountQuery(model_name, since, until), step)

    def load(self, *, model_name: str, version: str, route: str, since: datetime, until: datetime) -> list[HourProfile]:
        """The profiles kept; see ``HourProfiles.load``."""
        column = profiles.c
        query = (
            select(profiles)
            .where(
                column.project == check_text("project", model_name),
                column.version == check_text("version", version),
                column.route == check_text("route", route),
                column.hour_us >= to_micros(since, "since"),
                column.hour_us < to_micros(until, "until"),
            )
            .order_by(column.hour_us)
        )
        with self._database.read() as connection:
            return [decode_profile(row._asdict()) for row in connection.execute(query)]

    def store(self, profiles_: Sequence[HourProfile]) -> None:
        """Keep profiles; see ``HourProfiles.store``."""
        rows = [encode_profile(kept) for kept in profiles_]
        if not rows:
            return
        with self._database.write() as connection:
            for row in sorted(rows, key=lambda row: tuple(row[name] for name in _KEY)):
                made = (sqlite if self._database.is_sqlite else postgresql).insert(profiles).values(row)
                kept = {name: made.excluded[name] for name in _KEPT}
                connection.execute(made.on_conflict_do_update(index_elements=list(_KEY), set_=kept))


def encode_profile(kept: HourProfile) -> dict[str, Any]:
    """The columns of an hour's profile.

    Raises:
        InputError: a field cannot be stored; the message names it.
    """
    row = {name: check_text(name, getattr(kept, name)) for name in ("project", "version", "route", "layout", "newest")}
    return row | {"hour_us": to_micros(kept.hour, "hour"), "rows": int(kept.rows), "body": bytes(kept.body)}


def decode_profile(row: dict[str, Any]) -> HourProfile:
    """The profile of a row by column name."""
    values = row | {"hour": from_micros(row["hour_us"]), "body": bytes(row["body"])}
    return HourProfile(**{field.name: values[field.name] for field in fields(HourProfile)})
