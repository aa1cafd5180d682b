"""Texts that say the same but for a few characters or words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tiltyard.data.content_hash import Hashes

SIMILAR = 0.8
_EDGE = 64
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_DROPPED = bytes(code for code in range(128) if not chr(code).isalnum())


def plain_form(text: str) -> bytes:
    """Letters and digits only, case folded, tags taken out: what two copies of a text share."""
    if "<" in text:
        text = _TAG.sub(" ", text)
    return text.casefold().encode("utf-8", "surrogatepass").translate(None, _DROPPED)


def form_keys(forms: Sequence[bytes]) -> Hashes:
    """A 64-bit key of each plain form."""
    return np.fromiter((_key(form) for form in forms), dtype=np.uint64, count=len(forms))


def near_copies(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Pairs of texts that are near copies: (place, place of an earlier one, likeness from 0.8 to 1).

    Texts of the same plain form are near copies (likeness 1). So are longer ones that begin or end with the same
    64 letters and share four fifths of their words (Jaccard's index; a text is compared with the first of its kind
    only, so the cost grows with the number of texts). Equal texts must have been taken out.
    """
    forms = [plain_form(text) for text in texts]
    pairs: dict[int, tuple[int, float]] = {}
    for place, first in _first_of_kind(form_keys(forms), [bool(form) for form in forms]):
        pairs[place] = (first, 1.0)
    long = [len(form) > 2 * _EDGE for form in forms]
    for edge in (slice(None, _EDGE), slice(-_EDGE, None)):
        keys = form_keys([form[edge] for form in forms])
        for place, first in _first_of_kind(keys, long):
            if place not in pairs and (likeness := _jaccard(texts[place], texts[first])) >= SIMILAR:
                pairs[place] = (first, likeness)
    return [(place, first, likeness) for place, (first, likeness) in sorted(pairs.items())]


def _key(form: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(form, digest_size=8).digest(), "little")


def _first_of_kind(keys: Hashes, eligible: Sequence[bool]) -> list[tuple[int, int]]:
    """Each eligible place whose key an earlier eligible place has, with the first such place."""
    places = np.flatnonzero(np.asarray(eligible, dtype=bool))
    if not len(places):
        return []
    codes = pd.factorize(keys[places])[0]
    firsts = np.full(codes.max() + 1, -1, dtype=np.int64)
    firsts[codes[::-1]] = places[::-1]
    later = firsts[codes] != places
    return list(zip(places[later].tolist(), firsts[codes][later].tolist(), strict=True))


def _jaccard(first: str, second: str) -> float:
    words, others = set(first.casefold().split()), set(second.casefold().split())
    return len(words & others) / len(words | others)
