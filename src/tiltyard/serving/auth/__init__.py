"""Authentication by API keys with scopes, rate limits, and the security headers of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.choices import SCOPES, ApiScope
    from tiltyard.serving.auth.caller import CALLER, Caller
    from tiltyard.serving.auth.guard import Guard, guard_for
    from tiltyard.serving.auth.keyfile import KeyFile
    from tiltyard.serving.auth.keys import ApiKey, NewKey
    from tiltyard.serving.auth.middleware import HEADERS, auth_middleware
    from tiltyard.serving.auth.sign_ins import SignIns

__all__ = [
    "CALLER",
    "HEADERS",
    "SCOPES",
    "ApiKey",
    "ApiScope",
    "Caller",
    "Guard",
    "KeyFile",
    "NewKey",
    "SignIns",
    "auth_middleware",
    "guard_for",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "tiltyard.choices": (
                "ApiScope",
                "SCOPES",
            ),
            "caller": (
                "CALLER",
                "Caller",
            ),
            "guard": (
                "Guard",
                "guard_for",
            ),
            "keyfile": ("KeyFile",),
            "keys": (
                "ApiKey",
                "NewKey",
            ),
            "middleware": (
                "HEADERS",
                "auth_middleware",
            ),
            "sign_ins": ("SignIns",),
        },
    )
