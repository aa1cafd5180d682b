"""Sequential test of champion and challenger in production: its error rate holds however often it is evaluated.

A fixed-size test that is looked at after every label finds a winner sooner or later, also among equals. The
tests here are anytime-valid: the chance that the challenger is *ever* declared the winner, however often the test is
evaluated, is at most alpha if it is not better. They follow from the labelled rows alone, so nothing has to be kept
between two evaluations. Rows of one request or one caller resemble each other: what is tested are these units.
"""

from tiltyard.evaluation.sequential_test.mixture import compute_paired_evidence, compute_rate_evidence
from tiltyard.evaluation.sequential_test.numbers import (
    CAP_ERRORS,
    ErrorPairs,
    compute_number_shadow_evidence,
    count_error_units_needed,
    evaluate_number_shadow,
    evaluate_number_split,
)
from tiltyard.evaluation.sequential_test.shadow import (
    PairedRows,
    compute_paired_unit_evidence,
    count_paired_units_needed,
    evaluate_shadow,
    evaluate_shadow_units,
)
from tiltyard.evaluation.sequential_test.split import compute_split_evidence, evaluate_split
from tiltyard.evaluation.sequential_test.units import UnitRows
from tiltyard.evaluation.sequential_test.verdict import Decision, LiveVerdict

__all__ = [
    "CAP_ERRORS",
    "Decision",
    "ErrorPairs",
    "LiveVerdict",
    "PairedRows",
    "UnitRows",
    "compute_number_shadow_evidence",
    "compute_paired_evidence",
    "compute_paired_unit_evidence",
    "compute_rate_evidence",
    "compute_split_evidence",
    "count_error_units_needed",
    "count_paired_units_needed",
    "evaluate_number_shadow",
    "evaluate_number_split",
    "evaluate_shadow",
    "evaluate_shadow_units",
    "evaluate_split",
]
