"""Shadow deployment: the challenger predicts recorded inputs too, and no client sees it."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Thread
from time import perf_counter
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import KNOWN_UNIT, REQUEST, SHADOW, is_in_share, make_unit
from tiltyard.ledger.storable import decode_json
from tiltyard.processes.model_calls import CallSlot, ModelCalls
from tiltyard.scoring import score_groups
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batching.prediction_rows import make_rows

# More inputs wait only where the challenger cannot keep up; then rows are left out, and the log says so.
MOST_WAITING = 10_000
AT_ONCE = 64
_END = None

log = logging.getLogger(__name__)


def assigned_to_challenger(model_name: str, key: str, share: float) -> bool:
    """Whether a key is in the challenger's share: the same in every process and at all times; see ``is_in_share``."""
    return is_in_share(make_unit(REQUEST, model_name, key), share)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """An input that is predicted once more: a ``ScoredRequest`` whose key is the id of the first prediction."""

    inputs: Sequence[Mapping[str, Any]]
    accepted: float
    keys: Sequence[str]
    ids: Sequence[str] = ()
    unit: str | None = KNOWN_UNIT
    assignment: str | None = None


class Shadow:
    """Predicts recorded inputs once more with the challenger, on a separate thread, and records that too.

    A row of the shadow has the route ``shadow`` and, as its key, the id of the champion's prediction.

    Args:
        current: the challenger, or None where there is none.
        ledger: where both predictions are recorded.
        share: share of the inputs that are predicted twice, by their prediction's id.
        calls: where the model call that is under way is noted; default: nowhere that others see.
    """

    def __init__(
        self,
        current: Callable[[], ServedVersion | None],
        ledger: Ledger,
        share: float,
        calls: CallSlot | None = None,
    ) -> None:
        self._current = current
        self._ledger = ledger
        self._share = share
        self._calls = ModelCalls().slot("shadow") if calls is None else calls
        self._waiting: queue.Queue[PredictionRow | None] = queue.Queue(MOST_WAITING)
        self._thread = Thread(target=self._run, name="tiltyard-shadow", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Predict what waits, at most for so long, and end the thread."""
        if self._thread.is_alive():
            self._waiting.put(_END)
            self._thread.join(seconds)

    def add(self, rows: Sequence[PredictionRow]) -> None:
        """Take rows that the champion predicted; never waits."""
        version = self._current()
        if version is None:
            return
        left_out = 0
        for row in rows:
            if self._share < 1 and not assigned_to_challenger(row.project, row.id, self._share):
                continue
            try:
                self._waiting.put_nowait(row)
            except queue.Full:
                left_out += 1
        if left_out:
            log.warning("%d inputs were left out of the shadow: the challenger cannot keep up", left_out)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not _END:
            rows, ending = [first], False
            while len(rows) < AT_ONCE and not self._waiting.empty():
                row = self._waiting.get()
                if row is _END:
                    ending = True
                    break
                rows.append(row)
            try:
                self._predict(rows)
            except TiltyardError as error:
                log.warning("The challenger's predictions could not be recorded: %s", error.message)
            except Exception:
                log.exception("The challenger failed in the shadow")
            if ending:
                return

    def _predict(self, rows: Sequence[PredictionRow]) -> None:
        version = self._current()
        if version is None:
            return
        pairs = [(row, [decode_json(row.input)]) for row in rows if row.version != version.info.version]
        if not pairs:
            return
        began = perf_counter()
        with self._calls.call(version.info.version):
            scored = score_groups(version.scorer, [inputs for _, inputs in pairs])
        made: list[PredictionRow] = []
        for (row, inputs), scores in zip(pairs, scored, strict=True):
            # An input that the challenger cannot score lacks its prediction; the client's is not touched.
            if isinstance(scores, Exception):
                continue
            shadow_rows = make_rows(_Repeated(inputs, began, [row.id]), scores, version)
            if isinstance(shadow_rows, list):
                made += [shadow_row._replace(route=SHADOW) for shadow_row in islice(shadow_rows, 1)]
        if made:
            self._ledger.record_rows(made)
