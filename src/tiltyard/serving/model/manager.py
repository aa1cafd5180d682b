"""The live model: which version answers, and how another one takes over.

A version is fetched, verified, warmed and tried on the rows that it answered at training before it replaces
the one that answers; the replacement is one assignment. A version that fails any of that is refused, and the
old one stays.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from tiltyard.aliases import CHAMPION
from tiltyard.errors import ArtifactError, NotFoundError, TiltyardError, UnavailableError
from tiltyard.ledger.records import Event
from tiltyard.project import Task
from tiltyard.registry.package.packaging import read_package
from tiltyard.registry.package.signing import NO_KEYS, KeyRing
from tiltyard.registry.ports import VersionInfo
from tiltyard.scoring import make_scorer
from tiltyard.serving.model.champion_check import UNEXPLAINED, ChampionCheck
from tiltyard.serving.model.last_good import LastGood
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.model.smoke_test import smoke_test

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServedAlias:
    """What is to be served.

    Attributes:
        model: name of the registered model.
        alias: the alias whose version answers.
        task: the task that the version has to be for; None takes any.
    """

    model: str
    alias: str = "champion"
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """What came of looking the alias up.

    Attributes:
        at: when, UTC.
        changed: whether another version answers now.
        error: what kept the alias' version from answering, or the registry from being asked; else None.
        registry_ok: whether the registry answered.
    """

    at: datetime
    changed: bool
    error: TiltyardError | None = None
    registry_ok: bool = True


class VersionSource(Protocol):
    """Where versions come from: what serving asks of a registry, and may ask of another process instead."""

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """The version of that number or alias; see ``Registry.get_version``."""

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """The folder in the cache that holds the version's files; see ``Registry.fetch``."""


