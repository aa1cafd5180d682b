#!/usr/bin/env bash
# MLflow 3.17.2: a column that a signature types as Any, the loosest type there is, breaks nullable numbers.
#
# What one would guess: `ColSpec(AnyType(), ...)` says that every value is accepted, so a frame passes the loader of
# `mlflow.pyfunc` as it came, and what the model predicts from it directly it predicts through the loader too.
# What happens: the loader builds a column of that type anew from its cells, one by one. A column of pandas' nullable
# numbers (Int64, Float64) with a gap comes out as Python objects with pd.NA among them, and scikit-learn refuses these
# with a TypeError. Without a signature, or with the frame given straight to the model, it predicts.
# Seen with Python 3.11, pandas 3.1.1 and scikit-learn 1.9.1 on Linux: TypeError: float() argument must be a string or a
# real number, not 'NAType'. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 pandas==3.1.1 scikit-learn==1.9.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
"$folder/venv/bin/python" - <<'PY'
import warnings

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from sklearn.ensemble import HistGradientBoostingClassifier

warnings.simplefilter("ignore")
frame = pd.DataFrame({"age": pd.array([1, 2, None, 4] * 10, dtype="Int64")})
model = HistGradientBoostingClassifier().fit(frame, [0, 1, 0, 1] * 10)
print("scikit-learn predicts:", model.predict(frame)[:4].tolist())

signature = ModelSignature(Schema([ColSpec(AnyType(), "age", required=False)]))
mlflow.sklearn.save_model(model, "model", signature=signature, pip_requirements=[], serialization_format="cloudpickle")
loaded = mlflow.pyfunc.load_model("model")
try:
    loaded.predict(frame)
    said = "it predicted"
except TypeError as error:
    said = f"TypeError: {error}"
print("through the loader:", said)
assert "NAType" in said, said
PY
