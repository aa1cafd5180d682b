"""Acts of people on a running server, written down as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from tiltyard.ledger.records import Event
from tiltyard.serving.auth.guard import CALLER
from tiltyard.serving.predict.components import ServerComponents

log = logging.getLogger(__name__)


async def record_admin_action(
    service: ServerComponents, request: Request, kind: str, evidence: Mapping[str, Any]
) -> None:
    """Append an event: what was done to the served model, and by which caller.

    A ledger that is away does not undo what was done; then the log has it.
    """
    caller = request.scope[CALLER]
    event = Event(
        kind=kind,
        subject=service.live.served.model,
        at=datetime.now(UTC),
        actor=caller.name,
        reason=f"{request.method} {request.url.path}",
        evidence={**evidence, "address": caller.address},
    )
    try:
        await asyncio.to_thread(service.ledger.append, event)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being written, the act is done
        log.error("The event '%s' of %s could not be recorded: %s", kind, event.actor, error)
