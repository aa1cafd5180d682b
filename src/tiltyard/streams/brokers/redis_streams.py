"""Redis Streams: a consumer group; messages of a consumer that has gone are claimed by the others.

By itself Redis never delivers a message again that was read and not confirmed, restart or not.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from tiltyard.errors import UsageError
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.brokers.connection import BrokerConnection, Connected, Errors
from tiltyard.streams.ports import Message, Outgoing, read_time

if TYPE_CHECKING:
    from redis.asyncio import Redis

BODY = "body"
"""The field of an entry with the message; all others are its headers. Without it, the fields are the message."""

MESSAGE_ID = "Idempotency-Key"
RESPONSE_SECONDS = 10.0

log = logging.getLogger(__name__)

_Entry = tuple[bytes, Mapping[bytes, bytes] | None]


class _Connection(BrokerConnection):
    """A connection to the Redis of a stream."""

    def __init__(self, address: StreamAddress) -> None:
        super().__init__(address)
        self._client: Redis | None = None

    @property
    def client(self) -> Redis:
        if self._client is None:
            raise self.away()
        return self._client

    def refusals(self) -> Errors:
        from redis import exceptions  # noqa: PLC0415 - part of an extra

        return exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError

    def rejections(self) -> Errors:
        from redis import exceptions  # noqa: PLC0415 - part of an extra

        return (exceptions.ResponseError,)

    def failures(self) -> Errors:
        from redis import exceptions  # noqa: PLC0415 - part of an extra

        return (exceptions.RedisError,)

    async def open(self) -> None:
        from redis.asyncio import Redis  # noqa: PLC0415 - part of an extra
        from redis.asyncio.retry import Retry  # noqa: PLC0415 - likewise
        from redis.backoff import NoBackoff  # noqa: PLC0415 - likewise

        address = self.address
        [(host, port)] = address.servers
        self._client = Redis(
            host=host,
            port=port,
            db=int(address.options.get("db", "0")),
            username=address.user or None,
            password=address.password or None,
            ssl=address.kind.tls,
            ssl_ca_certs=address.options.get("ca"),
            socket_timeout=RESPONSE_SECONDS,
            socket_connect_timeout=RESPONSE_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name="tiltyard",
        )
        with self.errors():
            kind = _as_text(await self._client.type(address.name))
        if kind not in ("stream", "none"):
            raise UsageError(
                f"The key '{address.name}' of Redis at {address.shown} is a {kind}, not a stream.",
                next_step="Name another stream.",
                code="stream.missing",
            )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await client.aclose()


class RedisSource(Connected[_Connection]):
    """A stream of Redis, read as a consumer of a group.

    Args:
        address: the stream.
        group: the group; it is made where there is none, and then begins with the first message.
        hold_seconds: after so long without word, messages of a consumer are claimed by the others.
    """

    def __init__(self, address: StreamAddress, group: str, hold_seconds: float) -> None:
        super().__init__(_Connection(address))
        self._group = group
        self._name, self._consumer = address.name, f"tiltyard-{uuid.uuid4().hex[:12]}"
        self._hold_ms = int(hold_seconds * 1000)
        self._claimed_at = float("-inf")
        self._reads_own = True

    async def open(self) -> None:
        """See ``Source.open``."""
        await super().open()
        with self._connection.errors():
            if not await self._has_group():
                await self._make_group()
        # What this consumer had in hand when it lost the connection is still its own.
        self._reads_own, self._claimed_at = True, float("-inf")

    async def _has_group(self) -> bool:
        client = self._connection.client
        if not await client.exists(self._name):
            return False
        return self._group.encode() in [one["name"] for one in await client.xinfo_groups(self._name)]

    async def _make_group(self) -> None:
        from redis import exceptions  # noqa: PLC0415 - part of an extra

        try:
            await self._connection.client.xgroup_create(self._name, self._group, id="0", mkstream=True)
        except exceptions.ResponseError:
            if not await self._has_group():  # else another consumer has just made it
                raise

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        """See ``Source.take``."""
        with self._connection.errors():
            entries = await self._take_own(most) or await self._claim(most)
            if not entries:
                client, block = self._connection.client, max(1, int(seconds * 1000))
                found = await client.xreadgroup(self._group, self._consumer, {self._name: ">"}, count=most, block=block)
                entries = _list_entries(found)
            return await self._read_all(entries)

    async def _take_own(self, most: int) -> list[_Entry]:
        """What this consumer had in hand before it connected again."""
        if not self._reads_own:
            return []
        found = await self._connection.client.xreadgroup(self._group, self._consumer, {self._name: "0"}, count=most)
        entries = _list_entries(found)
        self._reads_own = bool(entries)
        return entries

    async def _claim(self, most: int) -> list[_Entry]:
        """What another consumer has had in hand for too long."""
        if monotonic() - self._claimed_at < self._hold_ms / 4000:
            return []
        _, entries, deleted = await self._connection.client.xautoclaim(
            self._name, self._group, self._consumer, self._hold_ms, count=most
        )
        if deleted:
            log.warning("Redis removed %d messages of '%s' before they were confirmed.", len(deleted), self._name)
        if not entries:
            self._claimed_at = monotonic()
        return list(entries)

    async def _read_all(self, entries: Sequence[_Entry]) -> list[Message]:
        gone = [place for place, fields in entries if fields is None]
        if gone:
            log.warning("Redis removed %d messages of '%s' before they were confirmed.", len(gone), self._name)
            await self._connection.client.xack(self._name, self._group, *gone)
        return [_read(place, fields) for place, fields in entries if fields is not None]

    async def hold(self, messages: Sequence[Message]) -> None:
        """See ``Source.hold``."""
        with self._connection.errors():
            places = [message.receipt for message in messages]
            await self._connection.client.xclaim(
                self._name, self._group, self._consumer, 0, places, justid=True, idle=0
            )

    async def confirm(self, messages: Sequence[Message]) -> None:
        """See ``Source.confirm``."""
        with self._connection.errors():
            places = [message.receipt for message in messages]
            await self._connection.client.xack(self._name, self._group, *places)

    async def lag(self) -> int | None:
        """See ``Source.lag``; None where Redis has lost count, after messages were deleted."""
        with self._connection.errors():
            groups = await self._connection.client.xinfo_groups(self._name)
        of_group = next((one for one in groups if one["name"] == self._group.encode()), {})
        behind = of_group.get("lag")
        return None if behind is None else int(behind) + int(of_group["pending"])

    async def close(self) -> None:
        """See ``Source.close``."""
        with contextlib.suppress(Exception):
            client = self._connection.client
            held = await client.xpending_range(self._name, self._group, "-", "+", 1, consumername=self._consumer)
            if not held:
                await client.xgroup_delconsumer(self._name, self._group, self._consumer)
        await super().close()


class RedisTarget(Connected[_Connection]):
    """A stream of Redis that is written to; it is made with the first message.

    Args:
        address: the stream.
    """

    def __init__(self, address: StreamAddress) -> None:
        super().__init__(_Connection(address))

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        """See ``ResultTarget.publish``; all of them in one transaction."""
        name = self._connection.address.name
        with self._connection.errors():
            async with self._connection.client.pipeline(transaction=True) as pipeline:
                for message in messages:
                    fields: dict[Any, Any] = {MESSAGE_ID: message.id, **message.headers, BODY: message.body}
                    pipeline.xadd(name, fields)
                await pipeline.execute()
        return {}


def _list_entries(found: Any) -> list[_Entry]:
    """The entries of one stream in a response, whichever version of the protocol it is written in."""
    if not found:
        return []
    streams = list(found.values()) if isinstance(found, Mapping) else [entries for _, entries in found]
    entries = streams[0]
    if entries and isinstance(entries[0], list):
        entries = [one for some in entries for one in some]
    return [(place, fields) for place, fields in entries]


def _as_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _read(place: bytes, fields: Mapping[bytes, bytes]) -> Message:
    texts = {name.decode("utf-8", "replace"): value for name, value in fields.items()}
    body = texts.pop(BODY, None)
    if body is None:
        body = msgspec.json.encode({name: value.decode("utf-8", "replace") for name, value in texts.items()})
        texts = {}
    return Message(
        body,
        read_time(int(place.partition(b"-")[0])),
        place.decode(),
        headers={name: value.decode("utf-8", "replace") for name, value in texts.items()},
        receipt=place,
    )
