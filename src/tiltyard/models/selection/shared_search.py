"""A search that several machines share: its trials are in a database, and each machine tries what no other does.

A trial's number says whether it is within the budget, so all machines together make as many trials as one would. The
trials that a machine proposes follow from those that are known at that moment: unlike a search of one machine, a
shared one is not repeated by its seed.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tiltyard._version import __version__
from tiltyard.data import Dataset
from tiltyard.engines import Engine
from tiltyard.errors import MissingExtraError, UnavailableError, UsageError
from tiltyard.models.candidates import Candidate
from tiltyard.models.selection.cross_validation import CrossValidation, SelectionPlan
from tiltyard.models.selection.search import (
    SearchBudget,
    SearchLimit,
    SearchResult,
    SearchTrial,
    StudySpace,
    import_optuna,
    run_trial,
    silence_optuna,
)
from tiltyard.redact import without_password, without_passwords

BEAT_SECONDS = 5.0
LOST_SECONDS = 60.0
"""A trial whose machine has said nothing for so long is lost."""

_POLL_SECONDS = 0.5
_OPENINGS = 4
_BUSY_SECONDS = 60.0
_STANDS, _BEAT, _SCORES, _SECONDS, _PROBLEM = "as_it_stands", "beat", "scores", "seconds", "problem"


@dataclass(frozen=True)
class SharedSearch:
    """Where a search is shared.

    Attributes:
        url: of the database, as SQLAlchemy takes it.
        project: name of the project.
        helps: whether this process helps another one: it ends when nothing is left to try, with what it tried itself.
    """

    url: str
    project: str
    helps: bool = False


def search_together(  # noqa: PLR0913 - as of search, and where it is shared
    candidates: Sequence[Candidate],
    train: Dataset,
    plan: SelectionPlan,
    budget: SearchBudget,
    shared: SharedSearch,
    *,
    on_trial: Callable[[SearchTrial], None] = lambda _trial: None,
    engine: Engine | None = None,
) -> SearchResult:
    """Search as ``search`` does, together with every process that has the same rows, candidates and database.

    Args:
        candidates, train, plan, budget, engine: as of ``search``. The number of trials is that of all processes
            together; the seconds are those of this one.
        shared: where the trials are.
        on_trial: called after each trial of this process.

    Returns:
        All trials of all processes; where this one helps, its own.

    Raises:
        MissingExtraError: Optuna, or the database's driver, is not installed.
        UsageError: the budget has no number of trials, or the URL cannot be used.
        UnavailableError: the database cannot be reached.
        DataError: a label has fewer rows than there are folds.
    """
    optuna = import_optuna()
    if budget.trials is None:
        raise UsageError(
            "A shared search needs a number of trials: it says when all machines together have finished.",
            next_step="Set training.search.trials.",
            code="search.no-limit",
        )
    with silence_optuna(optuna), _explain_database(shared.url), _open_storage(optuna, shared.url) as storage:
        name = f"{shared.project}-{_describe_search(candidates, train, plan)}"
        study, is_new = _open_study(optuna, storage, name)
        space = StudySpace(candidates, plan.random_state)
        for position in range(len(candidates) if is_new else 0):  # who makes it has each candidate tried as it stands
            study.enqueue_trial(space.find_own(position) or {}, user_attrs={_STANDS: position})
        searcher = _Searcher(optuna, study, space, plan, max(budget.trials, len(candidates)))
        own: list[SearchTrial] = []
        with CrossValidation.open(train, plan, engine, keep=True) as validation:
            limit = SearchLimit(SearchBudget(None, budget.seconds))
            waiting = _Waiting(optuna, study)
            while True:
                trial = searcher.ask(only_standing=limit.is_reached(len(own)))
                if trial is not None:
                    own.append(searcher.carry_out(validation, trial))
                    on_trial(own[-1])
                elif shared.helps or not waiting.is_needed():
                    break
                else:
                    time.sleep(_POLL_SECONDS)
        return SearchResult(tuple(own if shared.helps else searcher.list_trials()))


class _Searcher:
    """Trials of the study, one after the other."""

    def __init__(self, optuna: ModuleType, study: Any, space: StudySpace, plan: SelectionPlan, most: int) -> None:
        self._states = optuna.trial.TrialState
        self._study = study
        self._space = space
        self._plan = plan
        self._most = most

    def ask(self, *, only_standing: bool) -> Any | None:
        """The next trial; None where none is left, for this process at least."""
        states = self._states
        known = self._study.get_trials(deepcopy=False)
        waits = any(one.state == states.WAITING for one in known)
        if not waits and (only_standing or len(known) >= self._most or not self._space.searched):
            return None
        trial = self._study.ask()
        if _STANDS not in trial.user_attrs and (trial.number >= self._most or not self._space.searched):
            # Others were faster: what is beyond the budget is nobody's trial.
            self._study.tell(trial, state=states.FAIL)
            return None
        return trial

    def carry_out(self, validation: CrossValidation, trial: Any) -> SearchTrial:
        position = trial.user_attrs.get(_STANDS)
        if position is None:
            candidate = self._space.propose(trial)
        else:
            candidate = self._space.candidates[position]
            self._space.note_own(trial, position)
        with _beat(trial):
            done = run_trial(validation, self._plan, trial.number, candidate)
        trial.set_user_attr(_SCORES, list(done.scores))
        trial.set_user_attr(_SECONDS, done.seconds)
        if done.problem is not None:
            trial.set_user_attr(_PROBLEM, done.problem)
            self._study.tell(trial, state=self._states.FAIL, skip_if_finished=True)
        else:
            self._study.tell(trial, done.mean, skip_if_finished=True)
        return done

    def list_trials(self) -> list[SearchTrial]:
        """What all processes tried, by number; a trial that was lost says so."""
        found = []
        for one in self._study.get_trials(deepcopy=False):
            known = one.user_attrs
            if not one.state.is_finished() or (_STANDS not in known and (one.number >= self._most or not one.params)):
                continue
            position = known.get(_STANDS)
            candidate = self._space.candidates[position] if position is not None else self._space.read(one.params)
            problem = known.get(_PROBLEM) or (None if _SCORES in known else "its machine was lost")
            scores = tuple(known.get(_SCORES, ())) if problem is None else ()
            found.append(SearchTrial(one.number, candidate, scores, known.get(_SECONDS, 0.0), problem))
        return found


class _Waiting:
    """Waits for the trials of other machines, as long as these are alive by this machine's own clock."""

    def __init__(self, optuna: ModuleType, study: Any) -> None:
        self._states = optuna.trial.TrialState
        self._study = study
        self._seen: dict[int, tuple[Any, float]] = {}

    def is_needed(self) -> bool:
        """Whether a trial is still under way somewhere; one whose machine is lost is tried again if it has to be."""
        running = self._study.get_trials(deepcopy=False, states=(self._states.RUNNING,))
        for one in running:
            beat = one.user_attrs.get(_BEAT)
            before, since = self._seen.get(one.number, (None, 0.0))
            if beat != before or one.number not in self._seen:
                self._seen[one.number] = beat, time.monotonic()
            elif time.monotonic() - since > LOST_SECONDS:
                self._study.tell(one.number, state=self._states.FAIL, skip_if_finished=True)
                if _STANDS in one.user_attrs:
                    self._study.enqueue_trial(dict(one.params), user_attrs={_STANDS: one.user_attrs[_STANDS]})
        return bool(running)


