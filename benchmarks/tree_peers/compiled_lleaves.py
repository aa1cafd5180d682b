"""lleaves: LightGBM's trees as machine code."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from stopwatch import make_reader, read_rows, report, start, time_batch, time_single  # type: ignore[import-not-found]

lleaves: Any = importlib.import_module("lleaves")
folder, _ = start()
rows, names, dictionaries = read_rows(folder)
model = lleaves.Model(model_file=str(folder / "model.txt"))
model.compile()
# As lleaves advises for single rows: its blocks of trees are for batches.
alone = lleaves.Model(model_file=str(folder / "model.txt"))
alone.compile(fblocksize=alone.num_trees())
read = make_reader(names, np.float64)
single = time_single(lambda row: alone.predict(read(row), n_jobs=1), dictionaries, 20000)
batch = time_batch(lambda: model.predict(rows, n_jobs=1), len(rows))
report(folder, model.predict(rows, n_jobs=1), single, batch)
