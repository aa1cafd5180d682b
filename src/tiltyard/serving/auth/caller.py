"""The caller of a request: which API key it showed, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tiltyard.choices import SCOPES, ApiScope
from tiltyard.serving.auth.keys import ApiKey

CALLER = "tiltyard.caller"
"""Where the ASGI scope of a request that passed the guard names its caller."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        key: the API key of the request; None for a caller without one.
        address: the IP address that it came from; empty where that is not known.
        scopes: the scopes that it has.
        person: the name that a trusted proxy gives; empty where it gives none.
    """

    key: ApiKey | None
    address: str
    scopes: frozenset[ApiScope]
    person: str = ""

    def has_scope(self, scope: ApiScope) -> bool:
        """Whether the caller may do what the scope is about."""
        return scope in self.scopes

    @property
    def name(self) -> str:
        """The caller's name in events and logs."""
        if self.person:
            return self.person
        if self.key is None:
            return f"anonymous at {self.address or 'this host'}"
        return f"API key {self.key.id}" + (f" ({self.key.name})" if self.key.name else "")


@lru_cache(maxsize=256)
def trust_anonymous(address: str) -> Caller:
    """A caller without a key who may do everything: on a server that is open."""
    return Caller(None, address, frozenset(SCOPES))


def restrict_anonymous(address: str) -> Caller:
    """A caller without a key who may only see what is public: on a server that needs keys."""
    return Caller(None, address, frozenset())


def identify_by_key(key: ApiKey, address: str) -> Caller:
    """The caller who showed a valid key."""
    return Caller(key, address, frozenset(scope for scope in SCOPES if key.allows(scope)))
