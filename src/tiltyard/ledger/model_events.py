"""The events about a model, read once; and what the registration of a version recorded of it in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from tiltyard.data.conform.labels import MERGED, LabelCodec
from tiltyard.formatting import format_count
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Event
from tiltyard.tasks import DecisionRule

SET_ASIDE, MERGED_CLASSES = "set_aside_classes", "merged_classes"
"""Keys in the evidence of a ``registered`` event: the rows of each class. Events from before have neither."""

DECISION = "decision"
"""Key in the same evidence: the rule by which probabilities become a label; None for the likeliest label."""


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


class SharedModelEvents(ModelEvents):
    """``ModelEvents`` that threads may share: what shows a model again and again reads a long history once."""

    def __init__(self, ledger: Ledger, model_name: str) -> None:
        super().__init__(ledger, model_name)
        self._lock = Lock()

    def read(self) -> list[Event]:
        """All events about the model up to now; see ``ModelEvents.read``."""
        with self._lock:
            return super().read()


@dataclass(frozen=True)
class RareClasses:
    """Classes of the data that no version of a model predicts by their name, with their rows in the newest training.

    Attributes:
        set_aside: classes whose rows were left out.
        merged: classes that became the class ``other``.
    """

    set_aside: Mapping[str, int] = field(default_factory=dict)
    merged: Mapping[str, int] = field(default_factory=dict)

    @property
    def became(self) -> dict[str, str | None]:
        """The class that each of them became; None for those that were set aside."""
        return {**dict.fromkeys(self.set_aside), **dict.fromkeys(self.merged, MERGED)}

    def find_class(self, raw: object) -> str | None:
        """The rare class that a raw label means; None where it means none."""
        return LabelCodec((*self.set_aside, *(name for name in self.merged if name not in self.set_aside))).find_class(
            raw
        )

    def describe(self, name: str) -> str:
        """What training did with one of these classes."""
        if name in self.set_aside:
            rows = format_count(self.set_aside[name], "row")
            return f"Class '{name}' was set aside in training ({rows}): the model cannot predict it."
        return f"Class '{name}' was merged into 'other' in training ({format_count(self.merged[name], 'row')})."


def read_rare_classes(ledger: Ledger, model_name: str) -> RareClasses:
    """The rare classes of all trainings of a model; for each class the newest training that names it counts.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    set_aside: dict[str, int] = {}
    merged: dict[str, int] = {}
    for event in ledger.events(subject=model_name, kind="registered"):
        for key, found, other in ((SET_ASIDE, set_aside, merged), (MERGED_CLASSES, merged, set_aside)):
            for name, rows in dict(event.evidence.get(key) or {}).items():
                found[str(name)] = int(rows)
                other.pop(str(name), None)
    return RareClasses(set_aside, merged)


def read_decision_rule(ledger: Ledger, model_name: str, version: str) -> DecisionRule | None:
    """The rule by which a version decides; None where it predicts the likeliest label, or was not recorded.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    rule = None
    for event in ledger.events(subject=f"{model_name}/{version}", kind="registered"):
        recorded = event.evidence.get(DECISION)
        rule = None if recorded is None else DecisionRule.model_validate(recorded)
    return rule
