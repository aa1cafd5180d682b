"""The console over HTTP, on a real port."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.console.conftest import Serve
from tiltyard.findings import Finding
from tiltyard.ledger import Event, Label, Prediction
from tiltyard.ledger.batch_runs import BatchRun
from tiltyard.registry import VersionInfo
from tiltyard.testing import MemoryLedger, make_event, make_prediction
from tiltyard.testing.registry import MemoryRegistry

AddVersion = Callable[..., VersionInfo]

pytest.importorskip("dash")

PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "versions": "/versions",
    "evaluation": "/evaluation",
    "monitoring": "/monitoring",
    "columns": "/data",
    "predictions": "/predictions",
    "batches": "/batches",
    "experiments": "/experiments",
    "decisions": "/decisions",
}
OUTSIDE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+\.[a-z]", re.IGNORECASE)


def now_prediction(**changes: object):  # type: ignore[no-untyped-def]
    return make_prediction(at=datetime.now(UTC), **changes)


@pytest.mark.requirement("R-DASH-09")
def test_every_page_loads_at_its_address(serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger) -> None:
    """The document comes under each page's address, the address decides the page, and an unknown one is not found."""
    reader = serve(registry, ledger)
    for name, path in PAGES.items():
        assert "_dash-config" in reader.get(path).text
        content = reader.open(path)
        assert f'"{name}-frame"' in content
        assert not any(f'"{other}-frame"' in content for other in PAGES if other != name)
    assert reader.client.get("/nowhere").status_code == 404
    assert "films" in reader.get("/_dash-layout").text
    assert len(reader.get("/_dash-dependencies").json()) >= len(PAGES)


def test_an_empty_project_names_the_next_command(serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger) -> None:
    """Where there is nothing to show, every page names the command that changes that, and hides its frame."""
    reader = serve(registry, ledger)
    for page in PAGES:
        shown = reader.render(page)
        command = "tiltyard monitor" if page == "incidents" else "tiltyard train --champion"
        assert command in json.dumps(shown[f"{page}-instead"])
        assert shown[f"{page}-frame"] == {"hidden": True}
    assert "tiltyard serve" in json.dumps(reader.render("predictions"))


def test_versions_without_a_champion_name_the_command(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, add_version: AddVersion
) -> None:
    """Without a champion the page names the command that makes the newest version champion."""
    add_version(accuracy=0.8)
    shown = serve(registry, ledger).render("versions")
    assert shown["versions-frame"] == {"hidden": False}
    assert "tiltyard set-alias --version 1 --alias champion" in json.dumps(shown["versions-missing"])


@pytest.mark.requirement("R-DASH-03", "R-DASH-05")
def test_versions_are_shown_with_their_metrics(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, add_version: AddVersion
) -> None:
    """A version is a row with its aliases, metrics, recipe, time and run, and a point of the plot."""
    add_version(accuracy=0.8125, precision=0.75, recall=0.5)
    add_version("champion", accuracy=0.875, precision=0.625, recall=1.0)
    shown = serve(registry, ledger).render("versions")
    table = json.dumps(shown["versions-all"])
    for word in ("v1", "v2", "champion", "0.8125", "0.8750", "-0.0625", "tfidf-logreg", "2026-03-01 12:02", "a1b2c3d4"):
        assert word in table
    traces = {trace["name"]: trace for trace in shown["versions-metrics"]["figure"]["data"]}
    assert traces["Accuracy"]["y"] == [0.8125, 0.875]
    assert (traces["Precision"]["y"], traces["Recall"]["y"]) == ([0.75, 0.625], [0.5, 1.0])
    assert traces["Champion"]["x"] == ["v2"]


