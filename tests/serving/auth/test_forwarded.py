"""Behind a proxy: who the caller is, under which path it sees the server, and what probes get."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from tests.serving.interfaces import ServerUnderTest, run_server
from tiltyard.cli.host.doctor_proxies import check_proxies
from tiltyard.errors import UsageError
from tiltyard.project import ServingSection
from tiltyard.serving.auth import KeyFile, NewKey, auth_middleware, guard_for
from tiltyard.serving.auth.forwarded import NOTE, TrustedProxies, note_untrusted_proxy
from tiltyard.serving.auth.scopes import required_scope
from tiltyard.serving.headers import read_headers
from tiltyard.serving.problem_details import RequestError
from tiltyard.serving.telemetry import Instrumentation, Metrics


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    """A server that trusts the proxy on this host, and is open to all that comes through it."""
    folder = tmp_path_factory.mktemp("proxied")
    with run_server(folder, text_package, insecure_open=True, trusted_proxies=["127.0.0.1"]) as running:
        yield running


def forwarded(*values: str, name: str = "X-Forwarded-For") -> list[tuple[bytes, bytes]]:
    """Lines of a header, in the form of an ASGI scope."""
    return [(name.lower().encode(), value.encode()) for value in values]


@pytest.mark.parametrize(
    ("values", "caller"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # what the caller itself sent does not count
        (["198.51.100.7, 10.0.0.3"], "198.51.100.7"),  # through two proxies
        (["203.0.113.9", "198.51.100.7:4711, 10.0.0.3"], "198.51.100.7"),
        (["[2001:db8::1]:80"], "2001:db8::1"),
        (["unknown, 10.0.0.3"], "10.0.0.3"),
        ([""], "10.0.0.2"),
    ],
)
def test_the_caller_is_the_last_address_that_no_trusted_proxy_has(values: list[str], caller: str) -> None:
    """Of the addresses in X-Forwarded-For the last one counts that is not a trusted proxy's."""
    assert find_caller(forwarded(*values)) == caller


@pytest.mark.parametrize(
    ("values", "caller"),
    [
        (["for=198.51.100.7"], "198.51.100.7"),
        (["For=203.0.113.9;proto=http, for=198.51.100.7;by=10.0.0.2"], "198.51.100.7"),
        (['for="198.51.100.7:4711", for="10.0.0.3"'], "198.51.100.7"),
        (["for=203.0.113.9", 'for="[2001:db8::1]:80";proto=https'], "2001:db8::1"),
        (["for=unknown, for=10.0.0.3"], "10.0.0.3"),
        (["for=198.51.100.7, for=_hidden"], "10.0.0.2"),
        (["proto=https"], "10.0.0.2"),
        (["for=203.0.113.9;for=198.51.100.7"], "10.0.0.2"),
        (['for="203.0.113.9', "for=198.51.100.7"], "10.0.0.2"),  # an open quote of the caller's
        (['for="', 'for="[2001:db8::1]"'], "10.0.0.2"),
        (["nonsense"], "10.0.0.2"),
    ],
)
def test_forwarded_means_what_x_forwarded_for_means(values: list[str], caller: str) -> None:
    """Of the addresses in Forwarded the last one counts that is not a trusted proxy's; a broken one does not count."""
    assert find_caller(forwarded(*values, name="Forwarded")) == caller


def test_where_both_headers_name_other_callers_neither_counts() -> None:
    """A proxy writes one of the two headers, and may pass on the other as its caller made it up."""
    listed = forwarded("203.0.113.9")
    assert find_caller([*listed, *forwarded("for=203.0.113.9", name="Forwarded")]) == "203.0.113.9"
    assert find_caller([*listed, *forwarded("for=198.51.100.7", name="Forwarded")]) == "10.0.0.2"


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        ("10.0.0.2", {"X-Forwarded-Proto": "https"}, True),
        ("10.0.0.2", {"Forwarded": "proto=http, for=192.0.2.1;proto=https"}, True),
        ("10.0.0.2", {"X-Forwarded-Proto": "https", "Forwarded": "proto=http"}, False),
        ("10.0.0.2", {"X-Forwarded-Proto": "https, http"}, False),
        ("10.0.0.2", {}, False),
        ("192.0.2.1", {"X-Forwarded-Proto": "https"}, False),
    ],
)
def test_tls_is_what_a_trusted_proxy_says(address: str, headers: dict[str, str], expected: bool) -> None:
    """The last proxy's word counts where it is trusted, and where its headers agree."""
    lines = [pair for name, value in headers.items() for pair in forwarded(value, name=name)]
    assert TrustedProxies(["10.0.0.0/8"]).came_by_tls(address, read_headers(lines)) is expected


def find_caller(lines: list[tuple[bytes, bytes]]) -> str:
    """The caller of a request that came from a trusted proxy."""
    return TrustedProxies(["10.0.0.0/8"]).find_caller("10.0.0.2", read_headers(lines))


