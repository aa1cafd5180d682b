"""``tiltyard serve`` says that it serves when it does: each request that is sent then gets a response."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.films import Films, make_films, serving

pytestmark = pytest.mark.journey

# Enough new connections that each of two workers takes some.
CONNECTIONS = 20


def test_what_is_announced_predicts_at_once(films: Films) -> None:
    """With two workers, both have the champion when the address is written: no request is refused, or sees a 503."""
    with serving(films, "--workers", "2") as (address, _):
        statuses = [
            httpx.post(f"{address}/predict", json={"text": "a good film"}, timeout=60, verify=False).status_code
            for _ in range(CONNECTIONS)
        ]
    assert statuses == [200] * CONNECTIONS


def test_what_is_announced_knows_why_it_cannot_predict(tmp_path: Path, fresh_store: Path) -> None:
    """Without a champion, every worker says so from the first request on, with the next step."""
    films = make_films(tmp_path / "films", store=fresh_store)
    with serving(films, "--workers", "2") as (address, _):
        for _ in range(CONNECTIONS):
            response = httpx.get(f"{address}/health", timeout=60, verify=False)
            assert response.status_code == 503
            assert "No champion yet" in response.json()["reason"]
            assert "tiltyard train" in response.json()["next_step"]
