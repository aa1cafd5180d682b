"""Tiltyard: the profile of the window, and every test that a look makes, with the correction and the verdict."""

from __future__ import annotations

from typing import Any

import pandas as pd
from common import measure  # type: ignore[import-not-found]

from tiltyard.monitoring.drift import judge_drift
from tiltyard.monitoring.profiles import build_reference, profile_rows


def prepare(before: pd.DataFrame) -> Any:
    reference = build_reference(before, texts=[name for name in before.columns if name == "text"])
    # Compiled once in the life of an installation; not the work that is measured.
    profile_rows(reference.layout, before.head(10))
    return reference


def judge(reference: Any, before: pd.DataFrame, now: pd.DataFrame) -> int:  # noqa: ARG001
    judged = judge_drift(reference, profile_rows(reference.layout, now))
    return len({test.subject for test in judged.tests if test.drifted})


if __name__ == "__main__":
    measure(prepare, judge)
