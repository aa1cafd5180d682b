"""Roles: what the holder of an API key may do in the console, by the scopes of the key."""

from __future__ import annotations

from collections.abc import Collection

from tiltyard.choices import ROLE_SCOPES, ROLES, ApiScope, Role


def find_role(scopes: Collection[ApiScope]) -> Role | None:
    """The role of a key with these scopes; None where it may not see the console, which takes the scope ``read``.

    A labeller has ``read`` and ``feedback``, an operator ``read`` and ``operate``; ``admin`` holds all other scopes.
    """
    if "admin" in scopes:
        return "admin"
    if "read" not in scopes:
        return None
    if "operate" in scopes:
        return "operator"
    return "labeller" if "feedback" in scopes else "viewer"


def includes_role(role: Role, needed: Role) -> bool:
    """Whether who has a role may do what another one may."""
    return ROLES.index(role) >= ROLES.index(needed)


def list_scopes(roles: Collection[Role], scopes: Collection[ApiScope] = ()) -> tuple[ApiScope, ...]:
    """The scopes that roles stand for, and further ones, each once."""
    return tuple(dict.fromkeys([*(scope for role in roles for scope in ROLE_SCOPES[role]), *scopes]))
