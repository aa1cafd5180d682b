"""The events about a model, read once and then caught up with."""

from __future__ import annotations

from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Event


class ModelEvents:
    """A model's events in the order they were appended; each is read from the ledger once.

    One pass over a model (a monitoring run and the response to it) shares one, so that no step reads a long history
    anew. It is not safe to share between threads.

    Attributes:
        ledger: where the events are.
        model_name: the registered model; events about its versions belong to it.
    """

    def __init__(self, ledger: Ledger, model_name: str) -> None:
        self.ledger, self.model_name = ledger, model_name
        self._events: list[Event] = []

    def read(self) -> list[Event]:
        """All events about the model up to now; only those that were appended since the last call are fetched.

        Raises:
            UnavailableError: the ledger cannot be reached.
        """
        last = self._events[-1].sequence if self._events else 0
        self._events.extend(self.ledger.events(subject=self.model_name, after=last))
        return list(self._events)
