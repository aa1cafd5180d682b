"""``TiltyardModel.spec``: what a project is to look like on a cluster. The Helm chart has the same values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

GROUP = "tiltyard.github.io"
VERSION = "v1alpha1"
KIND = "TiltyardModel"
PLURAL = "tiltyardmodels"

LONGEST_NAME = 40
"""Characters of a resource's name: those of its pods are longer, and end at 63."""
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"

RESERVED_LABELS = "app.kubernetes.io/"
"""How the labels begin by which services, policies and the operator know the pods."""
RESERVED_VARIABLES = ("TILTYARD_HOME", "TILTYARD_API_KEYS")
"""What the manifests set: another value would be without effect."""

ImageByDigest = Annotated[str, Field(pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$", max_length=512)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Cron = Annotated[str, Field(pattern=r"^(@[a-z]+|\S+( \S+){4})$", max_length=128)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?([kKMGTPE]i?|m)?$", max_length=32)]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=128)]


def _to_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


class SpecPart(BaseModel):
    """A part of the specification: immutable, names as Kubernetes writes them, unknown ones refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_to_camel, populate_by_name=True)


class Schedules(SpecPart):
    """What the cluster's clock starts."""

    training: Cron | None = Field(
        default=None, description="When a version is trained with the labels from production; default: never."
    )
    batch: Cron | None = Field(
        default=None,
        description="How often the tables of the project file are looked through for what is due; default: never.",
    )
    monitoring: Cron | None = Field(
        default=None,
        description="When the loop makes a pass; default: the loop runs all the time, as a pod.",
    )
    time_zone: str = Field(default="Etc/UTC", max_length=64, description="Time zone of the three.")


class Autoscaling(SpecPart):
    """As many servers as there is work."""

    min_replicas: int = Field(default=3, ge=1, le=100, description="Fewest servers.")
    max_replicas: int = Field(default=9, ge=1, le=100, description="Most servers.")
    cpu_percent: int = Field(
        default=70, ge=10, le=100, description="Share of the requested processors above which a server is added."
    )
    queue_inputs: int | None = Field(
        default=None,
        ge=1,
        description="Inputs of a server that wait for their batch, above which a server is added; it needs the metric "
        "tiltyard_queue_inputs in the cluster. Default: not used.",
    )


class Stream(SpecPart):
    """The stream of the project file, predicted by pods of one group of consumers."""

    replicas: int = Field(default=2, ge=1, le=100, description="Its pods.")


class Ingress(SpecPart):
    """The API outside the cluster, over HTTPS."""

    host: str = Field(min_length=1, max_length=253, description="Host name.")
    tls_secret: ObjectName | None = Field(
        default=None, description="Secret of the certificate; default: the cluster's balancer has it."
    )
    class_name: ObjectName | None = Field(default=None, description="Class; default: the cluster's.")
    annotations: Mapping[str, str] = Field(default_factory=dict, description="What the class reads.")


class Storage(SpecPart):
    """The volume of each server: predictions that are not shipped yet, and copies of versions."""

    size: Quantity = Field(default="10Gi", description="Size; it cannot be changed later.")
    class_name: ObjectName | None = Field(
        default=None, description="Class of block storage; default: the cluster's. It cannot be changed later."
    )


class Identity(SpecPart):
    """By what a cloud knows the pods."""

    annotations: Mapping[str, str] = Field(default_factory=dict, description="Annotations of the service account.")
    pod_labels: Mapping[str, str] = Field(
        default_factory=dict, description="Labels of the pods; those of app.kubernetes.io/ are taken."
    )
    agent: Literal["EKS", "GKE"] | None = Field(
        default=None,
        description="Whose agent on the node gives the credentials, so that pods may reach it: EKS (Pod Identity), GKE "
        "(Workload Identity). Default: none, as for IRSA and Entra Workload ID.",
    )


class Rollout(SpecPart):
    """When a change has failed, and when a pod has."""

    deadline_seconds: int = Field(
        default=900,
        ge=10,
        le=86_400,
        description="Longest time without progress, after which a change is taken back.",
    )
    hang_seconds: int = Field(
        default=600,
        ge=10,
        le=86_400,
        description="How long a pod may not respond, or say that it hangs, before it is replaced.",
    )


class ModelSpec(SpecPart):
    """What a project is to look like on a cluster."""

    image: ImageByDigest = Field(description="Image by its digest, NAME@sha256:…; it may hold the model too.")
    project: str | None = Field(
        default=None, max_length=200_000, description="Text of tiltyard.toml; default: the image's /project."
    )
    replicas: int = Field(default=3, ge=1, le=100, description="Servers, where they are not counted by autoscaling.")
    promotion: Literal["Gates", "Manual"] = Field(
        default="Gates",
        description="What becomes of a version that the schedule trained: Gates, champion if the gates of the project "
        "file let it; Manual, registered, and a person promotes it.",
    )
    schedules: Schedules = Field(default=Schedules(), description="What the cluster's clock starts.")
    autoscaling: Autoscaling | None = Field(default=None, description="As many servers as there is work.")
    configuration: Mapping[Variable, str] = Field(
        default_factory=dict, description="Environment of all pods; secrets belong into the secret."
    )
    secret: ObjectName | None = Field(
        default=None, description="Secret whose keys are environment variables of all pods; default: the name."
    )
    api_keys_secret: ObjectName | None = Field(
        default=None, description="Secret with the file api-keys.json; default: the name and -api-keys."
    )
    console: bool = Field(default=True, description="Whether the console runs.")
    stream: Stream | None = Field(default=None, description="The stream of the project file.")
    ingress: Ingress | None = Field(default=None, description="The API outside the cluster.")
    storage: Storage = Field(default=Storage(), description="The volume of each server.")
    identity: Identity = Field(default=Identity(), description="By what a cloud knows the pods.")
    rollout: Rollout = Field(default=Rollout(), description="When a change has failed, and when a pod has.")

    def secret_of(self, name: str) -> str:
        """The secret with the environment of the resource of this name."""
        return self.secret or name

    def api_keys_secret_of(self, name: str) -> str:
        """The secret with the API keys of the resource of this name."""
        return self.api_keys_secret or f"{name}-api-keys"
