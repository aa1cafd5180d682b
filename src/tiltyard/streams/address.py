"""Where a stream is: ``kafka://HOST:PORT/TOPIC``, and the like for the other brokers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tiltyard.data.sources.location import resolve_location
from tiltyard.errors import UsageError
from tiltyard.redact import without_password
from tiltyard.suggest import nearest

DEAD_LETTERS = ".dead-letters"
"""Behind the name of a stream: where its messages go that cannot be predicted, unless another place is named."""


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """A kind of broker, as an address names it.

    Attributes:
        broker: ``kafka``, ``nats``, ``redis`` or ``rabbitmq``.
        title: its name, as people write it.
        port: its usual port.
        stream: what it calls that which messages are in.
        name: the form of its names.
        rule: the same in words.
        options: the options that an address may have, each with an example.
        tls: whether connections are encrypted.
    """

    broker: str
    title: str
    port: int
    stream: str
    name: re.Pattern[str]
    rule: str
    options: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False


_KAFKA = BrokerKind(
    "kafka",
    "Kafka",
    9092,
    "topic",
    re.compile(r"[A-Za-z0-9._-]{1,249}"),
    "of letters, digits, dots, hyphens and underscores",
    {"sasl": "scram-sha-512"},
)
_NATS = BrokerKind(
    "nats",
    "NATS",
    4222,
    "subject",
    re.compile(r"[^\s.*>\x00]+(\.[^\s.*>\x00]+)*"),
    "of words with dots between them, without * and >",
)
_REDIS = BrokerKind("redis", "Redis", 6379, "stream", re.compile(r"[^\x00]{1,512}"), "of characters", {"db": "0"})
_RABBITMQ = BrokerKind(
    "rabbitmq", "RabbitMQ", 5672, "queue", re.compile(r"[^\x00]{1,200}"), "of at most 200 characters", {"vhost": "/"}
)
KINDS: Mapping[str, BrokerKind] = {
    "kafka": _KAFKA,
    "kafka+ssl": replace(_KAFKA, tls=True),
    "nats": _NATS,
    "nats+tls": replace(_NATS, tls=True),
    "redis": _REDIS,
    "rediss": replace(_REDIS, tls=True),
    "amqp": _RABBITMQ,
    "amqps": replace(_RABBITMQ, tls=True, port=5671),
}
"""The kinds of brokers by the scheme of their addresses."""


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """A topic, subject, stream or queue of a broker.

    Attributes:
        kind: the kind of broker.
        servers: its servers, each as host and port; one for all but Kafka and NATS.
        name: the name of the topic, subject, stream or queue.
        user: whom to sign in as; empty for nobody.
        password: that user's password.
        options: what else the address says.
        shown: the address without its password.
    """

    kind: BrokerKind
    servers: tuple[tuple[str, int], ...]
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""

    @property
    def identity(self) -> str:
        """What tells this stream from others, wherever it is reached."""
        return f"{self.kind.broker}/{self.options.get('db') or self.options.get('vhost') or ''}/{self.name}"

    @property
    def title(self) -> str:
        """The stream as messages name it, such as ``the topic 'reviews'``."""
        return f"the {self.kind.stream} '{self.name}'"

    def same_place(self, name: str) -> StreamAddress:
        """Another stream of the same broker."""
        return replace(self, name=name, shown=self.shown.replace(f"/{self.name}", f"/{name}"))


def parse_address(text: str, option: str, root: Path) -> StreamAddress:
    """The stream that an option names; ``${NAME}`` in it stands for a variable of the environment or of ``.env``.

    Args:
        text: ``SCHEME://[USER:${PASSWORD}@]HOST[:PORT]/NAME[?OPTION=VALUE]``.
        option: the option, for errors.
        root: the folder of ``.env``.

    Raises:
        UsageError: it is not the address of a stream.
        DataError: it holds a password, or a variable that is not set.
    """
    where = "Everybody on this host can read it in the list of processes."
    meant = resolve_location(text, root, option, where).meant
    shown = without_password(text)
    scheme, separator, _ = meant.partition("://")
    kind = KINDS.get(scheme.lower())
    if not separator or kind is None:
        hint = nearest(scheme.lower(), KINDS) if separator else ""
        raise UsageError(
            f"{option} is {shown!r:.200}, which is not the address of a stream.{hint}",
            next_step=f"Write it like {_example(_KAFKA, 'kafka')}; the others begin with nats://, redis:// and amqp://.",
            code="stream.address",
        )
    try:
        parts = urlsplit(f"//{meant.partition('://')[2]}")
        servers = tuple(_read_server(server, kind) for server in parts.netloc.rpartition("@")[2].split(","))
    except ValueError:
        servers, parts = (), None
    if parts is None or not all(host for host, _ in servers) or (len(servers) > 1 and kind.broker not in _MANY):
        raise UsageError(
            f"{option} is {shown!r:.200}, which does not name a host and a port.",
            next_step=f"Write it like {_example(kind, scheme)}.",
            code="stream.address",
        )
    return StreamAddress(
        kind,
        servers,
        _read_name(parts, kind, scheme, option),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        _read_options(parts, kind, option),
        shown,
    )


_MANY = ("kafka", "nats")


def _read_name(parts: SplitResult, kind: BrokerKind, scheme: str, option: str) -> str:
    name = unquote(parts.path.removeprefix("/"))
    if not kind.name.fullmatch(name):
        what = f"names the {kind.stream} {name!r:.300}" if name else f"names no {kind.stream}"
        raise UsageError(
            f"{option} {what}; it has to be a name {kind.rule}.",
            next_step=f"Write it like {_example(kind, scheme)}.",
            code="stream.address",
        )
    return name


def _read_options(parts: SplitResult, kind: BrokerKind, option: str) -> Mapping[str, str]:
    found = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in found:
        if name not in kind.options:
            known = ", ".join(f"{one}={example}" for one, example in kind.options.items()) or "none"
            raise UsageError(
                f"{option} has the option '{name:.80}', which addresses of {kind.title} do not have.",
                next_step=f"Leave it out. Its options: {known}.",
                code="stream.address",
            )
    if "db" in found and not found["db"].isdecimal():
        raise UsageError(
            f"{option} has db={found['db']!r:.80}, and Redis numbers its databases.",
            next_step="Write ?db=0, or leave it out.",
            code="stream.address",
        )
    return found


def _read_server(text: str, kind: BrokerKind) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or kind.port


def _example(kind: BrokerKind, scheme: str) -> str:
    return f"{scheme}://HOST:{kind.port}/{kind.stream.upper()}"
