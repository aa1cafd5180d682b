"""The cluster's API server: reading, applying and removing objects, and telling people by events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from tiltyard.cluster.observed import Announce, Delete, KeepRevision, Manifest
from tiltyard.cluster.spec import GROUP, KIND, PLURAL, VERSION
from tiltyard.cluster.status import REMOVABLE
from tiltyard.errors import UnavailableError, UsageError

FIELD_MANAGER = "tiltyard-operator"
REFUSED = "cluster.refused"
"""Code of an error: the cluster will not do it, however often it is requested."""

KINDS: Mapping[str, tuple[str, str]] = {
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Service": ("api/v1", "services"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "CronJob": ("apis/batch/v1", "cronjobs"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
    "ControllerRevision": ("apis/apps/v1", "controllerrevisions"),
    "Pod": ("api/v1", "pods"),
    "Event": ("api/v1", "events"),
    KIND: (f"apis/{GROUP}/{VERSION}", PLURAL),
}
"""Where each kind is, and its name in an address."""
OWNED = tuple(kind for kind in KINDS if kind not in ("Pod", "Event", KIND))
"""The kinds that belong to a model."""

_FAILING = 500
_TOO_MANY = 429


class Cluster:
    """An API server. All methods raise ``UnavailableError`` where it does not respond, and ``UsageError`` with the code
    ``cluster.refused`` where it refuses.

    Args:
        client: what reaches it, with its address and credentials.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def read(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object; None where it does not exist."""
        response = await self._send("GET", _address(kind, namespace, name), missing=True)
        return None if response.status_code == httpx.codes.NOT_FOUND else response.json()

    async def list_objects(self, kind: str, namespace: str, labels: str) -> list[Manifest]:
        """The objects with labels, as a selector writes them; without the kind, which the list has."""
        response = await self._send("GET", _address(kind, namespace), params={"labelSelector": labels})
        return [{"kind": kind, **item} for item in response.json()["items"]]

    async def apply(self, item: Manifest) -> None:
        """Bring an object about as it is written, also where others changed it (server-side apply)."""
        place = item["metadata"]
        await self._send(
            "PATCH",
            _address(item["kind"], place["namespace"], place["name"]),
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=item,
        )

    async def delete(self, namespace: str, what: Delete) -> None:
        """Remove an object and what belongs to it; one that is gone, or another of that name, is left."""
        kind, name = what.ref
        options = {"propagationPolicy": "Background", "preconditions": {"uid": what.uid}}
        try:
            await self._send("DELETE", _address(kind, namespace, name), missing=True, json=options)
        except UsageError as error:
            if error.fields.get("status") != httpx.codes.CONFLICT:
                raise

    async def keep_revision(self, model: Manifest, labels: Mapping[str, str], what: KeepRevision) -> None:
        """Record what a specification means; what is recorded already stays."""
        place = model["metadata"]
        item = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": what.name,
                "namespace": place["namespace"],
                "labels": dict(labels),
                "ownerReferences": [
                    {
                        "apiVersion": f"{GROUP}/{VERSION}",
                        "kind": KIND,
                        "name": place["name"],
                        "uid": place["uid"],
                        "controller": True,
                        "blockOwnerDeletion": False,
                    }
                ],
            },
            "revision": what.number,
            "data": {"objects": what.objects},
        }
        await self._create("ControllerRevision", item)

    async def announce(self, model: Manifest, what: Announce, now: datetime) -> None:
        """Tell people; the same only once."""
        place = model["metadata"]
        digest = hashlib.sha256(f"{place['uid']}{what.reason}{what.key}".encode()).hexdigest()[:16]
        moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        item = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{place['name']}.{digest}", "namespace": place["namespace"]},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                **{key: place[key] for key in ("name", "namespace", "uid")},
            },
            "type": what.kind,
            "reason": what.reason,
            "message": what.message[:1024],
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        await self._create("Event", item)

    async def write_status(self, model: Manifest, status: Manifest) -> None:
        """Write the status of a model; what it does not name is removed."""
        place = model["metadata"]
        await self._send(
            "PATCH",
            f"{_address(KIND, place['namespace'], place['name'])}/status",
            params={"fieldManager": FIELD_MANAGER},
            headers={"Content-Type": "application/merge-patch+json"},
            json={"status": {**dict.fromkeys(REMOVABLE), **status}},
        )

    async def _create(self, kind: str, item: Manifest) -> None:
        try:
            await self._send("POST", _address(kind, item["metadata"]["namespace"]), json=item)
        except UsageError as error:
            if error.fields.get("status") != httpx.codes.CONFLICT:
                raise

    async def _send(self, method: str, address: str, *, missing: bool = False, **more: Any) -> httpx.Response:
        try:
            response = await self._client.request(method, address, **more)
        except (httpx.HTTPError, OSError) as error:
            raise UnavailableError(
                f"The cluster does not respond: {error or type(error).__name__}.",
                next_step="Tiltyard tries again.",
                code="cluster.unavailable",
            ) from None
        if response.is_success or (missing and response.status_code == httpx.codes.NOT_FOUND):
            return response
        said = _read_message(response)
        if response.status_code >= _FAILING or response.status_code == _TOO_MANY:
            raise UnavailableError(
                f"The cluster failed ({response.status_code}): {said}",
                next_step="Tiltyard tries again.",
                code="cluster.unavailable",
            )
        raise UsageError(
            f"The cluster refused {method} {address} ({response.status_code}): {said}",
            next_step="Correct the resource, or the rights of the operator.",
            code=REFUSED,
            status=response.status_code,
        )


def _address(kind: str, namespace: str, name: str = "") -> str:
    base, plural = KINDS[kind]
    return f"/{base}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def _read_message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200] or response.reason_phrase
