"""Names in headers count only from a trusted proxy that shows its secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console.conftest import MODEL, running
from tiltyard.console.actions import ActionDesk
from tiltyard.console.sign_in import console_guard
from tiltyard.errors import UsageError
from tiltyard.ledger import SqlLedger
from tiltyard.project import Project
from tiltyard.project.serving import ConsoleSection, ServingSection
from tiltyard.promotion.context import Workspace
from tiltyard.serving.auth.proxy_identity import ProxyIdentity
from tiltyard.testing.registry import MemoryRegistry

pytest.importorskip("dash")

SECRET = "a-secret-of-the-proxy-and-this-host"
SECTION = ConsoleSection(
    user_header="X-Auth-Request-Email",
    groups_header="X-Auth-Request-Groups",
    roles={"viewer": ("*",), "labeller": ("staff",), "operator": ("ml", "eve@example.org"), "admin": ("leads",)},
)
PROXY = {"X-Tiltyard-Proxy-Secret": SECRET, "X-Forwarded-For": "198.51.100.7"}


@pytest.fixture
def films() -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": MODEL},
            "data": {"source": "reviews.csv", "text": "text"},
        }
    )


@pytest.fixture
def client(films: Project, tmp_path: Path) -> Iterator[tuple[httpx.Client, SqlLedger]]:
    """A console behind a proxy on loopback, which signs people in; no API key was ever made."""
    options = ServingSection(trusted_proxies=("127.0.0.1",))
    identity = ProxyIdentity.build(SECTION, SECRET, options.trusted_proxies)
    guard = console_guard(options, tmp_path / "api-keys.json", "0.0.0.0", identity=identity)
    registry = MemoryRegistry()
    for _ in range(2):
        registry.register_model(tmp_path.as_uri(), MODEL)
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        desk = ActionDesk(films, Workspace(registry, ledger, tmp_path, (), "host"))
        with running(films, registry, ledger, guard=guard, desk=desk) as reader:
            yield reader.client, ledger


def named(person: str, groups: str = "", **more: str) -> dict[str, str]:
    return {**PROXY, "X-Auth-Request-Email": person, "X-Auth-Request-Groups": groups, **more}


@pytest.mark.requirement("R-MORE-25")
def test_a_person_has_the_greatest_role_of_name_and_groups(client: tuple[httpx.Client, SqlLedger]) -> None:
    """The role follows from name and groups, and decisions are recorded under the name."""
    http, ledger = client
    for person, groups, role in (
        ("ann@example.org", "", "viewer"),
        ("ann@example.org", "guests, staff", "labeller"),
        ("ann@example.org", "staff,ml", "operator"),
        ("eve@example.org", "", "operator"),
        ("ann@example.org", "leads,staff", "admin"),
    ):
        found = http.get("/api/v1/session", headers=named(person, groups)).json()
        assert (found["actor"], found["role"], found["signed_in"]) == (person, role, True)
    body = {"version": "2", "reason": "why"}
    refused = http.post("/api/v1/actions/archive", json=body, headers=named("ann@example.org", "staff"))
    assert (refused.status_code, refused.json()["code"]) == (403, "session.role")
    done = http.post("/api/v1/actions/archive", json=body, headers=named("ann@example.org", "ml"))
    assert done.status_code == 200, done.text
    assert list(ledger.events())[-1].actor == "ann@example.org"


def test_a_name_without_the_proxy_is_worth_nothing(client: tuple[httpx.Client, SqlLedger]) -> None:
    """Without the secret, with a wrong one, with a header twice, or with an odd name the caller stays unknown."""
    http, _ = client
    wrong: tuple[Any, ...] = (
        {},
        {"X-Auth-Request-Email": "ann@example.org"},
        named("ann@example.org", "leads") | {"X-Tiltyard-Proxy-Secret": SECRET[:-1]},
        named("", "leads"),
        named("x" * 300, "leads"),
        named("a\tb", "leads"),
        [*named("ann@example.org", "leads").items(), ("X-Auth-Request-Email", "eve@example.org")],
        [*named("ann@example.org", "leads").items(), ("X-Tiltyard-Proxy-Secret", SECRET)],
    )
    for headers in wrong:
        assert http.get("/api/v1/session", headers=headers).status_code == 401, headers
    twice = [*named("ann@example.org", "leads").items(), ("X-Auth-Request-Groups", "ml")]
    assert http.get("/api/v1/session", headers=twice).json()["role"] == "viewer"


def test_another_site_cannot_use_the_sign_in_of_the_proxy(client: tuple[httpx.Client, SqlLedger]) -> None:
    """What changes something has to come from a page of the console, as with a session."""
    http, ledger = client
    body = {"version": "2", "reason": "why"}
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        sent = http.post("/api/v1/actions/archive", json=body, headers=named("ann@example.org", "leads", **headers))
        assert sent.status_code == 403
    address = f"{http.base_url}/api/v1/actions/archive"
    bare = httpx.post(address, json=body, headers=named("ann@example.org", "leads"), timeout=60)
    assert (bare.status_code, bare.json()["code"]) == (403, "site.unknown")
    assert list(ledger.events()) == []


def test_names_count_from_the_proxys_address_alone() -> None:
    """A connection from elsewhere names nobody, whatever it shows."""
    identity = ProxyIdentity.build(SECTION, SECRET, ("10.0.0.5",))
    assert identity is not None
    headers = [(name.lower().encode(), value.encode()) for name, value in named("ann@example.org", "leads").items()]
    found = identity.identify("10.0.0.5", "198.51.100.7", headers)
    assert found is not None
    assert (found.name, found.has_scope("admin"), found.has_scope("operate")) == ("ann@example.org", True, True)
    assert identity.identify("10.0.0.6", "198.51.100.7", headers) is None


def test_a_console_does_not_start_where_anybody_could_name_themselves() -> None:
    """Without a proxy or a long secret the console refuses to start, and says what is missing."""
    assert ProxyIdentity.build(ConsoleSection(), None, ()) is None
    cases = (
        (SECRET, (), "trusted_proxies"),
        (None, ("10.0.0.5",), "SECRET"),
        ("x", ("10.0.0.5",), "SECRET"),
    )
    for secret, proxies, missing in cases:
        with pytest.raises(UsageError, match=missing):
            ProxyIdentity.build(SECTION, secret, proxies)
    with pytest.raises(ValueError, match="without user_header"):
        ConsoleSection(roles={"viewer": ("*",)})
