"""Batch runs in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.errors import InputError
from tiltyard.ledger.batch_runs import BatchFragment, BatchRun
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.schema import batch_fragments, batch_runs
from tiltyard.ledger.storable import check_text, decode_json, encode_field, from_micros, to_micros

_AT_ONCE = 64


class SqlBatchRuns:
    """``BatchRuns`` in an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, run: BatchRun) -> None:
        """Store a run; see ``BatchRuns.save``."""
        self._replace(batch_runs, encode_run(run))

    def add(self, fragment: BatchFragment) -> None:
        """Store a fragment; see ``BatchRuns.add``."""
        self._replace(batch_fragments, encode_fragment(fragment))

    def select(self, *, model_name: str | None = None, limit: int | None = None) -> list[BatchRun]:
        """The runs of a model; see ``BatchRuns.select``."""
        column = batch_runs.c
        query = select(batch_runs).order_by(column.started_us.desc(), column.id.desc()).limit(limit)
        if model_name is not None:
            query = query.where(column.project == check_text("project", model_name))
        with self._database.read() as connection:
            return [decode_run(row._asdict()) for row in connection.execute(query)]

    def find(self, run_id: str) -> BatchRun | None:
        """The run of that id, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(batch_runs).where(batch_runs.c.id == check_text("id", run_id))).first()
        return None if row is None else decode_run(row._asdict())

    def fragments(self, run_id: str) -> Iterator[BatchFragment]:
        """The fragments of a run, by number, read some at a time."""
        column, last = batch_fragments.c, -1
        while True:
            query = (
                select(batch_fragments)
                .where(column.run_id == check_text("run_id", run_id), column.number > last)
                .order_by(column.number)
                .limit(_AT_ONCE)
            )
            with self._database.read() as connection:
                found = [decode_fragment(row._asdict()) for row in connection.execute(query)]
            yield from found
            if len(found) < _AT_ONCE:
                return
            last = found[-1].number

    def _replace(self, table: Table, row: dict[str, Any]) -> None:
        keys = [column.name for column in table.primary_key]
        made = (sqlite if self._database.is_sqlite else postgresql).insert(table).values(row)
        kept = {name: made.excluded[name] for name in row if name not in keys}
        with self._database.write() as connection:
            connection.execute(made.on_conflict_do_update(index_elements=keys, set_=kept))


def encode_run(run: BatchRun) -> dict[str, Any]:
    """The columns of a run.

    Raises:
        InputError: a field cannot be stored; the message names it.
    """
    try:
        evidence = encode_field("evidence", run.evidence)
    except ValueError as error:
        raise InputError(
            f"The batch run {run.id!r} cannot be recorded: {error}.", next_step="Correct the field named."
        ) from None
    row = {name: check_text(name, getattr(run, name)) for name in ("id", "project", "version", "source", "target")}
    return row | {
        "started_us": to_micros(run.started, "started"),
        "finished_us": None if run.finished is None else to_micros(run.finished, "finished"),
        "rows": int(run.rows),
        "refused": int(run.refused),
        "recorded": int(run.recorded),
        "evidence": evidence,
    }


def decode_run(row: dict[str, Any]) -> BatchRun:
    """The run of a row by column name."""
    finished = row["finished_us"]
    values = row | {
        "started": from_micros(row["started_us"]),
        "finished": None if finished is None else from_micros(finished),
        "evidence": decode_json(row["evidence"]),
    }
    return BatchRun(**{field.name: values[field.name] for field in fields(BatchRun)})


def encode_fragment(fragment: BatchFragment) -> dict[str, Any]:
    """The columns of a fragment."""
    return {
        "run_id": check_text("run_id", fragment.run_id),
        "number": int(fragment.number),
        "rows": int(fragment.rows),
        "refused": int(fragment.refused),
        "layout": check_text("layout", fragment.layout),
        "body": bytes(fragment.body),
    }


def decode_fragment(row: dict[str, Any]) -> BatchFragment:
    """The fragment of a row by column name."""
    return BatchFragment(
        **{field.name: row[field.name] for field in fields(BatchFragment)} | {"body": bytes(row["body"])}
    )
