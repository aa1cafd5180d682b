"""``/api/v1`` of a console on a real port: each route as each role, and each action in the record as the command's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console.conftest import MODEL, Reader, running
from tests.postgres import PostgresServer
from tiltyard.choices import ROLE_SCOPES, ROLES, Role
from tiltyard.console.actions import ACTIONS, ActionDesk
from tiltyard.console.data.prediction_search import PredictionSearch, search_predictions
from tiltyard.console.sign_in import console_guard
from tiltyard.ledger import Event, LabelRequest, Ledger, Prediction, SqlLedger
from tiltyard.ledger.batch_runs import BatchRun
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import Alert, IncidentUpdate, read_alerts, update_alerts
from tiltyard.project import AlertsSection, Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.manual_change import point_alias
from tiltyard.registry import Registry
from tiltyard.serving.auth import KeyFile, NewKey, key_reloader
from tiltyard.testing import make_finding, make_prediction
from tiltyard.testing.registry import MemoryRegistry

pytest.importorskip("dash")

API = "/api/v1"
READ = (
    "/session",
    "/overview",
    "/actions",
    "/jobs",
    "/versions",
    "/versions/1",
    "/drift",
    "/runs",
    "/batches",
    "/predictions",
    "/incidents",
    "/labels/queue",
    "/audit",
    "/openapi.json",
    "/docs",
    "/docs/docs.js",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
)
SCRIPT = "<script>alert(1)</script>"


@dataclass(frozen=True)
class ConsoleEnv:
    """A console with keys of every role, over three versions, a prediction and an open incident."""

    reader: Reader
    ledger: Ledger
    registry: Registry
    keys: Mapping[Role, NewKey]
    prediction: Prediction

    @property
    def address(self) -> str:
        return str(self.reader.client.base_url)

    def request(self, role: Role | None, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with the key of a role, without a session."""
        headers = {"X-API-Key": self.keys[role].token} if role else {}
        return httpx.request(method, f"{self.address}{API}{path}", headers=headers, timeout=60, **more)

    def act(self, role: Role | None, action: str, **values: Any) -> httpx.Response:
        return self.request(role, "POST", f"/actions/{action}", json=values)

    def actor(self, role: Role) -> str:
        return f"API key {self.keys[role].key.id} ({role}-name)"

    @property
    def alert(self) -> Alert:
        return read_alerts(self.ledger.events(subject=MODEL))[-1]

    @property
    def last(self) -> Event:
        return list(self.ledger.events())[-1]


