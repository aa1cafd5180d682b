"""Findings in SQL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Unpack, cast

from sqlalchemy import ColumnElement, Row, Select, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.errors import InputError
from tiltyard.ledger.ports import FindingFilter
from tiltyard.ledger.records import FindingRecord
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import check_finding_filters, fetch_pages, time_conditions
from tiltyard.ledger.sql.schema import findings
from tiltyard.ledger.storable import check_text, decode_json, encode_json, from_micros, to_micros

_NAMED = ("project", "version", "code", "subject", "severity", "status")
_SEVERITIES = ("info", "warning", "error")
_STATUSES = ("found", "clear", "could_not_judge")


class SqlFindings:
    """A ``FindingLog`` in an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, findings_: Sequence[FindingRecord]) -> None:
        """Store all findings in one transaction; see ``FindingLog.record``."""
        rows = sorted((encode_finding(found) for found in findings_), key=lambda row: str(row["id"]))
        if not rows:
            return
        dialect = sqlite if self._database.is_sqlite else postgresql
        with self._database.write() as connection:
            connection.execute(dialect.insert(findings).on_conflict_do_nothing(), rows)

    def select(self, **filters: Unpack[FindingFilter]) -> Iterator[FindingRecord]:
        """The selected findings; see ``FindingLog.select``."""
        matching = check_finding_filters(**filters)
        rows = fetch_pages(
            self._fetch,
            select(findings).where(*_conditions(matching)),
            (findings.c.at_us, findings.c.id),
            descending=matching.get("newest_first", False),
            limit=matching.get("limit"),
        )
        return (decode_finding(row._asdict()) for row in rows)

    def latest(self, **filters: Unpack[FindingFilter]) -> list[FindingRecord]:
        """The newest finding of each project, code and subject; see ``FindingLog.latest``."""
        matching = check_finding_filters(**filters)
        column = findings.c
        rank = func.row_number().over(
            partition_by=(column.project, column.code, column.subject), order_by=(column.at_us.desc(), column.id.desc())
        )
        # Ranked by id alone: evidence may be long, and all but a few of the rows fall away.
        ranked = select(column.id, rank.label("rank")).where(*_conditions(matching)).subquery()
        newest = select(findings).join(ranked, and_(column.id == ranked.c.id, ranked.c.rank == 1))
        newest = newest.order_by(column.at_us.desc(), column.id.desc())
        return [decode_finding(row._asdict()) for row in self._fetch(newest.limit(matching.get("limit")))]

    def _fetch(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(query).all()


def encode_finding(found: FindingRecord) -> dict[str, Any]:
    """The columns of a finding.

    Raises:
        InputError: it cannot be stored; the message names the field.
    """
    row: dict[str, Any] = {
        name: check_text(name, getattr(found, name)) for name in ("id", *_NAMED) if name != "version"
    }
    for name, allowed in (("severity", _SEVERITIES), ("status", _STATUSES)):
        if row[name] not in allowed:
            raise InputError(
                f"A finding's {name} = {row[name]!r} is none of {', '.join(allowed)}.",
                next_step=f"Give one of {', '.join(allowed)}; nothing was stored.",
                field=name,
            )
    try:
        evidence = encode_json(found.evidence)
    except ValueError as error:
        raise InputError(
            f"The evidence of the finding {found.code!r} about {found.subject!r} {error}.",
            next_step="Give JSON values; nothing was stored.",
            field="evidence",
        ) from None
    return row | {
        "version": None if found.version is None else check_text("version", found.version),
        "at_us": to_micros(found.at),
        "score": _finite(found.score),
        "limit_value": _finite(found.limit),
        "since_us": _micros("since", found.since),
        "until_us": _micros("until", found.until),
        "message": check_text("message", found.message),
        "evidence": evidence,
        "next_step": check_text("next_step", found.next_step),
    }


def decode_finding(row: dict[str, Any]) -> FindingRecord:
    """The finding of a row by column name; other columns are passed over."""
    return FindingRecord(
        id=row["id"],
        at=from_micros(row["at_us"]),
        project=row["project"],
        version=row["version"],
        code=row["code"],
        severity=row["severity"],
        subject=row["subject"],
        status=row["status"],
        score=row["score"],
        limit=row["limit_value"],
        since=_instant(row["since_us"]),
        until=_instant(row["until_us"]),
        message=row["message"],
        evidence=decode_json(row["evidence"]),
        next_step=row["next_step"],
    )


def _conditions(filters: FindingFilter) -> list[ColumnElement[bool]]:
    found = time_conditions(findings.c.at_us, filters.get("since"), filters.get("until"))
    for name in _NAMED:
        value = cast("str | None", filters.get(name))
        if value is None:
            continue
        text = check_text(name, str(value))
        column = findings.c[name]
        if name == "code" and text.endswith("."):
            # "/" is the character after ".": all codes that begin so.
            found.append(and_(column > text, column < f"{text[:-1]}/"))
        else:
            found.append(column == text)
    return found


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _micros(name: str, at: datetime | None) -> int | None:
    return None if at is None else to_micros(at, name)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
