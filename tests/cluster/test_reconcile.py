"""The operator's work with an API server that fails, refuses, or whose objects somebody else changes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.observing import make_model
from tiltyard.cluster import run
from tiltyard.cluster.api_server import Cluster
from tiltyard.cluster.observed import Action, WriteStatus
from tiltyard.cluster.reconcile import Reconciler
from tiltyard.cluster.run import OperatorScope
from tiltyard.errors import TiltyardError, UnavailableError, UsageError

MODEL = "/apis/tiltyard.github.io/v1alpha1/namespaces/shop/tiltyardmodels/films"


class Server:
    """Objects by address, as an API server has them; ``fault`` may respond in its place.

    Attributes:
        items: what there is.
        fault: the response to a request; None for none.
        requests: what was requested: method and address.
    """

    def __init__(self) -> None:
        model = make_model()
        model["metadata"]["resourceVersion"] = "7"
        self.items: dict[str, Any] = {MODEL: model}
        self.fault: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.requests: list[str] = []

    def respond(self, request: httpx.Request) -> httpx.Response:
        """The response to a request."""
        self.requests.append(f"{request.method} {request.url.path}")
        found = self.fault(request)
        if found is not None:
            return found
        address = request.url.path
        body = json.loads(request.content or "{}")
        if address == f"{MODEL}/status":
            if body["metadata"]["resourceVersion"] != self.items[MODEL]["metadata"]["resourceVersion"]:
                return say(409, "the object has been modified")
            self.items[MODEL]["status"] = {key: value for key, value in body["status"].items() if value is not None}
            self.touch()
            return httpx.Response(200, json={})
        if request.method == "POST":
            name = f"{address}/{body['metadata']['name']}"
            if name in self.items:
                return say(409, "it exists")
            body["metadata"]["uid"] = name
            self.items[name] = body
            return httpx.Response(201, json=body)
        if request.method == "PATCH":
            self.items[address] = {**body, "metadata": {**body["metadata"], "uid": address, "generation": 1}}
        if "labelSelector" in request.url.params:
            inside = [item for name, item in self.items.items() if re.fullmatch(rf"{address}/[^/]+", name)]
            return httpx.Response(200, json={"items": inside})
        return httpx.Response(200, json=self.items[address]) if address in self.items else say(404, "not there")

    def touch(self) -> None:
        """Give the model another version, as each change does."""
        meta = self.items[MODEL]["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)

    @property
    def conditions(self) -> dict[str, tuple[str, str]]:
        """Status and reason of each condition."""
        status = self.items[MODEL].get("status", {})
        return {one["type"]: (one["status"], one["reason"]) for one in status.get("conditions", [])}


def say(code: int, message: str) -> httpx.Response:
    """A refusal as Kubernetes writes it."""
    return httpx.Response(code, json={"kind": "Status", "message": message})


def reconcile(server: Server, times: int = 1) -> list[Action]:
    """Read the model and act; what was done."""
    done: list[Action] = []

    async def work() -> None:
        transport = httpx.MockTransport(server.respond)
        async with httpx.AsyncClient(base_url="https://cluster", transport=transport) as client:
            reconciler = Reconciler(Cluster(client), client, lambda _namespace, _name, action: done.append(action))
            for _ in range(times):
                await reconciler.reconcile("shop", "films")

    asyncio.run(work())
    return done


def once(respond: Callable[[httpx.Request], httpx.Response | None]) -> Callable[[httpx.Request], httpx.Response | None]:
    """The fault, the first time that it has something to say."""
    said: list[httpx.Response] = []

    def fault(request: httpx.Request) -> httpx.Response | None:
        found = None if said else respond(request)
        if found is not None:
            said.append(found)
        return found

    return fault


def roll_out(server: Server) -> None:
    """All objects are up."""
    reconcile(server)
    for item in server.items.values():
        if item["kind"] in ("StatefulSet", "Deployment"):
            wanted = item["spec"].get("replicas", 1)
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), wanted)
            item["status"] = {"observedGeneration": 1, **counts}
    reconcile(server)
    assert server.conditions["Progressing"] == ("False", "Settled")


@pytest.mark.requirement("R-DEPLOY-13")
def test_an_object_that_somebody_changes_at_the_same_time_is_no_reason_to_take_a_change_back() -> None:
    """Two operators, or an autoscaler: 409 says that it has to be read again."""
    server = Server()
    roll_out(server)
    server.items[MODEL]["spec"]["console"] = False
    server.items[MODEL]["spec"]["configuration"] = {"TILTYARD_LOG": "quiet"}
    server.fault = once(
        lambda request: say(409, "the object has been modified") if request.url.path.endswith("/films-api") else None
    )
    reconcile(server)
    assert server.conditions["RolledBack"][0] == "False"
    assert server.conditions["Progressing"] == ("True", "RollingOut")


def test_a_token_that_has_ended_is_no_reason_to_take_a_change_back() -> None:
    """401 says nothing of what was applied; the problem names the credentials, and it is tried again."""
    server = Server()
    roll_out(server)
    server.items[MODEL]["spec"]["configuration"] = {"TILTYARD_LOG": "quiet"}
    server.fault = once(lambda request: say(401, "Unauthorized") if request.method == "PATCH" else None)
    with pytest.raises(UnavailableError, match="credentials"):
        reconcile(server)
    reconcile(server)
    assert server.conditions["RolledBack"][0] == "False"


def test_a_decision_about_what_the_resource_no_longer_says_is_not_recorded() -> None:
    """It was changed between reading and writing: the status is that of the newer specification."""
    server = Server()

    def change(request: httpx.Request) -> None:
        if request.url.path == f"{MODEL}/status" and server.items[MODEL]["metadata"]["generation"] == 1:
            server.items[MODEL]["metadata"]["generation"] = 2
            server.items[MODEL]["spec"]["console"] = False
            server.touch()

    server.fault = change
    statuses = [action.status for action in reconcile(server) if isinstance(action, WriteStatus)]
    assert {status["observedGeneration"] for status in statuses} == {2}
    assert not [name for name in server.items if name.endswith("films-console")]


def test_an_event_that_is_refused_holds_nothing_up() -> None:
    """The quota of events is full: the model is brought about, and the operator says what was refused."""
    server = Server()
    server.fault = lambda request: say(403, "exceeded quota") if request.url.path.endswith("/events") else None
    reconcile(server)
    for item in server.items.values():
        if item["kind"] in ("StatefulSet", "Deployment"):
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), item["spec"].get("replicas", 1))
            item["status"] = {"observedGeneration": 1, **counts}
    with pytest.raises(UsageError, match="exceeded quota"):
        reconcile(server)
    assert server.conditions["Progressing"] == ("False", "Settled")


def test_a_page_of_a_proxy_is_reported_as_one() -> None:
    """It does not end in a traceback, and the problem shows what came."""
    server = Server()
    server.fault = lambda _request: httpx.Response(200, text="<html>Sign in</html>")
    with pytest.raises(UnavailableError, match="Sign in"):
        reconcile(server)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_cluster_that_fails_at_the_start_is_not_one_without_the_kind(code: int) -> None:
    """The error does not send people to install a definition that is there."""

    async def start() -> None:
        transport = httpx.MockTransport(lambda _request: say(code, "later"))
        async with httpx.AsyncClient(base_url="https://cluster", transport=transport) as client:
            await run._require_kind(client)

    with pytest.raises(UsageError, match=str(code)):
        asyncio.run(start())


class Readings:
    """Stands in for a reconciler: what reading each model does."""

    def __init__(self, read: Callable[[str], Awaitable[bool]]) -> None:
        self.read, self.seen = read, list[str]()

    async def reconcile(self, _namespace: str, name: str) -> bool:
        """Read a model."""
        self.seen.append(name)
        return await self.read(name)


def work(readings: Readings, names: list[str], seconds: float, alive: Path | None = None) -> list[TiltyardError]:
    """Let the queue work for a time; the problems that it reported."""
    problems: list[TiltyardError] = []

    async def main() -> None:
        scope = OperatorScope(every_seconds=0.05, alive=alive)
        queue = run._ModelQueue(readings, scope, lambda _namespace, _name, problem: problems.append(problem))  # type: ignore[arg-type]
        for name in names:
            queue.add(("shop", name))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.run(), seconds)

    asyncio.run(main())
    return problems


@pytest.mark.requirement("R-DEPLOY-13")
def test_one_model_that_cannot_be_read_ends_the_care_for_no_other() -> None:
    """An unforeseen form of one resource is reported once, and all others are read again and again."""

    async def read(name: str) -> bool:
        if name == "odd":
            raise KeyError("progressedAt")
        return True

    readings = Readings(read)
    problems = work(readings, ["odd", "films", "shop"], 0.5)
    assert [(one.code, "progressedAt" in one.message) for one in problems] == [("cluster.unexpected", True)]
    assert min(readings.seen.count(name) for name in ("odd", "films", "shop")) > 2


def test_a_model_that_is_slow_holds_no_other_up_and_is_not_read_twice_at_once(tmp_path: Path) -> None:
    """Its pods do not respond; the others have their turn, and the file of progress is touched all the time."""
    inside: dict[str, int] = {}
    alive = tmp_path / "alive"
    touched: list[float] = []

    async def read(name: str) -> bool:
        inside[name] = inside.get(name, 0) + 1
        assert inside[name] == 1
        await asyncio.sleep(30 if name == "slow" else 0.01)
        inside[name] -= 1
        if alive.exists():
            touched.append(alive.stat().st_mtime)
            alive.unlink()
        return True

    readings = Readings(read)
    assert work(readings, ["slow", *(f"films{number}" for number in range(20))], 1.0, alive) == []
    assert readings.seen.count("slow") == 1
    assert min(readings.seen.count(f"films{number}") for number in range(20)) > 2
    assert len(touched) > 5


def test_a_model_that_is_gone_is_forgotten() -> None:
    """Where its end was not seen, the next reading finds out."""

    async def read(name: str) -> bool:
        return name != "gone"

    readings = Readings(read)
    assert work(readings, ["gone", "films"], 0.5) == []
    assert readings.seen.count("gone") == 1
