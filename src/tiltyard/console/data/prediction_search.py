"""A search over all predictions that goes back in time, stops after a while, and can be continued."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from tiltyard.ledger import Ledger, Prediction

SEARCH_SECONDS = 2.0
"""After so long a search stops, and says how far back it came."""
_FIRST_STEP = timedelta(hours=1)
_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True)
class PredictionSearch:
    """What is searched for; what is empty or None does not narrow.

    Attributes:
        model_name: the registered model.
        words: words that input, label, version or id have to contain.
        version: registry version.
        route: which alias predicted.
        label: the predicted label.
        key: the caller's own key.
        since: made at or after this time.
        until: made before this time.
    """

    model_name: str
    words: str = ""
    version: str | None = None
    route: str | None = None
    label: str | None = None
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class FoundPredictions:
    """Predictions that match, the newest first.

    Attributes:
        rows: the predictions.
        older: as ``until`` of the next search: all that match and were made since then are listed; None: all are.
    """

    rows: tuple[Prediction, ...]
    older: datetime | None


def search_predictions(
    ledger: Ledger, wanted: PredictionSearch, limit: int, clock: Callable[[], float] = time.monotonic
) -> FoundPredictions:
    """The newest predictions that match.

    It reads back in steps of time that double, so that it ends soon where many match, and after some seconds where few
    do.

    Args:
        ledger: where they are.
        wanted: what matches.
        limit: most to list; those of the moment at which a list ends come together on the next one.
        clock: seconds that only rise.

    Raises:
        InputError: a text cannot be looked for.
        UnavailableError: the ledger is away.
    """
    edges = [_find_edge(ledger, wanted.model_name, newest=newest) for newest in (False, True)]
    if edges[0] is None or edges[1] is None:
        return FoundPredictions((), None)
    begin, end = max(wanted.since or edges[0], edges[0]), min(wanted.until or edges[1] + _NEXT, edges[1] + _NEXT)
    found: list[Prediction] = []
    ends_at, step = clock() + SEARCH_SECONDS, _FIRST_STEP
    while end > begin:
        start = max(begin, end - step)
        found += _read_step(ledger, wanted, start, end, limit + 1 - len(found))
        if len(found) > limit:
            return _cut(found, limit)
        end, step = start, step * 2
        if clock() > ends_at and end > begin:
            return FoundPredictions(tuple(found), end)
    return FoundPredictions(tuple(found), None)


def _read_step(
    ledger: Ledger, wanted: PredictionSearch, since: datetime, until: datetime, most: int
) -> list[Prediction]:
    rows = ledger.predictions(
        project=wanted.model_name,
        search=wanted.words.strip() or None,
        version=wanted.version,
        route=wanted.route,
        key=wanted.key,
        since=since,
        until=until,
        limit=None if wanted.label else most,
        newest_first=True,
    )
    return list(islice((row for row in rows if wanted.label in (None, "", row.label)), most))


def _cut(found: list[Prediction], limit: int) -> FoundPredictions:
    """The first ``limit``, without those of the moment of the next one: these come with it."""
    following = found[limit].at
    whole = tuple(row for row in found[:limit] if row.at > following)
    if whole:
        return FoundPredictions(whole, following + _NEXT)
    # More than a page of one moment: the rest of it is not listed.
    return FoundPredictions(tuple(found[:limit]), following)


def _find_edge(ledger: Ledger, model_name: str, *, newest: bool) -> datetime | None:
    row = next(iter(ledger.predictions(project=model_name, limit=1, newest_first=newest)), None)
    return None if row is None else row.at