@pytest.fixture(autouse=True)
def read_keys_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that a test made counts at once, however soon its request follows."""
    monkeypatch.setattr(key_reloader, "WATCH_SECONDS", -1.0)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/ledger.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
    with SqlLedger.open(url) as ledger:
        yield ledger


@pytest.fixture
def films_desk(films: Project, tmp_path: Path, store: Ledger) -> ActionDesk:
    registry = MemoryRegistry()
    for _ in range(3):
        registry.register_model(tmp_path.as_uri(), MODEL, metrics={"accuracy": 0.9})
    return ActionDesk(films, Workspace(registry, store, tmp_path / "cache", (), "ada"), folder=tmp_path)


@pytest.fixture
def env(films: Project, films_desk: ActionDesk, store: Ledger, tmp_path: Path) -> Iterator[ConsoleEnv]:
    workspace = films_desk.workspace
    point_alias(workspace, MODEL, version="1", alias="champion", reason="first")
    row = make_prediction(
        at=datetime.now(UTC),
        project=MODEL,
        input={"text": SCRIPT},
        label="positive",
        probabilities={"positive": 0.8, "negative": 0.2},
    )
    store.record([row])
    store.label_requests.record([LabelRequest("q1", row.id, datetime.now(UTC), "random", 0.5)])
    store.batch_runs.save(BatchRun("a" * 32, MODEL, "1", "in.csv", "out.csv", datetime.now(UTC)))
    update = IncidentUpdate("drift", "The data drifted", evaluated=True, found=(make_finding(),), done="Nothing.")
    update_alerts(ModelEvents(store, MODEL), [update], datetime.now(UTC), AlertsSection(), actor="loop")
    file = KeyFile(tmp_path / "api-keys.json")
    keys: dict[Role, NewKey] = {}
    for role in ROLES:
        keys[role] = NewKey.generate(ROLE_SCOPES[role], name=f"{role}-name")
        file.add(keys[role].key)
    guard = console_guard(films.serving, file.path, "0.0.0.0")
    with running(films, workspace.registry, store, guard=guard, desk=films_desk) as reader:
        yield ConsoleEnv(reader, store, workspace.registry, keys, row)


def test_every_route_serves_who_may_read(env: ConsoleEnv) -> None:
    """Without a key, and with one that is not known, every route is 401; a key of each role reads all."""
    unknown = {"X-API-Key": NewKey.generate(["predict"]).token}
    for path in (*READ, f"/predictions/{env.prediction.id}", f"/incidents/{env.alert.id}"):
        assert env.request(None, "GET", path).status_code == 401, path
        assert httpx.get(f"{env.address}{API}{path}", headers=unknown, timeout=60).status_code == 401, path
        for role in ROLES:
            found = env.request(role, "GET", path)
            assert found.status_code == 200, (path, role, found.text)


@pytest.mark.requirement("R-MORE-22")
def test_what_is_read_is_what_the_stores_hold(env: ConsoleEnv) -> None:
    """Versions, predictions, incidents, the queue and the chain come as JSON, and texts stay texts."""
    session = env.request("operator", "GET", "/session").json()
    assert session == {"actor": env.actor("operator"), "role": "operator", "signed_in": True, "model": MODEL}
    overview = env.request("viewer", "GET", "/overview").json()
    assert (overview["champion"]["version"], overview["labels_waiting"]) == ("1", 1)
    assert overview["traffic"]["predictions"] == 1
    assert [one["kind"] for one in overview["decisions"]] == ["alert-raised", "alias-set"]
    assert overview["performance"]["measured"] == []
    assert env.request("viewer", "GET", "/drift").json()["reason"].startswith("There is no champion")
    versions = env.request("viewer", "GET", "/versions").json()
    assert [one["version"] for one in versions["versions"]] == ["3", "2", "1"]
    detail = env.request("viewer", "GET", "/versions/1").json()
    assert detail["version"]["aliases"] == ["champion"]
    assert [event["kind"] for event in detail["events"]] == ["alias-set"]
    assert all(action["refused"] for action in detail["actions"])
    found = env.request("viewer", "GET", "/predictions?search=script&limit=1").json()
    labelled = env.request("viewer", "GET", "/predictions?label=negative").json()
    assert labelled == {"predictions": [], "older": None}
    assert (found["predictions"][0]["input"], found["older"]) == ({"text": SCRIPT}, None)
    response = env.request("viewer", "GET", f"/predictions/{env.prediction.id}")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["labels"] == []
    (incident,) = env.request("viewer", "GET", "/incidents").json()["incidents"]
    assert (incident["kind"], incident["needs_attention"]) == ("drift", True)
    queue = env.request("labeller", "GET", "/labels/queue").json()
    assert (queue["waiting"][0]["predicted"], queue["classes"]) == (None, ["negative", "positive"])
    shown = env.request("labeller", "GET", "/labels/queue?show_predictions=true").json()
    assert shown["waiting"][0]["predicted"] == "positive"
    now = datetime.now(UTC).isoformat()
    audit = env.request("viewer", "GET", "/audit", params={"at": now}).json()
    assert (audit["whole"], audit["champion"]["version"], audit["total"]) == (True, "1", 2)
    assert env.request("viewer", "GET", "/batches").json()["batches"][0]["target"] == "out.csv"


def test_pages_of_predictions_hold_each_once(env: ConsoleEnv) -> None:
    """Page after page, by ``older``, each prediction comes once, also those of one moment."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [make_prediction(at=moment.replace(second=n // 3), project=MODEL) for n in range(20)]
    env.ledger.record(rows)
    seen: list[str] = []
    older: str | None = None
    while True:
        query = {"limit": 4} | ({"until": older} if older else {})
        page = env.request("viewer", "GET", "/predictions", params=query).json()
        seen += [one["prediction_id"] for one in page["predictions"]]
        older = page["older"]
        if older is None:
            break
    assert sorted(seen) == sorted([env.prediction.id, *(row.id for row in rows)])


