"""Promote a registered version, or roll back to an earlier one."""

from __future__ import annotations

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.data import Dataset
from tiltyard.errors import DataError, NotFoundError, UsageError
from tiltyard.project import Project
from tiltyard.promotion.alias_change import AliasChange, move_alias
from tiltyard.promotion.challenge import PromotionResult, challenge_champion, check_not_champion
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.manual_change import GATES_NOT_RUN
from tiltyard.promotion.offline_predictions import find_unseen_rows, predict_with_version
from tiltyard.registry import VersionInfo
from tiltyard.registry.alias_history import ROLLED_BACK, read_alias_history


def promote_version(
    workspace: Workspace, project: Project, version: str, test: Dataset, *, force: str = "", reason: str = ""
) -> PromotionResult:
    """Send a registered version through the gates, on the test rows that neither it nor the champion was trained on.

    ``force`` says why it becomes champion even if gates refuse it, and ``reason`` why it is sent to them; the decision
    keeps both next to the verdict.

    Raises:
        NotFoundError: there is no such version.
        ArtifactError: its files are damaged or unsafe.
        UsageError: it is champion already.
        DataError: no test rows are left for the gates, or it cannot read them.
    """
    info = workspace.registry.get_version(project.model_name, version=version)
    check_not_champion(info, info if CHAMPION in info.aliases else None)
    package = workspace.load(info)
    unseen = find_unseen_rows(package, info, test)
    if not unseen.any():
        raise DataError(
            f"Version {version} was trained on every test row (of {len(test):,}).",
            next_step="Set the split back to what it was, or add new rows.",
            code="promotion.no-common-rows",
        )
    rows = test.take(unseen)
    predictions = predict_with_version(package, info, rows)
    return challenge_champion(workspace, project, info, predictions, rows, force=force, reason=reason)


def roll_back(
    workspace: Workspace, name: str, *, to: str | None, reason: str
) -> tuple[VersionInfo, VersionInfo | None]:
    """Make an earlier version champion again, after it was fetched and verified.

    Args:
        workspace: registry, ledger and host.
        name: the registered model.
        to: the version; default: the one that the alias ``previous`` names.
        reason: why; kept with the decision.

    Returns:
        The champion now, and the one before.

    Raises:
        NotFoundError: there is no such version, or no previous one.
        ArtifactError: its files are damaged or unsafe; the champion stays.
        UsageError: it is champion already; no reason is given; there is no champion, and it never was one; or no
            version is named, and ``previous`` names one that was itself rolled back.
    """
    if not reason.strip():
        raise UsageError(
            "A rollback needs a reason.", next_step="Say why with --reason; it is kept.", code="decision.no-reason"
        )
    if to is None and not any(PREVIOUS in info.aliases for info in workspace.registry.list_versions(name)):
        raise NotFoundError(
            f"No version of {name} has the alias 'previous': there is nothing to go back to.",
            next_step="Name a version with --to; see: tiltyard list-versions",
            code="rollback.no-previous",
        )
    target = workspace.registry.get_version(name, version=to, alias=None if to else PREVIOUS)
    before = workspace.registry.champion(name)
    if before is not None and before.version == target.version:
        raise UsageError(
            f"Version {target.version} of {name} is champion already.",
            next_step="Name another version with --to.",
            code="rollback.already-champion",
        )
    if before is None and not _was_champion(workspace, name, target.version):
        raise UsageError(
            f"Version {target.version} of {name} never was champion, and there is none now. A first champion has to "
            "pass the gates.",
            next_step=f"Run: tiltyard promote {target.version}; or set it without the gates: "
            f"tiltyard set-alias --alias champion --version {target.version} --reason …",
            code="rollback.never-champion",
        )
    if to is None:
        _check_was_not_rolled_back(workspace, name, target.version)
    workspace.load(target)
    move_alias(
        workspace,
        AliasChange(
            model_name=name,
            alias=CHAMPION,
            version=target.version,
            before=before.version if before else None,
            kind=ROLLED_BACK,
            reason=reason,
            evidence={"alias": CHAMPION, "before": before.version if before else None, **GATES_NOT_RUN},
        ),
    )
    return workspace.registry.get_version(name, version=target.version), before


def _check_was_not_rolled_back(workspace: Workspace, name: str, version: str) -> None:
    """Refuse the default target where it is the version that the latest rollback replaced."""
    history = read_alias_history(workspace.ledger.events(subject=name), name)
    if version not in history.rolled_back:
        return
    earlier = (period.version for period in reversed(history.champions))
    champion = history.champion.version if history.champion else None
    bad = history.rolled_back | {champion}
    other = next((one for one in earlier if one is not None and one not in bad), "VERSION")
    raise UsageError(
        f"Version {version} of {name}, which the alias 'previous' names, was itself rolled back.",
        next_step=f"Name the version to go back to: tiltyard rollback --to {other} --reason …; see: tiltyard history",
        code="rollback.to-rolled-back",
    )


def _was_champion(workspace: Workspace, name: str, version: str) -> bool:
    history = read_alias_history(workspace.ledger.events(subject=name), name)
    return any(period.version == version for period in history.champions)
