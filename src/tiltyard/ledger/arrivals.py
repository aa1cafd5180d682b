"""What comes to the ledger from spools: compared with what is there, set aside, or kept out since it was erased.

A spool may come weeks late, or back from a copy of a disk. Two hosts may predict differently for one request. What was
erased or pruned meanwhile must stay so; of what was erased, only a digest is kept to know it by.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, get_args

from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.records import SHADOW, TEXT_GROUP
from tiltyard.ledger.storable import decode_json, encode_json, from_micros

REDACTED = "tiltyard:redacted"
ROUNDING = 1e-9
"""Probabilities of the same version on two processors may differ by this much, and are the same prediction."""

ArrivalKind = Literal["prediction", "label", "event"]
KeptReason = Literal["differs", "refused"]
"""``differs``: the ledger holds another prediction with this id. ``refused``: the ledger can never store it."""

_COMPARED = ("project", "version", "route", "label", "key", "input")
_LIST_ITEM = re.compile(r"(.+)/[0-9]+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideRecord:
    """A record that came from a spool and could not be stored in its place; it is kept as it came.

    Attributes:
        kind: what it is.
        reason: why, for programs.
        message: why, as a sentence.
        origin: the host and the spool that it came from.
        subject: the id of the prediction, also of a label's; of an event, what it is about.
        content: its columns.
        project: name of the registered model; empty where it is not known.
        key: the caller's own key, if there is one.
        made: when it was made, UTC; None where it does not say.
        at: when it was set aside, UTC.
        id: digest of what came, so that it is kept once, however often it comes.
    """

    kind: ArrivalKind
    reason: KeptReason
    message: str
    origin: str
    subject: str
    content: Mapping[str, Any]
    project: str = ""
    key: str | None = None
    made: datetime | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            known = json.dumps([self.kind, self.reason, self.subject, self.content], sort_keys=True, default=repr)
            object.__setattr__(self, "id", hashlib.sha256(known.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class ArrivalCount:
    """How many records of a project came and were not stored as they were.

    Attributes:
        project: name of the registered model; empty where it is not known.
        reason: ``differs`` and ``refused``: they were set aside. ``erased`` and ``pruned``: they stay so. ``redacted``:
            they were stored without input and key.
        rows: how many.
        last: when the last one came, UTC.
    """

    project: str
    reason: str
    rows: int
    last: datetime


class ArrivalReceipt(NamedTuple):
    """What became of predictions that came: how many were set aside, and how many were kept out as erased or pruned."""

    set_aside: int = 0
    kept_out: int = 0


class Arrivals(Protocol):
    """What comes from spools. Part of a ledger."""

    def receive(self, rows: Sequence[PredictionRow], origin: str) -> ArrivalReceipt:
        """Store predictions as ``Ledger.record_rows`` does, in one transaction, but for those that must not be stored.

        One that was erased or pruned stays so, and one that was redacted is stored redacted. One whose id is known is
        compared: where it is the same it is left out, and where it differs in more than time and latency it is set
        aside. A row that was erased or redacted by its key takes its shadow predictions with it.

        Raises:
            InputError: a prediction can never be stored; nothing was stored.
        """

    def find_erased(self, ids: Collection[str]) -> set[str]:
        """Those of these ids of predictions that were erased."""

    def keep(self, records: Sequence[SetAsideRecord]) -> None:
        """Set records aside, in one transaction; one that is there already is left as it is.

        Raises:
            InputError: one cannot be kept even so; nothing was kept.
        """

    def select(self, *, model_name: str | None = None) -> Iterator[SetAsideRecord]:
        """What was set aside, by time and then id; with a model, what is of it or of an unknown one."""

    def count(self, *, model_name: str | None = None) -> list[ArrivalCount]:
        """How many came and were not stored as they were, by project and reason; a model as for ``select``."""

    def discard(self, ids: Sequence[str]) -> int:
        """Remove what was set aside, by its own ids; returns how many there were."""


def is_set_aside(count: ArrivalCount) -> bool:
    """Whether a count is of records that were set aside, and not of those that were kept out or redacted."""
    return count.reason in get_args(KeptReason)


def set_aside_row(row: PredictionRow, reason: KeptReason, message: str, origin: str) -> SetAsideRecord:
    """The record of a prediction that is set aside now."""
    return SetAsideRecord(
        kind="prediction",
        reason=reason,
        message=message,
        origin=origin,
        subject=row.id,
        project=row.project,
        key=None if row.route == SHADOW else row.key,
        made=read_instant(row.at_us),
        content=row._asdict(),
    )


def read_instant(micros: object) -> datetime | None:
    """The instant of a stored number, in UTC; None where it is none."""
    try:
        return from_micros(int(micros))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None


def list_key(key: str) -> str | None:
    """The key of the list of which a key names an item: ``K`` of ``K/3``; None where it names none."""
    found = _LIST_ITEM.fullmatch(key)
    return found[1] if found else None


def describe_difference(stored: PredictionRow, arrived: PredictionRow) -> str:
    """In which columns two predictions with one id differ; empty where they are the same, or one was redacted.

    When they were made and how long it took is not compared: two hosts that predict the same for one request agree.
    """
    if REDACTED in stored.input and is_redacted(_read_content(stored.input)):
        return ""
    names = [name for name in _COMPARED if getattr(stored, name) != getattr(arrived, name)]
    if not _agree(stored.probabilities, arrived.probabilities):
        names.append("probabilities")
    return ", ".join(names)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is to become of a row that comes from a spool, by a digest of its id or its key.

    Attributes:
        until_us: rows made until then are meant, in microseconds since 1970; a later one is another.
        redaction: the reason for the redaction; None: the row was erased.
        group_key: under which key a table's input names its group, where it was redacted.
        project: name of the registered model; empty where it is not known.
    """

    until_us: int
    redaction: str | None = None
    group_key: str | None = None
    project: str = ""


