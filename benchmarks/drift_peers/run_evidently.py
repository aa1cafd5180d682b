"""Evidently: its data drift preset, as it comes."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd
from common import measure  # type: ignore[import-not-found]

evidently: Any = importlib.import_module("evidently")
presets: Any = importlib.import_module("evidently.presets")


def prepare(before: pd.DataFrame) -> None:
    """Evidently has no step for the reference alone."""


def count_drifted(prepared: None, before: pd.DataFrame, now: pd.DataFrame) -> int:  # noqa: ARG001
    texts = [name for name in now.columns if name == "text"]
    given = evidently.DataDefinition(text_columns=texts) if texts else None
    sets = [evidently.Dataset.from_pandas(rows, data_definition=given) for rows in (now, before)]
    result = evidently.Report([presets.DataDriftPreset()]).run(*sets).dict()
    return int(result["metrics"][0]["value"]["count"])


if __name__ == "__main__":
    measure(prepare, count_drifted)
