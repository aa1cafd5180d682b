"""What a server counts requests for predictions by, and the loop reads: how they end, and bounds of a model's time."""

from __future__ import annotations

PREDICTED = "predicted"
MODEL_ERROR = "model-error"
"""The model raised an error, or gave no finite probability, on inputs on which it had not failed before."""
REPEATED_ERROR = "model-error-repeated"
"""The model failed again on inputs on which it had failed before."""
MODEL_TIMEOUT = "model-timeout"
"""The model did not return; its worker was ended. The supervisor reports these, not the worker."""
REFUSED = "refused"
"""The request was wrong (4xx)."""
OVERLOAD = "overload"
"""The queue was full."""
STORAGE = "storage"
"""The model predicted, and the prediction could not be recorded."""
NO_MODEL = "no-model"
CLOSING = "closing"
CLIENT_GONE = "client-gone"
INTERNAL = "internal"
"""Another fault of the server."""

OUTCOMES = (
    PREDICTED,
    MODEL_ERROR,
    REPEATED_ERROR,
    MODEL_TIMEOUT,
    REFUSED,
    OVERLOAD,
    STORAGE,
    NO_MODEL,
    CLOSING,
    CLIENT_GONE,
    INTERNAL,
)
"""Every outcome of a request."""

MODEL_SECONDS = tuple(float(f"{0.0005 * 1.5**step:.3g}") for step in range(30))
"""Upper bounds by which the time of model calls is counted; fine ones, because multiples of them are compared."""