class ModelManager:
    """Holds the version that answers; safe to use from several threads.

    Attributes:
        challenger: the live model of the challenger, or None; it is looked up whenever this one is.

    Args:
        served: what is to be served.
        registry: where aliases are looked up and versions fetched.
        cache: folder of this host's copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        journal: told of every take-over and refusal.
        trusted_keys: the keys by which this host judges signatures.
        right: asked whether a decision made the alias' version champion; default: nobody is asked.
        on_change: told when another version has taken over, or somebody asked for a look: others that serve the
            same should look too.
        leaves: whether the version stops to answer when the alias is gone.
    """

    def __init__(  # noqa: PLR0913 - the parts of a live model, which only a server puts together
        self,
        served: ServedAlias,
        registry: VersionSource,
        cache: Path,
        trusted_types: tuple[str, ...] = (),
        journal: Callable[[Event], object] | None = None,
        *,
        trusted_keys: KeyRing = NO_KEYS,
        right: ChampionCheck | None = None,
        on_change: Callable[[], object] | None = None,
        leaves: bool = False,
    ) -> None:
        self.served = served
        self._on_change = on_change
        self.challenger: ModelManager | None = None
        self._leaves = leaves
        self._registry = registry
        self.cache = cache
        self._trusted_types = trusted_types
        self._trusted_keys = trusted_keys
        self._journal = journal
        self._right = right if served.alias == CHAMPION else None
        self._last_good = LastGood(cache / served.model / f"serving-{served.alias}.json")
        self._lock = Lock()
        self._current: ServedVersion | None = None
        self._refused: tuple[VersionKey, TiltyardError] | None = None
        self._latest: Refresh | None = None

    def add_challenger(self, alias: str = "challenger") -> None:
        """Follow another alias too, whose version answers beside this one as long as the alias is there."""
        self.challenger = ModelManager(
            ServedAlias(self.served.model, alias, self.served.task),
            self._registry,
            self.cache,
            self._trusted_types,
            self._journal,
            trusted_keys=self._trusted_keys,
            leaves=True,
        )

    @property
    def current(self) -> ServedVersion | None:
        """The version that answers, or None."""
        return self._current

    @property
    def latest(self) -> Refresh | None:
        """What came of the latest look at the alias; None before the first."""
        return self._latest

    @property
    def task(self) -> Task | None:
        """What is predicted from what, as far as is known yet."""
        return self.served.task or (self._current.manifest.task if self._current else None)

    def require(self) -> ServedVersion:
        """The version that answers.

        Raises:
            UnavailableError: there is none, with the reason.
        """
        if self._current is not None:
            return self._current
        error = self._latest.error if self._latest else None
        if error is None:
            raise UnavailableError(
                "The model is being loaded.", next_step="Ask again.", code="model.loading", retry_after=1
            )
        raise UnavailableError(error.message, next_step=error.next_step, code=error.code, retry_after=5)

    def refresh(self, *, force: bool = False, spread: bool = True) -> Refresh:
        """Look up the alias, and let its version take over if it is another one and is good.

        Never raises. The version that answers goes on answering while another is prepared, and if that one
        is refused, if the alias is gone, or if the registry is away. If nothing answers yet and the alias'
        version cannot, the last version that was good on this host does.

        Args:
            force: try a version again that was refused before and has not changed since.
            spread: let others look too if another version took over or the look was asked for.
        """
        first = self._current is None
        found = self._refresh(force=force)
        changed = found.changed
        if self.challenger is not None:
            changed = self.challenger.refresh(force=force, spread=False).changed or changed
        if spread and self._on_change is not None and (force or (changed and not first)):
            self._on_change()
        return found

    def beside(self) -> ServedVersion | None:
        """The challenger that may answer beside this version: there is one, and it is another version."""
        other = self.challenger.current if self.challenger is not None else None
        if other is None or self._current is None or other.info.version == self._current.info.version:
            return None
        return other

    def _refresh(self, *, force: bool) -> Refresh:
        with self._lock:
            self._latest = self._look(force=force)
            error = self._latest.error
            # Where the registry says that there is no champion, an old copy has no right to be one.
            if self._current is None and error is not None and not isinstance(error, NotFoundError):
                self._resume(error)
            return self._latest

    def _look(self, *, force: bool) -> Refresh:
        try:
            info = self._registry.get_version(self.served.model, alias=self.served.alias)
        except TiltyardError as error:
            gone = isinstance(error, NotFoundError)
            left = gone and self._leaves and self._current is not None
            if left:
                self._current = None
            return Refresh(_now(), left, error, registry_ok=gone)
        if self._current is not None and _key(self._current.info) == _key(info):
            self._refused = None
            return Refresh(_now(), False)
        if self._was_refused(info) and not force:
            return Refresh(_now(), False, self._refused[1] if self._refused else None)
        try:
            if self._right is not None:
                self._right(info)
            folder = self._registry.fetch(info, self.cache)
            version, evidence = self._prepare(info, folder)
        except UnavailableError as error:
            return Refresh(_now(), False, error, registry_ok=False)
        except Exception as error:  # noqa: BLE001 - a foreign model may raise anything, and the old one has to stay
            refusal = self._refuse(info, error)
            return Refresh(_now(), False, refusal)
        self._take_over(version, evidence)
        return Refresh(_now(), True)

    def _was_refused(self, info: VersionInfo) -> bool:
        """Whether it was refused before and is the same still; a decision may have explained it since."""
        if self._refused is None or self._refused[0] != _key(info):
            return False
        if self._refused[1].code != UNEXPLAINED or self._right is None:
            return True
        try:
            self._right(info)
        except TiltyardError:
            return True
        return False

    def _prepare(self, info: VersionInfo, folder: Path) -> tuple[ServedVersion, dict[str, Any]]:
        """Verify, load, warm and try a version."""
        package = read_package(folder, self._trusted_types, trusted_keys=self._trusted_keys, info=info)
        expected = self.served.task
        if expected is not None and package.manifest.task != expected:
            raise ArtifactError(
                f"Version {info.version} of {info.name} is for {package.manifest.task}, "
                f"and this project is {expected}.",
                next_step="Set the alias to a version of this project.",
                code="artifact.other-task",
            )
        scorer = make_scorer(package)
        evidence = smoke_test(scorer, package.manifest)
        version = ServedVersion(scorer, info, package.manifest, self.served.alias, folder, _now(), evidence)
        return version, evidence

    def _take_over(self, version: ServedVersion, evidence: dict[str, Any], reason: str = "") -> None:
        before = self._current
        self._current = version
        self._refused = None
        self._last_good.remember(version)
        replaced = before.info.version if before else None
        log.info("Version %s of %s answers now (before: %s).", version.info.version, version.info.name, replaced)
        self._tell(
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
        self._refused = (_key(info), refusal)
        log.warning("Version %s of %s was refused: %s", info.version, info.name, refusal.message)
        self._tell("refused", info, refusal.message, {"code": refusal.code, "alias": self.served.alias})
        return refusal

    def _resume(self, error: TiltyardError) -> None:
        """Let the last good version of this host answer, since the alias' own cannot."""
        found = self._last_good.recall()
        if found is None:
            return
        try:
            version, evidence = self._prepare(found.info, found.folder)
        except Exception as failure:  # noqa: BLE001 - no worse off than before
            log.warning("The last good version in %s cannot be used: %s", found.folder, failure)
            return
        self._take_over(version, evidence, f"the last good version on this host, because: {error.message}")

    def _tell(self, kind: str, info: VersionInfo, reason: str, evidence: dict[str, Any]) -> None:
        if self._journal is None:
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
            self._journal(event)
        except Exception as error:  # noqa: BLE001 - a foreign model may raise anything, and the old one has to stay
            log.warning("The event '%s' of %s could not be recorded: %s", kind, event.subject, error)


VersionKey = tuple[str, str | None, str | None]


def _key(info: VersionInfo) -> VersionKey:
    """What tells one version from another, also when a deleted model's version numbers are used again."""
    return info.version, info.run_id, info.source


def _now() -> datetime:
    return datetime.now(UTC)
