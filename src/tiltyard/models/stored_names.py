"""Stored versions refer to our estimators by the module names of earlier builds.

A stored model (skops, pickle) names the module of each of its types. These modules have moved; a version that was
trained before must load all the same, by Tiltyard, by MLflow and by plain skops. Importing ``tiltyard.models`` puts a
module under each old name, which hands out what the new one holds and imports it at its first use.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

MOVED = {
    "tiltyard.models.vectoriser": "tiltyard.models.tfidf.vectoriser",
    "tiltyard.models.text_terms": "tiltyard.models.tfidf.terms",
    "tiltyard.models.nbsvm": "tiltyard.models.nb_svm",
    "tiltyard.models.convolution": "tiltyard.models.word_cnn.word_convolution",
    "tiltyard.models.pooling": "tiltyard.models.ensemble",
}
"""The old module names and the new ones."""


class _MovedModule(ModuleType):
    """A module under its old name; its contents are those of the new one."""

    def __init__(self, name: str, target: str) -> None:
        super().__init__(name, f"Moved to ``{target}``.")
        self._target = target

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self._target), name)


def register_moved_modules() -> None:
    """Make the old module names importable; returns at once where that is done already."""
    for name, target in MOVED.items():
        sys.modules.setdefault(name, _MovedModule(name, target))
