"""Words of texts that came and that went since training; named from a sample of texts, measured on all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tiltyard.drift.from_ledger import PredictionSource, window_profile
from tiltyard.drift.profiles import FILE, Reference
from tiltyard.drift.profiles.texts import bucket_of_terms, character_kinds, encode_texts
from tiltyard.errors import ArtifactError
from tiltyard.ledger import Ledger, Prediction
from tiltyard.monitoring.monitored_version import MonitoredVersion

SAMPLE = 1000
"""Texts from which words are named: the newest of the period, and the version's first."""

MOST_TERMS = 15
LEAST_SHARE = 0.005
LEAST_CHANGE = 0.005

_WORD = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True)
class TermChange:
    """A word, and the share of texts that have it at training and in the period.

    Words share one of 1,024 counters, so a rare word may carry the share of a more frequent one.
    """

    word: str
    reference: float
    now: float


@dataclass(frozen=True)
class TermsView:
    """Words that came and went.

    Attributes:
        came: in more texts than at training, the largest change first.
        went: in fewer.
        texts: texts at training and in the period.
    """

    came: tuple[TermChange, ...] = ()
    went: tuple[TermChange, ...] = ()
    texts: tuple[int, int] = (0, 0)


def terms_view(
    ledger: Ledger, monitored: MonitoredVersion | None, window: tuple[datetime, datetime]
) -> TermsView | None:
    """The words of a text version that came and went; None where the version reads no text, or carries no profile.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    content = None if monitored is None else monitored.attachment(FILE)
    if monitored is None or content is None:
        return None
    try:
        reference = Reference.from_bytes(content)
    except ArtifactError:
        return None
    name = next(iter(reference.layout.texts), None)
    if name is None:
        return None
    source = PredictionSource(monitored.model_name, monitored.version, schema=monitored.table_schema)
    seen = window_profile(ledger, reference.layout, source, window).terms[name]
    then = reference.profile.terms[name]
    if not seen.texts or not then.texts:
        return TermsView(texts=(then.texts, seen.texts))
    words = _name_words(ledger, source, name, window)
    buckets = _find_buckets(words)
    found = [
        TermChange(word, float(then.counts[bucket]) / then.texts, float(seen.counts[bucket]) / seen.texts)
        for word, bucket in zip(words, buckets, strict=True)
    ]
    moved = [one for one in _keep_first_of_bucket(found, buckets) if abs(one.now - one.reference) >= LEAST_CHANGE]
    came = sorted((one for one in moved if one.now > one.reference), key=lambda one: one.reference - one.now)
    went = sorted((one for one in moved if one.now < one.reference), key=lambda one: one.now - one.reference)
    return TermsView(tuple(came[:MOST_TERMS]), tuple(went[:MOST_TERMS]), (then.texts, seen.texts))


def _name_words(ledger: Ledger, source: PredictionSource, name: str, window: tuple[datetime, datetime]) -> list[str]:
    """The words of the sample, the most frequent first, so that a counter is named by the word that fills it."""
    named = {"project": source.model_name, "version": source.version, "route": source.route, "limit": SAMPLE}
    newest = ledger.predictions(**named, since=window[0], until=window[1], newest_first=True)  # type: ignore[arg-type]
    first = ledger.predictions(**named)  # type: ignore[arg-type]
    rows = {row.id: row for row in (*newest, *first)}
    counts = Counter(word for text in _read_texts(rows.values(), name) for word in set(_WORD.findall(text.casefold())))
    least = max(2, int(len(rows) * LEAST_SHARE))
    return [word for word, count in counts.most_common() if count >= least]


def _read_texts(rows: Iterable[Prediction], name: str) -> Iterable[str]:
    for row in rows:
        text = row.input.get(name, row.input.get("text"))
        if isinstance(text, str):
            yield text


def _find_buckets(words: Sequence[str]) -> list[int]:
    """In which counter each word is counted."""
    from tiltyard.drift.profiles import text_kernels  # noqa: PLC0415 - compiles when it is first used

    if not words:
        return []
    texts = encode_texts(list(words))
    hashes, owners = np.zeros(len(words) * 4, np.uint64), np.zeros(len(words) * 4, np.int64)
    count = text_kernels.hash_words(texts.data, texts.bounds, character_kinds(), hashes, owners)
    first = np.zeros(len(words), np.uint64)
    for place in range(count - 1, -1, -1):
        first[owners[place]] = hashes[place]
    return [int(bucket) for bucket in bucket_of_terms(first)]


def _keep_first_of_bucket(found: Sequence[TermChange], buckets: Sequence[int]) -> list[TermChange]:
    kept: dict[int, TermChange] = {}
    for one, bucket in zip(found, buckets, strict=True):
        kept.setdefault(bucket, one)
    return list(kept.values())
