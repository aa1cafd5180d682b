"""Whether an object of the cluster is what was applied."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from tiltyard.cluster.build_objects import digest_objects
from tiltyard.cluster.observed import Manifest
from tiltyard.cluster.spec import GROUP

APPLIED = f"{GROUP}/applied"
"""Annotation of an object: which form of it was applied last. What was left out of a later form is found by it."""

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|[kMGTPE]i?)?")
_UNITS = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("KMGTPE", start=1) if unit != "K"}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_KEYS = ("name", "mountPath", "port", "ip")
"""By which items of a list are known, as Kubernetes knows them; others are compared in their order."""


def mark_applied(item: Manifest) -> Manifest:
    """The object with the mark of its form."""
    annotations = {**item["metadata"].get("annotations", {}), APPLIED: digest_objects([item])}
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}}


def is_applied(wanted: Manifest, live: Manifest) -> bool:
    """Whether an object is what is wanted; what others added to it does not count.

    Args:
        wanted: the object with its mark.
        live: as the cluster has it.
    """
    said = wanted["metadata"]
    seen = live["metadata"]
    if seen.get("annotations", {}).get(APPLIED) != said["annotations"][APPLIED]:
        return False
    return all(_contains(seen.get(key), said[key]) for key in ("labels", "annotations") if key in said) and all(
        _contains(live.get(key), value)
        for key, value in wanted.items()
        if key not in ("apiVersion", "kind", "metadata")
    )


def _contains(live: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; what the cluster filled in does not count."""
    if isinstance(wanted, dict):
        # An empty part is not kept by the cluster where it says nothing.
        return (isinstance(live, dict) or not wanted) and all(
            _contains((live or {}).get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return _contains_items(live or [], wanted)
    return bool(live == wanted) or _read_quantity(live) == _read_quantity(wanted) is not None


def _contains_items(live: Any, wanted: list[Any]) -> bool:
    if not isinstance(live, list):
        return False
    key = next((key for key in _KEYS if wanted and all(isinstance(one, dict) and key in one for one in wanted)), None)
    if key is None or len({str(one[key]) for one in wanted}) < len(wanted):
        return len(live) == len(wanted) and all(map(_contains, live, wanted))
    found = {str(one.get(key)): one for one in live if isinstance(one, dict)}
    return all(str(one[key]) in found and _contains(found[str(one[key])], one) for one in wanted)


def _read_quantity(value: Any) -> Decimal | None:
    """A quantity as Kubernetes writes it (500m, 1Gi), as a number; None for anything else."""
    found = _QUANTITY.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    return Decimal(found[1]) * _UNITS[found[2] or ""] if found else None
