"""Gaps in numbers, for boosters that learn what a gap means."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.models.boosters.rows import LIBRARIES, make_labels, make_table
from tiltyard.models.boosters.gap_filling import UnlearnedGapFiller
from tiltyard.models.candidates import CANDIDATES


def test_a_gap_stays_where_training_had_gaps_and_is_the_median_elsewhere() -> None:
    """Without gaps in training a column's gap becomes its median; with some, or with nothing else, it stays."""
    train = pd.DataFrame({"full": [1.0, 2.0, 9.0], "some": [1.0, np.nan, 3.0], "none": [np.nan] * 3})
    filler = UnlearnedGapFiller().fit(train)
    row = filler.transform(pd.DataFrame({"full": [np.nan], "some": [np.nan], "none": [np.nan]}))
    np.testing.assert_array_equal(row, [[2.0, np.nan, np.nan]])
    np.testing.assert_array_equal(filler.transform(train), train.to_numpy())
    assert filler.get_feature_names_out().tolist() == ["full", "some", "none"]


def test_an_unlearned_gap_is_predicted_as_a_usual_value() -> None:
    """Each recipe predicts a gap in a column that had none like the median, not like the smallest or largest value."""
    table = make_table()
    usual = table.iloc[:30].assign(size=table["size"].median())
    gap = table.iloc[:30].assign(size=np.nan)
    for library in LIBRARIES:
        recipe = CANDIDATES[library].build(1).set_params(classifier__max_iter=10, classifier__early_stopping=False)
        model = recipe.fit(table, make_labels(table, 2))
        np.testing.assert_array_equal(model.predict_proba(gap), model.predict_proba(usual))
