"""Treelite and TL2cgen: trees as C, compiled by the C compiler of this machine; one thread."""

from __future__ import annotations

import importlib
from typing import Any

from stopwatch import make_reader, read_rows, report, start, time_batch, time_single  # type: ignore[import-not-found]

tl2cgen: Any = importlib.import_module("tl2cgen")
treelite: Any = importlib.import_module("treelite")
folder, library = start()
rows, names, dictionaries = read_rows(folder)
if library == "lightgbm":
    model = treelite.frontend.load_lightgbm_model(folder / "model.txt")
else:
    model = treelite.frontend.load_xgboost_model(folder / "model.json")
kind = "float64" if library == "lightgbm" else "float32"
built = folder / "treelite.so"
tl2cgen.export_lib(model, toolchain="gcc", libpath=built, params={"parallel_comp": 16}, verbose=False)
predictor = tl2cgen.Predictor(built, nthread=1)


def predict(array: Any) -> Any:
    """What the model says of rows."""
    return predictor.predict(tl2cgen.DMatrix(array, dtype=kind))


read = make_reader(names, kind)
single = time_single(lambda row: predict(read(row)), dictionaries, 20000)
typed = rows.astype(kind)
report(folder, predict(typed), single, time_batch(lambda: predict(typed), len(rows)))
