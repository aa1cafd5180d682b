from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from tests.serving.interfaces import run_server
from tests.serving.scraping import value
from tiltyard.errors import UsageError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.serving.telemetry import Metrics, MultiprocessMetrics
from tiltyard.serving.telemetry.histogram import Histogram
from tiltyard.serving.telemetry.multiprocess import GONE_SECONDS, OLD_SECONDS
from tiltyard.serving.telemetry.user_metrics import load_user_metrics


def row(label: str, confidence: float = 0.9, version: str = "1") -> PredictionRow:
    return PredictionRow("id", 0, "films", version, "champion", label, confidence, 1.0, None, "{}", "{}")


@given(st.lists(st.floats(0, 20, allow_nan=False)))
def test_buckets_hold_what_does_not_exceed_them(values: list[float]) -> None:
    """Each bucket counts the values up to its bound; the last counts all."""
    histogram = Histogram((0.5, 1.0, 10.0))
    histogram.add_all(values)
    buckets, total = histogram.buckets()
    assert [name for name, _ in buckets] == ["0.5", "1.0", "10.0", "+Inf"]
    for (_, count), bound in zip(buckets, (0.5, 1.0, 10.0, math.inf), strict=True):
        assert count == sum(value <= bound for value in values)
    assert total == pytest.approx(sum(values))


def test_every_worker_exposes_the_metrics_of_all(tmp_path: Path) -> None:
    """The metrics of any worker hold the samples of all once, each with its worker's number, the users' own too."""
    metrics = [Metrics(), Metrics()]
    own = Counter("films_seen", "Films.", ["kind"], registry=metrics[1].registry)
    workers = [MultiprocessMetrics(each.registry, number, tmp_path) for number, each in enumerate(metrics)]
    for number, each in enumerate(metrics):
        for _ in range(number + 1):
            each.count_request("POST", "/predict", 200, 0.003)
        each.count_batch([row("good"), row("bad", 0.6)])
    own.labels("drama").inc(3)
    for worker in workers:
        worker.exposition()
    for worker in workers:
        body, media_type = worker.exposition()
        assert media_type.startswith("text/plain")
        text = body.decode()
        for name in ("0", "1"):
            assert value(text, "tiltyard_requests_total", worker=name, route="/predict") == int(name) + 1
            assert value(text, "tiltyard_predictions_total", worker=name, label="good") == 1
            assert value(text, "tiltyard_confidence_bucket", worker=name, le="0.6") == 1
            assert value(text, "tiltyard_batch_rows_sum", worker=name) == 2
        assert value(text, "films_seen_total", kind="drama") == 3
        assert text.count("# TYPE tiltyard_requests_total") == 1
    workers[1].stop()
    assert value(workers[0].exposition()[0].decode(), "tiltyard_requests_total", worker="1") == 0


def test_a_worker_that_is_gone_is_left_out(tmp_path: Path) -> None:
    """The file of a killed worker is left out once it is old, and so is a damaged file."""
    MultiprocessMetrics(Metrics().registry, 1, tmp_path).exposition()
    mine = MultiprocessMetrics(Metrics().registry, 0, tmp_path)
    assert 'worker="1"' in mine.exposition()[0].decode()
    left = tmp_path / "worker--1.json"
    os.utime(left, (0, left.stat().st_mtime - 2 * GONE_SECONDS))
    assert 'worker="1"' not in mine.exposition()[0].decode()
    left.write_text("{")
    assert 'worker="1"' not in mine.exposition()[0].decode()


