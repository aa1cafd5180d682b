"""Who may ask what: API keys with scopes, limits of rate, and the headers that guard browsers."""

from tiltyard.serving.auth.guard import Caller, Guard, guard_for
from tiltyard.serving.auth.keyfile import KeyFile
from tiltyard.serving.auth.keys import SCOPES, ApiKey, ApiScope, NewKey
from tiltyard.serving.auth.middleware import HEADERS, auth_middleware

__all__ = [
    "HEADERS",
    "SCOPES",
    "ApiKey",
    "ApiScope",
    "Caller",
    "Guard",
    "KeyFile",
    "NewKey",
    "auth_middleware",
    "guard_for",
]
