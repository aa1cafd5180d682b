from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx
import pytest

from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.http.app import create_app
from tiltyard.serving.model.manager import ModelManager, ServedAlias


def test_unknown_error_shows_no_traceback(
    registry: FakeRegistry, ledger: TestLedger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen error is a problem document without a word of the code, and is logged."""
    app = create_app(ModelManager(ServedAlias(MODEL), VersionLoader(registry, tmp_path)), ledger)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret of the code")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/broken")

    with caplog.at_level(logging.ERROR):
        answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["code"] == "internal"
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret of the code" in caplog.text
