"""Versions that predict classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiltyard.data.conform.labels import order_classes
from tiltyard.registry.package.task_part import TaskRegistry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ClassRegistry(TaskRegistry):
    """The ``TaskRegistry`` of classes."""

    sample_field = "probabilities"
    output_type = "string"

    def describe_predicted(self, predicted: NDArray[np.float64], classes: list[str]) -> dict[str, Any]:
        ordered = predicted[:, [classes.index(label) for label in order_classes(classes)]]
        return {"probabilities": tuple(tuple(map(float, row)) for row in ordered)}

    def check_fitted(self, model: Any) -> None:
        from tiltyard.registry.foreign.estimators import require_model_classes  # noqa: PLC0415 - servers adopt nothing

        require_model_classes(model)

    def make_stand_in(self) -> Any:
        from sklearn.dummy import DummyClassifier  # noqa: PLC0415 - servers load no scikit-learn for this

        return DummyClassifier()


PART = ClassRegistry()
