#!/usr/bin/env bash
# XGBoost 3.2.0: the margin of a base score takes the C library's logarithm; no other gives the same last bit everywhere.
#
# What one would guess: the margin that sums begin with is -log(1 / p - 1) in single precision, so NumPy's logarithm of a
# float32 gives it; or, to be safe, the logarithm in double, rounded to single precision.
# What happens: NumPy's own differs by a unit in the last place for about a fifth of the base scores, and the rounded one
# still for one of 181. The C library's logf gives all of them. All predictions of the model move with it.
# Seen with Python 3.11 and NumPy 2.4.6 on Linux (glibc, x86-64): 38, 1 and 0 of 181 differ. Fails if NumPy's or the C
# library's count changes to none, or to some.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xgboost-cpu==3.2.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import ctypes

import numpy as np
import xgboost

logf = ctypes.CDLL(None).logf
logf.argtypes, logf.restype = [ctypes.c_float], ctypes.c_float
row = xgboost.DMatrix(np.zeros((1, 1), np.float32), label=np.array([0.0]))
differ = {"NumPy in single precision": 0, "double, rounded": 0, "the C library": 0}
scores = np.linspace(0.05, 0.95, 181).astype(np.float32)
for score in scores:
    settings = {"objective": "binary:logistic", "base_score": float(score), "max_depth": 1, "eta": 0.0, "nthread": 1}
    margin = np.float32(xgboost.train(settings, row, 1).predict(row, output_margin=True)[0])
    odds = np.float32(1) / score - np.float32(1)
    differ["NumPy in single precision"] += bool(margin != -np.log(odds))
    differ["double, rounded"] += bool(margin != -np.float32(np.log(np.float64(odds))))
    differ["the C library"] += bool(margin != -np.float32(logf(float(odds))))
for name, count in differ.items():
    print(f"{name}: {count} of {len(scores)} base scores give another margin than XGBoost")
assert differ["the C library"] == 0 < differ["NumPy in single precision"], differ
PY
