"""The scope that each route requires of its caller."""

from __future__ import annotations

from typing import Literal

from tiltyard.choices import ApiScope

RequiredScope = ApiScope | Literal["public", "any-key"]

# Probes have no keys, and report only whether to send requests; pages are the same on every host.
_EXACT: dict[str, RequiredScope] = {
    "/": "public",
    "/docs": "public",
    "/reference": "public",
    "/favicon.ico": "public",
    "/health": "public",
    "/ping": "public",
    "/openapi.json": "any-key",
    "/model-info": "any-key",
    "/version": "any-key",
    "/v2": "any-key",
    "/predict": "predict",
    "/predict/batch": "predict",
    "/predict/file": "predict",
    "/explain": "predict",
    "/invocations": "predict",
    "/feedback": "feedback",
    "/batch": "batch",
    "/metrics": "read",
    "/predictions": "read",
}
_PREFIXES: tuple[tuple[str, RequiredScope], ...] = (
    ("/pages/", "public"),
    ("/batch/", "batch"),
    ("/v2/health/", "public"),
    ("/v2/", "any-key"),
)


def required_scope(path: str) -> RequiredScope:
    """The scope that a path requires; a path that is not listed here is for admins."""
    found = _EXACT.get(path)
    if found is not None:
        return found
    if path.startswith("/v2/models/") and path.endswith("/infer"):
        return "predict"
    return next((scope for prefix, scope in _PREFIXES if path.startswith(prefix)), "admin")
