"""Check a server that was just deployed: the integration tests of a staged API.

    python deploy/check.py https://staging.example.org --wait 120

It needs only Python. It reads an API key with the scopes predict, feedback and read from the variable
TILTYARD_CHECK_KEY. Exit codes: 0 all checks pass, 1 a check fails, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

TEXTS = ("A warm film, I would watch it again.", "Dull from the first minute to the last.")
TIMEOUT = 20.0


class CheckError(Exception):
    """A failed check, with the reason."""


@dataclass
class Api:
    """The server under test, and the results of earlier checks."""

    url: str
    key: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    prediction: dict[str, Any] = field(default_factory=dict)

    def send(self, path: str, body: object = None) -> tuple[int, str]:
        """Status and text of a response; POST if there is a body.

        Raises:
            CheckError: there was no response.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, content, headers)  # noqa: S310 - main() checked the scheme
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 - likewise
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except OSError as error:
            raise CheckError(f"{path}: no response ({getattr(error, 'reason', error)})") from None

    def json(self, path: str, body: object = None) -> dict[str, Any]:
        """The JSON object of a response with status 200.

        Raises:
            CheckError: it has another status, or is not a JSON object.
        """
        status, text = self.send(path, body)
        _expect(status == 200, f"{path}: status {status}, not 200: {text[:300]}")
        try:
            found = json.loads(text)
        except ValueError:
            raise CheckError(f"{path}: not JSON: {text[:100]}") from None
        _expect(isinstance(found, dict), f"{path}: not an object: {text[:100]}")
        return dict(found)


def health(api: Api, expected: str | None) -> str:
    """A version is loaded, ready, and the expected one."""
    found = api.json("/health")
    _expect(found.get("model_loaded") is True, "/health: no version is loaded")
    _expect(found.get("ready") is True, f"/health: not ready: {found.get('reason') or found.get('status')}")
    _expect(found["ledger"]["ok"] is True, f"/health: the ledger: {found['ledger'].get('reason') or 'not ok'}")
    version = str(found["version"])
    _expect(expected in (None, version), f"/health: version {version} is served, not {expected}")
    for probe in ("/v2/health/live", "/v2/health/ready"):
        _expect(api.json(probe).get("ready") is True, f"{probe}: not ready")
    api.ready = found
    return f"{found['status']}, version {version} of {found['model']}"


def model_info(api: Api) -> str:
    """The description of the version in service matches /health."""
    found = api.json("/model-info")
    named = {"version": api.ready["version"], "model_name": api.ready["model"]}
    for name, value in named.items():
        _expect(found.get(name) == value, f"/model-info: {name} is {found.get(name)!r}, /health says {value!r}")
    _expect(len(found.get("classes", ())) >= 2, "/model-info: fewer than two classes")
    api.model = found
    return f"{found['task']}, classes {', '.join(found['classes'])}"


def predict(api: Api) -> str:
    """One input gets a prediction: a class of the model, its probabilities, an id."""
    found = api.json("/predict", _one(api, 0))
    _check_prediction(api, found, "/predict")
    api.prediction = found
    return f"{found[api.model['answer_field']]} ({found['confidence']:.2f})"


def predict_batch(api: Api) -> str:
    """Each input of a list gets its prediction, the same as alone."""
    found = api.json("/predict/batch", _many(api)).get("predictions", [])
    _expect(len(found) == len(TEXTS), f"/predict/batch: {len(found)} predictions for {len(TEXTS)} inputs")
    for prediction in found:
        _check_prediction(api, prediction, "/predict/batch")
    alone, in_list = api.prediction["probabilities"], found[0]["probabilities"]
    apart = max(abs(alone[name] - in_list[name]) for name in alone)
    _expect(apart < 1e-9, f"/predict/batch: differs from /predict by {apart:g}")
    ids = {prediction["prediction_id"] for prediction in [*found, api.prediction]}
    _expect(len(ids) == len(TEXTS) + 1, "/predict/batch: two predictions have the same id")
    return f"{len(found)} predictions"


def feedback(api: Api) -> str:
    """A true label is accepted for its prediction."""
    label = api.prediction[api.model["answer_field"]]
    status, text = api.send("/feedback", {"prediction_id": api.prediction["prediction_id"], "label": label})
    _expect(status == 200, f"/feedback: status {status}: {text[:300]}")
    return f"label accepted for {api.prediction['prediction_id']}"


