"""The dashboard and Swagger UI in a real browser; skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.conftest import Start
from tests.serving.fake_registry import FakeRegistry

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a browser, whose script errors and refused loads are in ``page.problems``."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": 390, "height": 800})
        found.problems = []
        found.on("pageerror", lambda error: found.problems.append(str(error)))
        found.on("console", lambda line: found.problems.append(line.text) if line.type == "error" else None)
        yield found
        browser.close()


@pytest.mark.requirement("R-SERVE-09", "R-DASH-07", "R-DASH-10", "R-DASH-11", "R-DASH-12", "R-DASH-13")
@pytest.mark.requirement("R-DASH-14", "R-DASH-16")
def test_the_dashboard_predicts_an_example_and_a_file_and_lists_them(
    start: Start, registry: FakeRegistry, table_package: Path, page: Any
) -> None:
    """The example can be sent as it stands, JSON and a file too; the history finds rows and refreshes; /docs works."""
    registry.point_alias("champion", registry.add(table_package))
    url = start().url
    page.goto(url)
    page.click("#send")
    page.wait_for_selector("#history-rows tr")
    assert page.inner_text("#label") in ("low", "middle", "high")

    bars = page.locator("#probabilities .bar span")
    playwright.expect(bars).to_have_count(3)
    widths = [bar.bounding_box()["width"] for bar in bars.all()]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[-1]

    page.check("input[value=json]")
    page.fill("#json", '{"age": 31, "income": 40.5, "town": "Leeds", "member": true}')
    page.click("#send")
    playwright.expect(page.locator("#history-rows tr")).to_have_count(2)
    page.fill("#json", "{oops")
    page.click("#send")
    assert "JSON" in page.inner_text("#error")

    page.check("input[value=file]")
    content = b"age,income,town,member\n31,40.5,York,True\n62,,Hull,False\n"
    page.set_input_files("#file", {"name": "people.csv", "mimeType": "text/csv", "buffer": content})
    page.click("#send")
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "people-predictions.csv"
    assert Path(download.value.path()).read_text(encoding="utf-8").startswith("age,income,town,member,prediction,")

    page.fill("#search", "hull")
    playwright.expect(page.locator("#history-rows tr")).to_have_count(1)
    # On a narrow screen prediction and confidence of a row are next to each other, and not beyond the edge.
    assert not page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.getElementById('history'))")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")

    page.clock.install()
    page.goto(url)
    playwright.expect(page.locator("#history-rows tr")).to_have_count(4)
    httpx.post(f"{url}/predict", json={"features": {"age": 1, "income": 1, "town": "Bath", "member": True}}, timeout=30)
    page.clock.fast_forward(5_000)
    playwright.expect(page.locator("#history-rows tr")).to_have_count(5)

    page.goto(f"{url}/docs")
    page.wait_for_selector("#swagger-ui .opblock")
    page.goto(f"{url}/docs#input.invalid")
    page.wait_for_url("**/reference#input.invalid")
    assert page.problems == []
