"""ONNX Runtime, one thread, over what the usual converters make of a model: single precision throughout."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np
from stopwatch import make_reader, read_rows, report, start, time_batch, time_single  # type: ignore[import-not-found]

onnxruntime: Any = importlib.import_module("onnxruntime")
folder, library = start()
rows, names, dictionaries = read_rows(folder)


def convert_model() -> Any:
    """The model as ONNX, serialised."""
    converters: Any = importlib.import_module("onnxmltools")
    kinds: Any = importlib.import_module("onnxmltools.convert.common.data_types")
    types = [("input", kinds.FloatTensorType([None, len(names)]))]
    if library == "lightgbm":
        import lightgbm  # noqa: PLC0415 - one of the three is used

        booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
        return converters.convert_lightgbm(
            booster, initial_types=types, zipmap=False, target_opset=15
        ).SerializeToString()
    if library == "xgboost":
        import xgboost  # noqa: PLC0415 - one of the three is used

        held = json.loads((folder / "model.json").read_text())
        held["learner"]["feature_names"] = [f"f{place}" for place in range(len(names))]
        (folder / "onnx.json").write_text(json.dumps(held))
        booster = xgboost.XGBClassifier()
        booster.load_model(str(folder / "onnx.json"))
        return converters.convert_xgboost(booster, initial_types=types, target_opset=15).SerializeToString()
    onnx: Any = importlib.import_module("onnx")
    model = onnx.load(str(folder / "model.onnx"))
    # CatBoost ends its graph with a list of dictionaries, which costs more than the trees.
    last = model.graph.node[-1]
    if last.op_type == "ZipMap":
        model.graph.output[-1].CopyFrom(onnx.helper.make_tensor_value_info(last.input[0], 1, None))
        model.graph.node.pop()
    return model.SerializeToString()


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 4
session = onnxruntime.InferenceSession(convert_model(), options, providers=["CPUExecutionProvider"])
entry, probabilities = session.get_inputs()[0].name, [session.get_outputs()[-1].name]


def predict(array: Any) -> Any:
    """What the model says of rows."""
    return session.run(probabilities, {entry: array})[0]


read = make_reader(names, np.float32)
single = time_single(lambda row: predict(read(row)), dictionaries, 20000)
typed = rows.astype(np.float32)
report(folder, predict(typed), single, time_batch(lambda: predict(typed), len(rows)))
