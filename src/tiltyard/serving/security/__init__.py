"""Who may ask what: API keys with scopes, limits of rate, and the headers that guard browsers."""

from tiltyard.serving.security.guard import Caller, Guard, guard_for
from tiltyard.serving.security.keyfile import KeyFile
from tiltyard.serving.security.keys import SCOPES, ApiKey, ApiScope, NewKey
from tiltyard.serving.security.shield import HEADERS, shield

__all__ = ["HEADERS", "SCOPES", "ApiKey", "ApiScope", "Caller", "Guard", "KeyFile", "NewKey", "guard_for", "shield"]
