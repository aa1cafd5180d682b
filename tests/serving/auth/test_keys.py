from __future__ import annotations

import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import fork_server
from tiltyard.errors import NotFoundError, UsageError
from tiltyard.serving.auth.keyfile import KeyFile
from tiltyard.serving.auth.keys import KeySet, NewKey
from tiltyard.serving.auth.rate_limit import MOST_CALLERS, RateLimiter

ADD_KEYS = """
import sys
from pathlib import Path
from tiltyard.serving.auth.keyfile import KeyFile
from tiltyard.serving.auth.keys import NewKey
for _ in range(10):
    KeyFile(Path(sys.argv[1])).add(NewKey.generate(["predict"]).key)
"""


def test_a_key_is_recognised_by_its_digest_alone() -> None:
    """A key opens as it was shown and not when any part of it differs; what is kept does not contain it."""
    made = NewKey.generate(["predict"], name="shop")
    keys = KeySet([made.key, NewKey.generate(["read"]).key])
    assert keys.find(made.token) == made.key
    assert made.token.split("_", 2)[2] not in made.key.model_dump_json()
    other = NewKey.generate(["predict"]).token
    for wrong in (made.token[:-1], made.token + "a", other, "", "ty_", f"ty_{made.key.id}_", "ty_x_\udcff", "é"):
        assert keys.find(wrong) is None


def test_admin_includes_every_scope() -> None:
    """Scopes are kept in one order and once each; admin includes the others, and no other does."""
    key = NewKey.generate(["read", "predict", "read"]).key
    assert key.scopes == ("predict", "read")
    assert [key.allows(scope) for scope in ("predict", "feedback", "read", "admin")] == [True, False, True, False]
    assert NewKey.generate(["admin"]).key.allows("feedback")


def test_a_key_is_valid_until_it_expires_or_is_revoked() -> None:
    """A key is valid until it expires or is revoked."""
    now = datetime.now(UTC)
    key = NewKey.generate(["read"], expires_at=now + timedelta(hours=1)).key
    assert key.state(now) == "valid"
    assert key.state(now + timedelta(hours=1)) == "expired"
    assert key.model_copy(update={"revoked_at": now}).state(now) == "revoked"


def test_the_file_keeps_every_key(tmp_path: Path) -> None:
    """Keys come back in their order, also the revoked ones; only the owner can read them; revoking twice is once."""
    file = KeyFile(tmp_path / "state" / "api-keys.json")
    assert file.read() == ()
    keys = [NewKey.generate(["read"], name=name).key for name in ("one", "two")]
    for key in keys:
        file.add(key)
    assert file.read() == tuple(keys)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    revoked = file.revoke(keys[0].id)
    assert file.revoke(keys[0].id) == revoked
    assert [key.revoked_at is None for key in file.read()] == [False, True]
    with pytest.raises(NotFoundError, match="no API key 'x'"):
        file.revoke("x")


def test_two_processes_lose_no_key(tmp_path: Path) -> None:
    """Keys that several processes make at once are all kept."""
    path = tmp_path / "api-keys.json"
    processes = [fork_server.popen([sys.executable, "-c", ADD_KEYS, str(path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(KeyFile(path).read()) == 30


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 2, "keys": []}', b'{"format": 1, "keys": [{"id": "a"}]}'])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be read is an error that names it, never an empty list."""
    file = KeyFile(tmp_path / "api-keys.json")
    file.path.write_bytes(content)
    with pytest.raises(UsageError, match=r"api-keys\.json cannot be read"):
        file.read()


def test_a_bucket_gives_its_rate() -> None:
    """Over any time a caller gets at most burst + rate × time, independent of others, and learns how long to wait."""
    now = 0.0
    limiter = RateLimiter(lambda: now)
    assert [limiter.take_token("a", 2.0, 3.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limiter.take_token("b", 2.0, 3.0) == 0.0
    taken = 0
    for _ in range(80):
        now += 0.125
        taken += limiter.take_token("a", 2.0, 3.0) == 0.0
    assert taken == 20
    now += 1000.0
    assert sum(limiter.take_token("a", 2.0, 3.0) == 0.0 for _ in range(10)) == 3


def test_buckets_are_bounded() -> None:
    """However many callers there are, no more than so many are remembered."""
    limiter = RateLimiter(lambda: 0.0)
    assert limiter.take_token("first", 1.0, 1.0) == 0.0
    for number in range(MOST_CALLERS):
        limiter.take_token(str(number), 1.0, 1.0)
    assert limiter.take_token("first", 1.0, 1.0) == 0.0
