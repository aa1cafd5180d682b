"""Every page of a running text, table and number project in a real browser: it fits, it works, and axe finds nothing.

With ``TILTYARD_PICTURES``, a folder, all sizes and themes are seen and pictures of them are taken.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import Reader, running
from tests.console.running_project import RunningProject, open_running_project
from tiltyard.console.actions import ActionDesk
from tiltyard.notifications.alerts import read_alerts

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

PICTURES = os.environ.get("TILTYARD_PICTURES")
ALL = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]
SEEN = {"sentiment": [(1280, "light")], "personality": [(390, "dark")], "diabetes": [(1280, "dark")]}
CASES = [(example, *size) for example, some in SEEN.items() for size in (ALL if PICTURES else some)]
READY = "#main [id$='-frame']:not([hidden]), #main .card.empty"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def consoles(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Any]:
    """The console of a running example, made when it is first needed."""
    from contextlib import ExitStack

    known: dict[str, tuple[RunningProject, Reader]] = {}
    with ExitStack() as stack:

        def find(example: str) -> tuple[RunningProject, Reader]:
            if example not in known:
                root = tmp_path_factory.mktemp(example)
                made = stack.enter_context(open_running_project(root, fresh_store, example))
                desk = ActionDesk(made.project, made.workspace)
                registry = made.workspace.registry
                reader = stack.enter_context(running(made.project, registry, made.ledger, made.sources, desk=desk))
                known[example] = made, reader
            return known[example]

        yield find


class Visit:
    """A reader with a browser at a console."""

    def __init__(self, browser: Any, reader: Reader, width: int, theme: str) -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.page = context.new_page()
        self.base = str(reader.client.base_url).rstrip("/")
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)

    def open(self, path: str) -> None:
        """Open an address and wait for its figures."""
        self.page.goto(f"{self.base}{path}")
        self.page.locator(READY).first.wait_for(timeout=60_000)

    def list_faults(self) -> list[str]:
        """What axe calls serious or critical."""
        found = axe.Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


def list_paths(made: RunningProject) -> dict[str, str]:
    """The address of every page of a running project, by the name of its picture."""
    prediction = next(iter(made.ledger.predictions(limit=1, newest_first=True)))
    incidents = read_alerts(made.ledger.events(subject=made.project.model_name))
    return {
        "overview": "/",
        "incidents": "/incidents",
        **({"incident": f"/incidents/{incidents[0].id}"} if incidents else {}),
        "versions": "/versions",
        "version": "/versions/2",
        "compare": "/compare/1,2",
        "evaluation": "/evaluation",
        "monitoring": "/monitoring",
        "data": "/data",
        "predictions": "/predictions",
        "prediction": f"/predictions/{prediction.id}",
        "labelling": "/labelling",
        "batches": "/batches",
        "experiments": "/experiments",
        "decisions": "/decisions",
        "try": "/try",
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("example", "width", "theme"), CASES)
def test_every_page_fits_and_can_be_read_by_all(
    browser: Any, consoles: Any, example: str, width: int, theme: str
) -> None:
    """No page is wider than the screen, writes an error into the console, or has a serious finding of axe."""
    made, reader = consoles(example)
    visit = Visit(browser, reader, width, theme)
    faults: dict[str, list[str]] = {}
    for name, path in list_paths(made).items():
        visit.open(path)
        # Figures are drawn after the frame is there.
        visit.page.wait_for_timeout(400)
        found = visit.list_faults()
        if visit.page.evaluate("document.documentElement.scrollWidth") > width:
            found.append("wider than the screen")
        if found:
            faults[name] = found
        if PICTURES:
            visit.page.wait_for_timeout(600)
            visit.page.screenshot(path=f"{PICTURES}/{example}-{name}-{width}-{theme}.png", full_page=True)
    visit.page.context.close()
    assert faults == {}
    assert visit.problems == []


@pytest.mark.timeout(120)
def test_choices_have_addresses_and_back_undoes_them(browser: Any, consoles: Any) -> None:
    """Time, column and words are in the address; back goes to the choice before, and a reload stays where it is."""
    _, reader = consoles("personality")
    visit = Visit(browser, reader, 1280, "light")
    page = visit.page
    visit.open("/data")
    page.get_by_role("link", name="Last 7 days").click()
    page.wait_for_url("**/data?period=week")
    # The choice is drawn with its figures.
    page.locator(".choice .here", has_text="Last 7 days").wait_for()
    first = page.locator("#columns-one").inner_text()
    page.get_by_role("link", name="Going_outside").click()
    page.locator("#columns-one", has_text="Going_outside").wait_for()
    assert "column=Going_outside" in page.url
    page.reload()
    page.locator("#columns-one", has_text="Going_outside").wait_for()
    page.go_back()
    page.locator("#columns-one", has_text=first.splitlines()[0]).wait_for()
    page.get_by_role("link", name="Predictions", exact=True).first.click()
    page.wait_for_url("**/predictions?period=week")
    page.fill("#predictions-search", "Extrovert")
    page.wait_for_url("**search=Extrovert")
    page.get_by_text("“Extrovert”:").wait_for()
    assert visit.problems == []
    page.context.close()


@pytest.mark.timeout(120)
def test_the_palette_leads_to_pages_and_predictions(browser: Any, consoles: Any) -> None:
    """Ctrl-K opens a field; words find a page, an id leads to its prediction, and Escape closes it."""
    made, reader = consoles("personality")
    visit = Visit(browser, reader, 1280, "light")
    page = visit.page
    visit.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("drift")
    page.keyboard.press("Enter")
    page.wait_for_url("**/data")
    prediction = next(iter(made.ledger.predictions(limit=1)))
    page.keyboard.press("Control+k")
    page.keyboard.type(prediction.id)
    page.keyboard.press("Enter")
    page.locator("#prediction-facts", has_text=prediction.id).wait_for()
    page.keyboard.press("Control+k")
    page.locator("dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    page.context.close()


@pytest.mark.timeout(120)
def test_a_marked_part_of_a_chart_is_the_time(browser: Any, consoles: Any) -> None:
    """Dragging over a chart of time narrows all pages to that range, and back undoes it."""
    _, reader = consoles("personality")
    visit = Visit(browser, reader, 1280, "light")
    page = visit.page
    visit.open("/")
    chart = page.locator("#overview-traffic .nsewdrag").first
    chart.wait_for()
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=8)
    page.mouse.up()
    page.wait_for_url("**since=*until=*")
    page.get_by_role("button", name="UTC").first.wait_for()
    page.go_back()
    page.wait_for_url(f"{visit.base}/")
    page.context.close()


@pytest.mark.timeout(120)
def test_a_person_acknowledges_an_incident_with_a_reason(browser: Any, consoles: Any) -> None:
    """A button opens a dialog with the command; the decision is recorded with its reason, and shown."""
    made, reader = consoles("personality")
    visit = Visit(browser, reader, 1280, "light")
    page = visit.page
    visit.open("/")
    page.get_by_role("button", name="Acknowledge").first.click()
    page.get_by_label("Reason").fill("the shop moved to another unit")
    page.locator("dialog .command", has_text="moved to another unit").wait_for()
    assert "tiltyard alerts acknowledge" in page.locator("dialog .command").inner_text()
    page.locator("dialog button[type=submit]").click()
    page.locator("dialog .outcome.good").wait_for()
    page.locator("dialog [data-close]").click()
    (alert,) = read_alerts(made.ledger.events(subject=made.project.model_name))
    assert alert.acknowledged is not None
    assert alert.acknowledged.reason == "the shop moved to another unit"
    page.get_by_text("acknowledged or snoozed").click()
    page.get_by_role("link", name="The data drifted").click()
    page.get_by_text("the shop moved to another unit").wait_for()
    assert visit.problems == []
    page.context.close()


@pytest.mark.timeout(120)
def test_labels_are_given_with_keys_and_taken_back(browser: Any, consoles: Any) -> None:
    """Key 1 gives the first class, the next one comes, U takes it back; the prediction stays hidden."""
    made, reader = consoles("sentiment")
    visit = Visit(browser, reader, 1280, "light")
    page = visit.page
    visit.open("/labelling")
    card = page.locator("[data-labelling]")
    first = card.get_attribute("data-labelling")
    assert "Predicted:" not in page.inner_text("main")
    page.keyboard.press("1")
    page.locator(f"[data-labelling]:not([data-labelling='{first}'])").wait_for()
    (label,) = made.ledger.labels(prediction_id=first)
    assert label.label == page.locator("[data-label]").first.get_attribute("data-label")
    page.keyboard.press("u")
    page.locator(f"[data-labelling='{first}']").wait_for()
    assert list(made.ledger.labels(prediction_id=first)) == []
    page.keyboard.press("s")
    page.wait_for_url("**skip=1")
    page.get_by_role("link", name="Prediction shown").click()
    page.get_by_text("Predicted:").wait_for()
    assert visit.problems == []
    page.context.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [1300, 390])
def test_labels_of_the_form_do_not_overlap(browser: Any, consoles: Any, width: int) -> None:
    """Each field of the form has its label above it, and no label reaches into its neighbour's place."""
    _, reader = consoles("personality")
    visit = Visit(browser, reader, width, "light")
    visit.page.goto(f"{visit.base}/try")
    visit.page.locator(".trial .form label").first.wait_for()
    boxes = [label.bounding_box() for label in visit.page.locator(".trial .form label").all()]
    fields = [field.bounding_box() for field in visit.page.locator(".trial .form .dash-input-container").all()]
    assert len(boxes) == len(fields) == 7
    for place, one in enumerate(boxes):
        for other in [*boxes[:place], *boxes[place + 1 :], *fields]:
            apart = one["x"] + one["width"] <= other["x"] + 1 or other["x"] + other["width"] <= one["x"] + 1
            assert apart or one["y"] + one["height"] <= other["y"] + 1 or other["y"] + other["height"] <= one["y"] + 1
    visit.page.context.close()
