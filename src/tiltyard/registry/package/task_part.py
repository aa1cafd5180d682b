"""What the package of a version needs of its task; servers load it, so it imports nothing heavy."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tiltyard.tasks import TaskPart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TaskRegistry(TaskPart):
    """The package of a version of a task.

    Attributes:
        sample_field: the field of ``Samples`` with what was predicted at training.
        output_type: the name of MLflow's type of a prediction.
    """

    sample_field: str
    output_type: str

    @abstractmethod
    def describe_predicted(self, predicted: NDArray[np.float64], classes: list[str]) -> dict[str, Any]:
        """The fields of ``Samples`` for what a model predicted.

        Args:
            predicted: (n, k) probabilities, or n numbers.
            classes: the classes of the columns, in the model's order; none where there are none.
        """

    @abstractmethod
    def check_fitted(self, model: Any) -> None:
        """Make sure that a fitted model predicts one label of the task, with what a version needs of it.

        Raises:
            UsageError: it does not.
        """

    @abstractmethod
    def make_stand_in(self) -> Any:
        """An unfitted model of scikit-learn whose place in a saved MLflow model ours takes."""
