"""How many power cuts or faults there were, and after how many something was wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.power.story import Verdict

MOST_EXAMPLES = 3


@dataclass
class Tally:
    """What came of the cuts or faults of one cell.

    Attributes:
        cuts: how many states were started from.
        lost: in how many of them something acknowledged was gone.
        corrupt: in how many something could not be opened, was not what was written, or did not work any more.
        unexplained: after how many a user would see a traceback, or nothing for minutes.
        wrong: in how many there was one of these.
        not_reached: how many of the faults never took place, as the story did not come to their call.
        examples: a few sentences of what was wrong.
    """

    cuts: int = 0
    lost: int = 0
    corrupt: int = 0
    unexplained: int = 0
    wrong: int = 0
    not_reached: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict, where: str, *, reached: bool = True) -> None:
        """Count one more."""
        self.cuts += 1
        self.not_reached += not reached
        self.lost += bool(verdict.lost)
        self.corrupt += bool(verdict.corrupt)
        self.unexplained += bool(verdict.unexplained)
        sentences = [*verdict.lost, *verdict.corrupt, *verdict.unexplained]
        self.wrong += bool(sentences)
        if sentences and len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{where}: {'; '.join(sentences)}")

    def add(self, other: Tally) -> None:
        """Count those of another cell too."""
        self.cuts += other.cuts
        self.lost += other.lost
        self.corrupt += other.corrupt
        self.unexplained += other.unexplained
        self.wrong += other.wrong
        self.not_reached += other.not_reached
        self.examples += other.examples

    def to_dict(self) -> dict[str, Any]:
        """Its figures by name, and the examples where there are any."""
        figures = {"cuts": self.cuts, "lost": self.lost, "corrupt": self.corrupt, "unexplained": self.unexplained}
        if self.not_reached:
            figures["not_reached"] = self.not_reached
        return figures | ({"examples": self.examples} if self.examples else {})
