"""What a version promises beyond its prediction: intervals of numbers, and sets of labels, both conformal."""

from tiltyard.evaluation.conformal.label_sets import calibrate_sets
from tiltyard.evaluation.conformal.number_intervals import Coverage, IntervalCalibration, calibrate_intervals

__all__ = ["Coverage", "IntervalCalibration", "calibrate_intervals", "calibrate_sets"]
