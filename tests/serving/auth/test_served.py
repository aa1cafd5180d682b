"""A server that asks for keys, over real HTTP."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.serving.auth import HEADERS, KeyFile, NewKey


@pytest.mark.requirement("R-SEC-02")
def test_keys_open_their_routes_and_every_response_has_the_headers(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start, ledger: TestLedger
) -> None:
    """Keys open their routes; strangers learn only whether it is up; admin actions are events; headers are on all."""
    file = KeyFile(tmp_path / "api-keys.json")
    made = {scope: NewKey.generate([scope], name=scope) for scope in ("predict", "admin")}
    for key in made.values():
        file.add(key.key)
    registry.point_alias("champion", registry.add(text_package))
    with httpx.Client(base_url=start(api_keys=file.path).url, timeout=30) as client:
        headers = {scope: {"Authorization": f"Bearer {key.token}"} for scope, key in made.items()}
        text = {"text": "a warm film"}
        responses = [
            client.post("/predict", json=text),
            client.post("/predict", json=text, headers=headers["predict"]),
            client.post("/predict", json=text, headers={"X-API-Key": made["predict"].token}),
            client.post("/admin/reload", headers=headers["predict"]),
            client.post("/admin/reload", headers=headers["admin"]),
            client.get("/health"),
            client.get("/health", headers=headers["admin"]),
            client.get("/nowhere"),
            client.get("/docs"),
            client.options("/predict", headers={"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}),
        ]
        document = client.get("/openapi.json", headers=headers["predict"]).json()
    assert [response.status_code for response in responses] == [401, 200, 200, 403, 200, 200, 200, 401, 200, 401]
    assert responses[0].json()["code"] == "api-key.missing"
    assert responses[5].json()["statistics"] is None
    assert responses[6].json()["statistics"]["total_predictions"] == 2
    for response in responses:
        assert {name.decode() for name, _ in HEADERS} <= set(response.headers)
        assert not [name for name in response.headers if name.startswith("access-control")]
    [event] = ledger.events(kind="reloaded")
    assert (event.subject, event.actor) == (MODEL, f"API key {made['admin'].key.id} (admin)")
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    assert document["paths"]["/predict"]["post"]["security"] == [{"bearer": ["predict"]}, {"key": ["predict"]}]
    assert document["paths"]["/health"]["get"]["security"] == []


def test_a_server_whose_keys_are_lost_says_so_over_http(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start, ledger: TestLedger
) -> None:
    """After the loss of the key file a server that starts again predicts for nobody, and its probes still work."""
    file, mark = KeyFile(tmp_path / "api-keys.json"), tmp_path / "api-keys-were-made"
    key = NewKey.generate(["predict"])
    file.add(key.key)
    registry.point_alias("champion", registry.add(text_package))
    headers = {"X-API-Key": key.token}
    with httpx.Client(base_url=start(api_keys=file.path, api_keys_mark=mark).url, timeout=30) as client:
        assert client.post("/predict", json={"text": "a warm film"}, headers=headers).status_code == 200
    file.path.unlink()
    with httpx.Client(base_url=start(api_keys=file.path, api_keys_mark=mark).url, timeout=30) as client:
        for given in ({}, headers):
            for path in ("/predict", "/predict/batch", "/explain"):
                refused = client.post(path, json={"text": "a warm film"}, headers=given)
                assert (refused.status_code, refused.json()["code"]) == (503, "api-key.lost")
                assert "tiltyard keys api new" in refused.json()["next_step"]
        assert client.get("/health").status_code == 200
        file.add(key.key)
        deadline = monotonic() + 60
        while client.post("/predict", json={"text": "a warm film"}, headers=headers).status_code != 200:
            assert monotonic() < deadline
            sleep(0.05)


def test_a_target_in_absolute_form_is_for_its_own_host(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start
) -> None:
    """A server without keys serves a whole URL as its target only where that names this machine, whatever Host says."""
    registry.point_alias("champion", registry.add(text_package))
    with httpx.Client(base_url=start(host="127.0.0.1").url, timeout=30) as client:
        for method, path in (("GET", "/health"), ("POST", "/predict"), ("GET", "/predictions"), ("GET", "/v2")):
            sent = {"text": "a warm film"} if method == "POST" else None
            own = client.request(method, path, json=sent, extensions={"target": b"http://localhost" + path.encode()})
            other = client.request(method, path, json=sent, extensions={"target": b"http://other" + path.encode()})
            assert own.status_code == 200
            assert client.request("OPTIONS", "/", extensions={"target": b"*"}).status_code == 204
            assert (other.status_code, other.json()["code"]) == (421, "host.other")
