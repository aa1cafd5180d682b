"""The data sets that scikit-learn brings along: ``sklearn:NAME``."""

from __future__ import annotations

import pandas as pd

from tiltyard.errors import DataError
from tiltyard.suggest import nearest

PREFIX = "sklearn:"
NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def read_bundled(name: str, label: str) -> pd.DataFrame:
    """A bundled data set: its features, and a column ``label`` that holds the names of the classes, or the numbers.

    Raises:
        DataError: there is none of that name, or the label's name is already a feature's.
    """
    if name not in NAMES:
        raise DataError(
            f"scikit-learn brings no data set '{name}'.{nearest(name, NAMES)}",
            next_step=f"Use one of {', '.join(PREFIX + known for known in NAMES)}.",
            code="data.missing",
        )
    from sklearn import datasets  # noqa: PLC0415

    # Its features as they were measured, not scaled.
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **options)
    frame: pd.DataFrame = bunch.data.copy()
    if label in frame.columns:
        raise DataError(
            f"data.label = {label!r} is a feature of {PREFIX}{name}.",
            next_step="Give the label another name; the classes or numbers are written into that column.",
            code="data.column-twice",
            column=label,
        )
    if not hasattr(bunch, "target_names"):
        frame[label] = bunch.target
        return frame
    names = [str(word) for word in bunch.target_names]
    frame[label] = [names[position] for position in bunch.target]
    return frame
