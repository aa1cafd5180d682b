"""Who of champion and challenger is asked, whatever protocol a request came by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.ledger.records import new_id
from tiltyard.project import ServingSection
from tiltyard.serving.predict.batcher import Batcher, Ticket
from tiltyard.serving.predict.requests import Head
from tiltyard.serving.predict.shadow import assigned_to_challenger

# The share of callers that a challenger answers where the project names none.
SPLIT_SHARE = 0.1


class TrafficSplit:
    """Submits inputs, to the challenger where the caller's requests fall to it.

    Args:
        batcher: where they are submitted.
        model: name of the registered model.
        options: the project's ``[serving]``.
    """

    def __init__(self, batcher: Batcher, model: str, options: ServingSection) -> None:
        self._batcher = batcher
        self._model = model
        beside = options.challenger
        self._share = (beside.share or SPLIT_SHARE) if beside is not None and beside.mode == "split" else None

    def submit(
        self, head: Head, inputs: Sequence[Mapping[str, Any]], keys: Sequence[str], ids: Sequence[str] = ()
    ) -> Ticket:
        """Submit the inputs of one request; see ``Batcher.submit``."""
        if self._share is None:
            return self._batcher.submit(inputs, keys, ids)
        ids = ids or [new_id() for _ in inputs]
        own = head.route_key or head.prediction_key
        key = own.decode("latin-1") if own else ids[0]
        theirs = assigned_to_challenger(self._model, key, self._share)
        return self._batcher.submit(inputs, keys, ids, challenger=theirs)
