"""Data sources of the console in addition to registry and ledger: runs, the champion's files and its scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import pandas as pd

from tiltyard import wiring
from tiltyard.errors import TiltyardError
from tiltyard.monitoring.monitored_version import MonitoredVersion, read_champion, read_monitored_version
from tiltyard.project import Project
from tiltyard.registry import Registry, VersionInfo
from tiltyard.registry.package.stored_evaluation import StoredEvaluation
from tiltyard.scoring import Scorer, make_scorer
from tiltyard.settings import Settings
from tiltyard.tasks import SetCalibration, reads_text


class ChampionScorer(Protocol):
    """A champion that can predict."""

    @property
    def version(self) -> str:
        """Its version in the registry."""

    @property
    def scorer(self) -> Scorer:
        """Its scorer."""

    @property
    def sets(self) -> SetCalibration | None:
        """What makes prediction sets of its labels; None for nothing."""


@dataclass(frozen=True)
class ScoredInput:
    """A champion in memory."""

    version: str
    scorer: Scorer
    sets: SetCalibration | None = None


def _no_evaluation(_info: VersionInfo) -> StoredEvaluation | None:
    return None


def _no_runs() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class ConsoleSources:
    """The data sources; empty by default.

    Attributes:
        monitored: the champion's figures and held-out rows.
        runs: the runs of the project's experiment, as ``ExperimentTracker.search_runs`` returns them.
        champion: the champion in memory; None without a champion.
        columns: the features of the form, with their dtypes; empty if none are known.
        evaluation: what the training of a version found; None where its files hold nothing of it.
    """

    monitored: Callable[[], MonitoredVersion | None] = lambda: None
    runs: Callable[[], pd.DataFrame] = _no_runs
    champion: Callable[[], ChampionScorer | None] = lambda: None
    columns: Mapping[str, str] | None = None
    evaluation: Callable[[VersionInfo], StoredEvaluation | None] = _no_evaluation


def console_sources(project: Project, settings: Settings, registry: Registry) -> ConsoleSources:
    """The sources of this host; the champion is loaded again only when it changed."""
    loader = wiring.open_version_loader(settings, registry)
    loaded: dict[str, Any] = {}
    lock = Lock()

    def read_monitored() -> MonitoredVersion | None:
        with lock:
            info = registry.champion(project.model_name)
            if info is None:
                return None
            if loaded.get("monitored_version") != info.version:
                loaded["monitored"] = read_champion(registry, project.model_name, loader.cache, loader.trusted_keys)
                loaded["monitored_version"] = info.version
            version: MonitoredVersion | None = loaded["monitored"]
            return version

    def champion() -> ScoredInput | None:
        with lock:
            info = registry.champion(project.model_name)
            if info is None:
                return None
            if loaded.get("scorer_version") != info.version:
                package = loader.load(info)
                loaded["scorer"] = ScoredInput(info.version, make_scorer(package), package.prediction_sets)
                loaded["scorer_version"] = info.version
            scorer: ScoredInput | None = loaded["scorer"]
            return scorer

    def evaluation(info: VersionInfo) -> StoredEvaluation | None:
        with lock:
            if loaded.get("evaluated_version") != info.version:
                folder = registry.fetch(info, loader.cache)
                loaded["evaluation"] = read_monitored_version(info, folder, loader.trusted_keys).evaluation
                loaded["evaluated_version"] = info.version
            found: StoredEvaluation | None = loaded["evaluation"]
            return found

    columns = form_columns(project) or _champion_columns(project, read_monitored)
    return ConsoleSources(
        read_monitored, wiring.open_tracker(project, settings).search_runs, champion, columns, evaluation
    )


def form_columns(project: Project) -> Mapping[str, str]:
    """The features in the project file, with their kinds in its schema."""
    if reads_text(project.task):
        return {}
    names: Sequence[str] = project.data.features or [
        name for name in project.columns if name not in project.columns_left_out
    ]
    return {name: project.columns[name].type if name in project.columns else "category" for name in names}


def _champion_columns(project: Project, monitored: Callable[[], MonitoredVersion | None]) -> Mapping[str, str]:
    """The features that the champion reads, with their kinds; none for texts, and where no champion can be read."""
    if reads_text(project.task):
        return {}
    try:
        champion = monitored()
    except TiltyardError:
        # The pages that need the champion say what is wrong with it; the others work without.
        return {}
    schema = champion.table_schema if champion else None
    return {column.name: column.kind for column in schema.columns} if schema else {}
