"""Columns that give the label away: known only after the fact, or made from the label itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.columns import Column, Mask, Table
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import format_count, format_number, format_percent, quote_excerpt
from tiltyard.project import ValidationSection

TELL = 0.9
COPY_MARGIN = 0.04
"""So much below the limit, a column with hardly more values than there are labels still is the label, but for slips."""
_LEAST_ROWS = 50
_MOST_ROWS = 200_000
_MOST_CLASSES = 100
_BINS = 64
_LEAST_PER_BIN = 20
_CATEGORIES = 1000
_SEED = 20260101
_SHOWN_VALUES = 4

_NO_LETTERS = re.compile(r"[\W_]+")

Bins = NDArray[np.intp]


def measure_leakage(table: Table) -> dict[str, Any]:
    """How well each column alone tells the labels apart, 0 (chance) to 1 (perfectly); see `measure_power`.

    Of a number to predict the labels are the quarters of its rows, and a column of numbers is also held against it by
    rank (see `_agreement`).
    """
    label = table.label or _part_target(table)
    if label is None or not _is_measurable(label):
        unclear = label is not None and label.different >= 2
        return {"judged": False, "unclear": unclear, "columns": {}, "text": {}, "evidence": {}}
    rows = np.flatnonzero(~label.gaps)
    if len(rows) > _MOST_ROWS:
        rows = rows[:: len(rows) // _MOST_ROWS + 1]
    places, codes = np.unique(label.codes[rows], return_inverse=True)
    codes = codes.astype(np.intp)
    half = _halve(codes)
    columns, text, evidence = {}, {}, {}
    for column in table.features:
        if column.kind == "text":
            for cue, bins in _cues(column):
                subject = f"{column.name} ({cue})"
                power = text[subject] = measure_power(bins[rows], codes, half)
                if _strong_finding(power):
                    evidence[subject] = {"names_label": _names_labels(column, cue, label, rows)}
        elif column.different > 1 or (column.different == 1 and column.gaps.any()):
            power = columns[column.name] = max(
                _power(column, rows, codes, half), _agreement(column, table.target, rows)
            )
            if _strong_finding(power):
                evidence[column.name] = _describe_rule(column, rows, codes, [label.distinct[place] for place in places])
    return {"judged": True, "unclear": False, "columns": columns, "text": text, "evidence": evidence}


def _part_target(table: Table) -> Column | None:
    """The quarters of the number to predict as classes: what tells them apart gives the number away, too.

    Where most rows have the least number, as 0 of claims, its rows are one class and all larger ones the other. None
    where nearly all rows have one number, which leaves nothing to tell apart.
    """
    target = table.target
    if target is None or not target.numeric or len(target.ordered) < _LEAST_ROWS:
        return None
    edges = np.unique(np.quantile(target.ordered, [0.25, 0.5, 0.75]))
    places = np.searchsorted(edges, target.numbers, side="right" if edges[0] > target.ordered[0] else "left")
    codes = np.where(np.isfinite(target.numbers), places, -1).astype(np.intp)
    names = [f"quarter {place + 1}" for place in range(len(edges) + 1)]
    counts = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.int64)
    if np.count_nonzero(counts >= 2) < 2:
        return None
    return replace(target, codes=codes, distinct=names, counts=counts)


def measure_power(bins: Bins, labels: Bins, half: Mask | None = None) -> float:
    """How well one column tells labels apart, on rows it has not seen.

    Half of the rows teach which label is the likeliest in each bin, every label weighing the same; the other half
    is predicted, then the other way round. The mean share of right predictions over the labels, b, is rescaled to
    (b − 1/k) / (1 − 1/k), which for two labels is Youden's J (Cancer 3, 1950). A column whose values are all
    different scores 0: learning by heart does not help on unseen rows. So does any where there is one label only.
    The halves are drawn at random within each label, so that no order of the rows, such as every other row of one
    label, can empty one of them.

    Args:
        bins: n bins, from 0.
        labels: n labels, from 0 to k − 1.
        half: the n rows of the first half; drawn where it is None.
    """
    classes, size = int(labels.max()) + 1, int(bins.max()) + 1
    if classes < 2:  # of many rows a part is measured, and a rare label may not be among them
        return 0.0
    half = _halve(labels) if half is None else half
    tables = [
        np.bincount(bins[side] * classes + labels[side], minlength=size * classes).reshape(size, classes)
        for side in (half, ~half)
    ]
    right = [_recall(learnt, tested) for learnt, tested in (tables, tables[::-1])]
    mean = sum(right) / len(right)
    return max(0.0, (mean - 1 / classes) / (1 - 1 / classes))


def measure_threshold_power(numbers: NDArray[np.float64], labels: Bins, half: Mask | None = None) -> float:
    """How well a single threshold tells two labels apart, on rows it has not seen: Youden's J, as in `measure_power`.

    Args:
        numbers: n finite numbers.
        labels: n labels, 0 or 1.
        half: as in `measure_power`.
    """
    half = _halve(labels) if half is None else half
    return max(0.0, (_youden(numbers, labels, half) + _youden(numbers, labels, ~half)) / 2)


def evaluate_leakage(measured: dict[str, Any], limits: ValidationSection) -> list[Finding]:
    """Findings about columns that give the label away."""
    if measured["unclear"]:
        return [
            could_not_judge(
                "leakage.column",
                "label",
                f"To tell takes at least {_LEAST_ROWS} rows and at most {_MOST_CLASSES} labels.",
                title="Column that gives the label away",
            )
        ]
    found = [
        _column(name, power, limits.max_leakage, measured["evidence"].get(name, {}))
        for name, power in measured["columns"].items()
        if _strong_finding(power)
    ]
    return found + [
        _text(name, power, limits.max_leakage, measured["evidence"].get(name, {}))
        for name, power in measured["text"].items()
        if _strong_finding(power)
    ]


def _halve(labels: Bins) -> Mask:
    """Half of the rows of each label, at random but always the same."""
    order = np.random.default_rng(_SEED).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    half = np.empty(len(labels), dtype=np.bool_)
    half[order] = np.arange(len(labels)) % 2 == 0
    return half


def _power(column: Column, rows: Bins, labels: Bins, half: Mask) -> float:
    """The largest power of a column: by its values, by a threshold, or by where it has gaps."""
    powers = [measure_power(_bin_numbers(column, rows), labels, half)]
    gaps = column.gaps[rows]
    if gaps.any() and not gaps.all():
        powers.append(measure_power(gaps.astype(np.intp), labels, half))
    if column.kind in ("number", "time") and labels.max() == 1:
        numbers = column.numbers[rows]
        known = np.isfinite(numbers)
        # Rows without a number cannot be classified by a threshold; they are right by chance, which adds nothing to J.
        powers.append(float(known.mean()) * measure_threshold_power(numbers[known], labels[known], half[known]))
    return max(powers)


def _agreement(column: Column, target: Column | None, rows: Bins) -> float:
    """The squared rank correlation (Spearman, American Journal of Psychology 15, 1904) with the number to predict.

    A copy of the number, in whatever unit or scale, has 1; 0 where there is no such number.
    """
    if target is None or column.kind not in ("number", "time") or not column.numeric:
        return 0.0
    first, second = column.numbers[rows], target.numbers[rows]
    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < _LEAST_ROWS:
        return 0.0
    ours, theirs = _rank(first[known]), _rank(second[known])
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return 0.0
    return float(known.mean()) * float(np.corrcoef(ours, theirs)[0, 1]) ** 2


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean ranks: equal values have one."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _youden(numbers: NDArray[np.float64], labels: Bins, taught: Mask) -> float:
    """J on the other rows of the threshold that is best on the taught ones."""
    order = np.argsort(numbers[taught], kind="stable")
    values, classes = numbers[taught][order], labels[taught][order]
    if not 0 < classes.sum() < len(classes):
        return 0.0
    above = np.cumsum(classes) / classes.sum() - np.cumsum(1 - classes) / (1 - classes).sum()
    # A threshold lies between two different values only.
    above[:-1][values[1:] == values[:-1]] = 0.0
    best = int(np.abs(above).argmax())
    low = numbers[~taught] <= (values[best] + values[min(best + 1, len(values) - 1)]) / 2
    others = labels[~taught]
    if not 0 < others.sum() < len(others):
        return 0.0
    shares = [float(low[others == label].mean()) for label in (1, 0)]
    return float(np.sign(above[best])) * (shares[0] - shares[1])


def _describe_rule(column: Column, rows: Bins, labels: Bins, names: Sequence[Any]) -> dict[str, Any]:
    """What lets a reader check a leak: which value goes with which label, in how many rows.

    ``copies`` says whether the column has hardly more values than there are labels: then it is the label itself.
    """
    if column.identifier:
        return {"counts_rows": True, "copies": False, "values": []}
    if column.kind == "time":
        return {"time": True, "copies": False, "values": []}
    cells = np.unique(column.digests[rows], return_index=True, return_inverse=True, return_counts=True)
    firsts, codes, counts = cells[1], cells[2], cells[3]
    if len(counts) > max(len(names) + 1, 3):
        return {"counts_rows": False, "copies": False, "values": []}
    together = np.bincount(codes * len(names) + labels, minlength=len(counts) * len(names)).reshape(len(counts), -1)
    values = [
        {
            "value": _write_value(column, int(rows[firsts[place]])),
            "label": str(names[int(together[place].argmax())]),
            "right": int(together[place].max()),
            "rows": int(counts[place]),
        }
        for place in np.argsort(-counts, kind="stable").tolist()
    ]
    return {"counts_rows": False, "copies": True, "values": values}


def _write_value(column: Column, row: int) -> str:
    if column.gaps[row]:
        return "no value"
    if column.coded:
        return str(column.distinct[int(column.codes[row])]).strip()
    return format_number(float(column.numbers[row]))


def _strong_finding(power: float) -> bool:
    return power >= TELL


def _is_measurable(label: Column) -> bool:
    labelled = int(np.count_nonzero(~label.gaps))
    return 2 <= label.different <= _MOST_CLASSES and labelled >= _LEAST_ROWS


def _recall(learnt: NDArray[np.int64], tested: NDArray[np.int64]) -> float:
    """Mean over labels of the share of right predictions; a bin never seen is right by chance."""
    totals = np.maximum(learnt.sum(axis=0), 1)
    predictions = (learnt / totals).argmax(axis=1)
    seen = learnt.sum(axis=1) > 0
    classes = learnt.shape[1]
    right = np.zeros(classes)
    np.add.at(right, predictions[seen], tested[seen, predictions[seen]])
    right += tested[~seen].sum(axis=0) / classes
    counts = tested.sum(axis=0)
    present = counts > 0
    return float((right[present] / counts[present]).mean())


def _bin_numbers(column: Column, rows: Bins) -> Bins:
    """Bins of some rows of a column: quantiles of numbers (gaps apart), categories (the rare ones together)."""
    if column.numeric and column.kind in ("number", "time"):
        ordered = column.ordered
        number = max(2, min(_BINS, len(ordered) // _LEAST_PER_BIN))
        places = np.linspace(0, len(ordered) - 1, number + 1).astype(int)[1:-1]
        edges = np.unique(ordered[places]) if len(ordered) else np.zeros(0)
        numbers = column.numbers[rows]
        return np.where(np.isnan(numbers), 0, np.searchsorted(edges, numbers, side="left") + 1).astype(np.intp)
    order = np.argsort(-column.counts, kind="stable")
    bins = np.full(len(column.distinct) + 1, min(_CATEGORIES, len(order)), dtype=np.intp)
    bins[order[:_CATEGORIES]] = np.arange(min(_CATEGORIES, len(order)))
    bins[-1] = _CATEGORIES + 1
    return bins[column.codes[rows]]


def _cues(column: Column) -> list[tuple[str, Bins]]:
    """What may betray a label without a word being understood: first word, last word, length, markup."""
    words = [str(value) for value in column.distinct]
    firsts = [text.split(maxsplit=1)[:1] for text in (word[:200] for word in words)]
    lasts = [text.rsplit(maxsplit=1)[-1:] for text in (word[-200:] for word in words)]
    lengths = np.array([len(word) for word in words], dtype=np.float64)
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(lengths) else np.zeros(0)
    cues = {
        "first word": _code_values(firsts),
        "last word": _code_values(lasts),
        "length": np.searchsorted(edges, lengths, side="left").astype(np.intp),
        "markup": np.array(["<" in word for word in words], dtype=np.intp),
    }
    return [(cue, np.append(bins, bins.max(initial=0) + 1)[column.codes]) for cue, bins in cues.items()]


def _names_labels(column: Column, cue: str, label: Column, rows: Bins) -> bool:
    """Whether the first or the last word of most texts is the name of their label, or the markup is what differs.

    Real texts of one label may begin alike, or be longer; none ends with the name of its label.
    """
    if cue not in ("first word", "last word"):
        return cue == "markup"
    side = slice(0, 1) if cue == "first word" else slice(-1, None)
    cues = [_NO_LETTERS.sub("", " ".join(str(value).split()[side]).casefold()) for value in column.distinct]
    names = [_NO_LETTERS.sub("", str(value).casefold()) for value in label.distinct]
    chosen = [row for row in rows.tolist() if column.codes[row] >= 0]
    named = sum(cues[int(column.codes[row])] == names[int(label.codes[row])] for row in chosen)
    return named >= 0.5 * len(rows)


def _code_values(parts: list[list[str]]) -> Bins:
    """Each word's number by frequency; rare words share one."""
    codes, counts = np.unique([part[0] if part else "" for part in parts], return_inverse=True, return_counts=True)[1:]
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank, _CATEGORIES)[codes] if len(codes) else np.zeros(0, dtype=np.intp)


