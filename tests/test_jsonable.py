"""Values as JSON's own types: how a dataclass's form differs from its fields is declared once."""

from __future__ import annotations

from dataclasses import dataclass

from tiltyard.jsonable import json_form, to_jsonable


@json_form(also=("double",), without=("secret",), names={"size": "length"}, constants={"unit": "cm"})
@dataclass(frozen=True)
class Measured:
    size: float
    secret: str = "x"

    @property
    def double(self) -> float:
        return 2 * self.size


def test_a_declared_form_adds_renames_and_leaves_out() -> None:
    """A dataclass is written as its json_form says, wherever it stands."""
    assert to_jsonable([Measured(1.5)]) == [{"length": 1.5, "double": 3.0, "unit": "cm"}]
