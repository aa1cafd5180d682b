"""``[alerts]``: destinations of alerts and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tiltyard.project.base import Section

DestinationName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
DestinationKind = Literal["webhook", "mlflow", "slack", "email", "log"]


class DestinationSection(Section):
    """A destination of notifications.

    The host's environment has its URL and secret: TILTYARD_DESTINATIONS__NAME__URL, …__SECRET.
    """

    kind: DestinationKind = Field(
        description="How notifications are sent; webhooks are signed when there is a secret. mlflow: decisions only, "
        "in the format of MLflow's webhooks."
    )
    to: tuple[str, ...] = Field(default=(), description="Recipients of an e-mail.")

    @model_validator(mode="after")
    def _has_recipients(self) -> DestinationSection:
        if (self.kind == "email") != bool(self.to):
            raise ValueError("to: addresses belong to a destination of the kind email, which needs at least one")
        return self


class AlertsSection(Section):
    """Destinations of alerts and decisions."""

    to: tuple[DestinationName, ...] = Field(default=("log",), description="Destinations of alerts.")
    decisions: tuple[DestinationName, ...] = Field(
        default=(), description="Destinations of decisions: promoted, refused, rolled back."
    )
    link: str | None = Field(default=None, description="Address of the console, for the links in notifications.")
    give_up_days: float = Field(default=3.0, gt=0, description="Days after which a notification is no longer retried.")
    destinations: Mapping[DestinationName, DestinationSection] = Field(
        default_factory=dict, description="The destinations by name; the destination log always exists."
    )

    @model_validator(mode="after")
    def _knows_destinations(self) -> AlertsSection:
        known = {"log", *self.destinations}
        for field, names in (("to", self.to), ("decisions", self.decisions)):
            for name in names:
                if name not in known:
                    raise ValueError(f"{field}: there is no [alerts.destinations.{name}]")
        for name in self.to:
            if name in self.destinations and self.destinations[name].kind == "mlflow":
                raise ValueError(
                    f"to: '{name}' is of the kind mlflow, which can receive decisions only; name it in decisions"
                )
        return self
