"""Where a version comes from: data, code, parameters, environment, and the version that it was to succeed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tiltyard.aliases import CHAMPION
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event
from tiltyard.registry.ports import VersionInfo

LINEAGE_TAG = "tiltyard.lineage"
PARENT_TAG = "tiltyard.parent_version"
COMMIT_TAG = "tiltyard.code_commit"
LONGEST_TAG = 4_800
GIT_SECONDS = 10


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from.

    Attributes:
        data: ``fingerprint``, ``source``, ``rows`` of the training data.
        code: ``commit`` and ``dirty`` of the project's repository; both None where there is none.
        parameters: recipe, hyperparameters and how the training was meant.
        environment: versions of Python and the libraries, and the platform.
        parent: number of the champion at the time, or of the newest version; None for the first.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Tags of a version: all of it as JSON, and what people search by for itself.

        MLflow keeps 5,000 characters of a tag: where it is more, parameters are cut, the longest first; they are
        whole in the run.
        """
        parameters = dict(self.parameters)
        while (
            len(text := json.dumps({**to_json_object(self), "parameters": parameters}, ensure_ascii=False))
            > LONGEST_TAG
        ):
            if not parameters:
                break
            del parameters[max(parameters, key=lambda name: len(name) + len(parameters[name]))]
        commit = self.code.get("commit")
        return {
            LINEAGE_TAG: text[:LONGEST_TAG],
            **({PARENT_TAG: self.parent} if self.parent else {}),
            **({COMMIT_TAG: f"{commit}{'-dirty' if self.code.get('dirty') else ''}"} if commit else {}),
        }


_CARRIED = TypeAdapter(Lineage)


def find_parent(versions: Sequence[VersionInfo]) -> VersionInfo | None:
    """The version that a new one is to succeed: the champion, else the newest; None for the first.

    Args:
        versions: the earlier versions of the model, the newest first.
    """
    return next((info for info in versions if CHAMPION in info.aliases), versions[0] if versions else None)


def read_lineage(info: VersionInfo) -> Lineage | None:
    """The lineage that a version carries; None where it carries none, or somebody set the tag to something else."""
    try:
        return _CARRIED.validate_json(info.tags[LINEAGE_TAG], strict=True)
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True)
class Deployment:
    """Where a version serves.

    Attributes:
        host: the server's host.
        alias: the alias by which it was found.
        version: the version.
        since: when it took over there, UTC.
    """

    host: str
    alias: str
    version: str
    since: datetime


def deployments(events: Iterable[Event], name: str) -> list[Deployment]:
    """What each server serves, by the latest ``served`` event of each host and alias; by host.

    A server that has stopped does not say so: it is listed until another version takes over on its host.
    """
    latest: dict[tuple[str, str], Deployment] = {}
    for event in events:
        if event.kind != "served" or not event.subject.startswith(f"{name}/"):
            continue
        host, alias = str(event.evidence.get("host", "unknown")), str(event.evidence.get("alias", "champion"))
        version = event.subject.removeprefix(f"{name}/")
        known = latest.get((host, alias))
        if known is None or known.version != version:
            latest[host, alias] = Deployment(host, alias, version, event.at)
    return [latest[key] for key in sorted(latest)]


def code_state(folder: Path) -> tuple[str | None, bool | None]:
    """The commit of a folder's repository, and whether tracked files were changed since.

    Both are None where there is no git, no repository, or no commit yet.
    """
    git = shutil.which("git")
    if git is None:
        return None, None
    commit = _run_git(git, folder, "rev-parse", "HEAD")
    changes = _run_git(git, folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return commit, None if changes is None else bool(changes)


def _run_git(git: str, folder: Path, *arguments: str) -> str | None:
    try:
        # Nothing of the project's own configuration may run: neither hooks nor a monitor of its files.
        command = [git, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
        done = subprocess.run(  # noqa: S603 - git itself, with fixed arguments
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
