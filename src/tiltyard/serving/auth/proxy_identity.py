"""Who a proxy says a caller is: single sign-on in front of the console.

Anybody can send a header with a name. It counts only where the connection comes from a trusted proxy, which also shows
a secret: other programs of that host, or of its network, do not know it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tiltyard.choices import ROLE_SCOPES, ROLES, SCOPES, Role
from tiltyard.errors import UsageError
from tiltyard.project.serving import ConsoleSection
from tiltyard.serving.auth.caller import Caller
from tiltyard.serving.auth.forwarded import TrustedProxies

SECRET_HEADER = b"x-tiltyard-proxy-secret"
EVERYBODY = "*"
_LONGEST_NAME = 256
_SHORTEST_SECRET = 24


@dataclass(frozen=True)
class ProxyIdentity:
    """Reads the names of callers from a proxy's headers.

    Attributes:
        user_header: header with the name, in lower case.
        groups_header: header with the groups, separated by commas; None for none.
        roles: who has a role: names, groups, or ``*`` for everybody whom the proxy names.
        secret: what the proxy shows.
        proxies: where connections of the proxy come from.
    """

    user_header: bytes
    groups_header: bytes | None
    roles: Mapping[Role, Sequence[str]]
    secret: bytes
    proxies: TrustedProxies

    @classmethod
    def build(cls, section: ConsoleSection, secret: str | None, proxies: Sequence[str]) -> ProxyIdentity | None:
        """The reader that a project asks for; None for none.

        Args:
            section: the project's ``[console]``.
            secret: the secret of this host.
            proxies: the project's trusted proxies.

        Raises:
            UsageError: names would count that anybody can send: there is no secret, or no trusted proxy.
        """
        if section.user_header is None:
            return None
        if not proxies:
            raise UsageError(
                "[console] user_header names people by a header, and [serving] trusted_proxies names no proxy.",
                next_step='Name the address of the proxy: [serving] trusted_proxies = ["10.0.0.5"]',
                code="console.proxy",
            )
        if secret is None or len(secret) < _SHORTEST_SECRET:
            raise UsageError(
                "[console] user_header names people by a header, and TILTYARD_CONSOLE_PROXY_SECRET is not set or has "
                f"fewer than {_SHORTEST_SECRET} characters.",
                next_step="Set it to a random text, and let the proxy send it as X-Tiltyard-Proxy-Secret.",
                code="console.proxy",
            )
        groups = section.groups_header.lower().encode("latin-1") if section.groups_header else None
        header = section.user_header.lower().encode("latin-1")
        return cls(header, groups, section.roles, secret.encode(), TrustedProxies(proxies))

    def identify(self, connection: str, address: str, headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
        """The caller whom the proxy names; None where it names nobody, or where it is not the proxy that does.

        Args:
            connection: where the connection comes from.
            address: of the caller, as far as the proxy is trusted.
            headers: of the request. A header that came twice does not count: one of the two may be the caller's.
        """
        if not self.proxies.trusts(connection):
            return None
        names = (self.user_header, self.groups_header, SECRET_HEADER)
        sent: dict[bytes | None, list[bytes]] = {name: [] for name in names}
        for name, value in headers:
            if name.lower() in sent:
                sent[name.lower()].append(value)
        once = {name: values[0] for name, values in sent.items() if len(values) == 1}
        person = once.get(self.user_header, b"").decode("utf-8", "replace").strip()
        if not 0 < len(person) <= _LONGEST_NAME or not person.isprintable():
            return None
        if not hmac.compare_digest(once.get(SECRET_HEADER, b""), self.secret):
            return None
        listed = once.get(self.groups_header, b"").decode("utf-8", "replace")
        groups = {part.strip() for part in listed.split(",")} - {""}
        role = self._find_role(person, groups)
        # A key of admins has all scopes.
        scopes = SCOPES if role == "admin" else ROLE_SCOPES[role] if role else ()
        return Caller(None, address, frozenset(scopes), person=person)

    def _find_role(self, name: str, groups: set[str]) -> Role | None:
        """The greatest role that the name or one of the groups has."""
        known = {name, EVERYBODY, *groups}
        return next((role for role in reversed(ROLES) if known & {*self.roles.get(role, ())}), None)