def digest_id(id_: str) -> str:
    """By what the id of an erased prediction is known."""
    return _digest("id", id_)


def digest_key(model_name: str, key: str) -> str:
    """By what the caller's key of erased predictions is known. Who can guess the key can tell it from this."""
    return _digest("key", model_name, key)


def list_digests(row: PredictionRow) -> list[str]:
    """By what a row may be known as erased: its id, its key, the key of its list; a shadow's is the champion's id."""
    found = [digest_id(row.id)]
    if row.key is not None:
        of_list = list_key(row.key)
        if row.route == SHADOW:
            found.append(digest_id(row.key))
        else:
            found.extend(digest_key(row.project, key) for key in (row.key, of_list) if key is not None)
    return found


@dataclass
class SortedArrivals:
    """Predictions that came, by what is to become of them.

    Attributes:
        rows: those to store, redacted where that was ordered.
        named: of those that were known by their key, what they were known by, by id: their shadows follow them.
        kept_out: how many were changed or left out, by project and reason.
    """

    rows: list[PredictionRow] = field(default_factory=list)
    named: dict[str, Erasure] = field(default_factory=dict)
    kept_out: Counter[tuple[str, str]] = field(default_factory=Counter)


def sort_arrivals(
    rows: Iterable[PredictionRow], erasures: Mapping[str, Sequence[Erasure]], pruned: Mapping[str, int]
) -> SortedArrivals:
    """Decide what is to become of predictions that came.

    Args:
        rows: the predictions.
        erasures: by the digests of ``list_digests``.
        pruned: before which time all predictions of a project were pruned, in microseconds since 1970.
    """
    found = SortedArrivals()
    redactor = _RowRedactor()
    # A shadow follows its champion's row, whichever came first.
    for row in sorted(rows, key=lambda row: row.route == SHADOW):
        if row.at_us < pruned.get(row.project, row.at_us):
            found.kept_out[row.project, "pruned"] += 1
            continue
        meant = [
            erasure
            for digest in list_digests(row)
            for erasure in erasures.get(digest, ())
            if row.at_us <= erasure.until_us
        ]
        if row.route == SHADOW and row.key in found.named:
            meant.append(found.named[row.key])
        if not meant:
            found.rows.append(row)
            continue
        # Erased goes before redacted.
        erasure = min(meant, key=lambda erasure: erasure.redaction is not None)
        if row.route != SHADOW:
            found.named[row.id] = erasure
        if erasure.redaction is None:
            found.kept_out[row.project, "erased"] += 1
        else:
            found.kept_out[row.project, "redacted"] += 1
            found.rows.append(redactor.redact(row, erasure.redaction, erasure.group_key))
    return found


