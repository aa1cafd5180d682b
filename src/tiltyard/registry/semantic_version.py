"""Semantic labels of versions, next to the registry's numbers: what kind of change a version is.

``2.1.0``: a new first number for another schema (a caller may have to change), a new second one for another recipe, a
new third one for the same recipe on new data.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiltyard.registry.ports import Registry, VersionInfo

LABEL_TAG = "tiltyard.label"
SCHEMA_TAG = "tiltyard.schema"
RECIPE_TAG = "tiltyard.recipe"
FIRST = "1.0.0"

# Nine digits at most: anybody may set the tag, and a number of thousands could not be counted on from.
_LABEL = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)
# As the registry writes it, so that one version has one name; more digits would not fit into its column.
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class ChangeKind:
    """What decides which number of a label rises.

    Attributes:
        schema: digest of what a caller sees: task, columns with their kinds, labels.
        recipe: digest of how it was made: recipe, its parameters, and the source of one of the user's own.
    """

    schema: str
    recipe: str

    @property
    def tags(self) -> dict[str, str]:
        """Tags by which a later version is compared with this one."""
        return {SCHEMA_TAG: self.schema, RECIPE_TAG: self.recipe}


def is_number(text: str) -> bool:
    """Whether a text is the number of a version as the registry writes it: ``2``, and not ``02``, ``+2`` or ``2 ``."""
    return _NUMBER.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Whether a text is a semantic label, such as ``2.1.0``."""
    return _LABEL.fullmatch(text) is not None


def next_label(versions: Iterable[VersionInfo], kind: ChangeKind) -> str:
    """The label of a new version: one step from the highest so far, by what changed since that one.

    Args:
        versions: the versions of the model so far.
        kind: what the new one is.
    """
    labelled = [(numbers, info) for info in versions if (numbers := _numbers(info)) is not None]
    if not labelled:
        return FIRST
    (major, minor, patch), last = max(labelled, key=lambda pair: pair[0])
    if last.tags.get(SCHEMA_TAG) != kind.schema:
        return f"{major + 1}.0.0"
    if last.tags.get(RECIPE_TAG) != kind.recipe:
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def duplicate_labels(versions: Sequence[VersionInfo], info: VersionInfo) -> bool:
    """Whether an earlier version has the same label: two trainings registered at once."""
    return any(
        other.tags.get(LABEL_TAG) == info.tags.get(LABEL_TAG) and int(other.version) < int(info.version)
        for other in versions
    )


def settle_label(registry: Registry, info: VersionInfo, kind: ChangeKind) -> VersionInfo:
    """Another label where a version that was registered at the same time took this one: the lower number keeps it."""
    while duplicate_labels(versions := registry.list_versions(info.name), info):
        others = [one for one in versions if one.version != info.version]
        registry.set_tag(info.name, info.version, LABEL_TAG, next_label(others, kind))
        info = registry.get_version(info.name, version=info.version)
    return info


def version_by_label(versions: Iterable[VersionInfo], label: str) -> VersionInfo | None:
    """The version of that label, the first one where somebody gave it to several; None where there is none."""
    found = [info for info in versions if info.tags.get(LABEL_TAG) == label]
    return min(found, key=lambda info: int(info.version), default=None)


def schema_digest(task: str, columns: Mapping[str, str], classes: Iterable[str]) -> str:
    """Digest of what a caller sees: columns count by their kind, so that whole numbers with gaps are numbers still."""
    return _digest([task, {name: _kind_of(kind) for name, kind in columns.items()}, sorted(classes)])


def recipe_digest(candidate: str, parameters: Mapping[str, Any], source: bytes = b"") -> str:
    """Digest of how a version is made.

    Args:
        candidate: the recipe.
        parameters: its hyperparameters.
        source: the file of a recipe of the user's own.
    """
    texts = {name: str(value) for name, value in parameters.items()}
    return _digest([candidate, texts, hashlib.sha256(source).hexdigest()])


def _kind_of(dtype: str) -> str:
    lower = dtype.lower()
    if lower.startswith(("int", "uint", "float")):
        return "number"
    return "boolean" if lower.startswith("bool") else "text" if lower.startswith(("str", "object", "cat")) else lower


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def _numbers(info: VersionInfo) -> tuple[int, int, int] | None:
    found = _LABEL.fullmatch(info.tags.get(LABEL_TAG, ""))
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
