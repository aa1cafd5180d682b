"""What servers counted, read over HTTP from the metrics that they write."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.pipeline.remediation.metrics_server import Balancer
from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper
from tiltyard.serving.telemetry import Metrics


def test_all_servers_behind_an_address_are_read_each_under_its_own_name(address: str) -> None:
    """Counts by version and cause, failed inputs and model time of each server; only the champion's by version."""
    for number, metrics in enumerate(Balancer.servers):
        metrics.count_outcomes(Counter({("2", "champion", "predicted"): 10 * number, ("2", "champion", "storage"): 1}))
        metrics.count_outcomes(Counter({("3", "challenger", "model-error"): 5, ("", "", "overload"): 2}))
        metrics.count_failed_input("2", "d00d")
        for seconds in (0.0004, 0.0004, 0.02):
            metrics.time_model("2", "1", seconds)
    workers = {worker.key.split("/")[0]: worker for worker in MetricsScraper(address, "good").scrape()}
    assert sorted(workers) == ["a", "b", "c"]
    assert [workers[name].outcomes["2"]["predicted"] for name in "abc"] == [0, 10, 20]
    assert "3" not in workers["a"].outcomes
    assert workers["c"].service == {"predicted": 20, "storage": 1, "model-error": 5, "overload": 2}
    assert workers["a"].failed_inputs == {"2": {"d00d"}}
    assert workers["a"].calls["2"]["1"]["0.0005"] == 2
    assert sum(workers["a"].calls["2"]["1"].values()) == 3
    assert workers["a"].started > 1e9


def test_a_restart_has_another_key(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same place with another start is another worker, whatever it counted."""
    before = {worker.key for worker in MetricsScraper(address, "good").scrape()}
    monkeypatch.setattr(Balancer, "servers", (Metrics(server="a"), *Balancer.servers[1:]))
    after = {worker.key for worker in MetricsScraper(address, "good").scrape()}
    assert len(before) == len(after) == 3
    assert len(before & after) == 2


def test_a_server_that_requires_another_key_is_distinguished_from_one_that_is_away(address: str) -> None:
    """Without a good key nothing is read, and the scraper knows why; the key is not in its text."""
    for key in (None, "bad"):
        scraper = MetricsScraper(address, key)
        assert scraper.scrape() == []
        assert scraper.refused
    away = MetricsScraper("http://127.0.0.1:9", "secret-key")
    assert away.scrape() == []
    assert not away.refused
    assert "secret-key" not in repr(away)


def test_a_server_of_an_earlier_build_is_known_as_such(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not name its workers' starts counts no causes: nothing is read, and why is known."""
    monkeypatch.setattr(Balancer, "servers", ())
    scraper = MetricsScraper(address, "good")
    assert scraper.scrape() == []
    assert scraper.outdated
