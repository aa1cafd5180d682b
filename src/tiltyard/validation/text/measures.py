"""What is wrong with texts: empty, not language, marked up, too short or long, damaged, repeated."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tiltyard.data.columns import Column, Mask, Table
from tiltyard.formatting import first_rows, quote_excerpt
from tiltyard.validation.text.char_stats import CharacterCounts, count_characters
from tiltyard.validation.text.near_duplicates import near_copies
from tiltyard.validation.text.text_quality import MISREAD, garbage_texts, misread_texts

SHORT_WORDS = 2
LONGEST = 200_000
_TAGS = (
    "a|abbr|b|big|blockquote|body|br|center|code|div|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input|li|link|meta"
)
_TAGS += "|ol|p|pre|s|script|small|span|strike|strong|style|sub|sup|table|tbody|td|th|title|tr|tt|u|ul|video"
_TAG = re.compile(rf"</?({_TAGS})\b[^<>]{{0,500}}>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,5});")
_EXAMPLES = 5
_AROUND = 25
_SEEN = {
    "control_characters": re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"),
    "encoding": re.compile(f"[\x80-\x9f\ufffd\ufeff\ud800-\udfff]|{MISREAD.pattern}"),
    "entities": _ENTITY,
    "urls": re.compile(r"\S*(://|www\.)"),
}


def measure_texts(table: Table, longest: int = LONGEST) -> dict[str, Any]:
    """Measures of every column of texts that teaches, by name; each distinct text is looked at once."""
    return {
        column.name: measure_column(column, longest)
        for column in table.features
        if column.kind == "text" or column.role == "text"
    }


def measure_column(column: Column, longest: int = LONGEST) -> dict[str, Any]:
    """Measures of one column of texts: each flaw with its count, share, first rows and some examples."""
    texts = [str(value) for value in column.distinct]
    counts = count_characters(texts)
    flaws = _flaws(texts, counts, longest)
    reasons = garbage_texts(counts)
    flaws["garbage"] = np.logical_or.reduce(list(reasons.values()))
    measured: dict[str, Any] = {"rows": len(column.codes), "empty": _flaw(column.gaps, column, texts)}
    for name, mask in flaws.items():
        measured[name] = _flaw(np.append(mask, False)[column.codes], column, texts, _SEEN.get(name))
    measured["garbage"]["reasons"] = {
        name: int(column.counts[mask].sum()) for name, mask in reasons.items() if mask.any()
    }
    measured["markup"]["tags"] = _tags(texts, flaws["markup"])
    measured["duplicates"] = _duplicates(column)
    measured["near_duplicates"] = _near_duplicates(column, texts, flaws["garbage"])
    measured["length"] = _lengths(counts, column)
    return measured


def _flaws(texts: Sequence[str], counts: CharacterCounts, longest: int) -> dict[str, Mask]:
    """Which distinct texts have which flaw."""
    return {
        # Chinese or Thai write whole sentences without a space.
        "short": (counts.words > 0) & (counts.words < SHORT_WORDS) & (counts.letters - counts.latin < 4),
        "long": counts.length > longest,
        "control_characters": counts.controls > 0,
        "encoding": (counts.damage > 0) | misread_texts(texts),
        "markup": _mask(("<" in text and _TAG.search(text) is not None) for text in texts),
        "entities": _mask(("&" in text and _ENTITY.search(text) is not None) for text in texts),
        "urls": _mask(("://" in text or "www." in text) for text in texts),
    }


def _mask(values: Any) -> Mask:
    return np.fromiter(values, dtype=bool)


def _flaw(cells: Mask, column: Column, texts: Sequence[str], seen: re.Pattern[str] | None = None) -> dict[str, Any]:
    codes = column.codes[np.flatnonzero(cells)[:_EXAMPLES]]
    return {
        "count": int(cells.sum()),
        "share": float(cells.mean()) if len(cells) else 0.0,
        "rows": first_rows(cells),
        "examples": [_example(texts[int(code)], seen) for code in codes if code >= 0],
    }


def _example(text: str, seen: re.Pattern[str] | None) -> str:
    """The beginning of a text, or what stands around the flaw."""
    found = seen.search(text) if seen is not None else None
    if found is None:
        return quote_excerpt(text, 80)
    first = max(0, found.start() - _AROUND)
    part = text[first : found.end() + _AROUND]
    return quote_excerpt(("…" if first else "") + part + ("…" if found.end() + _AROUND < len(text) else ""), 80)


def _tags(texts: Sequence[str], marked: Mask) -> dict[str, int]:
    """How many texts hold each tag, most frequent first."""
    seen: Counter[str] = Counter()
    for place in np.flatnonzero(marked).tolist():
        seen.update({tag.lower() for tag in _TAG.findall(texts[place])})
    return dict(seen.most_common(10))


def _duplicates(column: Column) -> dict[str, Any]:
    first = np.zeros(len(column.codes), dtype=bool)
    present = np.flatnonzero(~column.gaps)
    first[present[np.unique(column.codes[present], return_index=True)[1]]] = True
    repeats = ~first & ~column.gaps
    return {
        "count": int(repeats.sum()),
        "share": float(repeats.mean()) if len(first) else 0.0,
        "rows": first_rows(repeats),
    }


def _near_duplicates(column: Column, texts: Sequence[str], left_out: Mask) -> dict[str, Any]:
    """Texts that are near copies of an earlier, different text; garbage is alike anyway."""
    places = [place for place, text in enumerate(texts) if not left_out[place] and text.strip()]
    pairs = near_copies([texts[place] for place in places])
    later = np.zeros(len(texts) + 1, dtype=bool)
    later[[places[place] for place, _, _ in pairs]] = True
    cells = later[column.codes]
    return {
        "count": int(cells.sum()),
        "share": float(cells.mean()) if len(cells) else 0.0,
        "rows": first_rows(cells),
        "examples": [
            [quote_excerpt(texts[places[first]], 80), quote_excerpt(texts[places[place]], 80)]
            for place, first, _ in pairs[:3]
        ],
    }


def _lengths(counts: CharacterCounts, column: Column) -> dict[str, Any]:
    """Characters and words of the texts that are there."""
    codes = column.codes[~column.gaps]
    if not len(codes):
        return {}
    return {
        unit: {
            "mean": float(values[codes].mean()),
            "median": float(np.median(values[codes])),
            "min": int(values[codes].min()),
            "max": int(values[codes].max()),
        }
        for unit, values in (("characters", counts.length), ("words", counts.words))
    }
