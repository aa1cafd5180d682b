"""Authentication by API keys with scopes, rate limits, and the security headers of responses."""

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
