"""Where a stream is: ``kafka://HOST:PORT/TOPIC``, and the like for the other brokers."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from tiltyard.data.sources.location import resolve_location
from tiltyard.errors import UsageError
from tiltyard.redact import without_password
from tiltyard.suggest import nearest

SASL = {"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"}
"""The ways in which a user signs in to Kafka, as addresses write them and as the protocol does."""

DEAD_LETTERS = ".dead-letters"
"""Behind the name of a stream: where its messages go that cannot be predicted, unless another place is named."""


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """A kind of broker, as an address names it.

    Attributes:
        scheme: what stands before ``://`` in its addresses.
        broker: ``kafka``, ``nats``, ``redis`` or ``rabbitmq``.
        title: its name, as people write it.
        port: its usual port.
        stream: what it calls that which messages are in.
        name: the form of its names.
        rule: the same in words.
        options: the options that an address may have, each with an example.
        tls: whether connections are encrypted.
    """

    scheme: str
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
    "nats",
    "NATS",
    4222,
    "subject",
    re.compile(r"[^\s.*>\x00]+(\.[^\s.*>\x00]+)*"),
    "of words with dots between them, without * and >",
)
_REDIS = BrokerKind(
    "redis", "redis", "Redis", 6379, "stream", re.compile(r"[^\x00]{1,512}"), "of characters", {"db": "0"}
)
_RABBITMQ = BrokerKind(
    "amqp",
    "rabbitmq",
    "RabbitMQ",
    5672,
    "queue",
    re.compile(r"[^\x00]{1,200}"),
    "of at most 200 characters",
    {"vhost": "/"},
)


def _over_tls(kind: BrokerKind, scheme: str, port: int) -> BrokerKind:
    return replace(kind, scheme=scheme, port=port, options={**kind.options, "ca": "ca.pem"}, tls=True)


KINDS: Mapping[str, BrokerKind] = {
    kind.scheme: kind
    for kind in (
        _KAFKA,
        _over_tls(_KAFKA, "kafka+ssl", _KAFKA.port),
        _NATS,
        _over_tls(_NATS, "nats+tls", _NATS.port),
        _REDIS,
        _over_tls(_REDIS, "rediss", _REDIS.port),
        _RABBITMQ,
        _over_tls(_RABBITMQ, "amqps", 5671),
    )
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

    @property
    def hosts(self) -> tuple[str, ...]:
        """Its servers as ``host:port``."""
        return tuple(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.servers)

    def same_place(self, name: str) -> StreamAddress:
        """Another stream of the same broker."""
        where, mark, query = self.shown.partition("?")
        scheme, separator, rest = where.partition("://")
        server = rest.partition("/")[0]
        shown = f"{scheme}://{server}/{quote(name)}{mark}{query}" if separator else f"'{name}' next to {self.shown}"
        return replace(self, name=name, shown=shown)


ON_A_COMMAND_LINE = "Everybody on this host can read it in the list of processes."


def parse_address(text: str, option: str, root: Path, seen: str = ON_A_COMMAND_LINE) -> StreamAddress:
    """The stream that an option names; ``${NAME}`` in it stands for a variable of the environment or of ``.env``.

    Args:
        text: ``SCHEME://[USER:${PASSWORD}@]HOST[:PORT]/NAME[?OPTION=VALUE]``.
        option: the option, for errors.
        root: the folder of ``.env``, and of files that the address names.
        seen: why a password must not stand there, as a sentence.

    Raises:
        UsageError: it is not the address of a stream.
        DataError: it holds a password, or a variable that is not set.
    """
    meant = resolve_location(text, root, option, seen).meant
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
        _read_options(parts, kind, option, root),
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


def _read_options(parts: SplitResult, kind: BrokerKind, option: str, root: Path) -> Mapping[str, str]:
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
    if "sasl" in found and found["sasl"].lower() not in SASL:
        raise UsageError(
            f"{option} has sasl={found['sasl']!r:.80}.",
            next_step=f"Write one of: {', '.join(SASL)}.",
            code="stream.address",
        )
    if "ca" in found:
        found["ca"] = str(_find_certificates(root / found["ca"], option))
    return found


def _find_certificates(file: Path, option: str) -> Path:
    """The file with the certificates of authorities, once it can be used."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # an ``ssl.SSLError`` is one
        raise UsageError(
            f"{option} names the authorities in {file}, which cannot be used: {error.strerror or error}.",
            next_step="Write ?ca=FILE, a file of certificates in PEM, relative to the project's folder.",
            code="stream.address",
        ) from None
    return file


def _read_server(text: str, kind: BrokerKind) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or kind.port


def _example(kind: BrokerKind, scheme: str) -> str:
    return f"{scheme}://HOST:{kind.port}/{kind.stream.upper()}"
