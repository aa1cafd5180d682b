"""``[serving]``: how predictions are served; ``[console]``: who uses it; ``[stream.NAME]``: messages to predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tiltyard.choices import Role
from tiltyard.project.base import ColumnName, Section

UnknownAction = Literal["warn", "refuse", "ignore"]

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]

_DEFAULT_SHARES = {"shadow": 1.0, "split": 0.1}


class ChallengerOptions(Section):
    """The role of the version with the alias ``challenger``; without such a version there is none."""

    mode: Literal["shadow", "split"] = Field(
        description="'shadow': it predicts the same inputs, unseen by users; 'split': it serves some of the callers."
    )
    share: float | None = Field(
        default=None, gt=0, le=1, description="Share of the inputs (shadow; default 1) or callers (split; default 0.1)."
    )

    @property
    def share_or_default(self) -> float:
        """The share that the project names, or the default of the mode."""
        return self.share if self.share is not None else _DEFAULT_SHARES[self.mode]


class ConsoleSection(Section):
    """Who uses the console, where a proxy in front of it has signed them in."""

    user_header: HeaderName | None = Field(
        default=None,
        description="Header in which the proxy sends the person's name, such as X-Auth-Request-Email. It needs "
        "serving.trusted_proxies, and the secret TILTYARD_CONSOLE_PROXY_SECRET.",
    )
    groups_header: HeaderName | None = Field(
        default=None, description="Header in which it sends the person's groups, separated by commas."
    )
    roles: Mapping[Role, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Who has a role (viewer, labeller, operator, admin): names, groups, or '*' for everybody.",
    )

    @model_validator(mode="after")
    def _needs_user(self) -> ConsoleSection:
        if self.user_header is None and (self.groups_header is not None or self.roles):
            raise ValueError("groups_header and roles are of no use without user_header")
        return self


class ServingSection(Section):
    """How predictions are served."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; loopback unless you change it.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 chooses a free one.")
    workers: int = Field(default=1, ge=1, le=256, description="Server processes, all on one port.")
    hang_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a worker, or its supervisor, may give no sign of life, and a model call may take, "
        "before it is ended and restarted.",
    )
    ledger: Literal["durable", "available"] = Field(
        default="durable",
        description="What happens to a prediction that cannot be recorded: 'durable' responds with 503; 'available' "
        "returns it with recorded: false, and records it later if the server lives.",
    )
    answer: Literal["prediction", "sentiment"] = Field(
        default="prediction", description="Name of the response field with the predicted label."
    )
    reload_seconds: float = Field(default=60.0, gt=0, description="How often the server checks the champion's alias.")
    max_batch: int = Field(default=256, ge=1, description="Most inputs that are scored in one model call.")
    max_request: int = Field(default=1000, ge=1, description="Most inputs of one request to /predict/batch.")
    max_queue: int = Field(default=4096, ge=1, description="Most inputs that wait; beyond that the response is 503.")
    bodies_mib: int = Field(
        default=256,
        ge=128,
        description="Most MiB of request bodies that a worker holds at once; beyond, one above 64 KiB gets 503.",
    )
    max_text: int = Field(default=200_000, ge=1, description="Longest text, in characters.")
    unknown: UnknownAction = Field(
        default="warn",
        description="What happens to an input with a category that training did not know, a number outside of what it "
        "saw, or a date far outside: 'warn' predicts with a warning in the response, 'refuse' responds with 422, "
        "'ignore' says nothing.",
    )
    unknown_columns: Mapping[ColumnName, UnknownAction] = Field(
        default={}, description='The same for single columns: `plan = "refuse"`.'
    )
    challenger: ChallengerOptions | None = Field(default=None, description="Role of a challenger; by default none.")
    metrics: tuple[str, ...] = Field(
        default=(),
        description="Custom metrics: module:function, called with the registry at the start.",
    )
    log: Literal["text", "json", "quiet"] = Field(
        default="quiet",
        description="Log on standard error: each request as text or JSON, or only warnings.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses or networks of proxies in front, whose headers (Forwarded, X-Forwarded-For, "
        "X-Forwarded-Prefix) count.",
    )
    rate_limit: float | None = Field(
        default=None, gt=0, description="Most requests a second of one caller (API key, or address); beyond, 429."
    )
    rate_burst: int | None = Field(
        default=None, ge=1, description="Most requests of one caller at once; by default those of a second."
    )


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
