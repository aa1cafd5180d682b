"""Predictions as files: JSON Lines in the shape of ``logs/predictions.jsonl``, or Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Unpack

import msgspec

from tiltyard.errors import UnavailableError, UsageError
from tiltyard.ledger.ports import Ledger, PredictionFilter
from tiltyard.ledger.records import Prediction, input_text
from tiltyard.ledger.storable import encode_json

ExportFormat = Literal["jsonl", "parquet"]

_ROWS_AT_ONCE = 5000


def export_predictions(
    ledger: Ledger,
    destination: Path,
    format: ExportFormat = "jsonl",  # noqa: A002 - the option's own name
    **filters: Unpack[PredictionFilter],
) -> int:
    """Write the selected predictions to a file, and return how many they were.

    The file appears, or takes the place of an older one, when it is complete. Its folder is made.
    JSON Lines knows no NaN and no infinities: they are written as null. Parquet has the columns of the
    ledger, with a table's features as JSON text.

    Raises:
        UsageError: the format or a filter is not known.
        UnavailableError: the file cannot be written, or the ledger cannot be read.
    """
    if format not in ("jsonl", "parquet"):
        raise UsageError(f"Predictions cannot be exported as {format!r}.", next_step="Choose jsonl or parquet.")
    found = ledger.predictions(**filters)
    with _replace_when_complete(destination) as unfinished:
        return _write_jsonl(found, unfinished) if format == "jsonl" else _write_parquet(found, unfinished)


def to_log_line(prediction: Prediction) -> dict[str, Any]:
    """A prediction in the shape of the prediction log: ``text`` or ``features``, ``prediction``, ``confidence``,
    ``timestamp`` (ISO 8601, UTC), ``model_version`` and ``prediction_id``."""
    text = input_text(prediction.input)
    content = {"features": dict(prediction.input)} if text is None else {"text": text}
    return {
        **content,
        **_describe_prediction(prediction),
        "timestamp": prediction.at.astimezone(UTC).isoformat(),
        "model_version": prediction.version,
        "prediction_id": prediction.id,
    }


def _describe_prediction(prediction: Prediction) -> dict[str, Any]:
    """The label with its confidence, or the number with its interval."""
    if prediction.confidence is not None:
        return {"prediction": prediction.label, "confidence": prediction.confidence}
    return {"prediction": float(prediction.label), "interval": prediction.interval}


@contextmanager
def _replace_when_complete(destination: Path) -> Iterator[Path]:
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(destination)
    except OSError as error:
        raise UnavailableError(
            f"{destination} cannot be written: {error.strerror or error}.",
            next_step="Name another file, or free some disk space.",
            code="export.refused",
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _write_jsonl(found: Iterable[Prediction], file: Path) -> int:
    encoder = msgspec.json.Encoder()
    written = 0
    with file.open("wb") as lines:
        for prediction in found:
            lines.write(encoder.encode(to_log_line(prediction)) + b"\n")
            written += 1
    return written


def _write_parquet(found: Iterator[Prediction], file: Path) -> int:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    schema = pa.schema(
        {
            "prediction_id": pa.string(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "project": pa.string(),
            "model_version": pa.string(),
            "route": pa.string(),
            "key": pa.string(),
            "text": pa.string(),
            "features": pa.string(),
            "prediction": pa.string(),
            "confidence": pa.float64(),
            "probabilities": pa.map_(pa.string(), pa.float64()),
            "latency_ms": pa.float64(),
            "interval": pa.list_(pa.float64()),
        }
    )
    written = 0
    with ParquetWriter(file, schema, compression="zstd") as writer:
        while rows := [_parquet_row(prediction) for prediction in islice(found, _ROWS_AT_ONCE)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len(rows)
    return written


def _parquet_row(prediction: Prediction) -> dict[str, Any]:
    text = input_text(prediction.input)
    return {
        "prediction_id": prediction.id,
        "timestamp": prediction.at,
        "project": prediction.project,
        "model_version": prediction.version,
        "route": prediction.route,
        "key": prediction.key,
        "text": text,
        "features": encode_json(prediction.input) if text is None else None,
        "prediction": prediction.label,
        "confidence": prediction.confidence,
        "probabilities": list(prediction.probabilities.items()),
        "latency_ms": prediction.latency_ms,
        "interval": None if prediction.interval is None else list(prediction.interval),
    }
