"""The ledger's tables: one schema for SQLite and PostgreSQL.

Times are integers, microseconds since 1970-01-01 UTC: exact, alike in both databases, and quick to compare
and to bucket. Text that is compared is in binary order in both. JSON is kept as text, since PostgreSQL's own
JSON types refuse NUL. Wide columns stand last, so that SQLite reads summaries without reading inputs.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISION = "0010"
"""The newest migration, which this code reads and writes."""

VERSION_TABLE = "ledger_version"
"""Where the stored revision is kept: not Alembic's default name, since MLflow may share the database."""

Name = Text().with_variant(Text(collation="C"), "postgresql")
Rising = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

predictions = Table(
    "predictions",
    metadata,
    Column("id", Name, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("project", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("route", Name, nullable=False),
    Column("label", Name, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("key", Name),
    Column("probabilities", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("unit", Name),
    Column("assignment", Name),
    Index("predictions_by_time", "at_us", "id"),
)
# Partial: rows without a key, the many, cost the hot path nothing.
Index(
    "predictions_by_key",
    predictions.c.key,
    sqlite_where=text("key IS NOT NULL"),
    postgresql_where=text("key IS NOT NULL"),
)
# Partial for the same reason: only rows of a split test have an assignment.
Index(
    "predictions_by_unit",
    predictions.c.assignment,
    predictions.c.unit,
    sqlite_where=text("assignment IS NOT NULL"),
    postgresql_where=text("assignment IS NOT NULL"),
)

# No foreign key to predictions: a spool hands its predictions on and may still receive their labels.
labels = Table(
    "labels",
    metadata,
    Column("sequence", Rising, primary_key=True, autoincrement=True),
    Column("prediction_id", Name, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("label", Name, nullable=False),
    Column("source", Name, nullable=False),
    UniqueConstraint("prediction_id", "at_us", "label", "source", name="labels_once"),
    Index("labels_by_time", "at_us", "sequence"),
)

# Why a label was requested. In a separate table, so that a label that goes through a spool, or names its prediction
# by a key, finds the reason as well.
label_requests = Table(
    "label_requests",
    metadata,
    Column("prediction_id", Name, primary_key=True),
    Column("queue_id", Name, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("reason", Name, nullable=False),
    Column("probability", Double),
)

findings = Table(
    "findings",
    metadata,
    Column("id", Name, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("project", Name, nullable=False),
    Column("version", Name),
    Column("code", Name, nullable=False),
    Column("severity", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("score", Double),
    Column("limit_value", Double),
    Column("since_us", BigInteger),
    Column("until_us", BigInteger),
    Column("message", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("status", Name, nullable=False, server_default="found"),
    Column("next_step", Text, nullable=False, server_default=""),
    Index("findings_by_time", "project", "at_us"),
)

# What an hour's predictions of one version on one route look like: computed from them, and again when they change.
profiles = Table(
    "profiles",
    metadata,
    Column("project", Name, primary_key=True),
    Column("version", Name, primary_key=True),
    Column("route", Name, primary_key=True),
    Column("hour_us", BigInteger, primary_key=True, autoincrement=False),
    Column("layout", Name, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("newest", Name, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# How many predictions an hour holds, with sums and extremes, folded from the predictions by their readers
# (``hours.fold``). What the marks do not cover yet is counted row by row.
hour_counts = Table(
    "hour_counts",
    metadata,
    Column("project", Name, primary_key=True),
    Column("hour_us", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Name, primary_key=True),
    Column("route", Name, primary_key=True),
    Column("is_class", Integer, primary_key=True, autoincrement=False),
    Column("label", Name, primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("confidence", Double),
    Column("least", Double),
    Column("most", Double),
    Column("latency_ms", Double),
    Column("measured", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("newest", Name, nullable=False),
    Index("hour_counts_by_hour", "hour_us"),
)

# Hours of which predictions were removed: their counts do not hold, and are made again.
stale_hours = Table("stale_hours", metadata, Column("hour_us", BigInteger, primary_key=True, autoincrement=False))

# One row: up to which arrival the predictions are in the counts.
count_marks = Table(
    "count_marks",
    metadata,
    Column("name", Name, primary_key=True),
    Column("folded", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("proof", Name, nullable=False),
)

DERIVED = (hour_counts.name, stale_hours.name, count_marks.name)
"""Tables that hold only what follows from others, for this database alone: no copy of a ledger takes them along."""

events = Table(
    "events",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Name, nullable=False),
    Column("digest", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Index("events_by_subject", "subject", "sequence"),
)

# One row, the end of the chain. Writers queue on it, and without it the loss of the last event would not show.
chain = Table(
    "chain",
    metadata,
    Column("name", Name, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", Name, nullable=False),
)

# Pending notifications: due when due_us has come and neither sent nor given up.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Name, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("topic", Name, nullable=False),
    Column("destination", Name, nullable=False),
    Column("due_us", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("leased_until_us", BigInteger),
    Column("sent_us", BigInteger),
    Column("error", Text),
    Column("payload", Text, nullable=False),
)
Index(
    "outbox_due",
    outbox.c.due_us,
    sqlite_where=text("due_us IS NOT NULL"),
    postgresql_where=text("due_us IS NOT NULL"),
)

# The right to do what only one may do at a time. A row outlives its holder, so that turns rise.
leases = Table(
    "leases",
    metadata,
    Column("name", Name, primary_key=True),
    Column("holder", Name, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)

# What came from spools and could not be stored in its place, as it came. No index on its texts: they may be why.
set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Name, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Name, nullable=False),
    Column("reason", Name, nullable=False),
    Column("project", Name, nullable=False),
    Column("key", Name),
    Column("made_us", BigInteger),
    Column("origin", Text, nullable=False),
    Column("subject", Name, nullable=False),
    Column("message", Text, nullable=False),
    Column("content", Text, nullable=False),
    Index("set_aside_by_time", "at_us", "id"),
)

# What was erased or redacted, by a digest of its id or key: a spool may still bring rows made until then.
erasures = Table(
    "erasures",
    metadata,
    Column("digest", Name, primary_key=True),
    Column("act", Name, primary_key=True),
    Column("project", Name, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("reason", Text),
    Column("group_key", Text),
)

# Before which time all predictions of a project were pruned.
pruned = Table(
    "pruned",
    metadata,
    Column("project", Name, primary_key=True),
    Column("before_us", BigInteger, nullable=False),
)

# How many rows came from spools and stayed erased or pruned, or were redacted.
kept_out = Table(
    "kept_out",
    metadata,
    Column("project", Name, primary_key=True),
    Column("reason", Name, primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
)

# Tables that were scored as a whole: what of, where to, and what was found.
batch_runs = Table(
    "batch_runs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("project", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    Column("rows", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Index("batch_runs_by_time", "project", "started_us"),
)

# What the rows of a fragment of a run look like.
batch_fragments = Table(
    "batch_fragments",
    metadata,
    Column("run_id", Name, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("layout", Name, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# What programs keep between their runs, such as when a schedule is due next.
notes = Table(
    "notes",
    metadata,
    Column("topic", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
)
