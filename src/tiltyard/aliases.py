"""Aliases of registered versions, and the stage names of MLflow that map on to them.

MLflow deprecated stages; no call here uses its stage API. The names stay because people know them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tiltyard.arguments import require_words
from tiltyard.errors import UsageError

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"

STAGES: Mapping[str, str] = MappingProxyType({"Production": CHAMPION, "Staging": CHALLENGER})
"""Stage names and the aliases that they stand for. ``Archived`` is a tag of a version, ``None`` means no alias."""

_ALIASES = {stage.lower(): alias for stage, alias in STAGES.items()}


def alias_of_stage(stage: str) -> str:
    """The alias that a stage name stands for, in any case: ``Production`` is the champion, ``Staging`` the challenger.

    Raises:
        UsageError: there is no such stage.
    """
    require_words(stage, "stage")
    alias = _ALIASES.get(stage.strip().lower())
    if alias is None:
        raise UsageError(
            f"There is no stage '{stage}' that an alias stands for.",
            next_step=f"Stages: {', '.join(STAGES)}. Or give an alias such as '{CHAMPION}'.",
            code="registry.unknown-stage",
            stage=stage,
        )
    return alias


def alias_of(name: str) -> str:
    """The alias that a name means: a stage name in any case stands for its alias; any other name is an alias."""
    require_words(name, "stage")
    return _ALIASES.get(name.strip().lower(), name)
