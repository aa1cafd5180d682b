"""The model manager: which version is served, and how another one takes over.

A version is fetched, verified, warmed and smoke-tested on saved examples of its training before it replaces the
version that is served; the replacement is one assignment. A version that fails any of that is refused, and the old one
stays.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from tiltyard.aliases import CHAMPION
from tiltyard.errors import ArtifactError, NotFoundError, TiltyardError, UnavailableError
from tiltyard.ledger.records import Event
from tiltyard.processes.model_calls import CallSlot, ModelCalls
from tiltyard.registry.outside_changes import UNEXPLAINED
from tiltyard.registry.package.manifest import Manifest
from tiltyard.registry.package.packaging import read_prediction_sets
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.registry.ports import VersionInfo
from tiltyard.scoring import Scorer, make_scorer
from tiltyard.serving.model.champion_check import ChampionCheck
from tiltyard.serving.model.compiled_scorers import CompiledScorers
from tiltyard.serving.model.last_good import LastGood
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.model.smoke_test import smoke_test
from tiltyard.tasks import TASKS, USUAL_TARGET, Task, TaskTarget

if TYPE_CHECKING:
    from tiltyard.evaluation import IntervalCalibration

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedAlias:
    """What is to be served.

    Attributes:
        model_name: name of the registered model.
        alias: the alias whose version is served.
        task: the task that the version must have; None for any.
    """

    model_name: str
    alias: str = "champion"
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """The result of looking the alias up.

    Attributes:
        at: when, UTC.
        changed: whether another version is served now.
        error: why the alias' version is not served, or why the registry could not be reached; else None.
        registry_ok: whether the registry responded.
    """

    at: datetime
    changed: bool
    error: TiltyardError | None = None
    registry_ok: bool = True


class ModelManager:
    """Holds the version that is served. Safe to use from several threads.

    Attributes:
        challenger: the manager of the challenger, or None; it is refreshed whenever this one is.
        calls: where it is noted that a version is being tried; at first nowhere that others see.
        compiled_scorers: where compiled scorers come from; None, as at first: versions are loaded and compiled here.

    Args:
        served: what is to be served.
        loader: looks aliases up, and loads their versions.
        record_event: records every take-over and refusal.
        champion_check: checks that a decision made the alias' version champion; default: no check.
        on_change: called when another version has taken over, or a reload was requested: other workers that serve the
            same alias should refresh too.
        follows_removal: whether the version is no longer served once the alias is gone.
    """

    def __init__(
        self,
        served: ServedAlias,
        loader: VersionLoader,
        record_event: Callable[[Event], object] | None = None,
        *,
        champion_check: ChampionCheck | None = None,
        on_change: Callable[[], object] | None = None,
        follows_removal: bool = False,
    ) -> None:
        self.compiled_scorers: CompiledScorers | None = None
        self.served = served
        self._on_change = on_change
        self.challenger: ModelManager | None = None
        self._follows_removal = follows_removal
        self.calls: CallSlot = ModelCalls().slot("other")
        self._loader = loader
        self._record_event = record_event
        self._champion_check = champion_check if served.alias == CHAMPION else None
        self._last_good = LastGood(loader.cache / served.model_name / f"serving-{served.alias}.json")
        self._lock = Lock()
        self._current: ServedVersion | None = None
        self._refused: tuple[VersionKey, TiltyardError] | None = None
        self._latest: Refresh | None = None
        self._loading: str | None = None

    def add_challenger(self, alias: str = "challenger") -> None:
        """Follow another alias too, whose version is served together with this one while the alias exists."""
        self.challenger = ModelManager(
            ServedAlias(self.served.model_name, alias, self.served.task),
            self._loader,
            self._record_event,
            follows_removal=True,
        )
        self.challenger.compiled_scorers = self.compiled_scorers
        self.challenger.calls = self.calls

    @property
    def cache(self) -> Path:
        """Folder of this host's copies of versions."""
        return self._loader.cache

    @property
    def current(self) -> ServedVersion | None:
        """The version that is served, or None."""
        return self._current

    @property
    def loading(self) -> str | None:
        """The version that is fetched, verified and tried at this moment, or None."""
        return self._loading

    @property
    def latest(self) -> Refresh | None:
        """The result of the latest refresh; None before the first."""
        return self._latest

    @property
    def task(self) -> Task | None:
        """The task, as far as it is known yet."""
        return self.served.task or (self._current.manifest.task if self._current else None)

    @property
    def target(self) -> TaskTarget:
        """What is predicted; the usual target as long as that is not known."""
        return USUAL_TARGET if self.task is None else TASKS[self.task].target

    def require(self) -> ServedVersion:
        """The version that is served.

        Raises:
            UnavailableError: there is none, with the reason.
        """
        if self._current is not None:
            return self._current
        error, loading = self._latest.error if self._latest else None, self._loading
        if error is None or loading is not None:
            # The error before, such as that there is no champion, does not hold any more.
            which = f"Version {loading} of {self.served.model_name}" if loading is not None else "The model"
            raise UnavailableError(
                f"{which} is being loaded.", next_step="Try again.", code="model.loading", retry_after=1
            )
        raise UnavailableError(error.message, next_step=error.next_step, code=error.code, retry_after=5)

    def refresh(self, *, force: bool = False, notify: bool = True) -> Refresh:
        """Look up the alias, and let its version take over if it is another one and is good.

        Never raises. The version that is served stays while another is prepared, when that one is refused, when the
        alias is gone, and when the registry is unavailable. Where no version is served yet and the alias' version
        cannot be, the last version that was good on this host is served.

        Args:
            force: try a version again that was refused before and has not changed since.
            notify: call ``on_change`` if another version took over or ``force`` is set.
        """
        first = self._current is None
        found = self._refresh(force=force)
        changed = found.changed
        if self.challenger is not None:
            changed = self.challenger.refresh(force=force, notify=False).changed or changed
        if notify and self._on_change is not None and (force or (changed and not first)):
            self._on_change()
        return found

    def current_challenger(self) -> ServedVersion | None:
        """The challenger that is served together with this version: there is one, and it is another version."""
        other = self.challenger.current if self.challenger is not None else None
        if other is None or self._current is None or other.info.version == self._current.info.version:
            return None
        return other

    def _refresh(self, *, force: bool) -> Refresh:
        with self._lock:
            self._latest = self._look_up(force=force)
            error = self._latest.error
            # Where the registry says that there is no champion, an old copy must not be served as one.
            if self._current is None and error is not None and not isinstance(error, NotFoundError):
                self._serve_last_good(error)
            return self._latest

    def _look_up(self, *, force: bool) -> Refresh:
        try:
            info = self._loader.source.get_version(self.served.model_name, alias=self.served.alias)
        except TiltyardError as error:
            gone = isinstance(error, NotFoundError)
            removed = gone and self._follows_removal and self._current is not None
            if removed:
                self._current = None
            return Refresh(_now(), removed, error, registry_ok=gone)
        if self._current is not None and _version_key(self._current.info) == _version_key(info):
            self._refused = None
            return Refresh(_now(), False)
        if self._was_refused(info) and not force:
            return Refresh(_now(), False, self._refused[1] if self._refused else None)
        self._loading = info.version
        log.info("Version %s of %s is being loaded.", info.version, info.name)
        try:
            return self._change_to(info)
        finally:
            self._loading = None

    def _change_to(self, info: VersionInfo) -> Refresh:
        """Fetch and prepare a version, and let it take over where it is good."""
        try:
            if self._champion_check is not None:
                self._champion_check(info)
            version, evidence = self._prepare(info, self._loader.source.fetch(info, self._loader.cache))
        except UnavailableError as error:
            return Refresh(_now(), False, error, registry_ok=False)
        except Exception as error:  # noqa: BLE001 - a foreign model may raise anything, and the old one has to stay
            refusal = self._refuse(info, error)
            return Refresh(_now(), False, refusal)
        self._take_over(version, evidence)
        return Refresh(_now(), True)

    def _was_refused(self, info: VersionInfo) -> bool:
        """Whether it was refused before and is the same still; a decision may have explained it since."""
        if self._refused is None or self._refused[0] != _version_key(info):
            return False
        if self._refused[1].code != UNEXPLAINED or self._champion_check is None:
            return True
        try:
            self._champion_check(info)
        except TiltyardError:
            return True
        return False

    def _prepare(self, info: VersionInfo, folder: Path) -> tuple[ServedVersion, dict[str, Any]]:
        """Load, warm up and smoke-test a version from this host's copy of its files."""
        manifest, make = self._load(info, folder)
        expected = self.served.task
        if expected is not None and manifest.task != expected:
            raise ArtifactError(
                f"Version {info.version} of {info.name} is for {manifest.task}, and this project is {expected}.",
                next_step="Set the alias to a version of this project.",
                code="artifact.other-task",
            )
        with self.calls.call(info.version):
            scorer = make()
            evidence = {**smoke_test(scorer, manifest), **_describe_intervals(scorer)}
        sets = read_prediction_sets(folder, manifest)
        version = ServedVersion(scorer, info, manifest, self.served.alias, folder, _now(), evidence, sets)
        return version, evidence

    def _load(self, info: VersionInfo, folder: Path) -> tuple[Manifest, Callable[[], Scorer]]:
        """The manifest of a verified copy, and what makes its scorer."""
        compiled = self.compiled_scorers
        if compiled is None:
            package = self._loader.load_copy(info, folder)
            return package.manifest, lambda: make_scorer(package)
        verified = self._loader.verify_copy(info, folder)
        return (
            verified.manifest,
            lambda: compiled.find(info, folder, verified) or make_scorer(self._loader.load_copy(info, folder)),
        )

    def _take_over(self, version: ServedVersion, evidence: dict[str, Any], reason: str = "") -> None:
        before = self._current
        self._current = version
        self._refused = None
        self._last_good.save(version)
        replaced = before.info.version if before else None
        log.info("Version %s of %s is served now (before: %s).", version.info.version, version.info.name, replaced)
        self._record(
            "served",
            version.info,
            reason or (f"took over from version {replaced}" if replaced else "the first since the server started"),
            {
                **evidence,
                "alias": version.alias,
                "replaced": replaced,
                "scorer": version.scorer.kind,
                "host": platform.node(),
            },
        )

    def _refuse(self, info: VersionInfo, error: Exception) -> TiltyardError:
        if isinstance(error, TiltyardError):
            refusal = error
        else:
            log.error("Version %s of %s cannot be used", info.version, info.name, exc_info=error)
            refusal = ArtifactError(
                f"Version {info.version} of {info.name} cannot be used: {type(error).__name__}: {error}.",
                next_step="Train a new version, or set the alias to another one.",
            )
        self._refused = (_version_key(info), refusal)
        log.warning("Version %s of %s was refused: %s", info.version, info.name, refusal.message)
        self._record("refused", info, refusal.message, {"code": refusal.code, "alias": self.served.alias})
        return refusal

    def _serve_last_good(self, error: TiltyardError) -> None:
        """Serve the last good version of this host, since the alias' own cannot be served."""
        found = self._last_good.load()
        if found is None:
            return
        try:
            version, evidence = self._prepare(found.info, found.folder)
        except Exception as failure:  # noqa: BLE001 - no worse off than before
            log.warning("The last good version in %s cannot be used: %s", found.folder, failure)
            return
        self._take_over(version, evidence, f"the last good version on this host, because: {error.message}")

    def _record(self, kind: str, info: VersionInfo, reason: str, evidence: dict[str, Any]) -> None:
        if self._record_event is None:
            return
        event = Event(
            kind=kind,
            subject=f"{info.name}/{info.version}",
            at=_now(),
            actor="server",
            reason=reason,
            evidence=evidence,
        )
        try:
            self._record_event(event)
        except Exception as error:  # noqa: BLE001 - a foreign model may raise anything, and the old one has to stay
            log.warning("The event '%s' of %s could not be recorded: %s", kind, event.subject, error)


def _describe_intervals(scorer: Scorer) -> dict[str, float]:
    """The stated coverage of the intervals of a version's numbers, and the one that its training measured."""
    intervals: IntervalCalibration | None = getattr(scorer, "intervals", None)
    if intervals is None:
        return {}
    measured = {"interval_coverage_measured": intervals.measured[0].share} if intervals.measured else {}
    return {"interval_coverage": intervals.level, **measured}


VersionKey = tuple[str, str | None, str | None]


def _version_key(info: VersionInfo) -> VersionKey:
    """What tells one version from another, also when a deleted model's version numbers are used again."""
    return info.version, info.run_id, info.source


def _now() -> datetime:
    return datetime.now(UTC)
