"""Candidates: named recipes from which a version can be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tiltyard.errors import UsageError
from tiltyard.models.boosters.libraries.boosting_library import import_library
from tiltyard.models.custom_candidates import custom_builder, custom_space, is_custom
from tiltyard.models.recipes.boosting import BOOSTER_REGRESSORS, BOOSTERS
from tiltyard.models.recipes.tabular import REGRESSOR, TABLE_REGRESSORS, TABULAR
from tiltyard.models.recipes.text import TEXT, TEXT_REGRESSORS
from tiltyard.models.search_space import Choice, FloatRange, IntegerRange, Space
from tiltyard.suggest import nearest
from tiltyard.tasks import Task, find_task, reads_text


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


_TABULAR_SPACES: dict[str, Space] = {
    "logreg": {"classifier__C": FloatRange(0.001, 100.0, log=True)},
    "random-forest": {
        "classifier__n_estimators": IntegerRange(50, 300, log=True),
        "classifier__min_samples_leaf": IntegerRange(1, 30, log=True),
        "classifier__max_features": Choice(("sqrt", "log2", 0.5)),
    },
    "gradient-boosting": {
        "classifier__learning_rate": FloatRange(0.01, 0.3, log=True),
        "classifier__max_iter": IntegerRange(50, 500, log=True),
        "classifier__max_leaf_nodes": IntegerRange(4, 48, log=True),
        "classifier__min_samples_leaf": IntegerRange(5, 100, log=True),
        "classifier__l2_regularization": FloatRange(0.001, 30.0, log=True),
    },
}

CANDIDATES: dict[str, Candidate] = {
    **{
        name: Candidate(name, title, find_task("text", "class"), build, space)
        for name, (title, build, space) in TEXT.items()
    },
    **{
        name: Candidate(name, title, find_task("table", "class"), build, _TABULAR_SPACES.get(name, {}))
        for name, (title, build) in TABULAR.items()
    },
    **{
        name: Candidate(name, title, find_task("table", "number"), build, space)
        for name, (title, build, space) in TABLE_REGRESSORS.items()
    },
    **{
        name: Candidate(name, title, find_task("table", "class"), build, space, library=library)
        for name, (library, title, build, space) in BOOSTERS.items()
    },
    **{
        name: Candidate(name, title, find_task("table", "number"), build, space, library=library)
        for name, (library, title, build, space) in BOOSTER_REGRESSORS.items()
    },
    **{
        name: Candidate(name, title, find_task("text", "number"), build, space)
        for name, (title, build, space) in TEXT_REGRESSORS.items()
    },
}

DEFAULTS: dict[Task, str] = {
    find_task("text", "class"): "tfidf-logreg",
    find_task("table", "class"): "gradient-boosting",
    find_task("table", "number"): "gradient-boosting-regressor",
    find_task("text", "number"): "tfidf-ridge",
}

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
    """The candidate of that name; where it predicts labels and numbers are wanted, the same recipe of numbers."""
    found = CANDIDATES.get(name)
    if found is not None and found.task != task:
        sibling = CANDIDATES.get(f"{name}-{REGRESSOR}")
        return sibling if sibling is not None and sibling.task == task else found
    return found


def select_candidates(names: tuple[str, ...], task: Task, root: Path | None = None) -> list[Candidate]:
    """The candidates that a project names, each once; where it names none, the default of its task.

    Raises:
        UsageError: as ``get_candidate`` does.
    """
    return [get_candidate(name, task, root) for name in dict.fromkeys(names) or (DEFAULTS[task],)]


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
