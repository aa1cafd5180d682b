"""The cluster's API server: reading, applying and removing objects, and telling people by events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from tiltyard.cluster.observed import REMOVABLE, Announce, Delete, KeepRevision, Manifest
from tiltyard.cluster.spec import GROUP, KIND, PLURAL, VERSION
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

CONFLICT = "cluster.conflict"
"""Code of an error: somebody else changed the same object meanwhile, so that it has to be read again."""

_FAILING = 500
_LATER = (408, 429)


class Cluster:
    """An API server. All methods raise ``UnavailableError`` where it does not respond or somebody else changed the same
    object, and ``UsageError`` with the code ``cluster.refused`` where it refuses.

    Args:
        client: what reaches it, with its address and credentials.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def read(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object; None where it does not exist."""
        response = await self._send("GET", _address(kind, namespace, name), expected=httpx.codes.NOT_FOUND)
        return None if response.status_code == httpx.codes.NOT_FOUND else _read_object(response)

    async def list_objects(self, kind: str, namespace: str, labels: str) -> list[Manifest]:
        """The objects with labels, as a selector writes them; without the kind, which the list has."""
        response = await self._send("GET", _address(kind, namespace), params={"labelSelector": labels})
        return [{"kind": kind, **item} for item in _read_object(response).get("items") or ()]

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
        left = (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT)
        await self._send("DELETE", _address(kind, namespace, name), expected=left, json=options)

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
        """Write the status of a model as it was read; what the status does not name is removed.

        A model that was changed since then is left: a decision about what it no longer says is not recorded.
        """
        place = model["metadata"]
        await self._send(
            "PATCH",
            f"{_address(KIND, place['namespace'], place['name'])}/status",
            params={"fieldManager": FIELD_MANAGER},
            headers={"Content-Type": "application/merge-patch+json"},
            json={
                "metadata": {"resourceVersion": place["resourceVersion"]},
                "status": {**dict.fromkeys(REMOVABLE), **status},
            },
        )

    async def _create(self, kind: str, item: Manifest) -> None:
        address = _address(kind, item["metadata"]["namespace"])
        await self._send("POST", address, expected=httpx.codes.CONFLICT, json=item)

    async def _send(
        self, method: str, address: str, *, expected: int | tuple[int, ...] = (), **more: Any
    ) -> httpx.Response:
        try:
            response = await self._client.request(method, address, **more)
        except (httpx.HTTPError, OSError) as error:
            raise UnavailableError(
                f"The cluster does not respond: {error or type(error).__name__}.",
                next_step="Tiltyard tries again.",
                code="cluster.unavailable",
            ) from None
        if response.is_success or response.status_code in (expected if isinstance(expected, tuple) else (expected,)):
            return response
        said = _read_message(response)
        if response.status_code == httpx.codes.CONFLICT:
            raise UnavailableError(
                f"Somebody else changed {address} meanwhile: {said}", next_step="Tiltyard tries again.", code=CONFLICT
            )
        if response.status_code == httpx.codes.UNAUTHORIZED:  # says nothing of what was requested
            raise UnavailableError(
                f"The cluster refuses the operator's credentials (401): {said}",
                next_step="Check them: kubectl auth whoami",
                code="cluster.access",
            )
        if response.status_code >= _FAILING or response.status_code in _LATER:
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


def _read_object(response: httpx.Response) -> Manifest:
    """What the API server sent.

    Raises:
        UnavailableError: it is not an object; a proxy on the way may have its own page.
    """
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnavailableError(
            f"The cluster's response to {response.request.url.path} is not a JSON object: {response.text[:100]!r}",
            next_step="Check what stands between the operator and the API server.",
            code="cluster.unavailable",
        )
    return found
