"""lleaves: LightGBM's trees as machine code."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from stopwatch import read_rows, report, start, time_batch, time_single  # type: ignore[import-not-found]

lleaves: Any = importlib.import_module("lleaves")
folder, _ = start()
rows, names, dictionaries = read_rows(folder)
model = lleaves.Model(model_file=str(folder / "model.txt"))
model.compile()
single = time_single(
    lambda row: model.predict(np.array([[row[name] for name in names]]), n_jobs=1), dictionaries, 20000
)
batch = time_batch(lambda: model.predict(rows, n_jobs=1), len(rows))
report(folder, model.predict(rows, n_jobs=1), single, batch)
