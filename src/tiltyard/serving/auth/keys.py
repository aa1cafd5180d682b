"""API keys: what a key is, how a new one is made, and how a server recognises it.

Only a SHA-256 digest of a key is kept. A slow, salted hash (scrypt, Argon2) is for secrets that people choose, which
can be guessed from lists: it would cost milliseconds a request, and guards nothing here. A key holds 256 random bits:
nobody finds it from its digest, and no two keys are alike, so that a salt adds nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tiltyard.choices import SCOPES, ApiScope
from tiltyard.errors import UsageError

PREFIX = "ty"
_ID_BYTES = 6
_SECRET_BYTES = 32
# As `generate` writes them: 48 public bits, 256 secret ones in 43 characters of base64 at the least.
_TOKEN_PATTERN = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43,}}")
# A token with an unknown id is compared with this digest, so that it takes as long as one with a wrong secret.
_NO_DIGEST = "0" * 64


class ApiKey(BaseModel):
    """The stored form of a key; the secret is not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Its public part, 12 hexadecimal digits; logs and events name it.")
    name: str = Field(default="", description="What it is for, in its maker's words.")
    scopes: tuple[ApiScope, ...] = Field(description="What it may; admin may everything.")
    digest: str = Field(description="SHA-256 of the whole key, in hexadecimal.")
    made_at: AwareDatetime
    made_by: str
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    rate_limit: float | None = Field(default=None, gt=0, description="Requests a second; None for the project's.")

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether it is valid."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"

    def allows(self, scope: ApiScope) -> bool:
        """Whether it has a scope, by name or as part of admin."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made.

    Attributes:
        token: the key; it is shown once and stored nowhere.
        key: its stored form.
    """

    token: str
    key: ApiKey

    @classmethod
    def generate(
        cls,
        scopes: Iterable[ApiScope],
        *,
        name: str = "",
        made_by: str = "",
        expires_at: datetime | None = None,
        rate_limit: float | None = None,
    ) -> NewKey:
        """A new random key with these scopes."""
        identity = secrets.token_hex(_ID_BYTES)
        token = f"{PREFIX}_{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        key = _stored_form(token, identity, scopes, name, made_by)
        return cls(token, key.model_copy(update={"expires_at": expires_at, "rate_limit": rate_limit}))

    @classmethod
    def from_token(cls, token: str, scopes: Iterable[ApiScope], *, name: str = "", made_by: str = "") -> NewKey:
        """A key that was made elsewhere, such as by the tool that manages a host's secrets.

        Raises:
            UsageError: it does not have the form of a key, so that it may be one that can be guessed.
        """
        match = _TOKEN_PATTERN.fullmatch(token)
        if match is None:
            raise UsageError(
                f"The API key {name or 'given'} does not have the form of a key: "
                f"{PREFIX}_, 12 hexadecimal digits, _, and 43 random characters of base64.",
                next_step="Make one: tiltyard keys api new --scope read",
                code="api-key.written",
            )
        return cls(token, _stored_form(token, match[1], scopes, name, made_by))


def _stored_form(token: str, identity: str, scopes: Iterable[ApiScope], name: str, made_by: str) -> ApiKey:
    granted = frozenset(scopes)
    return ApiKey(
        id=identity,
        name=name,
        scopes=tuple(scope for scope in SCOPES if scope in granted),
        digest=key_digest(token),
        made_at=datetime.now(UTC),
        made_by=made_by,
    )


class KeySet:
    """The keys that a server knows; immutable.

    Args:
        keys: those that were made for callers.
        own_key: one more key, which is valid too but does not count: where it is the only one, nobody made keys.
    """

    def __init__(self, keys: Iterable[ApiKey] = (), own_key: ApiKey | None = None) -> None:
        self._keys = {key.id: key for key in keys}
        self._count = len(self._keys)
        if own_key is not None:
            self._keys.setdefault(own_key.id, own_key)

    def __len__(self) -> int:
        return self._count

    def get(self, key_id: str) -> ApiKey | None:
        """The key of an id, whatever its state."""
        return self._keys.get(key_id)

    def find(self, token: str) -> ApiKey | None:
        """The key whose digest a token has, whatever its state; compared in constant time.

        The id before the secret is public: it only selects the digest to compare with.
        """
        parts = token.split("_", 2)
        key = self._keys.get(parts[1]) if len(parts) == 3 and parts[0] == PREFIX else None
        same = hmac.compare_digest(key_digest(token), key.digest if key else _NO_DIGEST)
        return key if same else None


def read_own_key(content: str) -> ApiKey:
    """Read the stored form of a key from the JSON of a setting.

    Raises:
        UsageError: it is not such JSON.
    """
    try:
        return ApiKey.model_validate_json(content)
    except ValidationError:
        raise UsageError(
            "The environment variable TILTYARD_OWN_KEY cannot be used: it holds no key of tiltyard up.",
            next_step="Unset it; callers' keys are made with: tiltyard keys api new",
            code="api-key.own",
        ) from None


def key_digest(token: str) -> str:
    """SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
