"""A person finds a prediction and opens it, in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import Serve
from tiltyard.ledger import Label, SqlLedger
from tiltyard.testing import make_prediction
from tiltyard.testing.registry import MemoryRegistry

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PICTURES = os.environ.get("TILTYARD_PICTURES")
"""A folder for pictures of what was seen; none are taken without it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_search_leads_to_the_prediction_and_back(
    browser: Any, serve: Serve, registry: MemoryRegistry, tmp_path: Path, width: int, theme: str
) -> None:
    """A search finds an old prediction, its row leads to its own address, and back to the list; all of it fits."""
    metrics = {"accuracy": 0.9, "f1": 0.88}
    info = registry.register_model(tmp_path.as_uri(), "films", metrics=metrics, run_id="a1b2c3d4")
    registry.set_alias("films", "champion", info.version)
    now = datetime.now(UTC)
    text = '<img src=x onerror="document.title=1"> A slow film that I could not bear'
    old = make_prediction(at=now - timedelta(hours=20), input={"text": text}, label="positive", confidence=0.83)
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        rows = [make_prediction(at=now - timedelta(seconds=second)) for second in range(2300)]
        ledger.record([old, *rows])
        ledger.record_labels([Label(old.id, "negative", now, "support")])
        page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme).new_page()
        page.goto(f"{str(serve(registry, ledger).client.base_url).rstrip('/')}/predictions")
        page.fill("#predictions-search", "slow FILM")
        page.get_by_text("the whole period was searched").wait_for()
        _take_picture(page, f"predictions-{width}-{theme}")
        page.get_by_role("link", name="A slow film").click()
        page.get_by_text("negative, reported by support").wait_for()
        assert page.url.endswith(f"/predictions/{old.id}")
        assert page.locator("#prediction-input").inner_text().count(text) == 1
        assert page.title() != "1"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        _take_picture(page, f"prediction-{width}-{theme}")
        page.get_by_role("link", name="v1").click()
        page.get_by_text("Registered", exact=True).wait_for()
        assert page.url.endswith("/versions/1")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        _take_picture(page, f"version-{width}-{theme}")
        page.go_back()
        page.reload()
        page.get_by_text("negative, reported by support").wait_for()
        page.go_back()
        page.locator("#predictions-search").wait_for()
        page.context.close()


def _take_picture(page: Any, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(800)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)
