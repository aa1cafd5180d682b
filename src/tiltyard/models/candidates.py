"""Candidates: named recipes from which a version can be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from tiltyard.errors import UsageError, nearest
from tiltyard.models import text
from tiltyard.project import Task


@dataclass(frozen=True)
class Candidate:
    """A recipe for an estimator.

    Attributes:
        name: how the project file calls it.
        title: what it is, for people.
        task: the task it is for.
        build: makes a fresh, unfitted pipeline with class probabilities, from a random seed.
    """

    name: str
    title: str
    task: Task
    build: Callable[[int], Pipeline]


CANDIDATES: dict[str, Candidate] = {
    candidate.name: candidate
    for candidate in (
        Candidate(
            "tfidf-logreg",
            "TF-IDF of words and word pairs, logistic regression",
            "text-classification",
            text.tfidf_logreg,
        ),
        Candidate(
            "tfidf-naive-bayes",
            "TF-IDF of words and word pairs, multinomial naive Bayes",
            "text-classification",
            text.tfidf_naive_bayes,
        ),
    )
}

DEFAULTS: dict[Task, str] = {"text-classification": "tfidf-logreg"}


def get_candidate(name: str, task: Task) -> Candidate:
    """The candidate of that name.

    Raises:
        UsageError: there is none, or it is for another task.
    """
    candidate = CANDIDATES.get(name)
    fitting = [known.name for known in CANDIDATES.values() if known.task == task]
    if candidate is None:
        raise UsageError(
            f"There is no candidate '{name}'.{nearest(name, fitting)}",
            next_step=f"Candidates for {task}: {', '.join(fitting)}.",
            code="candidate.unknown",
        )
    if candidate.task != task:
        raise UsageError(
            f"The candidate '{name}' is for {candidate.task}, and this project is {task}.",
            next_step=f"Candidates for {task}: {', '.join(fitting)}.",
            code="candidate.other-task",
        )
    return candidate


def candidates_of(names: tuple[str, ...], task: Task) -> list[Candidate]:
    """The candidates that a project names; where it names none, the default of its task."""
    return [get_candidate(name, task) for name in names or (DEFAULTS[task],)]
