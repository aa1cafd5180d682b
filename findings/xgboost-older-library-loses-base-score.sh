#!/usr/bin/env bash
# XGBoost 3.0.5 reads a model file of 3.2.0 without a word, and predicts without its base score.
#
# What one would guess: model files are portable between releases, as the manual says of JSON; an older library either
# reads one or refuses it, and the file says which version wrote it.
# What happens: the older one loads the file and takes 0.5 for the base score, since the newer one writes it as a text in
# brackets ("[1E0]"). Every prediction of a regression is off by the same number. So compare the version in the file.
# Seen with Python 3.11 on Linux: lower by the base score less 0.5, JSON and UBJSON alike. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
for version in 3.2.0 3.0.5; do
  python3 -m venv "$folder/$version"
done
"$folder/3.2.0/bin/pip" install --quiet --disable-pip-version-check xgboost-cpu==3.2.0 numpy==2.4.6 scipy==1.17.1
"$folder/3.0.5/bin/pip" install --quiet --disable-pip-version-check xgboost-cpu==3.0.5 numpy==2.4.6 scipy==1.17.1
cd "$folder"
cat > predict.py <<'PY'
import json
import sys

import numpy as np
import xgboost

rows = np.random.default_rng(0).normal(size=(300, 2))
if sys.argv[1] == "write":
    truth = 100 + rows[:, 0]
    data = xgboost.DMatrix(rows, label=truth)
    booster = xgboost.train({"objective": "reg:squarederror", "nthread": 1}, data, 5)
    for form in ("json", "ubj"):
        booster.save_model(f"model.{form}")
    np.save("predicted.npy", booster.predict(xgboost.DMatrix(rows)))
else:
    with open("model.json") as file:
        written = json.load(file)["learner"]["learner_model_param"]["base_score"]
    base = float(written.strip("[]"))
    for form in ("json", "ubj"):
        found = xgboost.Booster(model_file=f"model.{form}").predict(xgboost.DMatrix(rows))
        off = found - np.load("predicted.npy")
        print(f"{form}: base score {written} in the file, read by {xgboost.__version__}: off by {off.mean():.4f}")
        assert np.allclose(off, 0.5 - base, atol=1e-3), off
PY
"$folder/3.2.0/bin/python" predict.py write
"$folder/3.0.5/bin/python" predict.py read
