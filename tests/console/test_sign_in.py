"""Who may see the console: this machine alone, or who signed in with an API key; over HTTP and in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console.conftest import Reader, running
from tests.films import make_films
from tiltyard.console.sign_in import console_guard
from tiltyard.errors import UsageError
from tiltyard.project import Project, ServingSection
from tiltyard.serving.auth import ApiScope, KeyFile, NewKey, SignIns, key_reloader
from tiltyard.serving.auth.sign_ins import LASTS_SECONDS, MOST_SESSIONS
from tiltyard.serving.problem_details import RequestError
from tiltyard.testing import MemoryLedger, make_prediction
from tiltyard.testing.registry import MemoryRegistry

pytest.importorskip("dash")

SECRET = "A film that nobody else may read about"
PATHS = ("/_dash-layout", "/_dash-dependencies", "/_dash-component-suites/dash/deps/react@18.js", "/_favicon.ico")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(autouse=True)
def read_keys_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that a test made counts at once, however soon its request follows."""
    monkeypatch.setattr(key_reloader, "WATCH_SECONDS", -1.0)


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "api-keys.json")


@pytest.fixture
def recorded(ledger: MemoryLedger) -> MemoryLedger:
    ledger.record([make_prediction(at=datetime.now(UTC), input={"text": SECRET})])
    return ledger


@pytest.fixture
def open_console(films: Project, registry: MemoryRegistry, recorded: MemoryLedger) -> Iterator[Reader]:
    """A console on loopback, of a host without keys."""
    with running(films, registry, recorded) as reader:
        yield reader


@pytest.fixture
def console(films: Project, registry: MemoryRegistry, recorded: MemoryLedger, file: KeyFile) -> Iterator[Reader]:
    """A console of a host with keys."""
    make(file, "admin")
    with running(films, registry, recorded, guard=console_guard(films.serving, file.path, "0.0.0.0")) as reader:
        yield reader


def make(file: KeyFile, scope: ApiScope, **more: Any) -> NewKey:
    made = NewKey.generate([scope], **more)
    file.add(made.key)
    return made


def sign_in(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/sign-in?page=/predictions", data={"key": token})


def predictions(reader: Reader) -> str:
    return json.dumps(reader.render("predictions"))


def test_a_console_without_keys_serves_this_machine_alone(open_console: Reader) -> None:
    """Another Host, a page of another site, and what was forwarded are refused on every path, with what to do."""
    client = open_console.client
    assert SECRET in predictions(open_console)
    for headers, status, code in (
        ({"Host": "rebound.example"}, 421, "host.other"),
        ({"Origin": "http://evil.example"}, 403, "site.other"),
        ({"Referer": "http://evil.example/page"}, 403, "site.other"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403, "site.other"),
        ({"X-Forwarded-For": "198.51.100.7"}, 403, "request.forwarded"),
        ({"CF-Ray": "1"}, 403, "request.forwarded"),
    ):
        for method, path in (("POST", "/_dash-update-component"), *(("GET", path) for path in ("/", *PATHS))):
            if "Referer" in headers and method == "GET":
                continue  # a link that somebody followed
            response = client.request(method, path, headers=headers)
            assert (response.status_code, response.json()["code"]) == (status, code), (headers, path)
            assert response.json()["next_step"]


def test_a_console_without_keys_reads_the_host_of_a_whole_url(open_console: Reader) -> None:
    """A target in absolute form that names another host is refused, though the header Host names this machine."""
    for path in ("/", *PATHS):
        target = {"target": b"http://rebound.example" + path.encode()}
        response = open_console.client.get(path, extensions=target)
        assert (response.status_code, response.json()["code"]) == (421, "host.other")


def test_a_console_beyond_loopback_does_not_start_without_a_key(tmp_path: Path, file: KeyFile) -> None:
    """The command refuses to listen where strangers come, and names the command that makes a key."""
    for host in ("0.0.0.0", "::", "192.168.1.5"):
        with pytest.raises(UsageError, match="no API keys") as caught:
            console_guard(ServingSection(), file.path, host)
        assert "--scope read" in caught.value.next_step
        assert console_guard(ServingSection(), file.path, host, insecure_open=True).is_open
    films = make_films(tmp_path / "films", rows=10)
    done = films.call("console", "--host", "0.0.0.0", "--port", "0", "--json", check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "server.open"


def test_a_console_with_keys_shows_nothing_without_one(console: Reader) -> None:
    """Without a key pages lead to the form, everything else is 401, and an unknown key is too."""
    client = console.client
    for path in ("/", "/predictions"):
        response = client.get(path)
        assert (response.status_code, response.headers["location"]) == (303, f"/sign-in?page={path}")
    for path in (*PATHS, "/nowhere"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"X-API-Key": NewKey.generate(["admin"]).token}).status_code == 401
    assert client.post("/_dash-update-component", json={}).status_code == 401
    form = client.get("/sign-in")
    assert (form.status_code, client.get("/assets/style.css").status_code) == (200, 200)
    assert SECRET not in form.text
    for name in ("content-security-policy", "x-frame-options", "cross-origin-resource-policy", "cache-control"):
        assert name in form.headers


def test_a_key_with_the_scope_read_signs_in(console: Reader, file: KeyFile) -> None:
    """A key opens a session by a cookie that no script reads and no other site sends, until it is revoked."""
    client, key = console.client, make(file, "read")
    refused = sign_in(client, make(file, "predict").token)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert "scope" in refused.text
    wrong = sign_in(client, "<b>a word")
    assert (wrong.status_code, "<b>a" in wrong.text) == (401, False)

    done = sign_in(client, key.token)
    assert (done.status_code, done.headers["location"]) == (303, "/predictions")
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert key.token.split("_", 2)[2] not in cookie
    assert SECRET in predictions(console)
    assert "Sign out" in client.get("/_dash-layout").text
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}):
        assert client.get("/_dash-layout", headers=headers).status_code == 403
        assert client.post("/sign-out", headers=headers).status_code == 403

    kept = {"Cookie": cookie.partition(";")[0]}
    assert client.post("/sign-out").status_code == 303
    assert client.get("/_dash-layout", headers=kept).status_code == 401
    sign_in(client, key.token)
    assert client.get("/_dash-layout").status_code == 200
    file.revoke(key.key.id)
    assert client.get("/_dash-layout").status_code == 401


