"""The libraries themselves: fit a model, keep its file and predictions, and time ``predict_proba``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stopwatch import read_rows, report, start, time_batch, time_single  # type: ignore[import-not-found]


def make_model(library: str) -> Any:
    """The library's own estimator, on one thread."""
    if library == "lightgbm":
        import lightgbm  # noqa: PLC0415 - one of the three is used

        return lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=1, random_state=0, verbosity=-1)
    if library == "xgboost":
        import xgboost  # noqa: PLC0415 - one of the three is used

        return xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1, random_state=0)
    import catboost  # noqa: PLC0415 - one of the three is used

    return catboost.CatBoostClassifier(
        iterations=300, depth=6, thread_count=1, random_seed=0, verbose=0, allow_writing_files=False
    )


def fit_model(folder: Path, library: str) -> None:
    """Fit, keep the files and the predictions, and measure."""
    train, labels = np.load(folder / "train.npy"), np.load(folder / "labels.npy")
    rows, names, _ = read_rows(folder)
    model = make_model(library).fit(pd.DataFrame(train, columns=names), labels)
    if library == "lightgbm":
        model.booster_.save_model(str(folder / "model.txt"))
    elif library == "xgboost":
        model.save_model(str(folder / "model.json"))
    else:
        model.save_model(str(folder / "model.json"), format="json")
        model.save_model(str(folder / "model.onnx"), format="onnx")
    found = np.asarray(model.predict_proba(pd.DataFrame(rows, columns=names)), np.float64)
    np.save(folder / "expected.npy", found[:, 1:] if found.shape[1] == 2 else found)
    np.save(folder / "classes.npy", model.classes_)
    frames = [pd.DataFrame([row]) for row in rows[:200].tolist()]
    frames = [frame.set_axis(names, axis=1) for frame in frames]
    calls = iter(frames * 20)
    single = time_single(lambda _: model.predict_proba(next(calls)), read_rows(folder)[2], 2000)
    frame = pd.DataFrame(rows, columns=names)
    report(folder, found, single, time_batch(lambda: model.predict_proba(frame), len(rows), 5))


if __name__ == "__main__":
    place, name = start()
    fit_model(place, name)
    sys.exit(0)
