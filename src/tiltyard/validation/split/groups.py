"""Groups of rows that belong together, on the two sides of a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tiltyard.data.groups import RowGroups
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, format_count, format_percent, join_values

_SHOWN = 5
# Whole groups seldom make up exactly the share that split.test names.
_FAR_BELOW, _FAR_ABOVE = 0.5, 1.5
_MANY_NAMELESS = 0.1


def measure_groups(train: RowGroups, test: RowGroups, wanted: float | None) -> dict[str, Any]:
    """Measures of the groups on two sides.

    Args:
        train: the groups of the training rows.
        test: the groups of the test rows.
        wanted: the share of test rows by split.test; None where it does not decide.
    """
    shared = np.intersect1d(train.keys, test.keys)
    named = test.names[np.isin(test.keys, shared)].dropna()
    rows = len(train.keys) + len(test.keys)
    largest = max((side.find_largest() for side in (train, test) if len(side.keys)), key=lambda pair: pair[1])
    return {
        "column": train.column,
        "train": train.count,
        "test": test.count,
        "nameless": train.nameless + test.nameless,
        "rows": rows,
        "shared": int(named.nunique()),
        "shared_rows": len(named),
        "shared_names": named.drop_duplicates().head(_SHOWN).tolist(),
        "test_share": len(test.keys) / max(1, rows),
        "wanted_share": wanted,
        "largest": {"name": largest[0], "rows": largest[1]},
    }


def evaluate_groups(measured: Mapping[str, Any]) -> list[Finding]:
    """All findings about the groups on the two sides."""
    return [*_evaluate_shared(measured), *_evaluate_share(measured), *_evaluate_nameless(measured)]


def _evaluate_shared(measured: Mapping[str, Any]) -> list[Finding]:
    shared, column = measured["shared"], measured["column"]
    if not shared:
        return []
    return [
        Finding(
            "split.parted-group",
            "error",
            column,
            "Groups on both sides",
            f"{format_count(shared, 'group')} of '{column}' {choose_form(shared, 'has', 'have')} rows on both sides "
            f"({join_values(measured['shared_names'])}; {format_count(measured['shared_rows'], 'test row')}). What a "
            "model learnt of a group counts as skill there.",
            score=float(shared),
            limit=0.0,
            evidence=measured,
            next_step="Put each group on one side.",
        )
    ]


def _evaluate_share(measured: Mapping[str, Any]) -> list[Finding]:
    share, wanted, largest = measured["test_share"], measured["wanted_share"], measured["largest"]
    if wanted is None or _FAR_BELOW * wanted <= share <= _FAR_ABOVE * wanted:
        return []
    groups = measured["train"] + measured["test"]
    named = "" if largest["name"] is None else f" ({largest['name']!r})"
    return [
        Finding(
            "split.group-share",
            "warning",
            measured["column"],
            "Test side far from split.test",
            f"Whole groups of '{measured['column']}' make the test side {format_percent(share)} of the "
            f"rows; split.test is {format_percent(wanted)}. There are "
            f"{format_count(groups, 'group')}, and the largest{named} has {format_count(largest['rows'], 'row')}.",
            score=share,
            limit=wanted,
            evidence=measured,
            next_step="Change split.salt or split.test, or add groups.",
        )
    ]


def _evaluate_nameless(measured: Mapping[str, Any]) -> list[Finding]:
    nameless, rows = measured["nameless"], measured["rows"]
    if not nameless:
        return []
    share = nameless / rows
    return [
        Finding(
            "split.nameless-group",
            "warning" if share > _MANY_NAMELESS else "info",
            measured["column"],
            "Rows without a group",
            f"{format_count(nameless, 'row')} ({format_percent(share)}) {choose_form(nameless, 'has', 'have')} an "
            f"empty '{measured['column']}'; each of them counts as a group alone.",
            score=share,
            limit=_MANY_NAMELESS,
            evidence=measured,
            next_step=f"Fill '{measured['column']}' where rows belong together.",
        )
    ]
