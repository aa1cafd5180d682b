"""Labelled data: reading it, telling its rows apart, dividing it fairly."""

from tiltyard.data.dataset import Dataset
from tiltyard.data.load_dataset import load_dataset
from tiltyard.data.split import Split, split_dataset

__all__ = ["Dataset", "Split", "load_dataset", "split_dataset"]
