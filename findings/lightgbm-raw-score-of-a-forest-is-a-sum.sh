#!/usr/bin/env bash
# LightGBM 4.7.0: of a random forest `raw_score=True` is the sum over the trees, while `predict` is their mean.
#
# What one would guess: the raw score is the number before the link (the sigmoid for two classes, nothing for a
# regression), as of `boosting="gbdt"`: sigmoid(raw) is the probability, and of a regression both are equal.
# What happens: with `boosting="rf"` (`average_output` in the file) predictions are divided by the number of trees, and
# raw scores and the contributions of features are not: raw is so many times too large, and the sigmoid of it is 0 or 1.
# Seen with Python 3.11 on Linux: 20 trees, raw is 20 times the prediction. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lightgbm==4.7.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import lightgbm
import numpy as np

random = np.random.default_rng(0)
rows = random.normal(size=(400, 3))
TREES = 20
for objective, truth in (("regression", rows[:, 0] + 5), ("binary", (rows[:, 0] > 0.7).astype(float))):
    ratios = {}
    for boosting in ("gbdt", "rf"):
        settings = {"objective": objective, "boosting": boosting, "bagging_freq": 1, "bagging_fraction": 0.5}
        booster = lightgbm.train(settings | {"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(rows, truth), TREES)
        predicted, raw = booster.predict(rows), booster.predict(rows, raw_score=True)
        before_link = predicted if objective == "regression" else np.log(predicted / (1 - predicted))
        parts = booster.predict(rows, pred_contrib=True).sum(axis=1)
        ratios[boosting] = float(np.median(raw / before_link)), float(np.median(parts / raw))
    print(objective, {name: [round(one, 6) for one in pair] for name, pair in ratios.items()})
    assert np.allclose(ratios["gbdt"], (1, 1)), ratios
    assert np.allclose(ratios["rf"], (TREES, 1)), ratios
PY