@contextmanager
def _beat(trial: Any) -> Iterator[None]:
    """Tell the others now and then that this process works on a trial."""
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while not ended.wait(BEAT_SECONDS):
            count += 1
            try:
                trial.set_user_attr(_BEAT, count)
            except Exception:  # noqa: BLE001, S112 - the database may be away for a moment; the trial itself will say so
                continue
        trial.storage.remove_session()  # each thread has its own

    thread = threading.Thread(target=beat, name="tiltyard-search", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _open_study(optuna: ModuleType, storage: Any, name: str) -> tuple[Any, bool]:
    """The study of that name, and whether this process made it."""
    # Every process proposes by its own chance: with one seed all would propose the same.
    sampler = optuna.samplers.TPESampler()
    try:
        made = optuna.create_study(direction="maximize", study_name=name, storage=storage, sampler=sampler)
    except optuna.exceptions.DuplicatedStudyError:
        return optuna.load_study(study_name=name, storage=storage, sampler=sampler), False
    return made, True


def _describe_search(candidates: Sequence[Candidate], train: Dataset, plan: SelectionPlan) -> str:
    """A digest of what two processes have to have in common."""
    rows = hashlib.sha256(train.row_digests.tobytes()).hexdigest()
    recipes = [[one.name, repr(sorted(one.space.items()))] for one in candidates]
    how = [plan.metric, plan.folds, plan.random_state, plan.positive, plan.in_order, plan.group, repr(plan.prices)]
    described = json.dumps([__version__, rows, recipes, how], default=str)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


@contextmanager
def _open_storage(optuna: ModuleType, url: str) -> Iterator[Any]:
    from sqlalchemy import make_url  # noqa: PLC0415 - takes a second
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - likewise

    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(
            "TILTYARD_SEARCH_STORAGE is not the URL of a database.",
            next_step="Write it as postgresql://user@host/database, or sqlite:////path/to/search.db.",
        ) from None
    arguments: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        arguments = {"connect_args": {"timeout": _BUSY_SECONDS}}
    elif parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        arguments = {"pool_pre_ping": True}
    try:
        storage = _make_storage(optuna, parsed.render_as_string(hide_password=False), arguments)
    except ImportError:
        raise MissingExtraError("A search in PostgreSQL", "postgres") from None
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _make_storage(optuna: ModuleType, url: str, arguments: dict[str, Any]) -> Any:
    """Optuna's tables in a database: two machines that begin together both make them, and the later one fails."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - takes a second

    for _ in range(_OPENINGS - 1):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        except (DBAPIError, optuna.exceptions.StorageInternalError):
            time.sleep(_POLL_SECONDS)
    return optuna.storages.RDBStorage(url, engine_kwargs=arguments)


@contextmanager
def _explain_database(url: str) -> Iterator[None]:
    """Say which database cannot be reached, without its password.

    Raises:
        UnavailableError: it cannot be.
    """
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - takes a second

    import_optuna()
    from optuna.exceptions import StorageInternalError  # noqa: PLC0415 - likewise

    try:
        yield
    except (DBAPIError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        first = without_passwords(str(getattr(cause, "orig", None) or cause)).strip().splitlines()
        why = first[0] if first else type(error).__name__
        raise UnavailableError(
            f"The search's database {without_password(url)} cannot be used: {why}",
            next_step="Check TILTYARD_SEARCH_STORAGE, and that the database runs; then train again: trials that are "
            "done stay.",
            code="search.unavailable",
        ) from None
