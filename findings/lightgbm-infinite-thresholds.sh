#!/usr/bin/env bash
# LightGBM 4.7.0: a sound model's text file has the threshold `inf`, which `dump_model` calls 1e+300.
#
# What one would guess: thresholds lie between values of the training rows, so every one is finite; a reader of the text
# file, or a check of files that others made, may refuse one that is not. The JSON of `dump_model` seems to confirm it.
# What happens: a split that only parts gaps from all numbers (missing type NaN, gaps go right) has the threshold `inf`
# in the text. `dump_model` writes 1e+300 for the same node: a row with a feature of 1e+305, or of infinity, goes left by
# the text (as in LightGBM itself) and right by the JSON.
# Seen with Python 3.11 on Linux: threshold inf in the text, 1e+300 in the JSON. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lightgbm==4.7.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import lightgbm
import numpy as np

feature = np.where(np.arange(300) % 3 == 0, np.nan, np.random.default_rng(0).normal(size=300)).reshape(-1, 1)
truth = np.isnan(feature[:, 0]).astype(float)  # only the gap decides
settings = {"objective": "regression", "verbosity": -1, "num_threads": 1, "num_leaves": 2}
booster = lightgbm.train(settings, lightgbm.Dataset(feature, truth), 1)
text = next(line for line in booster.model_to_string().splitlines() if line.startswith("threshold="))
node = booster.dump_model()["tree_info"][0]["tree_structure"]
huge, small, gap = booster.predict(np.array([[1e305], [0.0], [np.nan]]))
print(text, node["threshold"], "predicted for 1e305, 0.0 and a gap:", huge, small, gap)
assert text == "threshold=inf", text
assert node["threshold"] == 1e300, node
assert huge == small != gap, (huge, small, gap)
PY
