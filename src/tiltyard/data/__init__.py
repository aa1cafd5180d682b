"""Labelled data: reading it, telling its rows apart, dividing it fairly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.data.dataset import Dataset
    from tiltyard.data.loading import load_dataset
    from tiltyard.data.split import Split, split_dataset

__all__ = ["Dataset", "Split", "load_dataset", "split_dataset"]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "dataset": ("Dataset",),
            "loading": ("load_dataset",),
            "split": ("Split", "split_dataset"),
        },
    )
