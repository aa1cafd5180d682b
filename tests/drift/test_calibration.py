"""The stated rate of false alarms, measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "drift_calibration.py"


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drift_calibration", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _hold_to_the_rate(report: dict[str, Any]) -> None:
    for draw, found in report["draws"].items():
        for name, rates in found["detectors"].items():
            if draw == "own rows":
                assert rates["worst"] <= rates["chance_allows"], (draw, name)
            assert rates["significant"] <= 0.075, (draw, name)
        for way, rate in found["verdicts"].items():
            assert rate <= report["chance_allows"], (draw, way)


def test_a_short_calibration_counts_every_detector(calibration: ModuleType) -> None:
    """Over a few windows the verdict stays quiet, and every detector of a comparison is counted."""
    report = calibration.calibrate(6, 150, ("own rows",), ("tables",))
    found = report["draws"]["own rows"]
    assert {"ks", "psi", "wasserstein", "chi-square", "jensen-shannon"} <= found["detectors"].keys()
    assert all(rate <= 2 / 6 for rate in found["verdicts"].values())


@pytest.mark.proof
def test_a_thousand_windows_alarm_as_often_as_stated(calibration: ModuleType) -> None:
    """Over 1,000 windows without drift, detectors and verdicts alarm no more often than stated and chance allows."""
    report = calibration.calibrate(1000, 300)
    calibration.show(report)
    _hold_to_the_rate(report)