@pytest.mark.requirement("R-DASH-07", "R-DASH-16")
def test_a_refresh_brings_new_predictions_and_only_those(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """A tick refreshes the page after a new prediction, and otherwise changes nothing."""
    ledger.record([now_prediction(input={"text": "A warm film"})])
    reader = serve(registry, ledger)
    first = reader.render("predictions")
    assert "A warm film" in json.dumps(first["predictions-recent"], ensure_ascii=False)
    seen = first["predictions-seen"]["data"]
    assert reader.render("predictions", seen) == {}
    ledger.record([now_prediction(input={"text": "A cold film"}, label="negative")])
    second = reader.render("predictions", seen)
    assert "A cold film" in json.dumps(second["predictions-recent"])
    assert [trace["name"] for trace in second["predictions-timeline"]["figure"]["data"]] == ["negative", "positive"]
    assert sum(map(sum, (trace["y"] for trace in second["predictions-confidence"]["figure"]["data"]))) == 2


@pytest.mark.requirement("R-DASH-15")
def test_a_search_narrows_the_list_and_nothing_else(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """A search lists the matching predictions; the counts above cover all predictions."""
    ledger.record([now_prediction(input={"text": "warm"}), now_prediction(input={"text": "cold"})])
    shown = serve(registry, ledger).render("predictions", None, "?period=hour&search=WARM")
    recent = json.dumps(shown["predictions-recent"])
    assert '"warm"' in recent
    assert '"cold"' not in recent
    assert "1 listed, newest first; the whole period was searched" in recent
    assert '"2"' in json.dumps(shown["predictions-facts"])


@pytest.mark.parametrize(
    "query", ["", "period=century", "since=x&until=y", "since=2026-01-02&until=2026-01-01", "route=7"]
)
def test_an_invalid_query_does_no_harm(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, query: str
) -> None:
    """An address without a period, or with unknown values, shows the usual period."""
    ledger.record([now_prediction()])
    assert serve(registry, ledger).render("predictions", None, f"?{query}")["predictions-frame"] == {"hidden": False}


def test_decisions_are_shown_with_who_why_and_evidence(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """A decision is shown with its actor, reason and evidence, under the statement that the chain is whole."""
    ledger.append(make_event(reason="0.1 better on 300 rows", evidence={"p_value": 0.0125}))
    shown = json.dumps(serve(registry, ledger).render("decisions")["decisions-list"])
    for words in ("Chain whole", "Version 2 became champion", "ada", "0.1 better on 300 rows", "0.0125"):
        assert words in shown


def test_batch_runs_are_shown_with_what_was_found(serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger) -> None:
    """A run is shown with its rows, labels and findings; one that is not finished says how it continues."""
    began = datetime(2026, 11, 30, 2, tzinfo=UTC)
    drift = Finding("drift.verdict", "error", "rows", message="The rows drifted: 3 of 5 columns.")
    evidence = {"labels": {"yes": 900, "no": 1_090}, "findings": [drift.to_dict(), {"other": "release"}, 7]}
    done = BatchRun("a" * 32, "films", "2", "in.parquet", "out.parquet", began, began + timedelta(seconds=12))
    ledger.batch_runs.save(replace(done, rows=2_000, refused=10, recorded=500, evidence=evidence))
    ledger.batch_runs.save(BatchRun("b" * 32, "films", "2", "half.parquet", "to.parquet", began, rows=1_000))
    clean = {"findings": [Finding("drift.verdict", "info", "rows", message="No drift.", status="clear").to_dict()]}
    ledger.batch_runs.save(replace(done, id="c" * 32, evidence=clean))
    shown = json.dumps(serve(registry, ledger).render("batches")["batches-list"], ensure_ascii=False)
    for words in (
        *("in.parquet → out.parquet", "needs attention", "2,000 rows, 10 refused, 500 recorded", "no 1,090, yes 900"),
        *("12 seconds", "The rows drifted: 3 of 5 columns.", "not finished", "start it again, and it continues"),
        *("finished", "No drift."),
    ):
        assert words in shown


class TamperedLedger(MemoryLedger):
    """A ledger whose chain was broken."""

    def verify_events(self) -> list[str]:
        return ["Event 1 was changed."]


def test_a_broken_chain_is_reported(serve: Serve, registry: MemoryRegistry) -> None:
    """A broken chain is said aloud, link by link, and never called whole."""
    ledger = TamperedLedger()
    ledger.append(Event("promoted", "films/1", datetime.now(UTC), "ada"))
    shown = json.dumps(serve(registry, ledger).render("decisions")["decisions-list"])
    assert "Event 1 was changed." in shown
    assert "Chain whole" not in shown


def test_an_unavailable_registry_is_reported_until_it_returns(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, add_version: AddVersion
) -> None:
    """While the registry is away the page says so and what to do; the next tick after its return draws the page."""
    add_version("champion", accuracy=0.9)
    reader = serve(registry, ledger)
    seen = reader.render("versions")["versions-seen"]["data"]
    registry.away = True
    shown = reader.render("versions", seen)
    assert "The registry is away." in json.dumps(shown["versions-instead"])
    assert "Bring it back." in json.dumps(shown["versions-instead"])
    assert shown["versions-frame"] == {"hidden": True}
    registry.away = False
    back = reader.render("versions", shown["versions-seen"]["data"])
    assert (back["versions-instead"], back["versions-frame"]) == ({"children": None}, {"hidden": False})


def test_a_version_has_its_own_address(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, add_version: AddVersion
) -> None:
    """A row of the list leads to a page with metrics of that version and the champion, and decisions about it alone."""
    add_version("champion", accuracy=0.9, log_loss=0.3)
    add_version(accuracy=0.8125)
    for version in ("1", "2"):
        ledger.append(make_event(subject=f"films/{version}", kind="refused", reason=f"reason of {version}"))
    reader = serve(registry, ledger)
    assert '"href": "/versions/2"' in json.dumps(reader.render("versions"))
    assert reader.get("/versions/2").text.startswith("<!doctype html>")
    assert '"version-frame"' in reader.open("/versions/2")
    shown = json.dumps(reader.render("version", None, "2"))
    for words in ("0.8125", "0.9000", "Champion v1", "reason of 2", "-0.0875 against the champion"):
        assert words in shown
    assert "reason of 1" not in shown
    assert "No such version" in json.dumps(reader.render("version", None, "7"))


def test_a_prediction_has_its_own_address(serve: Serve, registry: MemoryRegistry) -> None:
    """A row of the list leads to a page with the input, the result and the label of that prediction alone."""
    ledger, other = MemoryLedger(), now_prediction(input={"text": "somebody else"})
    wrong = now_prediction(input={"text": "<b>not at all</b>"}, label="good", key="order 7")
    ledger.record([other, wrong])
    ledger.record_labels([Label(wrong.id, "bad", datetime.now(UTC), "support")])
    reader = serve(registry, ledger)
    address = f"/predictions/{wrong.id}"
    assert f'"href": "{address}"' in json.dumps(reader.render("predictions"))
    assert reader.get(address).text.startswith("<!doctype html>")
    assert wrong.id in reader.open(address)
    shown = json.dumps(reader.render("prediction", None, wrong.id))
    for words in (r"<b>not at all</b>", "order 7", "different", "bad, reported by support", "Probabilities"):
        assert words in shown or words in reader.open(address)
    assert "somebody else" not in shown
    unlabelled = json.dumps(reader.render("prediction", None, other.id))
    assert "feedback import" in unlabelled
    assert other.id in unlabelled


@pytest.mark.parametrize("subject", ["nobody", "", "of another model"])
def test_a_prediction_that_is_not_there_is_said_to_be_missing(
    serve: Serve, registry: MemoryRegistry, subject: str
) -> None:
    """An id that the ledger does not hold, or holds for another model, shows nothing of a prediction."""
    ledger, foreign = MemoryLedger(), now_prediction(project="other", input={"text": "secret"})
    ledger.record([foreign])
    id_ = foreign.id if subject == "of another model" else subject
    shown = json.dumps(serve(registry, ledger).render("prediction", None, id_))
    assert "No such prediction" in shown
    assert "secret" not in shown


class FailingLedger(MemoryLedger):
    """A ledger with a mistake in it."""

    def predictions(self, **_: object) -> Iterator[Prediction]:
        raise ZeroDivisionError("secret detail")


def test_an_internal_error_shows_no_traceback(
    serve: Serve, registry: MemoryRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected failure is reported without its details, which are in the log."""
    ledger = FailingLedger()
    ledger.record([now_prediction()])
    shown = json.dumps(serve(registry, ledger).render("predictions"))
    assert "cannot be drawn" in shown
    assert "secret detail" not in shown
    assert "Traceback" not in shown
    assert "secret detail" in caplog.text


def test_no_response_names_another_host(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, add_version: AddVersion
) -> None:
    """Documents, styles and data name no other host, and the headers forbid any."""
    add_version("champion", accuracy=0.9)
    ledger.record([now_prediction()])
    ledger.append(make_event())
    reader = serve(registry, ledger)
    document = reader.get("/")
    links = re.findall(r'(?:src|href)="([^"]+)"', document.text)
    assert len(links) > 5
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    data = [json.dumps(reader.render(page)) for page in PAGES] + [reader.open(path) for path in PAGES.values()]
    styles = [reader.get(link).text for link in links if ".css" in link]
    own = [reader.get(path).text for path in ("/_dash-layout", "/_dash-dependencies", "/assets/console.js")]
    assert styles
    for text in (document.text, *data, *styles, *own):
        assert OUTSIDE.findall(text) == []
    for link in links:
        assert reader.get(link).headers["content-security-policy"] == document.headers["content-security-policy"]
    sources = document.headers["content-security-policy"]
    assert "default-src 'none'" in sources
    assert OUTSIDE.findall(sources) == []
    assert "unsafe-eval" not in sources


def test_scripts_that_load_from_elsewhere_are_not_offered(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """The framework's own documentation pages, which load from a CDN, do not exist."""
    client: httpx.Client = serve(registry, ledger).client
    assert [client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 404]
