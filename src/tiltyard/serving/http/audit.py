"""Audit log: actions of people on a running server, recorded as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from tiltyard.ledger.records import Event
from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.predict.components import ServerComponents

log = logging.getLogger(__name__)


async def record_admin_action(
    components: ServerComponents, request: Request, kind: str, evidence: Mapping[str, Any]
) -> None:
    """Append an event: what was done to the served model, and by which caller.

    Where the ledger is away, the action stands, and the log has it.
    """
    caller = request.scope[CALLER]
    event = Event(
        kind=kind,
        subject=components.models.served.model_name,
        at=datetime.now(UTC),
        actor=caller.name,
        reason=f"{request.method} {request.url.path}",
        evidence={**evidence, "address": caller.address},
    )
    try:
        await asyncio.to_thread(components.ledger.append, event)
    except Exception as error:  # noqa: BLE001 - the action is done, whatever fails here
        log.error("The event '%s' of %s could not be recorded: %s", kind, event.actor, error)
