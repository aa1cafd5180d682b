"""Which label a version predicts at which probabilities, and when it abstains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, model_validator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Costs = tuple[tuple[float, ...], ...]


class DecisionRule(BaseModel):
    """From the probabilities of k labels to the one that is predicted.

    Costs decide by the least expected cost (Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001); of equal
    ones the first label in order wins. A threshold is one on the probability of the positive one of two labels.

    Attributes:
        classes: the k labels, in the order of the columns of probabilities.
        threshold: the positive label is predicted from this probability on; None for the likeliest label, or by costs.
        positive: the label that the threshold is about; None without.
        tuned_for: the metric for which the threshold was chosen; None where it was given.
        costs: (k, k), a row for each true label and a column for each predicted one; none where costs do not decide.
        abstain_below: the model abstains where the likeliest label has a lower probability; None for never.
        abstain_cost: the model abstains where the least expected cost is above this; None for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    threshold: float | None = None
    positive: str | None = None
    tuned_for: str | None = None
    costs: Costs = ()
    abstain_below: float | None = None
    abstain_cost: float | None = None

    @model_validator(mode="after")
    def _fits_classes(self) -> Self:
        if self.threshold is not None and (len(self.classes) != 2 or self.positive not in self.classes):
            raise ValueError("a threshold needs two classes, one of them the positive one")
        if self.costs and any(len(row) != len(self.classes) for row in (self.costs, *self.costs)):
            raise ValueError(f"the costs are not {len(self.classes)} by {len(self.classes)}")
        return self

    @property
    def can_abstain(self) -> bool:
        """Whether there are probabilities at which the model abstains."""
        return self.abstain_below is not None or self.abstain_cost is not None

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.intp]:
        """The positions of the labels predicted at (n, k) probabilities; also of those on which it abstains."""
        import numpy as np  # noqa: PLC0415 - supervisors have no numpy

        if self.threshold is not None:
            place = self.classes.index(str(self.positive))
            return np.where(probabilities[:, place] >= self.threshold, place, 1 - place)
        if self.costs:
            return np.asarray(self._expect_costs(probabilities).argmin(axis=1))
        return np.asarray(probabilities.argmax(axis=1))

    def abstains(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where, of n rows, the model abstains."""
        import numpy as np  # noqa: PLC0415 - supervisors have no numpy

        if self.abstain_below is not None:
            return np.asarray(probabilities.max(axis=1) < self.abstain_below)
        if self.abstain_cost is not None:
            return np.asarray(self._expect_costs(probabilities).min(axis=1) > self.abstain_cost)
        return np.zeros(len(probabilities), dtype=np.bool_)

    def reorder(self, classes: Sequence[str], spelt: Mapping[str, str] | None = None) -> DecisionRule:
        """The same rule for the columns in another order.

        Args:
            classes: the k labels in the order wanted.
            spelt: how these spell each label of the rule; default: as the rule does.
        """
        names = [name if spelt is None else spelt[name] for name in self.classes]
        places = [names.index(name) for name in classes]
        costs = tuple(tuple(self.costs[true][predicted] for predicted in places) for true in places if self.costs)
        positive = None if self.positive is None else names[self.classes.index(self.positive)]
        update = {"classes": tuple(classes), "positive": positive, "costs": costs}
        return self.model_copy(update=update)

    def describe(self) -> str:
        """The rule in a sentence."""
        if self.threshold is not None:
            tuned = f", chosen for {self.tuned_for}" if self.tuned_for else ""
            text = f"{self.positive!r} is predicted from a probability of {self.threshold:.3g} on{tuned}"
        else:
            text = (
                "The label with the least expected cost is predicted"
                if self.costs
                else "The likeliest label is predicted"
            )
        if self.abstain_below is not None:
            text += f"; the model abstains where no label has a probability of {self.abstain_below:.3g}"
        if self.abstain_cost is not None:
            text += f"; the model abstains where that cost is above {self.abstain_cost:.3g}"
        return text + "."

    def _expect_costs(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np  # noqa: PLC0415 - supervisors have no numpy

        return np.asarray(probabilities @ np.asarray(self.costs))