def redact_input(reason: str, group: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The marker in the place of an input; with its group's new name, if it has a group."""
    return {REDACTED: reason, **group}


def is_redacted(content: Mapping[str, Any]) -> bool:
    """Whether the input was removed, so that only the prediction is left."""
    return REDACTED in content


def rename_unit(unit: str, names: dict[str, str]) -> str:
    """A random name for the unit of redacted rows, the same for all of them: they still depend on each other.

    Args:
        unit: the unit as it was recorded, a digest.
        names: the names that were given so far; a new one is added.
    """
    return names.setdefault(unit, f"{unit[0]}{secrets.token_hex((len(unit) - 1) // 2)}")


class GroupNames:
    """Random names for the groups of redacted inputs, the same for all rows of a group in one redaction.

    Rows of a group still depend on each other when nothing else of them is left. The name says nothing of the group,
    and does not link them to rows of it that are kept, or that another redaction removes.

    Args:
        group_key: under which key a table's input names its group; that of a text is looked for in any case.
    """

    def __init__(self, group_key: str | None) -> None:
        self.keys = tuple(dict.fromkeys([TEXT_GROUP, *([] if group_key is None else [group_key])]))
        self._names: dict[tuple[str, str], str] = {}

    def rename(self, content: Mapping[str, Any]) -> dict[str, str]:
        """The group of an input under its new name, by its key; empty where the input names none."""
        from tiltyard.data.conform.labels import is_label_gap, write_label  # noqa: PLC0415 - it brings pandas

        found = {}
        for key in self.keys:
            group = content.get(key)
            if not is_label_gap(group):
                found[key] = self._names.setdefault((key, write_label(group)), secrets.token_hex(8))
        return found


class _RowRedactor:
    """Redacts rows that come together: those of one unit or group get one new name."""

    def __init__(self) -> None:
        self._units: dict[str, str] = {}
        self._groups: dict[str | None, GroupNames] = {}

    def redact(self, row: PredictionRow, reason: str, group_key: str | None) -> PredictionRow:
        if row.route == SHADOW:
            return row._replace(input=encode_json(redact_input(reason)))
        groups = self._groups.setdefault(group_key, GroupNames(group_key))
        content = _read_content(row.input)
        return row._replace(
            input=encode_json(redact_input(reason, groups.rename(content))),
            key=None,
            unit=rename_unit(row.unit, self._units) if row.unit else None,
            assignment=None,
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _read_content(stored: str) -> Mapping[str, Any]:
    """An input; empty where a damaged spool brings none."""
    try:
        found = decode_json(stored)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _agree(stored: str, arrived: str) -> bool:
    if stored == arrived:
        return True
    try:
        mine, theirs = (_name_figures(decode_json(one)) for one in (stored, arrived))
        return bool(mine.keys() == theirs.keys()) and all(
            math.isclose(mine[name], theirs[name], rel_tol=0.0, abs_tol=ROUNDING) for name in mine
        )
    except (ValueError, TypeError, AttributeError):
        return False  # one of them is not what a version predicts


def _name_figures(decoded: Any) -> dict[Any, float]:
    """Probabilities by label, or the ends of an interval that are not open by their place."""
    if isinstance(decoded, list):
        return {place: end for place, end in enumerate(decoded) if end is not None}
    return dict(decoded)
