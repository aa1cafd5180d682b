"""Times and durations as options of the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import click

from tiltyard.errors import UsageError
from tiltyard.suggest import nearest

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_time(option: str, text: str | None) -> datetime | None:
    """Parse an ISO 8601 time; without a time zone it is UTC. None stays None.

    Raises:
        UsageError: the text is not such a time.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not an ISO 8601 time.", next_step="Write it like 2026-01-31T12:00:00Z."
        ) from None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise UsageError(
            f"{option} {text!r} lies before the year 1 or after 9999 in UTC.",
            next_step="Write it like 2026-01-31T12:00:00Z.",
        ) from None


def parse_timezone(option: str, name: str) -> ZoneInfo:
    """A time zone by its name in the IANA database, such as ``Europe/Paris``.

    Raises:
        UsageError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(name, available_timezones())
        raise UsageError(
            f"{option} {name!r} is not a time zone.{hint}", next_step="Write it like Europe/Paris or UTC."
        ) from None


class Duration(click.ParamType[timedelta]):
    """A length of time: ``12h``, ``90d``, ``52w``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse the length of time."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", str(value))
        if found is None:
            self.fail(f"{value!r} is not a time such as 12h, 90d or 52w.", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
