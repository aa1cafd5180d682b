"""What is written down of where a version comes from, when it is registered."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path

from tiltyard.models.custom_candidates import custom_source
from tiltyard.pipeline.training.run_logging import describe_version, run_params
from tiltyard.pipeline.training.steps import EvaluatedModel
from tiltyard.project import Project
from tiltyard.registry import VersionInfo
from tiltyard.registry.lineage import Lineage
from tiltyard.registry.package.packaging import LIBRARIES
from tiltyard.registry.semantic_version import ChangeKind, recipe_digest, schema_digest

GIT_SECONDS = 10


def version_kind(project: Project, trial: EvaluatedModel) -> ChangeKind:
    """What decides which number of the version's label rises."""
    card = describe_version(project, trial)
    parameters = {name: value for name, value in run_params(project, trial.split, trial.model).items() if "__" in name}
    source = custom_source(trial.model.candidate.name, project.root)
    return ChangeKind(
        schema_digest(card.task, card.columns, card.classes),
        recipe_digest(card.candidate, parameters, source.read_bytes() if source else b""),
    )


def version_origin(project: Project, trial: EvaluatedModel, parent: VersionInfo | None) -> Lineage:
    """Where a trained version comes from."""
    train = trial.split.train
    commit, dirty = code_state(project.root)
    return Lineage(
        data={"fingerprint": train.fingerprint, "source": train.source, "rows": len(train)},
        code={"commit": commit, "dirty": dirty},
        parameters={name: str(value) for name, value in run_params(project, trial.split, trial.model).items()},
        environment={
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            **{name: importlib.metadata.version(name) for name in LIBRARIES},
        },
        parent=parent.version if parent else None,
    )


def code_state(folder: Path) -> tuple[str | None, bool | None]:
    """The commit that a folder's repository stands on, and whether files that it knows were changed since.

    Both are None where there is no git, no repository, or no commit yet.
    """
    git = shutil.which("git")
    if git is None:
        return None, None
    commit = _said(git, folder, "rev-parse", "HEAD")
    changes = _said(git, folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return commit, None if changes is None else bool(changes)


def _said(git: str, folder: Path, *words: str) -> str | None:
    try:
        # Nothing of the project's own configuration may run: neither hooks nor a monitor of its files.
        command = [git, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *words]
        done = subprocess.run(  # noqa: S603 - git itself, with words of our own
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
