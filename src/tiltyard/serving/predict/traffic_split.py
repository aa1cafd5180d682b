"""A/B traffic split: whether champion or challenger predicts, whatever protocol a request came by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.ledger.records import new_id
from tiltyard.project import ServingSection
from tiltyard.serving.predict.batching.batcher import Batcher, Ticket
from tiltyard.serving.predict.requests import RequestHead
from tiltyard.serving.predict.shadow import assigned_to_challenger


class TrafficSplit:
    """Submits inputs, to the challenger for its share of the callers.

    Args:
        batcher: where they are submitted.
        model_name: name of the registered model.
        options: the project's ``[serving]``.
    """

    def __init__(self, batcher: Batcher, model_name: str, options: ServingSection) -> None:
        self._batcher = batcher
        self._model_name = model_name
        challenger = options.challenger
        self._share = None
        if challenger is not None and challenger.mode == "split":
            self._share = challenger.share_or_default

    def submit(
        self,
        head: RequestHead,
        inputs: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        ids: Sequence[str] = (),
        *,
        ignores_columns: bool = False,
    ) -> Ticket:
        """Submit the inputs of one request; see ``Batcher.submit``."""
        if self._share is None:
            return self._batcher.submit(inputs, keys, ids, ignores_columns=ignores_columns)
        ids = ids or [new_id() for _ in inputs]
        caller_key = head.route_key or head.prediction_key
        key = caller_key.decode("latin-1") if caller_key else ids[0]
        challenger = assigned_to_challenger(self._model_name, key, self._share)
        return self._batcher.submit(inputs, keys, ids, challenger=challenger, ignores_columns=ignores_columns)
