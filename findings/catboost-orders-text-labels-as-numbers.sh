#!/usr/bin/env bash
# CatBoost 1.2.10: labels that are texts are ordered as numbers if all of them look like numbers.
#
# What one would guess: the columns of `predict_proba` follow the sorted labels, as in scikit-learn and in the other
# boosters: texts in the order of texts, so "-1", "10", "9".
# What happens: they are "-1", "9", "10"; one label more that is no number, and all are in the order of texts. Who takes
# the columns by `numpy.unique(labels)` gives two classes each other's probability. `classes_` has the true order.
# Seen with Python 3.11 on Linux. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check catboost==1.2.10 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from catboost import CatBoostClassifier

rows = np.arange(300.0).reshape(-1, 1)
for labels in (["-1", "10", "9"], ["-1", "10", "9", "ten"]):
    truth = np.array(labels)[np.arange(300) * len(labels) // 300]
    model = CatBoostClassifier(iterations=20, thread_count=1, verbose=False, allow_writing_files=False)
    found = [str(name) for name in model.fit(rows, truth).classes_]
    print("sorted:", sorted(labels), "CatBoost's columns:", found)
    by_number = sorted(labels, key=float) if "ten" not in labels else sorted(labels)
    assert found == by_number, found
    assert (model.predict_proba(rows).argmax(axis=1) == [found.index(label) for label in truth]).mean() > 0.9
PY
