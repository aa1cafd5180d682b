"""Findings about a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import choose_form, format_count, format_percent, join_names, join_rows, join_values
from tiltyard.project import ValidationSection
from tiltyard.validation.drift_findings import describe_test
from tiltyard.validation.split.groups import evaluate_groups

_LEAST_TEST = 30
_LEAST_PER_LABEL = 5


def evaluate_sides(sections: Mapping[str, Any], limits: ValidationSection) -> list[Finding]:
    """All findings about a split."""
    return [
        *_evaluate_sizes(sections["sizes"], limits.min_rows),
        *_evaluate_columns(sections["columns"]),
        *(evaluate_groups(sections["groups"]) if "groups" in sections else ()),
        *_evaluate_duplicates(sections["duplicates"], limits.max_overlap, grouped="groups" in sections),
        *_evaluate_near_duplicates(sections["near_duplicates"]),
        *_evaluate_label_shift(sections["label_shift"]),
        *_evaluate_feature_shift(sections["feature_shift"]),
        *_evaluate_separation(sections["adversarial"]),
    ]


def _evaluate_sizes(sizes: dict[str, Any], least: int) -> list[Finding]:
    found = []
    for side, wanted in (("train", max(1, least)), ("test", _LEAST_TEST)):
        rows = sizes[side]
        if rows < wanted:
            grave = side == "train" or rows == 0
            found.append(
                Finding(
                    "split.too-small",
                    "error" if grave else "warning",
                    side,
                    "Side with too few rows",
                    f"The {side} side has {format_count(rows, 'row')}; below {wanted} nothing can be "
                    f"{'learnt' if side == 'train' else 'said about a model'} from it.",
                    score=float(rows),
                    limit=float(wanted),
                    next_step="Collect more rows, or change the share of the test side.",
                )
            )
    return found + _evaluate_labels(sizes)


def _evaluate_labels(sizes: dict[str, Any]) -> list[Finding]:
    train, test = sizes["train_labels"], sizes["test_labels"]
    new = {label: count for label, count in test.items() if count and not train[label]}
    rare = {label: count for label, count in test.items() if train[label] and count < _LEAST_PER_LABEL}
    found = []
    if new:
        found.append(
            Finding(
                "split.new-label",
                "error",
                "test",
                "Labels that only the test side has",
                f"{format_count(len(new), 'label')} of the test side {choose_form(len(new), 'does', 'do')} not "
                "occur in "
                f"training ({format_count(sum(new.values()), 'row')}): {join_values(new)}.",
                score=float(sum(new.values())),
                limit=0.0,
                evidence={"counts": new},
                next_step="Split so that every label is on both sides, or leave these rows out.",
            )
        )
    if rare and sizes["test"]:
        found.append(
            Finding(
                "split.rare-label",
                "warning",
                "test",
                "Labels with too few test rows",
                f"{format_count(len(rare), 'label')} {choose_form(len(rare), 'has', 'have')} fewer than "
                f"{_LEAST_PER_LABEL} test "
                f"rows, too few to tell how well they are recognised: {join_values(rare)}.",
                score=float(min(rare.values())),
                limit=float(_LEAST_PER_LABEL),
                evidence={"counts": rare},
                next_step="Make the test side larger, or split by label.",
            )
        )
    return found


def _evaluate_columns(columns: dict[str, Any]) -> list[Finding]:
    only_train, only_test = columns["only_train"], columns["only_test"]
    if not only_train and not only_test:
        return []
    return [
        Finding(
            "split.columns",
            "error",
            "test",
            "Sides with different columns",
            f"Only the train side has: {join_names(only_train) or 'none'}. "
            f"Only the test side has: {join_names(only_test) or 'none'}.",
            evidence=columns,
            next_step="Give both sides the same columns.",
        )
    ]


def _evaluate_duplicates(measured: dict[str, Any], limit: float, *, grouped: bool) -> list[Finding]:
    noun, count, share = measured["of"], measured["count"], measured["share"]
    if not measured["judged"]:
        expected = format_percent(measured["expected_share"])
        why = (
            f"The columns have so few values that {expected} of the rows would repeat another one by chance; "
            "equal rows on both sides say nothing here."
        )
        return [could_not_judge("split.duplicates", "test", why, title="Test rows that training has seen")]
    if not count:
        return []
    other = measured["other_label"]
    contrary = f"; {other:,} of them with another label" if other else ""
    return [
        Finding(
            "split.duplicates",
            "error" if share > limit else "warning",
            "test",
            "Test rows that training has seen",
            f"{format_count(count, noun[:-1])} of the test side ({format_percent(share)}) "
            f"{choose_form(count, 'stands', 'stand')} in the "
            f"train side too{contrary} ({join_rows(measured['rows'], count)} of the test side). "
            "What a model learnt by heart counts as skill there.",
            score=share,
            limit=limit,
            evidence=measured,
            next_step="Remove the copies from the test side, or give them one group."
            if grouped
            else 'Split by content (split.by = "content"), or remove the copies from the test side.',
        )
    ]


def _evaluate_near_duplicates(measured: dict[str, Any]) -> list[Finding]:
    count, share = measured["count"], measured["share"]
    if not count:
        return []
    return [
        Finding(
            "split.near-duplicates",
            "warning" if share >= 0.01 else "info",
            "test",
            "Test texts that training nearly has",
            f"{format_count(count, 'text')} of the test side ({format_percent(share)}) "
            f"{choose_form(count, 'is a near copy', 'are near copies')} of a training text "
            f"({join_rows(measured['rows'], count)} of the test side).",
            score=measured["share"],
            evidence=measured,
            next_step="Keep copies on one side.",
        )
    ]


def _evaluate_label_shift(measured: dict[str, Any]) -> list[Finding]:
    if not measured["judged"] or not measured["drifted"]:
        return []
    train, test = measured["train_shares"], measured["test_shares"]
    moved = max(train, key=lambda name: abs(train[name] - test[name]))
    return [
        Finding(
            "split.label-shift",
            "warning",
            "test",
            "Sides with different label shares",
            f"The labels are shared out differently: '{moved}' is {format_percent(train[moved])} of the train side and "
            f"{format_percent(test[moved])} of the test side ({describe_test(measured)}).",
            score=measured["distance"],
            limit=measured["limit"],
            evidence=measured,
            next_step="Fine where the test side is newer by design; otherwise split at random or by content.",
        )
    ]


def _evaluate_feature_shift(measured: dict[str, Any]) -> list[Finding]:
    found = []
    for name, facts in measured.items():
        if not facts["drifted"]:
            continue
        found.append(
            Finding(
                "split.feature-shift",
                "warning",
                name,
                "Column distributed differently on the sides",
                f"'{name}' differs between train and test: {describe_test(facts)}.",
                score=facts["distance"],
                limit=facts["limit"],
                evidence=facts,
                next_step="Fine where the test side is newer by design; otherwise find out what differs.",
            )
        )
    return found


def _evaluate_separation(measured: dict[str, Any]) -> list[Finding]:
    if not measured["judged"] or not measured["drifted"]:
        return []
    low, high = measured["interval"]
    return [
        Finding(
            "split.told-apart",
            "warning",
            "test",
            "Sides that a model can tell apart",
            f"A model guesses the side of a row with an ROC AUC of {measured['auc']:.3f} ({low:.3f} to {high:.3f}); "
            "0.5 would mean that the sides are alike.",
            score=measured["auc"],
            evidence=measured,
            next_step="Fine where the test side is newer by design; otherwise find out what differs.",
        )
    ]
