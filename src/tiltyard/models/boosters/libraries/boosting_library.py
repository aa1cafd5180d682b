"""What the estimators need of a boosting library, and where each of them is found."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import MissingExtraError
from tiltyard.suggest import nearest

Floats = NDArray[np.float64]
Predict = Callable[[Any], Floats]

TITLES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "catboost": "CatBoost"}
"""The libraries' names, by the names of their modules."""

EXTRA = "boosting"
"""The optional dependencies that hold the libraries."""


@dataclass(frozen=True)
class FitRows:
    """Rows for a booster.

    Attributes:
        features: shape (rows, features), an array or a sparse matrix; categories are whole numbers from 0, gaps NaN.
        target: shape (rows,), class numbers from 0, or numbers to predict.
        weights: shape (rows,); None where all rows count alike.
    """

    features: Any
    target: Floats
    weights: Floats | None = None

    def take(self, rows: NDArray[np.int64]) -> FitRows:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return FitRows(self.features[rows], self.target[rows], weights)


@dataclass(frozen=True)
class BoostingPlan:
    """How a booster is fitted.

    Attributes:
        classes: how many; 0 where numbers are predicted.
        categorical: places of the features that hold categories.
        rounds: boosting rounds at most.
        patience: rounds without gain on held-out rows after which fitting ends.
        settings: of the library, by its own names.
        seed: of everything random; None for the library's own.
        threads: of the library.
    """

    classes: int
    categorical: tuple[int, ...]
    rounds: int
    patience: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    threads: int = 1


@dataclass(frozen=True)
class BoosterDocument:
    """A fitted booster as its library writes it.

    Attributes:
        content: what the library loads: LightGBM's text, XGBoost's JSON, CatBoost's binary file.
        trees: its trees as text where that is another file: CatBoost's JSON; else empty.
        rounds: the rounds it has.
    """

    content: bytes
    trees: bytes
    rounds: int


class BoostingLibrary(Protocol):
    """One of the libraries; has no state, and may be used by several threads."""

    parameters: ClassVar[Mapping[str, str]]
    """The library's name of each parameter of our estimators that it has."""

    def fit(self, rows: FitRows, plan: BoostingPlan, held_out: FitRows | None) -> BoosterDocument:
        """Fit a booster; with held-out rows as many rounds as are best on them, else all.

        Raises:
            ValueError: the library refuses the rows or the settings.
        """

    def load(self, document: BoosterDocument, categorical: tuple[int, ...], classes: int) -> Predict:
        """What predicts n rows of features: n numbers, or probabilities of shape (n, classes).

        Args:
            document: its content was checked: the library does not.
            categorical: places of the features that hold categories.
            classes: how many; 0 where numbers are predicted.

        Raises:
            ValueError: the library cannot read it.
        """


def digest_document(content: bytes, trees: bytes) -> str:
    """SHA-256 of both, one after the other, in hexadecimal."""
    return hashlib.sha256(content + trees).hexdigest()


def find_library(name: str) -> BoostingLibrary:
    """The library of that name.

    Raises:
        MissingExtraError: it is not installed.
        ValueError: there is none.
    """
    if name not in TITLES:
        raise ValueError(f"library is {name!r}: it is one of {', '.join(TITLES)}.{nearest(name, TITLES)}")
    import_library(name)
    module = importlib.import_module(f"tiltyard.models.boosters.libraries.{name}_library")
    found: BoostingLibrary = module.LIBRARY
    return found


def import_library(name: str) -> Any:
    """The module of a library.

    Raises:
        MissingExtraError: it is not installed, or the host lacks what it needs.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # LightGBM without OpenMP's library is an OSError
        raise MissingExtraError(TITLES[name], EXTRA) from error


def library_version(name: str) -> str:
    """The version of an installed library: on Linux XGBoost's package may have another name than its module.

    Raises:
        MissingExtraError: it is not installed.
    """
    return str(import_library(name).__version__)


def find_distribution(name: str) -> str:
    """The name by which pip knows a library: XGBoost without CUDA is a package of another name."""
    try:
        importlib.metadata.version(f"{name}-cpu")
    except importlib.metadata.PackageNotFoundError:
        return name
    return f"{name}-cpu"