def test_without_trust_the_headers_do_not_count() -> None:
    """From elsewhere, neither address nor prefix counts, and the proxy is reported once."""
    reported: list[str] = []
    proxies = TrustedProxies(["10.0.0.0/8"], reported.append)
    headers = [*forwarded("198.51.100.7"), (b"x-forwarded-prefix", b"/films")]
    for _ in range(2):
        assert proxies.find_caller("192.0.2.1", read_headers(headers)) == "192.0.2.1"
        assert proxies.find_prefix("192.0.2.1", headers) == ""
    assert reported == ["192.0.2.1"]
    assert proxies.find_prefix("10.1.1.1", headers) == "/films"
    for bad in (b"films", b"//evil.example", b"/films?x", b"/a b", b"/films\xff"):
        assert proxies.find_prefix("10.1.1.1", [(b"x-forwarded-prefix", bad)]) == ""
    with pytest.raises(UsageError, match="neither an address nor a network"):
        TrustedProxies(["proxy.example"])


def test_callers_behind_a_trusted_proxy_have_their_own_rates() -> None:
    """One caller that sends too many does not keep others out who come through the same proxy."""
    options = ServingSection(rate_limit=0.01, rate_burst=1, trusted_proxies=("10.0.0.2",))
    guard = guard_for(options, None, host="127.0.0.1", insecure_open=True)

    def ask(caller: str) -> str:
        headers = [(b"host", b"127.0.0.1"), *forwarded(caller)]
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "client": ("10.0.0.2", 1)}
        return guard.check(scope).address

    assert ask("198.51.100.7") == "198.51.100.7"
    with pytest.raises(RequestError) as refused:
        ask("198.51.100.7")
    assert refused.value.status == 429
    assert ask("198.51.100.8") == "198.51.100.8"


@pytest.mark.parametrize("stripped", [True, False])
def test_pages_and_routes_work_under_a_prefix(proxied: ServerUnderTest, stripped: bool) -> None:
    """Under /films/, whether the proxy takes the prefix away or not, pages load what they need, and routes respond."""
    headers = {"X-Forwarded-Prefix": "/films"}
    before = "" if stripped else "/films"
    document = proxied.client.get(f"{before}/openapi.json", headers=headers).json()
    assert document["servers"] == [{"url": "/films"}]
    for page in ("/", "/docs", "/reference"):
        text = proxied.client.get(f"{before}{page}", headers=headers).text
        assert 'href="/' not in text
        assert 'src="/' not in text
    assert 'src="pages/key.js"' in proxied.client.get(f"{before}/docs", headers=headers).text
    assert proxied.client.get(f"{before}/pages/style.css", headers=headers).status_code == 200
    done = proxied.client.post(f"{before}/predict", json={"text": "a warm film"}, headers=headers)
    assert done.status_code == 200, done.text
    assert "servers" not in proxied.client.get("/openapi.json").json()


@pytest.mark.parametrize("prefix", ["/pages", "/v2/health", "/v2", "/batch", "/films"])
def test_a_prefix_opens_no_route_without_its_scope(tmp_path: Path, prefix: str) -> None:
    """The path that is served is the path that was checked, whatever prefix a caller made up and a proxy passed on."""
    keys = KeyFile(tmp_path / "keys.json")
    keys.add(NewKey.generate(["read"]).key)
    guard = guard_for(ServingSection(trusted_proxies=("10.0.0.2",)), keys.path, host="127.0.0.1")
    site = FastAPI()
    served: list[str] = []

    @site.get("/{path:path}")
    def serve(path: str) -> None:
        served.append(f"/{path}")

    auth_middleware(site, guard, Instrumentation(Metrics()))

    async def request_all() -> None:
        transport = httpx.ASGITransport(site, client=("10.0.0.2", 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://films") as client:
            for times in range(4):
                for path in ("/predict", "/metrics", "/admin/reload", "/health", "/pages/style.css"):
                    await client.get(prefix * times + path, headers={"X-Forwarded-Prefix": prefix})

    asyncio.run(request_all())
    assert {"/health", "/pages/style.css"} <= {*served}
    assert [path for path in served if required_scope(path) != "public"] == []


def test_no_script_of_the_pages_names_an_absolute_path(proxied: ServerUnderTest) -> None:
    """What the pages' scripts request is relative to the page."""
    for name in ("index.js", "history.js", "docs.js", "reference.js", "page.js", "key.js", "results.js"):
        text = proxied.client.get(f"/pages/{name}").text
        assert 'fetchWithKey("/' not in text, name
        assert "fetchWithKey(`/" not in text, name


def test_probes_may_use_options(films: ServerUnderTest) -> None:
    """OPTIONS says what a route accepts, without a body; a path without a route is not found."""
    response = films.client.options("/health")
    assert (response.status_code, response.content) == (204, b"")
    assert "GET" in response.headers["allow"]
    assert films.client.options("/no/such/path").status_code == 404


def test_doctor_sees_a_proxy_that_is_not_trusted(tmp_path: Path) -> None:
    """What a server noted is a finding, an error where a rate limit is set, until the proxy is trusted."""
    settings = cast(Any, SimpleNamespace(state=tmp_path))

    def check(**options: Any) -> list[Any]:
        return list(check_proxies(cast(Any, SimpleNamespace(serving=ServingSection(**options))), settings))

    assert check() == []
    note_untrusted_proxy(tmp_path, "10.0.0.2")
    assert (tmp_path / NOTE).is_file()
    (found,) = check(rate_limit=5)
    assert (found.state, "10.0.0.2" in found.found, "trusted_proxies" in found.next_step) == ("wrong", True, True)
    assert [one.state for one in check()] == ["note"]
    assert check(rate_limit=5, trusted_proxies=("10.0.0.0/8",)) == []
