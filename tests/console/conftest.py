"""A console on a real port, and a reader of its pages who does what a browser does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import uvicorn

from tiltyard.console.actions import ActionDesk
from tiltyard.console.run import console_config
from tiltyard.console.sign_in import console_guard
from tiltyard.console.sources import ConsoleSources
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry, VersionInfo
from tiltyard.serving.auth import Guard
from tiltyard.serving.process.sockets import bind
from tiltyard.testing import MemoryLedger
from tiltyard.testing.registry import MemoryRegistry

MODEL = "films"


@dataclass(frozen=True)
class Reader:
    """Reads a console as a browser does."""

    client: httpx.Client

    def get(self, path: str) -> httpx.Response:
        """A response, which must be a success."""
        return self.client.get(path).raise_for_status()

    def render(self, page: str, seen: str | None = None, address: str = "", /, **inputs: object) -> dict[str, Any]:
        """What a page's refresh brings, by component id; empty when there is nothing new.

        The address is what follows the page's path: its subject, and a query after ``?``.
        """
        callback = next(
            found for found in self.get("/_dash-dependencies").json() if f"{page}-instead.children" in found["output"]
        )
        subject, _, query = address.partition("?")
        where = {"path": "/", "subject": subject, "query": dict(parse_qsl(query))}
        return self._post(callback, {**inputs, f"{page}-where": where, f"{page}-seen": seen, f"{page}-tick": 1})

    def open(self, path: str) -> str:
        """What the address of a page brings, as JSON text."""
        dependencies = self.get("/_dash-dependencies").json()
        callback = next(found for found in dependencies if "..main.children" in found["output"])
        place, _, search = path.partition("?")
        address: dict[str, object] = {"address.pathname": place, "address.search": f"?{search}" if search else ""}
        return httpx.Response(200, json=self._post(callback, address)).text

    def _post(self, callback: dict[str, Any], values: dict[str, object]) -> dict[str, Any]:
        outputs = [name.rsplit(".", 1) for name in callback["output"].strip(".").split("...")]

        def filled(wanted: Sequence[dict[str, str]]) -> list[dict[str, object]]:
            # "NAME.PROPERTY" tells two properties of one component apart.
            return [
                {**item, "value": values.get(f"{item['id']}.{item['property']}", values.get(item["id"]))}
                for item in wanted
            ]

        response = self.client.post(
            "/_dash-update-component",
            json={
                "output": callback["output"],
                "outputs": [{"id": name, "property": attribute} for name, attribute in outputs],
                "inputs": filled(callback["inputs"]),
                "state": filled(callback["state"]),
                "changedPropIds": [],
            },
        ).raise_for_status()
        return response.json()["response"] if response.status_code == 200 else {}


Serve = Callable[[Registry, Ledger], Reader]
AddVersion = Callable[..., VersionInfo]


@pytest.fixture
def films() -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": MODEL},
            "data": {"source": "reviews.csv", "text": "text"},
        }
    )


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def add_version(registry: MemoryRegistry, tmp_path: Path) -> AddVersion:
    """Registers a version with metrics: ``add_version("champion", accuracy=0.9)``."""

    def add(*aliases: str, **metrics: float) -> VersionInfo:
        info = registry.register_model(
            tmp_path.as_uri(),
            MODEL,
            tags={"tiltyard.candidate": "tfidf-logreg"},
            metrics=metrics,
            run_id="a1b2c3d4e5f6",
        )
        for alias in aliases:
            registry.set_alias(MODEL, alias, info.version)
        return registry.get_version(MODEL, version=info.version)

    return add


@pytest.fixture
def serve(films: Project) -> Iterator[Serve]:
    """Starts a console on a free port."""
    with ExitStack() as stack:
        yield lambda registry, ledger: stack.enter_context(running(films, registry, ledger))


def name_page(request: httpx.Request) -> None:
    """Name the page that a request comes from, as browsers do with all that change something."""
    said = {"origin", "referer", "sec-fetch-site"} & {name.lower() for name in request.headers}
    if request.method != "GET" and not said:
        request.headers["Origin"] = f"http://{request.headers['host']}"


@contextmanager
def running(
    project: Project,
    registry: Registry,
    ledger: Ledger,
    sources: ConsoleSources | None = None,
    guard: Guard | None = None,
    desk: ActionDesk | None = None,
) -> Iterator[Reader]:
    """A console on a free port; with its own guard, or that of a host without keys."""
    from tiltyard.console.app import create_console

    with closing(bind("127.0.0.1", 0)) as listener:
        guard = guard or console_guard(project.serving, None, "127.0.0.1")
        app = create_console(project, registry, ledger, sources or ConsoleSources(), guard, desk)
        server = uvicorn.Server(console_config(app, "127.0.0.1"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=30, event_hooks={"request": [name_page]}) as client:
                yield Reader(client)
        finally:
            server.should_exit = True
            thread.join()
