"""Search: which candidate, with which parameters, does best in cross-validation on the train side (Optuna)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from tiltyard.data import Dataset
from tiltyard.engines import Engine
from tiltyard.errors import MissingExtraError, TiltyardError, UsageError
from tiltyard.models.candidates import Candidate
from tiltyard.models.search_space import Choice, FloatRange, IntegerRange, Space
from tiltyard.models.selection.cross_validation import CrossValidation, SelectionPlan

_WHICH = "candidate"


@dataclass(frozen=True)
class SearchBudget:
    """When a search ends: after so many trials, or when so many seconds have passed, whichever is first.

    The trial that runs when the seconds are over is finished. Each candidate is tried once as it stands, whatever the
    budget; these trials count.

    Attributes:
        trials: number of trials; None for no limit.
        seconds: None for no limit. With a limit of seconds the number of trials depends on the machine.
    """

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SearchTrial:
    """One recipe with parameters, cross-validated.

    Attributes:
        number: from 0, in the order in which they were tried.
        candidate: the recipe, which builds pipelines with the parameters set.
        scores: the score of each fold, bigger is better; empty where the recipe failed.
        seconds: how long it took.
        problem: why the recipe failed; None where it did not.
    """

    number: int
    candidate: Candidate
    scores: tuple[float, ...]
    seconds: float
    problem: str | None = None

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters that were set; empty for a recipe as it stands."""
        return self.candidate.params

    @property
    def mean(self) -> float:
        """Mean over the folds; minus infinity where the recipe failed."""
        return float(np.mean(self.scores)) if self.scores else -np.inf


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        trials: in the order in which they were tried.
    """

    trials: tuple[SearchTrial, ...]

    @property
    def best(self) -> SearchTrial:
        """The trial with the best mean; of equals the first, so that nothing beats a recipe as it stands by luck."""
        return max(self.trials, key=lambda trial: (trial.mean, -trial.number))


def search(
    candidates: Sequence[Candidate],
    train: Dataset,
    plan: SelectionPlan,
    budget: SearchBudget,
    on_trial: Callable[[SearchTrial], None] = lambda _trial: None,
    engine: Engine | None = None,
) -> SearchResult:
    """Try candidates with the parameters of their spaces, all on the same folds of the train side.

    Each candidate is tried as it stands first; then a tree-structured Parzen estimator (Bergstra et al., 2011) proposes
    a candidate and its parameters. Equal seeds, rows and numbers of trials give equal results.

    Args:
        candidates: at least one, with different names; one without a space is only tried as it stands.
        train: the rows to divide into folds.
        plan: how candidates are evaluated; its seed is also that of the search.
        budget: when to stop; at least one limit.
        on_trial: called after each trial, for progress and recording.
        engine: where the folds of a trial are scored; default: in this process, one after the other.

    Raises:
        MissingExtraError: Optuna is not installed.
        UsageError: the budget has no limit, or there is no such metric.
        DataError: a label has fewer rows than there are folds.
    """
    optuna = import_optuna()
    if budget.trials is None and budget.seconds is None:
        raise UsageError(
            "A search without a limit would never end.",
            next_step="Set training.search.trials or training.search.seconds.",
            code="search.no-limit",
        )
    until = SearchLimit(budget)
    trials: list[SearchTrial] = []
    with silence_optuna(optuna), CrossValidation.open(train, plan, engine, keep=True) as validation:
        proposals = _Proposals(optuna, candidates, plan.random_state)
        for proposal in proposals.all():
            if len(trials) >= len(candidates) and until.is_reached(len(trials)):
                break
            trials.append(run_trial(validation, plan, len(trials), proposal.candidate))
            proposal.report(trials[-1])
            on_trial(trials[-1])
    return SearchResult(tuple(trials))


class SearchLimit:
    """When a search ends; see ``SearchBudget``."""

    def __init__(self, budget: SearchBudget) -> None:
        self._budget = budget
        self._begun = time.perf_counter()

    def is_reached(self, trials: int) -> bool:
        """Whether no further trial begins after so many."""
        most, seconds = self._budget.trials, self._budget.seconds
        over = seconds is not None and time.perf_counter() - self._begun >= seconds
        return over or (most is not None and trials >= most)


@dataclass(frozen=True)
class _Proposal:
    candidate: Candidate
    report: Callable[[SearchTrial], None]


class StudySpace:
    """Candidates and their parameters in a study's terms: one choice of the candidate, and for each its own ranges.

    Args:
        candidates: the candidates.
        seed: with which they are built.

    Attributes:
        candidates: see above.
        searched: the places of those that have a space.
    """

    def __init__(self, candidates: Sequence[Candidate], seed: int) -> None:
        self.candidates = candidates
        self.searched = [position for position, candidate in enumerate(candidates) if candidate.space]
        self._seed = seed

    def propose(self, trial: Any) -> Candidate:
        """The candidate and parameters that a trial of the study proposes."""
        position: int = trial.suggest_categorical(_WHICH, self.searched)
        space = self.candidates[position].space
        params = {name: _suggest(trial, f"{position}.{name}", allowed) for name, allowed in space.items()}
        return self.candidates[position].with_params(params)

    def read(self, params: Mapping[str, Any]) -> Candidate:
        """The candidate of a trial that is known, by its parameters."""
        position: int = params[_WHICH]
        space = self.candidates[position].space
        found = {}
        for name, allowed in space.items():
            value = params[f"{position}.{name}"]
            found[name] = allowed.values[value] if isinstance(allowed, Choice) else value
        return self.candidates[position].with_params(found)

    def find_own(self, position: int) -> dict[str, Any] | None:
        """A candidate as it stands, as parameters of a trial; None where that lies outside of its space."""
        space = self.candidates[position].space
        own = _default_params(self.candidates[position].build(self._seed).get_params(), space)
        if not space or own is None:
            return None
        return {_WHICH: position, **{f"{position}.{name}": value for name, value in own.items()}}

    def note_own(self, trial: Any, position: int) -> None:
        """Let the study know the parameters of a candidate as it stands, if they lie in its space."""
        if self.find_own(position) is not None:
            trial.suggest_categorical(_WHICH, self.searched)
            for name, allowed in self.candidates[position].space.items():
                _suggest(trial, f"{position}.{name}", allowed)


class _Proposals:
    """One study over candidates and, for each of them, its own parameters."""

    def __init__(self, optuna: ModuleType, candidates: Sequence[Candidate], seed: int) -> None:
        self._optuna = optuna
        self._space = StudySpace(candidates, seed)
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def all(self) -> Iterator[_Proposal]:
        """Each candidate as it stands, then what the study proposes, without end if there is anything to vary."""
        for position, candidate in enumerate(self._space.candidates):
            yield _Proposal(candidate, self._report_default(position))
        while self._space.searched:
            trial = self._study.ask()
            yield _Proposal(self._space.propose(trial), self._report_proposed(trial))

    def _report_proposed(self, trial: Any) -> Callable[[SearchTrial], None]:
        failed = self._optuna.trial.TrialState.FAIL

        def report(done: SearchTrial) -> None:
            if done.problem is None:
                self._study.tell(trial, done.mean)
            else:
                self._study.tell(trial, state=failed)

        return report

    def _report_default(self, position: int) -> Callable[[SearchTrial], None]:
        """Let the study know how a candidate does as it stands, if that lies in its space."""

        def report(done: SearchTrial) -> None:
            known = None if done.problem is not None else self._space.find_own(position)
            if known is not None:
                self._study.enqueue_trial(known)
                trial = self._study.ask()
                self._space.note_own(trial, position)
                self._study.tell(trial, done.mean)

        return report


def _suggest(trial: Any, name: str, allowed: FloatRange | IntegerRange | Choice) -> Any:
    if isinstance(allowed, Choice):
        # By position: Optuna only takes plain values, and a choice may be of any type.
        return allowed.values[trial.suggest_categorical(name, list(range(len(allowed.values))))]
    if isinstance(allowed, IntegerRange):
        return trial.suggest_int(name, allowed.low, allowed.high, log=allowed.log)
    return trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)


def _default_params(params: Mapping[str, Any], space: Space) -> dict[str, Any] | None:
    """A recipe's own values in the study's terms; None where one lies outside the space."""
    own: dict[str, Any] = {}
    for name, allowed in space.items():
        value = params[name]
        if isinstance(allowed, Choice):
            if value not in allowed.values:
                return None
            own[name] = allowed.values.index(value)
        elif allowed.low <= value <= allowed.high:
            own[name] = value
        else:
            return None
    return own


def run_trial(validation: CrossValidation, plan: SelectionPlan, number: int, candidate: Candidate) -> SearchTrial:
    """Cross-validate a candidate; one with parameters that do not fit the data is a trial that failed."""
    begun = time.perf_counter()
    scores: tuple[float, ...] = ()
    problem = None
    try:
        (found,) = validation.scores([candidate.build(plan.random_state)])
        scores = found.metric
    except (ValueError, ArithmeticError, TiltyardError) as error:
        if not candidate.params:
            raise
        # Parameters may not fit the data, such as a word frequency that no word has; others may.
        problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if scores and not np.isfinite(scores).all():
        scores, problem = (), "a fold has no finite score"
    return SearchTrial(number, candidate, scores, time.perf_counter() - begun, problem)


def import_optuna() -> ModuleType:
    """Optuna.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import optuna  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("The search over candidates' parameters", "search") from error
    return optuna  # type: ignore[no-any-return]


@contextmanager
def silence_optuna(optuna: ModuleType) -> Iterator[None]:
    """A context in which Optuna logs errors alone."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