def test_signing_in_leads_to_the_state_that_was_wanted(console: Reader, file: KeyFile) -> None:
    """An address with a query is kept while a browser signs in; an address of another site is not."""
    key, client = make(file, "read"), console.client
    refused = client.get("/predictions?period=week&search=slow%20film", follow_redirects=False)
    form = refused.headers["location"]
    assert form.startswith("/sign-in?page=/predictions%3Fperiod")
    arrived = client.post(form, data={"key": key.token}, follow_redirects=False)
    assert arrived.headers["location"] == "/predictions?period=week&search=slow%20film"
    for foreign in ("//evil.example/predictions", "https://evil.example", "/predictions@evil.example"):
        sent = client.post(f"/sign-in?page={foreign}", data={"key": key.token}, follow_redirects=False)
        assert sent.headers["location"] == "/"


def test_a_program_shows_its_key_in_a_header(console: Reader, file: KeyFile) -> None:
    """A key in a header opens the console without a session, through a proxy too; its rate is not the server's."""
    key = make(file, "read")
    for headers in ({"X-API-Key": key.token}, {"Authorization": f"Bearer {key.token}", "X-Forwarded-For": "1.2.3.4"}):
        response = httpx.get(f"{console.client.base_url}/_dash-layout", headers=headers, timeout=30)
        assert response.status_code == 200


def test_a_form_is_small_and_stays_on_the_console(console: Reader, file: KeyFile) -> None:
    """A large form is refused, and the address after signing in is one of the console's pages."""
    key = make(file, "read")
    assert sign_in(console.client, "x" * 10_000).status_code == 413
    for page in ("//evil.example", "https://evil.example", "/nowhere", '"><script>'):
        assert "evil" not in console.client.get("/sign-in", params={"page": page}).text
        done = console.client.post("/sign-in", params={"page": page}, data={"key": key.token})
        assert done.headers["location"] == "/"


def test_a_session_ends_after_its_hours(file: KeyFile) -> None:
    """A session ends after its hours, the oldest one where there are too many, and another port has its own."""
    now = [0.0]
    sign_ins, key = SignIns(lambda: now[0]), NewKey.generate(["read"]).key
    scope = {"server": ("127.0.0.1", 8050)}

    def begin() -> bytes:
        return sign_ins.begin(scope, key, secure=True).partition(";")[0].encode()

    first = begin()
    assert sign_ins.find(scope, b"other=1; " + first) == key.id
    assert sign_ins.find({"server": ("127.0.0.1", 8051)}, first) is None
    assert sign_ins.find(scope, first[:-1]) is None
    assert "Secure" in sign_ins.begin(scope, key, secure=True)
    now[0] = LASTS_SECONDS + 1
    assert sign_ins.find(scope, first) is None
    second = begin()
    for _ in range(MOST_SESSIONS):
        begin()
    assert sign_ins.find(scope, second) is None


