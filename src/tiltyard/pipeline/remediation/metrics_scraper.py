"""What a running server counted, read from its metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tiltyard.pipeline.remediation.canary_checks import ServiceCounts

PROBE_SECONDS = 5.0


@dataclass
class MetricsScraper:
    """Reads a server's metrics and returns what it counted since its present version serves.

    Attributes:
        url: address of the server.
        key: an API key with the scope read, for a server that asks for one.
        refused: whether the server did not let the latest probe read.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    refused: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._version = ""
        self._before = (0, 0)

    def counts(self) -> ServiceCounts | None:
        """What was counted since the present version began to serve; None where the server does not tell.

        The first probe of a version counts from there on: what went before may have been another's.
        """
        try:
            headers = {"Authorization": f"Bearer {self.key}"} if self.key else None
            verify = not self.url.startswith("http://")  # reading certificates takes longer than the probe
            response = httpx.get(f"{self.url}/metrics", headers=headers, timeout=PROBE_SECONDS, verify=verify)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        self.refused = response.status_code in (401, 403)
        if not response.is_success:
            return None
        try:
            version, requests, failures = read_counts(response.text.splitlines())
        except ValueError:
            return None
        if not version:
            return None
        if version != self._version:
            self._version, self._before = version, (requests, failures)
        if requests < self._before[0]:
            self._before = (0, 0)  # the server was started anew, and counts from nothing
        return ServiceCounts(version, requests - self._before[0], failures - self._before[1])


def read_counts(lines: Iterable[str]) -> tuple[str, int, int]:
    """The version that serves, the requests for predictions, and how many of these ended in a server error.

    Raises:
        ValueError: this is not a Prometheus text.
    """
    version, requests, failures = "", 0, 0
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.name == "tiltyard_model_info":
                version = sample.labels.get("version", "")
            elif sample.name == "tiltyard_requests_total" and "predict" in sample.labels.get("route", ""):
                requests += int(sample.value)
                failures += int(sample.value) if sample.labels.get("status", "").startswith("5") else 0
    return version, requests, failures
