"""A/B traffic split: whether champion or challenger predicts, whatever protocol a request came by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.ledger.records import CALLER, REQUEST, make_unit, new_id
from tiltyard.project import ServingSection
from tiltyard.serving.predict.batching.batcher import Batcher
from tiltyard.serving.predict.batching.ticket import Ticket
from tiltyard.serving.predict.requests import RequestHead


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
        champion_only: bool = False,
        ignores_columns: bool = False,
    ) -> Ticket:
        """Submit the inputs of one request; see ``Batcher.submit``.

        The rows of one caller or one request share a unit, which decides the side as a whole.

        Args:
            head: its headers.
            inputs: its inputs.
            keys: the caller's own key of each; empty for none.
            ids: the ids of the predictions; empty for new ones.
            champion_only: whether the challenger must not predict, because the caller named the version.
            ignores_columns: whether columns that the model does not know are ignored.
        """
        share = None if champion_only else self._share
        if share is None and head.route_key is None and len(inputs) == 1:
            return self._batcher.submit(inputs, keys, ids, ignores_columns=ignores_columns)
        unit, ids = self._find_unit(head, inputs, ids)
        return self._batcher.submit(inputs, keys, ids, unit=unit, share=share, ignores_columns=ignores_columns)

    def _find_unit(
        self, head: RequestHead, inputs: Sequence[Mapping[str, Any]], ids: Sequence[str]
    ) -> tuple[str, Sequence[str]]:
        """The unit of a request, and the ids of its predictions where the first of them is what names the unit."""
        if head.route_key:
            return make_unit(CALLER, self._model_name, head.route_key.decode("latin-1")), ids
        if head.prediction_key:
            return make_unit(REQUEST, self._model_name, head.prediction_key.decode("latin-1")), ids
        ids = ids or [new_id() for _ in inputs]
        return make_unit(REQUEST, self._model_name, ids[0]), ids