def test_servers_with_one_folder_report_their_own_workers(tmp_path: Path) -> None:
    """Two servers that have one state folder each report their own workers; what a killed one left is removed later."""
    metrics = {server: [Metrics(), Metrics()] for server in ("films", "books")}
    workers = {
        server: [MultiprocessMetrics(each.registry, number, tmp_path, server=server) for number, each in enumerate(two)]
        for server, two in metrics.items()
    }
    for server, count in (("films", 1), ("books", 5)):
        for each in metrics[server]:
            for _ in range(count):
                each.count_request("POST", "/predict", 200, 0.003)
    for two in workers.values():
        for worker in two:
            worker.exposition()
    for server, count in (("films", 1), ("books", 5)):
        for worker in workers[server]:
            text = worker.exposition()[0].decode()
            for number in ("0", "1"):
                assert value(text, "tiltyard_requests_total", worker=number, route="/predict") == count
    left = tmp_path / "worker-films-1.json"
    os.utime(left, (0, left.stat().st_mtime - 2 * OLD_SECONDS))
    workers["books"][0].start()
    workers["books"][0].stop()
    assert not left.exists()
    assert (tmp_path / "worker-films-0.json").exists()


def test_a_scraper_gets_openmetrics_when_it_asks_for_it() -> None:
    """A scraper that asks for OpenMetrics gets it, with its end mark."""
    body, media_type = MultiprocessMetrics(Metrics().registry).exposition("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent_metrics:register", "cannot be imported"),
        ("my_own_metrics:absent", "is not a function"),
        ("my_own_metrics", "is not a function"),
        ("my_own_metrics:broken", "failed: ZeroDivisionError"),
        ("my_own_metrics:wrong", "returned a int"),
    ],
)
def test_a_wrong_metrics_function_is_refused_by_name(tmp_path: Path, name: str, why: str) -> None:
    """A function that cannot be used is named at the start, with what is wrong."""
    (tmp_path / "my_own_metrics.py").write_text("def broken(r): 1/0\ndef wrong(r): return 5\n", encoding="utf-8")
    with pytest.raises(UsageError, match=why):
        load_user_metrics([name], tmp_path, CollectorRegistry())


@pytest.mark.requirement("R-MON-24")
def test_metrics_count_requests_batches_labels_and_the_users_own(
    tmp_path: Path, text_package: Path, monkeypatch: Any
) -> None:
    """Requests by route and status, batches, labels, the version and the users' own metrics are on /metrics."""
    (tmp_path / "films_metrics.py").write_text(
        "from prometheus_client import Counter\n"
        "def register(registry):\n"
        "    seen = Counter('films_seen', 'Films.', ['label'], registry=registry)\n"
        "    def count(rows):\n"
        "        if any('explode' in row.input for row in rows): raise RuntimeError\n"
        "        for row in rows: seen.labels(row.label).inc()\n"
        "    return count\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    with run_server(tmp_path, text_package, metrics=["films_metrics:register"]) as films:
        films.client.post("/predict/batch", json={"texts": ["a warm film", "dull", "a warm film"]})
        films.client.post("/predict", json={"text": "explode"})
        films.client.post("/predict", json={"txt": "a"})
        films.client.get("/nowhere")
        films.client.get("/nowhere/else")
        films.client.get(f"/v2/models/{'x' * 50}")
        response = films.client.get("/metrics")
    text = response.text
    assert response.headers["content-type"].startswith("text/plain")
    assert value(text, "tiltyard_requests_total", route="/predict", method="POST", status="200") == 1
    assert value(text, "tiltyard_requests_total", route="/predict", status="422") == 1
    assert value(text, "tiltyard_requests_total", route="other", status="404") == 2
    assert value(text, "tiltyard_requests_total", route="/v2/models/{name}", status="404") == 1
    assert value(text, "tiltyard_request_seconds_count", route="/predict/batch") == 1
    assert value(text, "tiltyard_predictions_total", version="1", decision="champion") == 4
    assert value(text, "films_seen_total") == 3
    assert value(text, "tiltyard_batch_rows_bucket", le="4.0") == 2
    assert value(text, "tiltyard_model_info", version="1", alias="champion") == 1
    assert value(text, "tiltyard_ledger_up") == 1
    assert value(text, "tiltyard_queue_limit") == 4096
    assert value(text, "process_resident_memory_bytes") > 1e6
