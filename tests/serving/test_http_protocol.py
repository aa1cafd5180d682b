"""The server starts with any uvicorn: with the fast path where it fits, else without it and with a warning."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn.protocols.http.httptools_impl as installed

from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry
from tests.serving.fakes import TestLedger
from tests.serving.interfaces import run_server
from tiltyard.errors import UsageError
from tiltyard.project import ServingSection
from tiltyard.serving.predict.fast_path import FastPathProtocol
from tiltyard.serving.predict.http_protocol import PLAIN_PROTOCOL, choose_http_protocol
from tiltyard.serving.server import ModelServer, ServerBackends

BUILT_ON_UVICORN = ("tiltyard.serving.connections.connection", "tiltyard.serving.predict.fast_path")


def install_other_uvicorn(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Let uvicorn's protocol over httptools be one that has another name for something, or does without."""
    source = Path(str(installed.__file__)).read_text(encoding="utf-8")
    assert old in source
    other = ModuleType(installed.__name__)
    exec(compile(source.replace(old, new), str(installed.__file__), "exec"), other.__dict__)
    monkeypatch.setitem(sys.modules, installed.__name__, other)
    for name in BUILT_ON_UVICORN:
        monkeypatch.delitem(sys.modules, name)


def test_the_installed_uvicorn_has_the_fast_path(caplog: pytest.LogCaptureFixture) -> None:
    """With the uvicorn that is required, the fast path is chosen without a warning."""
    assert choose_http_protocol("0.0.0.0") is FastPathProtocol
    assert not caplog.records


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class HttpToolsProtocol", "class HttpToolsHandler"),
        ("_start_asgi_task", "_run_application"),
        ("waiting_for_100_continue", "expects_continue"),
        ("self.message_event", "self.wake_event"),
        ("self.transport", "self.connection"),
        ("self.more_body", "self.has_more"),
        ("self.cycle.body += body", "self.cycle.chunks.append(body)"),
        ("self.on_response = on_response", "self.on_end = on_response"),
    ],
)
def test_a_uvicorn_that_does_not_fit_is_served_without_the_fast_path(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    old: str,
    new: str,
) -> None:
    """Where a private name is gone, a plain protocol is chosen on loopback, and a warning names uvicorn's version."""
    install_other_uvicorn(monkeypatch, old, new)
    assert choose_http_protocol("127.0.0.1") == PLAIN_PROTOCOL
    assert "does not fit uvicorn" in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_bounds_it_does_not_serve_strangers(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The plain protocol bounds nothing: beyond loopback the server does not start with it, whatever keys there are."""
    install_other_uvicorn(monkeypatch, "_start_asgi_task", "_run_application")
    with pytest.raises(UsageError, match="nothing bounds what strangers") as caught:
        choose_http_protocol(host)
    assert caught.value.code == "server.uvicorn"


def test_a_server_beyond_loopback_ends_with_that_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: FakeRegistry, ledger: TestLedger
) -> None:
    """Nothing listens when the error is raised, and the address is free again."""
    install_other_uvicorn(monkeypatch, "_start_asgi_task", "_run_application")
    backends = ServerBackends(registry, ledger, tmp_path / "cache", TRUSTED)
    options = ServingSection(host="0.0.0.0", port=0)
    with pytest.raises(UsageError, match="does not fit"):
        ModelServer(MODEL, options=options, backends=backends, insecure_open=True).run()


def test_predictions_come_without_the_fast_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, text_package: Path
) -> None:
    """A server on a uvicorn that does not fit predicts and records all the same."""
    install_other_uvicorn(monkeypatch, "_start_asgi_task", "_run_application")
    with run_server(tmp_path, text_package) as films:
        response = films.client.post("/predict", json={"text": "good"})
        assert response.status_code == 200
        assert films.ledger.prediction(response.json()["prediction_id"])
        assert films.client.get("/health").json()["status"] == "healthy"
    assert "does not fit uvicorn" in caplog.text
