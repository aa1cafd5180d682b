"""Versions that predict numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiltyard.registry.package.task_part import TaskRegistry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NumberRegistry(TaskRegistry):
    """The ``TaskRegistry`` of numbers."""

    sample_field = "numbers"
    output_type = "double"

    def describe_predicted(self, predicted: NDArray[np.float64], classes: list[str]) -> dict[str, Any]:
        return {"numbers": tuple(map(float, predicted.ravel()))}

    def check_fitted(self, model: Any) -> None:
        from tiltyard.registry.foreign.estimators import (  # noqa: PLC0415 - servers adopt nothing
            describe_several_outputs,
            find_last_step,
        )

        if int(getattr(find_last_step(model), "n_outputs_", 1) or 1) > 1:
            raise describe_several_outputs(model)

    def make_stand_in(self) -> Any:
        from sklearn.dummy import DummyRegressor  # noqa: PLC0415 - servers load no scikit-learn for this

        return DummyRegressor()


PART = NumberRegistry()