def _column(name: str, power: float, limit: float, evidence: dict[str, Any]) -> Finding:
    # Periods of the past do not come again: what a time says of the label holds for these rows only.
    broken = not evidence.get("time") and power > (
        limit - COPY_MARGIN if evidence.get("copies") and limit < 1 else limit
    )
    step = (
        f"If '{name}' is not known when a prediction is made, leave it out: data.ignore = [\"{name}\"]. "
        f'If it is, accept it: validation.ignore = ["leakage.column:{name}"].'
    )
    how = ""
    if evidence.get("counts_rows"):
        how = " It numbers the rows, and the rows are sorted by label."
        step = f'Leave it out: data.ignore = ["{name}"]. In production no row has such a number.'
    elif evidence.get("time"):
        how = " The label changes with the time, which the model cannot go by in times that come."
    elif evidence.get("copies"):
        shown = evidence["values"][:_SHOWN_VALUES]
        pairs = "; ".join(
            f"{quote_excerpt(one['value'], 30)} goes with {quote_excerpt(one['label'], 30)} in {one['right']:,} of "
            f"{format_count(one['rows'], 'row')}"
            for one in shown
        )
        how = f" It is the label in other words: {pairs}."
    return Finding(
        "leakage.column",
        "error" if broken else "warning",
        name,
        "Column that gives the label away",
        f"'{name}' alone tells the labels apart with a power of {power:.3f} (0 is chance, 1 perfect) on rows not seen "
        f"before.{how}",
        score=power,
        limit=limit,
        evidence={"power": power, **({"values": evidence["values"]} if evidence.get("values") else {})},
        next_step=step,
    )


def _text(name: str, power: float, limit: float, evidence: dict[str, Any]) -> Finding:
    return Finding(
        "leakage.text",
        "error" if power > limit and evidence.get("names_label") else "warning",
        name,
        "Texts that give their label away",
        f"{quote_excerpt(name)} alone tells the labels apart with a power of {power:.3f} (0 is chance, 1 perfect): "
        "the texts "
        f"seem to carry their label, or to come from different places by label ({format_percent(power)} is far too "
        "much).",
        score=power,
        limit=limit,
        evidence={"power": power},
        next_step="Read a few texts of each label, and remove what was added to them.",
    )
