"""What each route asks of its caller."""

from __future__ import annotations

from typing import Literal

from tiltyard.serving.auth.keys import ApiScope

RequiredScope = ApiScope | Literal["nothing", "any-key"]

# Probes have no keys, and tell nothing but whether to send requests; pages are the same on every host.
_EXACT: dict[str, RequiredScope] = {
    "/": "nothing",
    "/docs": "nothing",
    "/favicon.ico": "nothing",
    "/health": "nothing",
    "/ping": "nothing",
    "/openapi.json": "any-key",
    "/model-info": "any-key",
    "/version": "any-key",
    "/v2": "any-key",
    "/predict": "predict",
    "/predict/batch": "predict",
    "/explain": "predict",
    "/invocations": "predict",
    "/feedback": "feedback",
    "/metrics": "read",
}
_BELOW: tuple[tuple[str, RequiredScope], ...] = (
    ("/pages/", "nothing"),
    ("/v2/health/", "nothing"),
    ("/v2/", "any-key"),
)


def required_scope(path: str) -> RequiredScope:
    """What a caller must have to be let to a path; a path that is not known here is for admins."""
    found = _EXACT.get(path)
    if found is not None:
        return found
    if path.startswith("/v2/models/") and path.endswith("/infer"):
        return "predict"
    return next((need for start, need in _BELOW if path.startswith(start)), "admin")
