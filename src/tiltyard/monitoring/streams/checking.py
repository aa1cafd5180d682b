"""What no stream detector can take."""

from __future__ import annotations

import math

from tiltyard.errors import InputError


def finite(value: float) -> float:
    """The value, which is a number.

    Raises:
        InputError: it is NaN or infinite.
    """
    number = float(value)
    if not math.isfinite(number):
        raise InputError(
            f"{value} cannot be taken into a stream.", next_step="Leave missing values out, or put a number for them."
        )
    return number
