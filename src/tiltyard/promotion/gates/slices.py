"""No slice may be significantly worse than under the champion."""

from __future__ import annotations

from tiltyard.evaluation import get_metric
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates.inspection import GateInputs
from tiltyard.promotion.gates.verdict import GateResult

SHOWN = 3


def slice_gate(promotion: PromotionSection, inspection: GateInputs) -> GateResult:
    """Whether any slice is worse than under the champion by more than chance, corrected for their number."""
    compared = inspection.slices or ()
    worse = [part for part in compared if part.difference < 0 and part.adjusted < promotion.slice_alpha]
    left_out = f"; {inspection.small_slices} are too small to check" if inspection.small_slices else ""
    if worse:
        listed = ", ".join(
            f"{part.name}: {part.challenger:.4f} against {part.champion:.4f} on {format_count(part.rows, 'row')}"
            f"{'' if part.groups is None else ' of ' + format_count(part.groups, 'group')} (p = {part.adjusted:.4f})"
            for part in worse[:SHOWN]
        )
        more = f" and {len(worse) - SHOWN} more" if len(worse) > SHOWN else ""
        what = get_metric(worse[0].metric).title.lower()
        message = f"{what} is worse than the champion's on {listed}{more}"
    elif compared:
        message = f"none of {format_count(len(compared), 'slice')} is worse by more than chance{left_out}"
    else:
        message = f"no slice could be checked{left_out}"
    return GateResult(
        "gate.slices",
        f"No slice worse than the champion's (alpha {promotion.slice_alpha:g}, for all together)",
        not worse,
        message,
        f"it is worse than the champion on {worse[0].name}" if worse else "",
        {
            "alpha": promotion.slice_alpha,
            "too_small": inspection.small_slices,
            "worse": [part.name for part in worse],
            "slices": [to_json_object(part) for part in compared[:50]],
        },
    )
