"""The pods of a model: what the cluster says of them, and what they say of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from tiltyard.cluster.observed import Health, Manifest, Pod

PARTS = ("api", "loop", "stream")
"""The parts that have an address for their health; the console listens on loopback alone."""
LIVE = "/v2/health/live"
SECONDS = 5.0
"""How long a pod has to respond."""
_SERVER_OF_VERSIONS = "api"


def read_pod(item: Manifest, model: str) -> Pod:
    """What the cluster says of a pod.

    Args:
        item: the pod.
        model: name of the model whose pod it is.
    """
    place, spec, status = item["metadata"], item["spec"], item.get("status", {})
    labels = place.get("labels", {})
    part = str(labels.get("app.kubernetes.io/name", "")).removeprefix(f"{model}-")
    containers: list[dict[str, Any]] = status.get("containerStatuses", [])
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    waiting = [one["state"]["waiting"].get("reason", "") for one in containers if one.get("state", {}).get("waiting")]
    if conditions.get("PodScheduled", {}).get("status") == "False":
        waiting.append(conditions["PodScheduled"].get("reason", ""))
    ports = [port["containerPort"] for container in spec["containers"] for port in container.get("ports", [])]
    return Pod(
        name=place["name"],
        uid=place["uid"],
        part=part,
        revision=labels.get("controller-revision-hash") or labels.get("pod-template-hash") or "",
        started=status.get("phase") == "Running" and all(one.get("started") for one in containers) and bool(containers),
        ready=conditions.get("Ready", {}).get("status") == "True",
        leaving="deletionTimestamp" in place,
        waiting=next(iter(waiting), ""),
        address=status.get("podIP", ""),
        port=ports[0] if ports and part in PARTS else None,
    )


async def ask_pods(pods: Sequence[Pod], client: httpx.AsyncClient) -> tuple[Pod, ...]:
    """The pods with what they say of their health, all read at once."""
    return tuple(await asyncio.gather(*(_ask(pod, client) for pod in pods)))


async def _ask(pod: Pod, client: httpx.AsyncClient) -> Pod:
    if pod.port is None or not pod.address or pod.leaving:
        return pod
    host = f"[{pod.address}]" if ":" in pod.address else pod.address
    base = f"http://{host}:{pod.port}"
    try:
        live = await client.get(base + LIVE)
        version = None
        if pod.part == _SERVER_OF_VERSIONS:
            said = (await client.get(f"{base}/health")).json()
            version = said.get("version") if isinstance(said, dict) and said.get("model_loaded") else None
    except (httpx.HTTPError, OSError, ValueError) as error:
        reason = f"It does not respond ({type(error).__name__})."
        return replace(pod, health=Health(responded=False, reason=reason))
    alive = live.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    return replace(pod, health=Health(responded=True, alive=alive, version=None if version is None else str(version)))
