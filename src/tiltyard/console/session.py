"""Who uses the console: the name for the record, and the role, of the request at hand."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from tiltyard.choices import Role
from tiltyard.serving.auth import Caller
from tiltyard.serving.auth.roles import find_role, includes_role
from tiltyard.serving.problem_details import RequestError

NOT_SIGNED_IN = "console, not signed in"
"""The name of who uses a console that needs no key."""


@dataclass(frozen=True)
class Session:
    """Who sent a request.

    Attributes:
        actor: the name in the record of decisions: that of the API key, or of whom a trusted proxy named.
        role: what they may do; None for nothing.
        signed_in: whether the name is proved.
    """

    actor: str
    role: Role | None
    signed_in: bool

    def may(self, needed: Role) -> bool:
        """Whether the role suffices for what needs another one."""
        return self.role is not None and includes_role(self.role, needed)

    def refusal(self, needed: Role) -> str:
        """Why the role does not suffice, as a sentence; empty where it does."""
        if self.may(needed):
            return ""
        return f"It needs the role {needed}, and {self.actor} has {f'the role {self.role}' if self.role else 'none'}."

    def require(self, needed: Role) -> None:
        """Refuse who lacks a role.

        Raises:
            RequestError: 403.
        """
        refusal = self.refusal(needed)
        if refusal:
            raise RequestError(
                refusal,
                status=403,
                code="session.role",
                next_step=f"Sign in with a key made with: tiltyard keys api new --role {needed}",
            )


NOBODY = Session(NOT_SIGNED_IN, None, signed_in=False)

_CURRENT: ContextVar[Session] = ContextVar("tiltyard_console_session", default=NOBODY)


def current_session() -> Session:
    """The session of the request at hand, also in threads that work for it; outside of requests, one without a role."""
    return _CURRENT.get()


def begin_session(caller: Caller) -> Session:
    """Note who sent the request at hand; the rest of the request finds it by ``current_session``."""
    if caller.key is None and not caller.person:
        session = Session(NOT_SIGNED_IN, find_role(caller.scopes), signed_in=False)
    else:
        session = Session(caller.name, find_role(caller.scopes), signed_in=True)
    _CURRENT.set(session)
    return session
