"""A version that a caller registered: its lineage and semantic label from its own files, and the record of it."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from tiltyard.ledger import Event
from tiltyard.promotion.context import Workspace
from tiltyard.registry import Manifest, MlflowRegistry, VersionInfo
from tiltyard.registry.lineage import Lineage, code_state, find_parent
from tiltyard.registry.semantic_version import (
    LABEL_TAG,
    ChangeKind,
    next_label,
    recipe_digest,
    schema_digest,
    settle_label,
)

logger = logging.getLogger(__name__)


def describe_registered_version(workspace: Workspace, registry: MlflowRegistry, info: VersionInfo) -> VersionInfo:
    """Tag a new version with where it comes from and its semantic label, and record that it was registered.

    A model that Tiltyard did not log has no manifest: it is registered, a warning says that it cannot be served, and
    it has no label.

    Returns:
        The version as it is registered now.

    Raises:
        UnavailableError: the registry or the ledger is away.
    """
    manifest = registry.read_manifest(info)
    earlier = [one for one in registry.list_versions(info.name) if one.version != info.version]
    parent = find_parent(earlier)
    if manifest is None:
        logger.warning(
            "Version %s of %s was not logged by Tiltyard: it is registered, and cannot be served. "
            "Log it with ExperimentTracker.log_model.",
            info.version,
            info.name,
        )
    else:
        kind = ChangeKind(
            schema_digest(manifest.task, manifest.columns, manifest.classes), recipe_digest(manifest.candidate, {}, b"")
        )
        label = info.label or next_label(earlier, kind)
        tags = {**_describe_origin(manifest, parent).tags, **kind.tags, LABEL_TAG: label}
        for key, value in tags.items():
            if key not in info.tags:
                registry.set_tag(info.name, info.version, key, value)
        info = settle_label(registry, registry.get_version(info.name, version=info.version), kind)
    reason = info.description or "registered by ModelRegistry.register_model"
    record_registration(workspace, info, parent, reason, manifest.data_fingerprint if manifest else "")
    return info


def record_registration(
    workspace: Workspace,
    info: VersionInfo,
    parent: VersionInfo | None,
    reason: str,
    data_fingerprint: str,
    evidence: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Record in the ledger that a version was registered.

    Args:
        workspace: whose ledger, and who acts.
        info: the version.
        parent: the version that it is to succeed.
        reason: how it came about.
        data_fingerprint: of its training rows; empty where that is not known.
        evidence: what else belongs to the record.

    Raises:
        UnavailableError: the ledger is away.
    """
    workspace.ledger.append(
        Event(
            kind="registered",
            subject=f"{info.name}/{info.version}",
            at=datetime.now(UTC),
            actor=workspace.actor,
            reason=reason,
            evidence={
                "run_id": info.run_id,
                "data_fingerprint": data_fingerprint or None,
                "label": info.label,
                "parent": parent.version if parent else None,
                **evidence,
            },
        )
    )


def _describe_origin(manifest: Manifest, parent: VersionInfo | None) -> Lineage:
    """What the version's files tell of where it comes from, and the commit of the working folder."""
    commit, dirty = code_state(Path.cwd())
    rows = {"fingerprint": manifest.data_fingerprint, "rows": manifest.train_rows} if manifest.train_rows else {}
    return Lineage(
        data=rows,
        code={"commit": commit, "dirty": dirty},
        parameters={"candidate": manifest.candidate},
        environment={"platform": f"{platform.system()} {platform.machine()}", **manifest.libraries},
        parent=parent.version if parent else None,
    )
