"""What the peers of the serving benchmarks are given."""

from __future__ import annotations

import io

import joblib
import numpy as np
import pandas as pd
import pytest
from benchmarks.serving_bench.subjects import TABLE_MODELS, make_plain

from tiltyard.models import get_candidate

TEXTS = ["a warm and funny film", "dull, slow and far too long"] * 4


@pytest.mark.parametrize("name", ["tfidf-logreg", *TABLE_MODELS])
def test_peers_get_a_model_without_our_code(name: str) -> None:
    """Each model that is served is of scikit-learn alone, and predicts the same."""
    inputs: pd.Series | pd.DataFrame
    if name == "tfidf-logreg":
        task, inputs = "text-classification", pd.Series(TEXTS)
    else:
        task, inputs = "tabular-classification", pd.DataFrame({"age": range(8), "town": ["York", "Hull"] * 4})
    fitted = get_candidate(name, task).build(0).fit(inputs, ["good", "bad"] * 4)
    expected = fitted.predict_proba(inputs)
    plain = make_plain(fitted)
    stored = io.BytesIO()
    joblib.dump(plain, stored)
    assert b"tiltyard" not in stored.getvalue()
    assert np.allclose(plain.predict_proba(inputs), expected, rtol=0, atol=1e-9)
