"""Logs for programs: a JSON object a line, with the ids of the predictions that a request led to."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

LogKind = Literal["text", "json", "quiet"]
# More ids than this are counted, not named: a line is to stay readable.
SHOWN_IDS = 100

access_log = logging.getLogger("tiltyard.access")
_FIELDS = "tiltyard_fields"


def set_up_logs(kind: LogKind) -> None:
    """Send the logs of this process to standard error.

    It changes the whole process, so only the code that starts a process calls it: the command line.

    Args:
        kind: ``json`` and ``text`` log every request too; ``quiet`` logs only warnings, as Python does by default.
    """
    if kind == "quiet":
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    ours = logging.getLogger("tiltyard")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False
    root = logging.getLogger()
    root.handlers[:] = [handler]


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, its own fields, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


class TextFormatter(logging.Formatter):
    """A record as a line of text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


def log_access(scope: Any, route: str, status: int, seconds: float, ids: Sequence[str], trace_id: str) -> None:
    """Log a request whose response was sent."""
    caller = scope.get("tiltyard.caller")
    fields: dict[str, Any] = {
        "method": scope["method"],
        "path": scope["path"],
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000.0, 3),
        "caller": caller.name if caller is not None else "",
    }
    if ids:
        fields |= {"prediction_id": ids[0]} if len(ids) == 1 else {"prediction_ids": list(ids[:SHOWN_IDS])}
        fields["predictions"] = len(ids)
    if trace_id:
        fields["trace_id"] = trace_id
    named = f" {ids[0]}" if ids else ""
    message = f"{scope['method']} {route} {status} {fields['duration_ms']} ms{named}"
    access_log.info("%s", message, extra={_FIELDS: fields})
