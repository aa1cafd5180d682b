"""Scorers and ledgers whose pace and failures a test decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event as Gate
from typing import Any

import numpy as np

from tiltyard.errors import UnavailableError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.scoring import InputProblem, Scores, refuse_inputs
from tiltyard.testing.ledger import MemoryLedger

PATIENCE = 20.0


class WordScorer:
    """Says ``good`` for texts with that word; refuses ``bad input``; waits for its gate, which is open at first."""

    classes = ("bad", "good")
    kind = "words"

    def __init__(self) -> None:
        self.gate = Gate()
        self.gate.set()
        self.batches: list[list[str]] = []

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        assert self.gate.wait(PATIENCE)
        texts = [item["text"] for item in inputs]
        self.batches.append(texts)
        wrong = [InputProblem(i, "text", "is refused") for i, text in enumerate(texts) if text == "bad input"]
        if wrong:
            raise refuse_inputs(wrong)
        good = np.array([0.9 if "good" in text else 0.2 for text in texts])
        return Scores(["good" if share > 0.5 else "bad" for share in good], np.column_stack([1 - good, good]))


class TestLedger(MemoryLedger):
    """A ledger in memory that counts its transactions, can be away, and waits for its gate."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.gate.set()
        self.away = False
        self.transactions: list[int] = []

    def record_rows(self, rows: Sequence[PredictionRow]) -> None:
        assert self.gate.wait(PATIENCE)
        self.check_writable()
        super().record_rows(rows)
        self.transactions.append(len(rows))

    def check_writable(self) -> None:
        if self.away:
            raise UnavailableError("The disk is full.", next_step="Make room.")

    @property
    def inputs(self) -> list[str]:
        """The texts of all recorded predictions, in their order."""
        return [prediction.input["text"] for prediction in self.predictions()]
