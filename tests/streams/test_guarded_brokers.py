"""Brokers that require TLS and a user: who may come in does, and who may not learns why, without the password."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.brokers import KINDS, Broker
from tests.streams.certificates import make_certificates
from tiltyard.errors import UsageError
from tiltyard.streams.address import parse_address
from tiltyard.streams.brokers.open_broker import make_source, make_target
from tiltyard.streams.ports import Message, Outgoing


@pytest.fixture(scope="module", params=["nats", "redis", "rabbitmq"])
def guarded_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of each kind with TLS, a certificate of a private authority, and a user."""
    folder = tmp_path_factory.mktemp("guarded")
    broker = KINDS[request.param](folder, make_certificates(folder))
    yield broker
    broker.kill()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch, guarded_broker: Broker) -> None:
    assert guarded_broker.guarded is not None
    monkeypatch.setenv("BROKER_PASSWORD", guarded_broker.guarded.password)


def test_messages_pass_over_tls_with_a_user(guarded_broker: Broker) -> None:
    """With the user, the password and the authority, messages are published, taken and confirmed."""

    async def story() -> list[Message]:
        await guarded_broker.make("guarded")
        await guarded_broker.publish("guarded", [Outgoing(b"%d" % number, f"id-{number}") for number in range(3)])
        return await guarded_broker.read("guarded", 3)

    assert [one.body for one in asyncio.run(story())] == [b"0", b"1", b"2"]


def test_a_user_who_is_refused_learns_it_without_the_password(
    guarded_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password is an error that names the broker and what to write, and shows no password."""
    monkeypatch.setenv("BROKER_PASSWORD", "a wrong one")
    address = guarded_broker.address("guarded")

    async def story() -> None:
        for place in (make_source(address, "group", 10, 30.0), make_target(address)):
            with pytest.raises(UsageError, match="refuses the user") as caught:
                await place.open()
            await place.close()
            assert caught.value.code == "stream.refused"
            assert "a wrong one" not in str(caught.value) + caught.value.next_step
            assert f"{address.kind.scheme}://USER:${{PASSWORD}}@HOST" in caught.value.next_step

    asyncio.run(story())


def test_a_certificate_of_an_unknown_authority_is_not_trusted(guarded_broker: Broker) -> None:
    """Without its authority the broker's certificate is an error that says which option names one."""
    url = guarded_broker.url("guarded").partition("?")[0]

    async def story() -> None:
        target = make_target(parse_address(url, "--to", Path.cwd()))
        with pytest.raises(UsageError, match="is not trusted") as caught:
            await target.open()
        await target.close()
        assert caught.value.code == "stream.certificate"
        assert "?ca=" in caught.value.next_step

    asyncio.run(story())
