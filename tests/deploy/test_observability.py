"""Prometheus' rules and Grafana's dashboard, against what is really exported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import Metric

from tests.pipeline.remediation.conftest import ModelEnv
from tiltyard.pipeline.loop_status import LoopStatus
from tiltyard.serving.telemetry import Metrics
from tiltyard.serving.telemetry.metrics import Gauges
from tiltyard.streams.figures import StreamCollector, StreamFigures

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
DASHBOARD = FOLDER / "grafana" / "tiltyard.json"
RUNBOOKS = ROOT / "docs" / "observability.md"
# What Prometheus itself knows of what it scrapes, and prometheus-client of its process.
OTHERS = {"up": set[str](), "process_resident_memory_bytes": set[str]()}
OF_SCRAPE = {"job", "instance", "worker", "le"}
SELECTOR = re.compile(r"\b((?:tiltyard|process)_\w+|up\b)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|on|without|group_left)\s*\(([^)]*)\)")


def load_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "tiltyard.rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def load_queries() -> Iterator[tuple[str, str]]:
    """Panel and expression of each query of the dashboard, with its variables filled in."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = [(panel["title"], one["expr"]) for panel in dashboard["panels"] for one in panel.get("targets", ())]
    panels += [(one["name"], one["expr"]) for one in dashboard["annotations"]["list"]]
    for title, query in panels:
        yield title, query.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$model", ".*")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The samples that server, loop and streams can export, with their labels."""
    model_env = ModelEnv(tmp_path_factory.mktemp("model"))
    model_env.make_champion(model_env.register(right=True).version)
    server = Metrics(lambda: Gauges(model={"model": "shop", "version": "1", "alias": "champion", "scorer": "compiled"}))
    families: list[Metric] = [
        *server.collect(),
        *LoopStatus(model_env.project(), model_env.ledger, 60).collect(),
        *StreamCollector([StreamFigures("predictions", "nats://broker/in", lag=0)]).collect(),
    ]
    found = dict(OTHERS)
    for family in families:
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        for ending in endings:
            found[family.name + ending] = set(getattr(family, "_labelnames", ()))
    return found


def find_unknown(query: str, exported: dict[str, set[str]]) -> list[str]:
    """What a query names that nobody exports."""
    unknown: list[str] = []
    known_labels = set(OF_SCRAPE)
    for name, conditions in SELECTOR.findall(re.sub(r'"[^"]*"', '""', query)):
        if name not in exported:
            unknown.append(name)
            continue
        known_labels |= exported[name]
        labels = {re.split("[=!]", condition)[0].strip() for condition in conditions.split(",") if condition.strip()}
        unknown += [f"{name}{{{label}}}" for label in sorted(labels - exported[name] - OF_SCRAPE)]
    grouped = {label.strip() for group in GROUPING.findall(query) for label in group.split(",") if label.strip()}
    return unknown + sorted(grouped - known_labels)


def test_alerts_name_metrics_and_labels_that_are_exported(exported: dict[str, set[str]]) -> None:
    """No rule waits for a metric or a label that neither server nor loop nor stream exports."""
    unknown = {rule["alert"]: find_unknown(rule["expr"], exported) for rule in load_rules()}
    assert {name: found for name, found in unknown.items() if found} == {}
    assert find_unknown('sum by (shoe) (tiltyard_ledger_up{size="1"}) + tiltyard_nothing', exported) == [
        "tiltyard_ledger_up{size}",
        "tiltyard_nothing",
        "shoe",
    ]


def test_the_dashboard_shows_metrics_that_are_exported(exported: dict[str, set[str]]) -> None:
    """No panel of the dashboard stays empty since its query names what nobody exports."""
    unknown = {title: find_unknown(query, exported) for title, query in load_queries()}
    assert {title: found for title, found in unknown.items() if found} == {}


def test_each_alert_has_a_severity_and_a_runbook() -> None:
    """An alert links to the part of the docs that has its name; no runbook is about an alert that is gone."""
    headings = re.findall(r"^### (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    rules = load_rules()
    assert [rule["alert"] for rule in rules] == headings
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["runbook"] == f"docs/observability.md#{rule['alert'].lower()}"
    assert f"{len(rules)} alerts" in RUNBOOKS.read_text(encoding="utf-8")


def test_each_alert_is_tested_to_fire_and_to_be_quiet() -> None:
    """The file of promtool's tests has both for each rule."""
    tests = yaml.safe_load((FOLDER / "tiltyard.tests.yml").read_text(encoding="utf-8"))["tests"]
    fires = {test["name"].split()[0]: bool(test["alert_rule_test"][0]["exp_alerts"]) for test in tests[::2]}
    quiet = {test["name"].split()[0]: bool(test["alert_rule_test"][0]["exp_alerts"]) for test in tests[1::2]}
    assert fires == {rule["alert"]: True for rule in load_rules()}
    assert quiet == {rule["alert"]: False for rule in load_rules()}


@pytest.mark.requirement("R-MORE-09")
def test_promtool_accepts_rules_queries_and_tests(tmp_path: Path) -> None:
    """Prometheus' own tool parses the configuration and every query, and each alert does on samples what it should."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (on Debian: apt install prometheus)")
    rules = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(load_queries())]
    queries = tmp_path / "queries.yml"
    queries.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    for command in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", str(queries)],
        ["test", "rules", "tiltyard.tests.yml"],
    ):
        done = subprocess.run(
            [promtool, *command], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
