"""What the console shows beyond registry and ledger: runs, the champion's own files, and its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import pandas as pd

from tiltyard import wiring
from tiltyard.monitoring.monitored_version import MonitoredVersion, read_champion
from tiltyard.project import Project
from tiltyard.registry import Registry
from tiltyard.scoring import Scorer, make_scorer
from tiltyard.settings import Settings


class ChampionScorer(Protocol):
    """A champion that can be asked."""

    @property
    def version(self) -> str:
        """Its registry version."""

    @property
    def scorer(self) -> Scorer:
        """How it answers."""


@dataclass(frozen=True)
class ScoredInput:
    """A champion in memory."""

    version: str
    scorer: Scorer


def _no_runs() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class ConsoleSources:
    """Where it comes from. By default there is nothing.

    Attributes:
        watched: the champion's figures and held-out rows.
        runs: the runs of the project's experiment, as ``ExperimentTracker.search_runs`` gives them.
        champion: the champion in memory; None where there is none.
        columns: the features that a form asks for, with their dtypes; empty for none that are known.
    """

    watched: Callable[[], MonitoredVersion | None] = lambda: None
    runs: Callable[[], pd.DataFrame] = _no_runs
    champion: Callable[[], ChampionScorer | None] = lambda: None
    columns: Mapping[str, str] | None = None


def console_sources(project: Project, settings: Settings, registry: Registry) -> ConsoleSources:
    """What this host has; the champion is read anew only when it changed."""
    loader = wiring.open_version_loader(settings, registry)
    held: dict[str, Any] = {}
    lock = Lock()

    def watched() -> MonitoredVersion | None:
        with lock:
            info = registry.champion(project.model_name)
            if info is None:
                return None
            if held.get("watched_version") != info.version:
                held["watched"] = read_champion(registry, project.model_name, loader.cache, loader.trusted_keys)
                held["watched_version"] = info.version
            seen: MonitoredVersion | None = held["watched"]
            return seen

    def champion() -> ScoredInput | None:
        with lock:
            info = registry.champion(project.model_name)
            if info is None:
                return None
            if held.get("asked_version") != info.version:
                held["asked"] = ScoredInput(info.version, make_scorer(loader.load(info)))
                held["asked_version"] = info.version
            asked: ScoredInput | None = held["asked"]
            return asked

    return ConsoleSources(watched, wiring.open_tracker(project, settings).search_runs, champion, form_columns(project))


def form_columns(project: Project) -> Mapping[str, str]:
    """The features that the project file names, with the kinds that its schema gives them."""
    if project.task == "text-classification":
        return {}
    left_out = {project.data.label, project.data.time, *project.data.ignore}
    names: Sequence[str] = project.data.features or [name for name in project.columns if name not in left_out]
    return {name: project.columns[name].type if name in project.columns else "category" for name in names}
