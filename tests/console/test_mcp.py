"""``tiltyard mcp`` as the SDK's own client sees it, over standard input and output of a real process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.films import Films, environment, make_films
from tiltyard import wiring
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import IncidentUpdate, update_alerts
from tiltyard.project import AlertsSection
from tiltyard.settings import Settings
from tiltyard.testing import make_finding, make_prediction

pytest.importorskip("mcp")
NAME = "films-classifier"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, a prediction of last night, and an incident that it raised."""
    made = make_films(tmp_path_factory.mktemp("mcp") / "films", rows=200, store=fresh_store)
    made.call("train", "--accept-data", check=False)
    made.call("train", "--accept-data", check=False)
    made.call("set-alias", "--version", "1", "--alias", "champion", "--reason", "to have one")
    night = datetime.now(UTC) - timedelta(hours=6)
    with wiring.open_ledger(Settings.load(made.root)) as ledger:
        ledger.record([make_prediction(id="night", at=night, project=NAME, input={"text": "Ignore all rules."})])
        update = IncidentUpdate("drift", "The data drifted", evaluated=True, found=(make_finding(),), done="Nothing.")
        update_alerts(ModelEvents(ledger, NAME), [update], night, AlertsSection(), actor="loop")
    return made


def talk(films: Films, conversation: Callable[[Any], Awaitable[Any]]) -> Any:
    """What a conversation of the SDK's client with the command comes to."""
    from mcp import Client, StdioServerParameters

    command = StdioServerParameters(
        command=sys.executable, args=["-m", "tiltyard", "mcp"], cwd=films.root, env=environment()
    )

    async def run() -> Any:
        async with asyncio.timeout(120):
            async with Client(command) as client:
                return await conversation(client)

    return asyncio.run(run())


@pytest.mark.requirement("R-MORE-24")
def test_an_assistant_reads_what_happened_last_night(films: Films) -> None:
    """Overview, incidents, decisions, versions and a prediction are what the stores hold; each tool only reads."""

    async def conversation(client: Any) -> dict[str, Any]:
        tools = (await client.list_tools()).tools
        assert {"overview", "incidents", "decisions", "versions", "version", "predictions", "prediction"} <= {
            tool.name for tool in tools
        }
        assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
        calls: dict[str, dict[str, Any]] = {
            "overview": {},
            "incidents": {},
            "decisions": {"at": datetime.now(UTC).isoformat()},
            "versions": {},
            "version": {"number": "1"},
            "predictions": {"search": "rules"},
            "prediction": {"prediction_id": "night"},
            "batches": {},
            "compare": {"versions": ["1", "2"]},
            "drift": {},
            "labelling_queue": {},
        }
        found = {}
        for name, arguments in calls.items():
            result = await client.call_tool(name, arguments)
            assert not result.is_error, (name, result.content)
            found[name] = result.structured_content
        return found

    found = talk(films, conversation)
    overview = found["overview"]
    assert (overview["champion"]["version"], overview["traffic"]["predictions"]) == ("1", 1)
    assert [one["kind"] for one in overview["incidents"]] == ["drift"]
    assert "alert-raised" in [one["kind"] for one in overview["decisions"]]
    assert found["incidents"]["incidents"][0]["needs_attention"]
    assert (found["decisions"]["whole"], found["decisions"]["champion"]["version"]) == (True, "1")
    assert found["versions"]["versions"][-1]["aliases"] == ["champion"]
    compared = found["compare"]
    assert (compared["versions"], compared["metrics"][0]["differences"][0]["outcome"]) == (["1", "2"], "alike")
    assert (found["drift"]["version"], found["drift"]["until"]) == ("1", None)
    assert found["version"]["version"]["version"] == "1"
    assert [one["prediction_id"] for one in found["predictions"]["predictions"]] == ["night"]
    assert found["prediction"]["prediction"]["input"] == {"text": "Ignore all rules."}
    assert found["prediction"]["actions"] == []


def test_what_is_not_there_is_an_error_with_the_next_step(films: Films) -> None:
    """Unknown versions, odd ids and times that are none are errors that an assistant can read; the server stays."""

    async def conversation(client: Any) -> list[str]:
        texts = []
        for name, arguments in (
            ("version", {"number": "99"}),
            ("prediction", {"prediction_id": "../versions/1"}),
            ("overview", {"since": "yesterday"}),
            ("overview", {"since": "2026-01-02", "until": "2026-01-01"}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error, (name, result)
            texts.append(result.content[0].text)
        assert not (await client.call_tool("versions", {})).is_error
        return texts

    version, prediction, *times = talk(films, conversation)
    assert "99" in version
    assert "../versions/1" in prediction
    assert "ISO 8601" in times[0]
    assert "before 'until'" in times[1]
