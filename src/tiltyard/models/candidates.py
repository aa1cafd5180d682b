"""Candidates: named recipes from which a version can be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tiltyard.errors import MissingExtraError, UsageError
from tiltyard.formatting import join_names
from tiltyard.models.boosters.libraries.boosting_library import EXTRA, import_library
from tiltyard.models.custom_candidates import custom_builder, custom_space, is_custom
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.models.search_space import Space
from tiltyard.suggest import nearest
from tiltyard.tasks import TARGETS, TASKS, Registered, Task, reads_text


@dataclass(frozen=True)
class Candidate:
    """A recipe for an estimator.

    Attributes:
        name: how the project file calls it.
        title: what it is, for people.
        task: the task it is for.
        build: makes a fresh, unfitted pipeline from a random seed: with class probabilities, or a regressor.
        space: what a search may vary, by parameter of the pipeline; empty where nothing is declared.
        params: parameters that a search has set; empty for the recipe as it stands.
        library: the optional library that fits it; empty where there is none.
    """

    name: str
    title: str
    task: Task
    build: Callable[[int], Pipeline]
    space: Space = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    library: str = ""

    def with_params(self, params: Mapping[str, Any]) -> Candidate:
        """The same recipe with parameters of the pipeline set, such as ``classifier__C``.

        Raises:
            ValueError: from ``build``, for a parameter that the pipeline does not have.
        """
        build = self.build
        return replace(
            self,
            build=lambda random_state: build(random_state).set_params(**params),
            params={**self.params, **params},
        )


@dataclass(frozen=True)
class DefaultCandidate:
    """What is trained where a project names no candidate.

    Attributes:
        candidate: of those that this host can fit, the one that did best on public tables (docs/candidates.md).
        missing: those that did better, and whose libraries are not installed; the best first.
    """

    candidate: Candidate
    missing: tuple[Candidate, ...] = ()

    def explain(self, champion: str = "") -> str:
        """Why it is this one, in a sentence or two; empty where there was nothing to choose from.

        Args:
            champion: the candidate of the present champion; empty where there is none.
        """
        name = self.candidate.name
        if len(DEFAULTS[self.candidate.task]) == 1:
            return ""
        if not self.missing:
            return f"No candidate is named: {name} did best on public tables. Name it to train it on every host."
        better = [other.name for other in self.missing]
        said = (
            f"No candidate is named: {name} is trained. {join_names(better)} did better on public tables and cannot be "
            f"trained here: pip install 'tiltyard[{EXTRA}]'."
        )
        return f"{said} The champion was trained as {champion}." if champion in better else said


def _list_all() -> dict[str, Candidate]:
    return {
        name: Candidate(name, title, task, build, space, library="".join(library))
        for target, traits in TARGETS.items()
        for read, recipes in TaskModels.find_for_target(target).load_recipes().items()
        for task in (traits.tasks[read],)
        for name, (title, build, space, *library) in recipes.items()
    }


def _list_defaults() -> dict[str, tuple[str, ...]]:
    return {task: TaskModels.find_for(task).defaults[traits.input] for task, traits in TASKS.items()}


CANDIDATES: Mapping[str, Candidate] = Registered(_list_all)
"""The candidates of all tasks by name: what the targets offer."""
DEFAULTS: Mapping[str, tuple[str, ...]] = Registered(_list_defaults)
"""The candidates of each task where a project names none: the first that this host can fit is trained."""

FEW_ROWS = 20_000
"""Below so many rows several OpenMP threads mostly wait for each other."""


def get_candidate(name: str, task: Task, root: Path | None = None) -> Candidate:
    """The candidate of that name.

    Args:
        name: a built-in recipe, or ``module:maker`` for one of the user's own.
        task: what the project predicts from what.
        root: the project's folder, from which the user's own are imported; default: the working folder.

    Raises:
        UsageError: there is none, it is for another task, or the user's own cannot be used.
        MissingExtraError: the library that fits it is not installed.
    """
    if is_custom(name):
        build = custom_builder(name, root, task)
        return Candidate(name, f"The project's own {name}", task, build, custom_space(name, root, build))
    candidate = _find_sibling(name, task)
    fitting = [known.name for known in CANDIDATES.values() if known.task == task]
    known_names = f"Candidates for {task}: {', '.join(fitting)}; or your own as my_module:make_estimator."
    if candidate is None:
        raise UsageError(
            f"There is no candidate '{name}'.{nearest(name, fitting)}", next_step=known_names, code="candidate.unknown"
        )
    if candidate.task != task:
        raise UsageError(
            f"The candidate '{name}' is for {candidate.task}, and this project is {task}.",
            next_step=known_names,
            code="candidate.other-task",
        )
    if candidate.library:
        import_library(candidate.library)
    return candidate


def _find_sibling(name: str, task: Task) -> Candidate | None:
    """The candidate of that name; where it is for another task, the recipe of that name for this one."""
    found = CANDIDATES.get(name)
    if found is not None and found.task != task:
        sibling = CANDIDATES.get(f"{name}-{TaskModels.find_for(task).noun}")
        return sibling if sibling is not None and sibling.task == task else found
    return found


def select_candidates(names: tuple[str, ...], task: Task, root: Path | None = None) -> list[Candidate]:
    """The candidates that a project names, each once; where it names none, the default of its task.

    Raises:
        UsageError: as ``get_candidate`` does.
    """
    if not names:
        return [find_default(task).candidate]
    return [get_candidate(name, task, root) for name in dict.fromkeys(names)]


def find_default(task: Task) -> DefaultCandidate:
    """The default of a task on this host; the last of a task needs no optional library."""
    missing: list[Candidate] = []
    *preferred, last = DEFAULTS[task]
    for name in preferred:
        try:
            return DefaultCandidate(get_candidate(name, task), tuple(missing))
        except MissingExtraError:
            missing.append(CANDIDATES[name])
    return DefaultCandidate(get_candidate(last, task), tuple(missing))


def limit_fitting_threads(candidates: Sequence[Candidate], rows: int) -> threadpool_limits:
    """A context in which candidates are fitted to so many rows; thread pools that are not limited are left alone."""
    limits = {}
    # On few rows several OpenMP threads mostly wait for each other, a hundred times as long where cores are shared.
    if rows < FEW_ROWS:
        limits["openmp"] = 1
    # Our text recipes leave vectors to BLAS, too short to share: fitting IMDB took 3.6 s of processor time on two
    # threads and 0.8 s on one, with the same weights. A custom recipe may multiply large matrices.
    if all(candidate.name in CANDIDATES and reads_text(candidate.task) for candidate in candidates):
        limits["blas"] = 1
    return threadpool_limits(limits)
