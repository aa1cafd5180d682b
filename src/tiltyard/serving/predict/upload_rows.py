"""The rows of an uploaded file, as a request would hold them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from tiltyard.data.input_rows import detect_input_rows, write_row
from tiltyard.data.sources.delimited.dialect import TooManyCellsError
from tiltyard.errors import DataError, MissingExtraError
from tiltyard.formatting import format_count
from tiltyard.serving.predict.bodies.json_values import ValueLimit, replace_nan
from tiltyard.serving.problem_details import RequestError

DIVIDE = "Divide the file, or use: tiltyard predict --file FILE"

Row = Mapping[str, Any]


def read_upload_rows(path: Path, kind: str, features: Collection[str], limit: ValueLimit) -> list[Row]:
    """The rows of a file.

    Args:
        path: the file.
        kind: its format.
        features: the columns that the model reads.
        limit: most rows, and most cells of delimited text.

    Raises:
        RequestError: it cannot be read, or has no rows or too many.
        MemoryError: it takes more memory than there is.
    """
    try:
        if kind == "parquet" and (count := pq.read_metadata(path).num_rows) > limit.rows:
            raise too_many_rows(count, limit.rows)
        rows = detect_input_rows(path, limit.values)
    except TooManyCellsError:
        raise limit.surplus_error("cell") from None
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except (DataError, ArrowException) as error:
        if isinstance(error, DataError) and error.code == "data.too-large":
            raise MemoryError from None
        reason = error.message if isinstance(error, DataError) else "It is not a Parquet file."
        step = "Correct the file; its ending has to say its format."
        raise refuse_file(reason.replace(str(path), "The file"), step) from None
    except MissingExtraError as error:
        step = "Send the rows as CSV, or have that package installed on the server."
        raise RequestError(error.message, status=415, code=error.code, next_step=step) from None
    return [write_row(replace_nan(row), features) for row in rows]


def refuse_file(message: str, next_step: str) -> RequestError:
    """The error for a file that cannot be read."""
    return RequestError(message, status=422, code="input.invalid", next_step=next_step)


def too_many_rows(count: int, most: int) -> RequestError:
    """The error for a file of more rows than the route takes."""
    return RequestError(
        f"The file has {format_count(count, 'row')}, and at most {most:,} are accepted.",
        status=413,
        code="request.too-many",
        next_step=DIVIDE,
    )