def metrics(api: Api) -> str:
    """Prometheus finds the requests of these checks, and the version."""
    status, text = api.send("/metrics")
    _expect(status == 200, f"/metrics: status {status}: {text[:300]}")
    for name in ("tiltyard_requests_total", "tiltyard_predictions_total", "tiltyard_model_info"):
        _expect(f"\n{name}{{" in text, f"/metrics: no sample of {name}")
    shown = f'version="{api.model["version"]}"'
    _expect(
        any(shown in line for line in text.splitlines() if line.startswith("tiltyard_model_info{")), "other version"
    )
    return f"{sum(not line.startswith('#') for line in text.splitlines())} samples"


def refusal(api: Api) -> str:
    """An invalid input gets a problem document, not a traceback."""
    status, text = api.send("/predict", {"nothing": "of the kind"})
    _expect(status == 422, f"/predict with a wrong field: status {status}, not 422")
    problem = json.loads(text)
    _expect(bool(problem.get("code")) and "Traceback" not in text, "/predict with a wrong field: no problem document")
    return str(problem["code"])


def run(api: Api, expected: str | None = None, *, labels: bool = True) -> Iterator[tuple[str, bool, str]]:
    """Each check: its name, whether it passed, and details. The first failure ends them: later ones build on it."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("health", lambda: health(api, expected)),
        ("model-info", lambda: model_info(api)),
        ("predict", lambda: predict(api)),
        ("batch", lambda: predict_batch(api)),
        ("refusal", lambda: refusal(api)),
        *([("feedback", lambda: feedback(api))] if labels else []),
        ("metrics", lambda: metrics(api)),
    ]
    for name, check in checks:
        try:
            yield name, True, check()
        except CheckError as error:
            yield name, False, str(error)
            return
        except (KeyError, TypeError, ValueError) as error:
            yield name, False, f"the response is incomplete: {type(error).__name__}: {error}"
            return


def wait_until_ready(api: Api, seconds: float) -> None:
    """Return once the server is ready, or when the time is over: the checks then name the problem."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if api.send("/v2/health/ready")[0] == 200:
                return
        except CheckError:
            pass
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Check a deployed Tiltyard server.")
    parser.add_argument("url", help="base URL, such as https://staging.example.org")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="how long the server may take to start"
    )
    parser.add_argument("--expect-version", metavar="N", help="the version that must be in service")
    parser.add_argument("--no-feedback", action="store_true", help="send no label (in production they would count)")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of lines")
    arguments = parser.parse_args()
    if not arguments.url.startswith(("http://", "https://")):
        parser.error(f"{arguments.url!r} is not an http:// or https:// address")
    api = Api(arguments.url.rstrip("/"), os.environ.get("TILTYARD_CHECK_KEY") or None)
    wait_until_ready(api, arguments.wait)
    results = []
    for name, passed, seen in run(api, arguments.expect_version or None, labels=not arguments.no_feedback):
        results.append({"check": name, "passed": passed, "seen": seen})
        if not arguments.json:
            print(f"{'ok  ' if passed else 'FAIL'}  {name:<10}  {seen}", flush=True)
    well = all(result["passed"] for result in results)
    if arguments.json:
        print(json.dumps({"url": api.url, "well": well, "checks": results}))
    return 0 if well else 1


def _expect(holds: bool, why: str) -> None:
    if not holds:
        raise CheckError(why)


def _check_prediction(api: Api, found: dict[str, Any], path: str) -> None:
    label, classes = found.get(api.model["answer_field"]), api.model["classes"]
    _expect(label in classes, f"{path}: the label {label!r} is not one of the classes {classes}")
    probabilities = found["probabilities"]
    _expect(sorted(probabilities) == sorted(classes), f"{path}: probabilities of {sorted(probabilities)}")
    _expect(abs(sum(probabilities.values()) - 1) < 1e-6, f"{path}: probabilities do not add up to 1")
    _expect(abs(found["confidence"] - probabilities[label]) < 1e-9, f"{path}: confidence is not that of the label")
    _expect(bool(found.get("prediction_id")), f"{path}: no prediction_id")
    _expect(found.get("recorded", True) is True, f"{path}: the prediction was not recorded")
    version = found.get("model_version")
    _expect(version == api.model["version"], f"{path}: version {version}, /model-info says {api.model['version']}")


def _one(api: Api, number: int) -> dict[str, Any]:
    if api.model["task"].startswith("text"):
        return {"text": TEXTS[number]}
    return {"features": _example(api)}


def _many(api: Api) -> dict[str, Any]:
    if api.model["task"].startswith("text"):
        return {"texts": list(TEXTS)}
    return {"instances": [_example(api)] * len(TEXTS)}


def _example(api: Api) -> dict[str, Any]:
    """A row without any value: tables may miss values, and the model predicts nevertheless."""
    return {_name(feature): None for feature in api.model["features"]}


def _name(feature: Any) -> str:
    return str(feature["name"]) if isinstance(feature, dict) else str(feature)


if __name__ == "__main__":
    sys.exit(main())
