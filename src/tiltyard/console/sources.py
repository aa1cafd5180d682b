"""Data sources of the console in addition to registry and ledger: runs, the champion's files and its scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import pandas as pd

from tiltyard import wiring
from tiltyard.console.comparison import ComparedVersions, VersionComparison
from tiltyard.errors import NotFoundError, TiltyardError
from tiltyard.ledger import Ledger
from tiltyard.monitoring.monitored_version import MonitoredVersion, read_monitored_version
from tiltyard.project import Project
from tiltyard.registry import Registry, VersionInfo
from tiltyard.registry.package.stored_evaluation import StoredEvaluation
from tiltyard.scoring import Scorer, make_scorer
from tiltyard.settings import Settings
from tiltyard.tasks import SetCalibration, reads_text

MOST_VERSIONS = 8
"""Versions whose files and figures are kept in memory."""


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
        version: the files and figures of a version by its number; None where there is no such version.
        compare: compares versions, by their numbers, on the same rows.
    """

    monitored: Callable[[], MonitoredVersion | None] = lambda: None
    runs: Callable[[], pd.DataFrame] = _no_runs
    champion: Callable[[], ChampionScorer | None] = lambda: None
    columns: Mapping[str, str] | None = None
    evaluation: Callable[[VersionInfo], StoredEvaluation | None] = _no_evaluation
    version: Callable[[str], MonitoredVersion | None] = lambda _version: None
    compare: Callable[[tuple[str, ...]], VersionComparison] | None = None


def console_sources(
    project: Project, settings: Settings, registry: Registry, ledger: Ledger | None = None
) -> ConsoleSources:
    """The sources of this host; the champion is loaded again only when it changed.

    Args:
        project: the project.
        settings: of this host.
        registry: its versions.
        ledger: its decisions; without it versions are not compared.
    """
    host = _HostVersions(project, settings, registry)
    columns = form_columns(project) or _champion_columns(project, host.read_monitored)
    return ConsoleSources(
        host.read_monitored,
        wiring.open_tracker(project, settings).search_runs,
        host.load_champion,
        columns,
        lambda info: host.read_version(info).evaluation,
        host.find_version,
        None if ledger is None else ComparedVersions(project, settings, registry, ledger).compare,
    )


class _HostVersions:
    """The versions of a model as this host has them: their files, and the champion in memory."""

    def __init__(self, project: Project, settings: Settings, registry: Registry) -> None:
        self._model = project.model_name
        self._registry = registry
        self._loader = wiring.open_version_loader(settings, registry)
        self._lock = Lock()
        self._versions: dict[str, MonitoredVersion] = {}
        self._scorer: ScoredInput | None = None

    def read_version(self, info: VersionInfo) -> MonitoredVersion:
        """The files and figures of a version, verified once."""
        with self._lock:
            if info.version not in self._versions:
                while len(self._versions) >= MOST_VERSIONS:
                    self._versions.pop(next(iter(self._versions)))
                folder = self._registry.fetch(info, self._loader.cache)
                self._versions[info.version] = read_monitored_version(info, folder, self._loader.trusted_keys)
            return self._versions[info.version]

    def find_version(self, version: str) -> MonitoredVersion | None:
        """The files and figures of the version of a number; None where there is none."""
        try:
            return self.read_version(self._registry.get_version(self._model, version=version))
        except NotFoundError:
            return None

    def read_monitored(self) -> MonitoredVersion | None:
        """The files and figures of the champion."""
        info = self._registry.champion(self._model)
        return None if info is None else self.read_version(info)

    def load_champion(self) -> ScoredInput | None:
        """The champion in memory."""
        info = self._registry.champion(self._model)
        if info is None:
            return None
        with self._lock:
            if self._scorer is None or self._scorer.version != info.version:
                package = self._loader.load(info)
                self._scorer = ScoredInput(info.version, make_scorer(package), package.prediction_sets)
            return self._scorer


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
