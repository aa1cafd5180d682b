"""``[stream.NAME]``: messages of a broker that are predicted as they come."""

from __future__ import annotations

from pydantic import Field, model_validator

from tiltyard.project.base import Section


class StreamSection(Section):
    """A stream that is predicted: by `tiltyard up`, or by `tiltyard stream NAME`."""

    source: str = Field(
        description="The stream that is read, such as `kafka://HOST:9092/TOPIC`; `${NAME}` stands for a variable of "
        "the environment or of `.env`."
    )
    target: str = Field(description="The stream of the results.")
    group: str | None = Field(
        default=None, min_length=1, description="Group of consumers that share the work; default: tiltyard-MODEL."
    )
    dead_letters: str | None = Field(
        default=None,
        description="The stream of messages that cannot be predicted; default: that of the source with `.dead-letters` "
        "behind it.",
    )
    labels: str | None = Field(default=None, description="A stream of labels, as `POST /feedback` takes them.")
    batch: int = Field(
        default=500, ge=1, le=10_000, description="Most messages that are taken, scored and recorded at once."
    )
    hold_seconds: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="After so long without word from a consumer, its messages go to another one.",
    )
    processes: int = Field(
        default=1, ge=1, le=64, description="Processes of `tiltyard up` that share the work, as one group."
    )
    host: str = Field(default="127.0.0.1", description="Address of `/health` and `/metrics`.")
    port: int = Field(default=0, ge=0, le=65535, description="Their port; 0 takes any free one.")

    @model_validator(mode="after")
    def _has_a_port_for_each(self) -> StreamSection:
        if self.processes > 1 and self.port:
            raise ValueError("port: each of several processes needs its own: leave it out")
        return self
