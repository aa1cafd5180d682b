"""Stands between the operator and the API server: counts what it changes, and kills it at a step.

For a Kubernetes older than 1.25 it also writes what the operator says the old way: four kinds have newer addresses, and
two fields are newer.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from aiohttp import web

OLD_ADDRESSES = {
    "/apis/policy/v1/": "/apis/policy/v1beta1/",
    "/apis/batch/v1/": "/apis/batch/v1beta1/",
    "/apis/autoscaling/v2/": "/apis/autoscaling/v2beta2/",
}
"""Version 1.20 has these kinds with the same fields under their older versions."""
_OLD_VERSIONS = {"policy/v1": "policy/v1beta1", "batch/v1": "batch/v1beta1", "autoscaling/v2": "autoscaling/v2beta2"}
_OLD_KINDS = ("PodDisruptionBudget", "CronJob", "HorizontalPodAutoscaler")
_NEWER_FIELDS = ("persistentVolumeClaimRetentionPolicy", "timeZone")
_DROPPED = "tests/dropped"
"""Annotation in which fields are kept that the version does not know."""


@dataclass
class Proxy:
    """A proxy to an API server.

    Attributes:
        server: its address.
        old: whether it is older than 1.25.
        port: where the proxy listens.
        changes: what was changed through it: method and address.
        requests: all requests: method and address with its query.
        kill_at: the change at which the process ``target`` is killed; None for none.
        when: whether it is killed before the change is passed on, or when it is done and not yet confirmed.
        target: the process.
        delay: seconds that each change takes.
    """

    server: str
    old: bool
    port: int
    changes: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    kill_at: int | None = None
    when: Literal["before", "after"] = "after"
    target: int | None = None
    refuse: Callable[[str, str], bool] = lambda _method, _address: False
    killed: threading.Event = field(default_factory=threading.Event)
    _stop: Callable[[], None] | None = None

    def __enter__(self) -> Proxy:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._stop()
        self._thread.join(30)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, ready: threading.Event) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)  # type: ignore[assignment]
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{rest:.*}", self._pass_on)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), auto_decompress=False) as session:
            self._session = session
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            ready.set()
            await stopped.wait()
            await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        changes = request.method != "GET"
        self.requests.append((request.method, str(request.rel_url)))
        number = len(self.changes) + 1
        if changes:
            self.changes.append(f"{request.method} {request.path}")
            if self.kill_at == number and self.when == "before":
                self._kill()
        headers = {
            key: value for key, value in request.headers.items() if key in ("Accept", "Authorization", "Content-Type")
        }
        body = await request.read()
        address = str(request.rel_url)
        if self.old:
            address, body = _write_old(address, body)
        async with self._session.request(
            request.method, self.server + address, data=body or None, headers=headers
        ) as response:
            if changes and self.kill_at == number and self.when == "after":
                await response.read()
                self._kill()
            kind = {"Content-Type": response.headers.get("Content-Type", "application/json")}
            if "watch=true" in request.query_string:
                stream = web.StreamResponse(status=response.status, headers=kind)
                await stream.prepare(request)
                async for piece in response.content.iter_any():
                    await stream.write(piece)
                return stream
            said = await response.read()
            return web.Response(status=response.status, body=_read_old(said) if self.old else said, headers=kind)

    def _kill(self) -> None:
        assert self.target is not None
        os.kill(self.target, signal.SIGKILL)
        self.killed.set()


def _write_old(address: str, body: bytes) -> tuple[str, bytes]:
    for newer, older in OLD_ADDRESSES.items():
        if address.startswith(newer) and (newer != "/apis/batch/v1/" or "/cronjobs" in address):
            address = older + address.removeprefix(newer)
    if not body:
        return address, body
    item = json.loads(body)
    if item.get("kind") in _OLD_KINDS:
        item["apiVersion"] = _OLD_VERSIONS[item["apiVersion"]]
    dropped = {name: item["spec"].pop(name) for name in _NEWER_FIELDS if name in (item.get("spec") or {})}
    if dropped:
        item["metadata"].setdefault("annotations", {})[_DROPPED] = json.dumps(dropped)
    return address, json.dumps(item).encode()


def _read_old(said: bytes) -> bytes:
    try:
        found: Any = json.loads(said)
    except ValueError:
        return said
    for item in found.get("items") or [found]:
        dropped = (item.get("metadata") or {}).get("annotations", {}).pop(_DROPPED, None)
        if dropped:
            item["spec"].update(json.loads(dropped))
    return json.dumps(found).encode()
