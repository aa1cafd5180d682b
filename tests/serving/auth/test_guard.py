from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tiltyard.errors import UsageError
from tiltyard.project import ServingSection
from tiltyard.serving.auth import ApiScope, Guard, KeyFile, NewKey, guard_for, key_reloader
from tiltyard.serving.auth.cross_site import is_loopback
from tiltyard.serving.auth.keys_mark import KeysMark
from tiltyard.serving.problem_details import RequestError, from_error


def request(path: str, token: str = "", *, method: str = "POST", **headers: str) -> dict[str, Any]:
    """The ASGI scope of a request."""
    given = {"host": "127.0.0.1:8000", **({"authorization": f"Bearer {token}"} if token else {}), **headers}
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return {"type": "http", "method": method, "path": path, "headers": named, "client": ("127.0.0.1", 5)}


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "api-keys.json")


def make(file: KeyFile, scopes: Sequence[ApiScope], **more: Any) -> NewKey:
    made = NewKey.generate(scopes, **more)
    file.add(made.key)
    return made


def refusal(guard: Guard, scope: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(RequestError) as caught:
        guard.check(scope)
    return caught.value.status, caught.value.code


def opens_to_all(guard: Guard) -> bool:
    return guard.is_open


@pytest.fixture
def read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request read the key file, instead of four readings a second."""
    monkeypatch.setattr(key_reloader, "WATCH_SECONDS", -1.0)


PATHS: dict[str, ApiScope] = {
    "/predict": "predict",
    "/predict/batch": "predict",
    "/explain": "predict",
    "/invocations": "predict",
    "/v2/models/films/infer": "predict",
    "/v2/models/films/versions/3/infer": "predict",
    "/feedback": "feedback",
    "/metrics": "read",
    "/admin/reload": "admin",
    "/admin/profile": "admin",
    "/something/new": "admin",
}


@pytest.mark.requirement("R-SEC-02")
def test_a_scope_opens_only_its_routes(file: KeyFile) -> None:
    """A key opens the routes of its scopes, admin all; every other is 403, and without a key 401."""
    tokens = {scope: make(file, [scope]).token for scope in ("predict", "feedback", "read", "admin")}
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    for path, required in PATHS.items():
        assert refusal(guard, request(path)) == (401, "api-key.missing")
        for scope, token in tokens.items():
            if scope in (required, "admin"):
                assert guard.check(request(path, token)).has_scope(required)
                assert guard.check(request(path, x_api_key=token)).has_scope(required)
            else:
                assert refusal(guard, request(path, token)) == (403, "api-key.scope")
    for path in ("/model-info", "/openapi.json", "/v2", "/v2/models/films", "/version"):
        assert refusal(guard, request(path)) == (401, "api-key.missing")
        assert all(guard.check(request(path, token)).key for token in tokens.values())


def test_an_own_key_is_valid_and_does_not_close_the_server(file: KeyFile) -> None:
    """A server's own key is valid in addition to the file's; where it is the only one, the server stays open."""
    own = NewKey.generate(["read"])
    settings = own.key.model_dump_json()
    assert own.token not in settings
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", own_key=settings)
    assert guard.is_open
    guard.check(request("/predict"))
    with pytest.raises(UsageError):
        guard_for(ServingSection(), file.path, host="0.0.0.0", own_key=settings)
    make(file, ["predict"])
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", own_key=settings)
    assert guard.check(request("/metrics", own.token)).has_scope("read")
    assert refusal(guard, request("/predict", own.token)) == (403, "api-key.scope")
    assert refusal(guard, request("/metrics", NewKey.generate(["read"]).token)) == (401, "api-key.invalid")
    with pytest.raises(UsageError):
        guard_for(ServingSection(), file.path, host="127.0.0.1", own_key="a word")


def test_probes_and_pages_need_no_key(file: KeyFile) -> None:
    """Probes and pages need no key, and their caller has no scope; a wrong key is refused there too."""
    make(file, ["admin"])
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    for path in ("/", "/docs", "/pages/style.css", "/health", "/ping", "/v2/health/live", "/v2/health/ready"):
        assert guard.check(request(path)).scopes == frozenset()
        assert refusal(guard, request(path, "ty_a_b")) == (401, "api-key.invalid")


def test_expired_and_revoked_keys_are_refused(file: KeyFile) -> None:
    """Expired, revoked and unknown keys get different codes; a server whose keys are all spent stays closed."""
    expired = make(file, ["admin"], expires_at=datetime.now(UTC) - timedelta(seconds=1))
    revoked = make(file, ["admin"])
    file.revoke(revoked.key.id)
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    assert refusal(guard, request("/predict", expired.token)) == (401, "api-key.expired")
    assert refusal(guard, request("/predict", revoked.token)) == (401, "api-key.revoked")
    assert refusal(guard, request("/predict", NewKey.generate(["admin"]).token)) == (401, "api-key.invalid")
    assert refusal(guard, request("/predict", authorization="Basic YTpi")) == (401, "api-key.missing")
    with pytest.raises(RequestError) as caught:
        guard.check(request("/predict"))
    assert from_error(caught.value).headers["www-authenticate"].startswith("Bearer")


def test_keys_count_without_a_restart(file: KeyFile, read_each_time: None) -> None:
    """The first key closes an open server; a damaged or deleted file opens it to nobody and shuts nobody out."""
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    assert opens_to_all(guard)
    assert guard.check(request("/admin/reload")).name == "anonymous at 127.0.0.1"
    made = make(file, ["admin"], name="ops")
    assert not opens_to_all(guard)
    assert refusal(guard, request("/admin/reload")) == (401, "api-key.missing")
    assert guard.check(request("/admin/reload", made.token)).name == f"API key {made.key.id} (ops)"
    for spoil in (lambda: file.path.write_text("{"), file.path.unlink):
        spoil()
        assert refusal(guard, request("/admin/reload")) == (401, "api-key.missing")
        assert guard.check(request("/admin/reload", made.token)).key == made.key
    second = make(KeyFile(file.path), ["admin"])
    assert refusal(guard, request("/admin/reload", made.token)) == (401, "api-key.invalid")
    assert guard.check(request("/admin/reload", second.token))


def test_a_server_is_open_to_others_only_with_insecure_open(file: KeyFile) -> None:
    """Beyond loopback a server needs a key or --insecure-open; a damaged key file is an error."""
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.com"):
        with pytest.raises(UsageError, match="no API keys") as caught:
            guard_for(ServingSection(), file.path, host=host)
        assert "tiltyard keys api new" in caught.value.next_step
        assert guard_for(ServingSection(), file.path, host=host, insecure_open=True).is_open
    file.path.write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        guard_for(ServingSection(), file.path, host="127.0.0.1")
    file.path.unlink()
    make(file, ["predict"])
    guard = guard_for(ServingSection(), file.path, host="0.0.0.0")
    assert refusal(guard, request("/predict", host="example.com")) == (401, "api-key.missing")


def test_other_sites_cannot_use_an_open_server(file: KeyFile) -> None:
    """An open server serves this machine by its loopback names, and no page of another site in its browser."""
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "app.localhost:1"):
        assert guard.check(request("/predict", host=host))
    others = (
        "rebound.example",
        "rebound.example:8000",
        "192.168.1.5",
        "localhost.example",
        "[::1].example",
        "localhost:a",
    )
    for host in others:
        assert refusal(guard, request("/predict", host=host)) == (421, "host.other")
    assert guard.check(request("/admin/reload", sec_fetch_site="same-origin", origin="http://127.0.0.1:8000"))
    assert guard.check(request("/admin/reload", origin="http://127.0.0.1:8000"))
    for headers in (
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ):
        assert refusal(guard, request("/admin/reload", **headers)) == (403, "site.other")
        # A link may be followed; a script, an image or a request of the other page is refused.
        assert refusal(guard, request("/predictions", method="GET", sec_fetch_mode="no-cors", **headers))[0] == 403
        if "sec_fetch_site" in headers:
            assert guard.check(request("/docs", method="GET", sec_fetch_mode="navigate", **headers))
    assert refusal(guard, request("/admin/reload", referer="http://evil.example/a"))[0] == 403
    assert guard.check(request("/admin/reload", referer="http://127.0.0.1:8000/docs"))
    open_guard = guard_for(ServingSection(), file.path, host="0.0.0.0", insecure_open=True)
    assert open_guard.check(request("/predict", host="example.com"))


def test_a_host_that_has_had_keys_is_never_open_again(file: KeyFile, tmp_path: Path) -> None:
    """Without its key file a server that starts anew refuses requests with the reason, beyond loopback too."""
    mark = tmp_path / "state" / "api-keys-were-made"
    assert guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark).is_open
    assert not mark.exists()
    made = make(file, ["predict"])
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark)
    assert mark.stat().st_mode & 0o777 == 0o600
    assert str(file.path) in mark.read_text()
    for lose in (file.path.unlink, lambda: file.path.write_text('{"format": 1, "keys": []}')):
        lose()
        for host, insecure in (("127.0.0.1", False), ("127.0.0.1", True), ("0.0.0.0", False), ("0.0.0.0", True)):
            guard = guard_for(ServingSection(), file.path, host=host, insecure_open=insecure, mark=mark)
            assert not guard.is_open
            for scope in (request("/predict"), request("/predict", made.token), request("/metrics", "ty_a_b")):
                with pytest.raises(RequestError) as caught:
                    guard.check(scope)
                assert (caught.value.status, caught.value.code) == (503, "api-key.lost")
                assert "tiltyard keys api new" in caught.value.next_step
            assert guard.check(request("/health")).scopes == frozenset()
    own = NewKey.generate(["read"])
    settings = own.key.model_dump_json()
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", own_key=settings, mark=mark)
    assert guard.check(request("/metrics", own.token)).has_scope("read")
    assert refusal(guard, request("/predict")) == (503, "api-key.lost")


def test_a_worker_that_is_restarted_listens_with_a_damaged_file_and_takes_it_once_it_is_whole(
    file: KeyFile, tmp_path: Path, read_each_time: None
) -> None:
    """A host that has had keys refuses requests while their file is damaged, names the damage, and needs no restart."""
    mark = tmp_path / "api-keys-were-made"
    made = make(file, ["predict"])
    assert guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark).check(request("/predict", made.token))
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:40])
    guard = guard_for(ServingSection(), file.path, host="0.0.0.0", mark=mark)
    assert refusal(guard, request("/predict")) == (503, "api-key.lost")
    with pytest.raises(RequestError, match=r"API keys were made on this host\. The file .* cannot be read: "):
        guard.check(request("/predict", made.token))
    file.path.unlink()
    assert refusal(guard, request("/predict", made.token)) == (503, "api-key.lost")
    file.path.write_bytes(whole)
    assert guard.check(request("/predict", made.token))


def test_a_running_server_notes_its_first_key(file: KeyFile, tmp_path: Path, read_each_time: None) -> None:
    """A server that was open notes the first key that it sees, and new keys end a loss without a restart."""
    mark = tmp_path / "api-keys-were-made"
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark)
    assert opens_to_all(guard)
    make(file, ["predict"])
    assert not opens_to_all(guard)
    assert mark.exists()
    file.path.unlink()
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark)
    assert refusal(guard, request("/predict")) == (503, "api-key.lost")
    anew = make(file, ["predict"])
    assert guard.check(request("/predict", anew.token))
    file.revoke(anew.key.id)
    file.empty()
    mark.unlink()
    assert opens_to_all(guard)


def test_a_server_that_knew_keys_stays_closed_when_its_state_folder_is_cleared(
    file: KeyFile, tmp_path: Path, read_each_time: None
) -> None:
    """What runs keeps its keys, or the loss of them, and writes the mark anew, so that a restarted worker knows too."""
    mark = tmp_path / "api-keys-were-made"
    made = make(file, ["predict"])
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark)
    file.path.unlink()
    mark.unlink()
    assert guard.check(request("/predict", made.token))
    assert mark.exists()
    restarted = guard_for(ServingSection(), file.path, host="127.0.0.1", mark=mark)
    assert refusal(restarted, request("/predict")) == (503, "api-key.lost")
    mark.unlink()
    assert refusal(restarted, request("/predict")) == (503, "api-key.lost")
    assert mark.exists()
    file.empty()
    mark.unlink()
    assert opens_to_all(restarted)


def test_a_mark_that_cannot_be_looked_up_counts(tmp_path: Path) -> None:
    """Where the mark cannot be looked up, keys were made; where it cannot be written, no key is."""
    (tmp_path / "file").touch()
    blocked = KeysMark(tmp_path / "file" / "api-keys-were-made")
    assert blocked.is_set
    blocked = KeysMark(tmp_path / "file" / "folder" / "api-keys-were-made")
    assert blocked.is_set
    assert not KeysMark(None).is_set
    if os.geteuid() == 0:
        return
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot be noted"):
        KeysMark(tmp_path / "closed" / "api-keys-were-made").set(tmp_path)


SIGNS = {
    "forwarded": "for=198.51.100.7",
    "via": "1.1 proxy",
    "x_forwarded_for": "198.51.100.7",
    "x_forwarded_host": "films.example",
    "x_forwarded_proto": "https",
    "x_real_ip": "198.51.100.7",
    "cf_connecting_ip": "198.51.100.7",
    "cf_ray": "1",
    "true_client_ip": "198.51.100.7",
    "cdn_loop": "cdn",
    "tailscale_user_login": "a@example.com",
}


@pytest.mark.parametrize("sign", SIGNS)
def test_what_was_forwarded_needs_a_key(file: KeyFile, sign: str) -> None:
    """An open server refuses what a proxy forwarded, a trusted one too; with a key or --insecure-open it passes."""
    forwarded = {sign: SIGNS[sign]}
    options = ServingSection(trusted_proxies=("127.0.0.1",))
    guard = guard_for(options, file.path, host="127.0.0.1")
    assert guard.check(request("/predict"))
    for path in ("/predict", "/health", "/"):
        with pytest.raises(RequestError) as caught:
            guard.check(request(path, **forwarded))
        assert (caught.value.status, caught.value.code) == (403, "request.forwarded")
        assert "tiltyard keys api new" in caught.value.next_step
    insecure = guard_for(options, file.path, host="127.0.0.1", insecure_open=True)
    assert insecure.check(request("/predict", **forwarded))
    made = make(file, ["predict"])
    guard = guard_for(options, file.path, host="127.0.0.1")
    assert guard.check(request("/predict", made.token, **forwarded))
    assert refusal(guard, request("/predict", **forwarded)) == (401, "api-key.missing")


def test_what_nginx_forwards_by_default_needs_a_key(file: KeyFile) -> None:
    """A proxy_pass of nginx without more, which adds no header and names this machine as the host, is a proxy."""
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    old = {"http_version": "1.0"}
    assert refusal(guard, {**request("/predict", connection="close"), **old}) == (403, "request.forwarded")
    assert refusal(guard, {**request("/", method="GET", connection="Close"), **old}) == (403, "request.forwarded")
    assert guard.check({**request("/predict"), **old}), "an old client of this machine"
    assert guard.check(request("/predict", connection="close"))
    made = make(file, ["predict"])
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    assert guard.check({**request("/predict", made.token, connection="close"), **old})


def test_too_many_requests_wait(file: KeyFile) -> None:
    """Each caller has its own rate, the limit of a key goes before it, and probes are not counted."""
    one, two = make(file, ["predict"]), make(file, ["predict"], rate_limit=0.001)
    guard = guard_for(ServingSection(rate_limit=0.01, rate_burst=3), file.path, host="127.0.0.1")
    for _ in range(3):
        guard.check(request("/predict", one.token))
    assert refusal(guard, request("/predict", one.token)) == (429, "rate.limited")
    guard.check(request("/predict", two.token))
    with pytest.raises(RequestError) as caught:
        guard.check(request("/predict", two.token))
    assert 900 < int(from_error(caught.value).headers["retry-after"]) <= 1000
    for _ in range(10):
        guard.check(request("/health", one.token))


def test_loopback_is_recognised() -> None:
    """Only names and addresses that cannot mean another machine are loopback."""
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST."))
    assert not any(
        is_loopback(host) for host in ("0.0.0.0", "::", "", "10.0.0.1", "localhost.example", "127.0.0.1.example")
    )


def test_an_admission_holds_as_long_as_what_it_was_made_by(file: KeyFile, read_each_time: None) -> None:
    """It holds until the first key is made, or until its own key is revoked, expires or comes too fast."""
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1")
    anonymous = guard.admit(request("/predict"))
    assert guard.admit_again(anonymous)
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = make(file, ["predict"], expires_at=soon)
    assert not guard.admit_again(anonymous)
    admitted = guard.admit(request("/predict", made.token))
    assert guard.admit_again(admitted)
    over = made.key.model_copy(update={"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
    assert not guard.admit_again(replace(admitted, caller=replace(admitted.caller, key=over)))
    file.revoke(made.key.id)
    assert not guard.admit_again(admitted)
    assert refusal(guard, request("/predict", made.token)) == (401, "api-key.revoked")
    limited = make(file, ["predict"], rate_limit=0.001)
    once = guard.admit(request("/predict", limited.token))
    with pytest.raises(RequestError) as caught:
        guard.admit_again(once)
    assert caught.value.status == 429


def test_an_admission_of_a_host_without_its_keys_does_not_hold(file: KeyFile, read_each_time: None) -> None:
    """While keys are lost, each request is checked anew."""
    made = make(file, ["predict"])
    own = NewKey.generate(["predict"])
    mark = file.path.with_name("mark")
    options: dict[str, Any] = {"own_key": own.key.model_dump_json(), "mark": mark}
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", **options)
    admitted = guard.admit(request("/predict", made.token))
    file.path.unlink()
    guard = guard_for(ServingSection(), file.path, host="127.0.0.1", **options)
    assert not guard.admit_again(admitted)
    assert refusal(guard, request("/predict", made.token))[0] == 503
    assert not guard.admit_again(guard.admit(request("/predict", own.token)))