def test_an_expired_key_ends_its_session(file: KeyFile) -> None:
    """A session lasts no longer than its key."""
    past, future = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (-1, 600))
    for ends, status in ((future, 200), (past, 401)):
        key = make(file, "read", expires_at=ends).key
        guard = console_guard(ServingSection(), file.path, "127.0.0.1")
        assert guard.sign_ins is not None
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "server": ("127.0.0.1", 8050)}
        cookie = guard.sign_ins.begin(scope, key, secure=False).partition(";")[0].encode()
        scope["headers"] = [(b"host", b"127.0.0.1:8050"), (b"cookie", cookie)]
        if status == 200:
            assert guard.check(scope).key == key
            continue
        with pytest.raises(RequestError) as caught:
            guard.check(scope)
        assert (caught.value.status, caught.value.code) == (401, "api-key.expired")


@pytest.fixture
def browser() -> Iterator[Any]:
    """A browser to which every host named *.example is this machine."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rules])
        yield found
        found.close()


def test_a_browser_signs_in_and_out(browser: Any, console: Reader, file: KeyFile) -> None:
    """A person signs in with a key, sees the page that was wanted, and after signing out nothing more."""
    key, url = make(file, "read"), str(console.client.base_url).rstrip("/")
    page = browser.new_page()
    page.goto(f"{url}/predictions")
    page.fill("#key", "ty_000000000000_wrong")
    page.click("button")
    page.wait_for_selector("[role=alert]")
    page.fill("#key", key.token)
    page.click("button")
    page.wait_for_selector(f"text={SECRET}")
    assert page.url == f"{url}/predictions"
    assert page.evaluate("document.cookie") == ""
    page.click("text=Sign out")
    page.wait_for_url(f"{url}/sign-in")
    assert page.goto(f"{url}/predictions").url.startswith(f"{url}/sign-in")


def test_a_page_that_stands_open_leads_to_the_form_once_the_key_is_revoked(
    browser: Any, console: Reader, file: KeyFile
) -> None:
    """A page does not stand still with old figures when its session has ended."""
    key, url = make(file, "read"), str(console.client.base_url).rstrip("/")
    page = browser.new_page()
    page.goto(f"{url}/predictions")
    page.fill("#key", key.token)
    page.click("button")
    page.wait_for_selector(f"text={SECRET}")
    file.revoke(key.key.id)
    page.wait_for_url(f"{url}/sign-in?page=**", timeout=60_000)


READ = """async (url) => {
    try { return (await fetch(url, {credentials: "include"})).status } catch (error) { return "blocked" }
}"""


def test_a_page_under_another_name_reads_nothing(browser: Any, open_console: Reader) -> None:
    """A page whose name was made to mean this machine (DNS rebinding) reads nothing."""
    port = open_console.client.base_url.port
    page = browser.new_page()
    response = page.goto(f"http://rebound.example:{port}/")
    assert response.status == 421
    for path in ("/_dash-layout", "/_dash-dependencies", "/predictions"):
        assert page.evaluate(READ, path) == 421
        assert page.evaluate(READ, f"http://127.0.0.1:{port}{path}") == "blocked"
    assert SECRET not in page.content()
    home = browser.new_page()
    home.goto(f"http://127.0.0.1:{port}/predictions")
    home.wait_for_selector(f"text={SECRET}")


def test_a_signed_in_browser_lends_its_session_to_no_other_site(browser: Any, console: Reader, file: KeyFile) -> None:
    """A page of another name on the same machine gets nothing by the session of the browser it is in."""
    key, url, port = make(file, "read"), str(console.client.base_url).rstrip("/"), console.client.base_url.port
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/predictions")
    page.fill("#key", key.token)
    page.click("button")
    page.wait_for_selector(f"text={SECRET}")
    other = context.new_page()
    assert other.goto(f"http://rebound.example:{port}/").url.startswith(f"http://rebound.example:{port}/sign-in")
    assert other.evaluate(READ, "/_dash-layout") == 401
    assert other.evaluate(READ, f"{url}/_dash-layout") == "blocked"