def test_a_search_that_takes_long_is_continued(store: Ledger) -> None:
    """A search that stops after its seconds says from where it continues, and finds each prediction once in the end."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [make_prediction(at=moment + timedelta(hours=3 * n), project=MODEL, label="ab"[n % 2]) for n in range(30)]
    store.record(rows)
    ticks = iter(range(0, 10**6, 10))
    wanted, found = PredictionSearch(MODEL, label="a"), list[str]()
    for _ in range(200):
        result = search_predictions(store, wanted, 4, clock=lambda: float(next(ticks)))
        found += [row.id for row in result.rows]
        if result.older is None:
            break
        wanted = replace(wanted, until=result.older)
    assert found == [row.id for row in reversed(rows) if row.label == "a"]
    assert search_predictions(store, PredictionSearch("other"), 4).rows == ()


def test_what_is_not_there_is_a_problem_document(env: ConsoleEnv) -> None:
    """Unknown versions, predictions, incidents, actions, jobs and routes are 404 with a next step; bad queries 422."""
    for path in ("/versions/99", "/predictions/nothing", "/incidents/nothing", "/jobs/nothing", "/nowhere"):
        found = env.request("viewer", "GET", path)
        assert (found.status_code, found.headers["content-type"]) == (404, "application/problem+json"), path
        assert found.json()["next_step"]
    for path in (
        "/predictions?limit=0",
        "/predictions?since=yesterday",
        "/incidents?state=lost",
        "/audit?at=x",
        "/overview?since=2031-01-01",
    ):
        assert env.request("viewer", "GET", path).status_code == 422, path
    for path in ("/compare", "/compare?versions=1", "/drift?since=2031-01-01"):
        assert env.request("viewer", "GET", path).status_code == 422, path
    compared = env.request("viewer", "GET", "/compare?versions=1&versions=2")
    assert (compared.status_code, compared.json()["code"]) == (403, "console.no-rows")
    assert env.request("viewer", "GET", "/drift/nothing").status_code == 404
    for name in ("nothing", "promot"):
        found = env.act("admin", name)
        assert (found.status_code, found.json()["code"]) == (404, "action.unknown")


@pytest.mark.requirement("R-MORE-21")
def test_an_action_needs_its_role(env: ConsoleEnv) -> None:
    """Who has a lesser role than an action needs is refused, and nothing is recorded."""
    before = env.last
    for action in ACTIONS.values():
        values = {one.name: "x" for one in action.fields if one.required}
        for role in ROLES[: ROLES.index(action.role)]:
            found = env.act(role, action.name, **values)
            assert (found.status_code, found.json()["code"]) == (403, "session.role"), (action.name, role)
            assert action.role in found.json()["next_step"]
        assert env.act(None, action.name, **values).status_code == 401
    assert env.last == before


@pytest.mark.requirement("R-MORE-21")
def test_an_action_is_in_the_record_as_the_commands(env: ConsoleEnv) -> None:
    """Actions on versions, incidents and labels leave the event that the command leaves, with who and why."""
    done = env.act("operator", "set-alias", version="2", alias="challenger", reason="trial")
    assert done.status_code == 200, done.text
    assert done.json()["command"] == "tiltyard set-alias --version 2 --alias challenger --reason trial"
    assert done.json()["result"] == {"model": MODEL, "alias": "challenger", "version": "2", "before": None}
    event = next(one for one in reversed(list(env.ledger.events(subject=MODEL))) if one.kind == "alias-set")
    assert (event.subject, event.actor, event.reason) == (f"{MODEL}/2", env.actor("operator"), "trial")

    assert env.act("operator", "archive", version="2", reason="worse").json()["result"]["archived"]
    assert (env.last.kind, env.last.actor) == ("archived", env.actor("operator"))
    assert env.act("operator", "unarchive", version="2", reason="better").status_code == 200
    assert env.last.kind == "unarchived"

    assert env.act("operator", "acknowledge", incident="drift", reason="mine").status_code == 200
    assert (env.last.kind, env.last.reason) == ("alert-acknowledged", "mine")
    snoozed = env.act("operator", "snooze", incident=env.alert.id, reason="known", **{"for": "12h"})
    assert snoozed.json()["result"]["snoozed"]["by"] == env.actor("operator")
    assert env.alert.is_snoozed(datetime.now(UTC))
    assert env.act("operator", "wake", incident="drift", reason="not known").status_code == 200

    given = env.act("labeller", "label", prediction=env.prediction.id, label="negative")
    assert (given.json()["result"]["label"], given.json()["result"]["source"]) == ("negative", env.actor("labeller"))
    (label,) = env.ledger.labels(prediction_id=env.prediction.id)
    assert (label.label, label.source, label.reason) == ("negative", env.actor("labeller"), "random")
    other = env.act("operator", "undo-label", prediction=env.prediction.id)
    assert (other.status_code, other.json()["code"]) == (400, "label.of-another")
    assert env.act("labeller", "undo-label", prediction=env.prediction.id).status_code == 200
    assert list(env.ledger.labels(prediction_id=env.prediction.id)) == []
    assert env.ledger.verify_events() == []


def test_a_queue_that_is_filled_waits_for_labels(env: ConsoleEnv) -> None:
    """Predictions that a labeller has chosen are requested, and come in the queue until they have a label."""
    env.ledger.record([make_prediction(at=datetime.now(UTC), project=MODEL, input={"text": str(n)}) for n in range(9)])
    filled = env.act("labeller", "fill-queue", size=4)
    assert (filled.status_code, len(filled.json()["result"]["queue"])) == (200, 4)
    queue = env.request("labeller", "GET", "/labels/queue").json()
    waiting = {one["prediction_id"] for one in queue["waiting"]}
    assert waiting >= {row["prediction_id"] for row in filled.json()["result"]["queue"]}
    labelled = env.act("labeller", "label", prediction=queue["waiting"][0]["prediction_id"], label="positive")
    assert labelled.status_code == 200, labelled.text
    after = env.request("labeller", "GET", "/labels/queue").json()
    assert after["labelled"] == 1
    assert {one["prediction_id"] for one in after["waiting"]} == waiting - {queue["waiting"][0]["prediction_id"]}
    assert after["by_source"] == {env.actor("labeller"): 1}


def test_what_overrules_the_gates_needs_an_admin(env: ConsoleEnv) -> None:
    """An operator may set other aliases than champion, and may not force a promotion; an admin may."""
    refused = env.act("operator", "set-alias", version="2", alias="champion", reason="why")
    assert (refused.status_code, refused.json()["code"]) == (403, "session.role")
    forced = env.act("operator", "promote", version="2", force=True, reason="why")
    assert (forced.status_code, forced.json()["code"]) == (403, "session.role")
    assert env.act("admin", "set-alias", version="2", alias="champion", reason="why").status_code == 200
    champion = env.registry.champion(MODEL)
    assert champion is not None
    assert champion.version == "2"


def test_wrong_values_are_named_one_by_one(env: ConsoleEnv) -> None:
    """A missing reason, an unknown value and a value of the wrong kind are 422 and name the field."""
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"version": "2"}, "reason"),
        ({"version": "2", "reason": "  "}, "reason"),
        ({"version": "2", "reason": "x", "reson": "x"}, "reson"),
        ({"version": ["2"], "reason": "x"}, "version"),
        ({"version": "2", "reason": "x" * 2001}, "reason"),
        ({"version": "2", "reason": "a\0b"}, "reason"),
    )
    for values, field in cases:
        found = env.act("operator", "archive", **values)
        assert (found.status_code, found.json()["errors"][0]["field"]) == (422, field)
    ends: tuple[dict[str, Any], ...] = ({"for": "1y"}, {}, {"for": "1h", "until": "2031-01-01"})
    for values in ends:
        assert env.act("operator", "snooze", incident="drift", reason="x", **values).status_code == 422
    assert env.act("operator", "promote", version="2", force="yes", reason="x").status_code == 422
    for body in ("[]", "{", '"x"'):
        headers = {"Content-Type": "application/json", "X-API-Key": env.keys["operator"].token}
        place = f"{env.address}{API}/actions/archive"
        assert httpx.post(place, content=body, headers=headers, timeout=60).status_code == 422


def test_a_session_acts_from_its_own_pages_alone(env: ConsoleEnv) -> None:
    """A browser that signed in acts from a page of the console: not from another site, without a page, by another
    kind of form than JSON, or after it signed out."""
    client = env.reader.client
    assert client.post("/sign-in", data={"key": env.keys["operator"].token}).status_code == 303
    body = {"version": "2", "reason": "why"}
    place = f"{API}/actions/archive"
    before = env.last
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert client.post(place, json=body, headers=headers).status_code == 403, headers
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
    bare = httpx.post(f"{env.address}{place}", json=body, headers=cookie, timeout=60)
    assert (bare.status_code, bare.json()["code"]) == (403, "site.unknown")
    assert client.post(place, data=body).status_code in (415, 422)
    assert client.post(place, content=json.dumps(body), headers={"Content-Type": "text/plain"}).status_code in (
        415,
        422,
    )
    assert env.last == before
    assert client.post(place, json=body).status_code == 200
    assert env.last.actor == env.actor("operator")
    client.post("/sign-out")
    kept = httpx.post(f"{env.address}{place}", json=body, headers=cookie | {"Origin": env.address}, timeout=60)
    assert kept.status_code == 401


def test_an_open_console_records_that_its_user_is_not_known(
    films: Project, films_desk: ActionDesk, store: Ledger
) -> None:
    """On loopback without keys decisions are of the console, not signed in; where people may not approve their own
    versions, such an approval is refused."""
    strict = films.model_copy(update={"promotion": films.promotion.model_copy(update={"self_approval": False})})
    desk = ActionDesk(strict, films_desk.workspace)
    with running(strict, desk.workspace.registry, store, desk=desk) as reader:
        done = reader.client.post(f"{API}/actions/archive", json={"version": "2", "reason": "why"})
        assert done.status_code == 200
        assert list(store.events())[-1].actor == "console, not signed in"
        refused = reader.client.post(f"{API}/actions/approve", json={"version": "2", "reason": "why"})
        assert (refused.status_code, refused.json()["code"]) == (400, "approval.unproved")
        evil = reader.client.post(
            f"{API}/actions/archive", json={"version": "3", "reason": "why"}, headers={"Origin": "http://evil.example"}
        )
        assert evil.status_code == 403
        assert reader.get(f"{API}/session").json()["role"] == "admin"


def test_the_description_names_every_route_and_action(env: ConsoleEnv) -> None:
    """The OpenAPI document is served from here, has each action with its values, and each reference in it resolves."""
    document = env.request("viewer", "GET", "/openapi.json").json()
    paths = set(document["paths"])
    assert {f"/actions/{name}" for name in ACTIONS} <= paths
    assert {"/versions", "/predictions/{prediction_id}", "/audit", "/labels/queue", "/jobs/{job_id}"} <= paths
    body = document["paths"]["/actions/archive"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["version", "reason"]
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name
    assert "http" not in env.request("viewer", "GET", "/docs").text
