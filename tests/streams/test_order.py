"""The order of a consumer's work: handle, publish, confirm; and what breaks in between comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from tiltyard.errors import InputError, UnavailableError
from tiltyard.streams.consumer import Consumer, Places
from tiltyard.streams.figures import StreamFigures
from tiltyard.streams.handling import Handled
from tiltyard.streams.ports import Message, Outgoing

MESSAGES = [Message(f"{number}".encode(), datetime.now(UTC), f"{number}") for number in range(3)]


class FakeSource:
    """Gives the messages until they are confirmed; breaks, and is away, as often as it should."""

    def __init__(self, steps: list[str], breaks: int = 0, away: int = 0) -> None:
        self.steps, self.breaks, self.away = steps, breaks, away
        self.confirmed: list[str] = []
        self.held = 0

    async def open(self) -> None:
        if self.away:
            self.away -= 1
            raise UnavailableError("The broker is away.", code="stream.away")
        self.steps.append("open")

    async def take(self, most: int, seconds: float) -> Sequence[Message]:
        if self.breaks:
            self.breaks -= 1
            raise IndexError
        left = [one for one in MESSAGES if one.position not in self.confirmed][:most]
        if not left:
            await asyncio.sleep(0.01)
        return left

    async def hold(self, messages: Sequence[Message]) -> None:
        self.held += 1

    async def confirm(self, messages: Sequence[Message]) -> None:
        self.steps.append("confirm")
        self.confirmed += [one.position for one in messages]

    async def lag(self) -> int | None:
        if self.breaks:
            raise KeyError
        return len(MESSAGES) - len(self.confirmed)

    async def close(self) -> None:
        self.steps.append("close")


class FakeTarget:
    """Keeps what is published; fails as often as it should, and refuses bodies."""

    def __init__(
        self, steps: list[str], name: str, fails: int = 0, refused: bytes = b"", *, refuses_all: bool = False
    ) -> None:
        self.steps, self.name, self.fails, self.refused, self.refuses_all = steps, name, fails, refused, refuses_all
        self.published: list[Outgoing] = []

    async def open(self) -> None:
        """Nothing is to do."""

    async def publish(self, messages: Sequence[Outgoing]) -> Mapping[int, str]:
        self.steps.append(self.name)
        if self.fails:
            self.fails -= 1
            raise UnavailableError("The broker is away.", code="stream.away")
        refused = {
            place: "it is too large"
            for place, one in enumerate(messages)
            if self.refuses_all or (self.refused and one.body == self.refused)
        }
        self.published += [one for place, one in enumerate(messages) if place not in refused]
        return refused

    async def close(self) -> None:
        """Nothing is to do."""


class EchoHandler:
    """Results are the messages; away as often as it should; ``1`` cannot be predicted, and another one breaks it."""

    def __init__(self, steps: list[str], away: int = 0, broken: bytes = b"") -> None:
        self.steps, self.away, self.broken = steps, away, broken

    async def handle(self, messages: Sequence[Message]) -> list[Handled]:
        self.steps.append("handle")
        if self.away:
            self.away -= 1
            raise UnavailableError("The ledger is away.")
        if self.broken in [one.body for one in messages]:
            raise ZeroDivisionError
        return [
            Handled(one, "dead_letter", error=InputError("It is wrong.\nReally.", next_step="Correct it."))
            if one.body == b"1"
            else Handled(one, "predicted", Outgoing(one.body, one.position))
            for one in messages
        ]


def run_consumer(
    source: FakeSource, results: FakeTarget, dead: FakeTarget, handler: EchoHandler, hold_seconds: float = 30.0
) -> StreamFigures:
    """Run a consumer until all messages are confirmed."""
    figures = StreamFigures("predictions", "fake")
    consumer = Consumer(Places(source, dead, results), handler, figures, hold_seconds=hold_seconds)

    async def story() -> None:
        await consumer.open()
        running = asyncio.create_task(consumer.run())
        async with asyncio.timeout(30):
            while figures.outcomes.total() < len(MESSAGES):
                await asyncio.sleep(0.005)
        consumer.stop()
        await running

    asyncio.run(story())
    return figures


def test_messages_are_confirmed_after_results_and_dead_letters_are_published() -> None:
    """Handled, published, buried, and only then confirmed: once, in this order."""
    steps: list[str] = []
    results, dead = FakeTarget(steps, "results"), FakeTarget(steps, "dead letters")
    figures = run_consumer(FakeSource(steps), results, dead, EchoHandler(steps))
    assert steps == ["open", "handle", "results", "dead letters", "confirm", "close"]
    assert [one.body for one in results.published] == [b"0", b"2"]
    [letter] = dead.published
    assert (letter.body, letter.headers["Tiltyard-Reason"]) == (b"1", "It is wrong. Really.")
    assert figures.outcomes == {"predicted": 2, "dead_letter": 1}


def test_what_could_not_be_published_is_not_confirmed_and_comes_again() -> None:
    """A broker that is away while results are published gets them again, after everything was opened anew."""
    steps: list[str] = []
    results, dead = FakeTarget(steps, "results", fails=1), FakeTarget(steps, "dead letters")
    run_consumer(FakeSource(steps), results, dead, EchoHandler(steps))
    again = ["close", "open", "handle", "results", "dead letters", "confirm", "close"]
    assert steps == ["open", "handle", "results", *again]


def test_messages_in_hand_are_held_while_the_ledger_is_away() -> None:
    """While the handler waits, nothing is published or confirmed, and the broker hears that messages are in hand."""
    steps: list[str] = []
    source, handler = FakeSource(steps), EchoHandler(steps, away=2)
    run_consumer(source, FakeTarget(steps, "results"), FakeTarget(steps, "dead letters"), handler, hold_seconds=0.15)
    assert steps[:6] == ["open", "handle", "handle", "handle", "results", "dead letters"]
    assert source.held > 0


def test_a_result_that_the_broker_never_takes_is_a_dead_letter() -> None:
    """A result that is too large for its stream holds up no other: its message is a dead letter with the reason."""
    steps: list[str] = []
    results, dead = FakeTarget(steps, "results", refused=b"2"), FakeTarget(steps, "dead letters", refused=b"2")
    run_consumer(FakeSource(steps), results, dead, EchoHandler(steps))
    assert [one.body for one in results.published] == [b"0"]
    assert [one.body for one in dead.published] == [b"1", b""]  # too large for the dead letters too: without its body
    assert dead.published[1].headers["Tiltyard-Error"] == "stream.result-refused"


def test_a_message_that_breaks_the_handler_is_a_dead_letter_alone() -> None:
    """An unforeseen error costs its message, which goes to the dead letters, and no other."""
    steps: list[str] = []
    results, dead = FakeTarget(steps, "results"), FakeTarget(steps, "dead letters")
    figures = run_consumer(FakeSource(steps), results, dead, EchoHandler(steps, broken=b"2"))
    assert [one.body for one in results.published] == [b"0"]
    assert [(one.body, one.headers["Tiltyard-Error"]) for one in dead.published] == [
        (b"1", "input.invalid"),
        (b"2", "internal"),
    ]
    assert figures.outcomes == {"predicted": 1, "dead_letter": 2}


def test_what_the_dead_letters_refuse_is_not_confirmed() -> None:
    """A message that neither the results nor the dead letters take is kept, and the reason is shown."""
    steps: list[str] = []
    source = FakeSource(steps)
    dead = FakeTarget(steps, "dead letters", refuses_all=True)
    figures = StreamFigures("predictions", "fake")
    consumer = Consumer(Places(source, dead, FakeTarget(steps, "results")), EchoHandler(steps), figures)

    async def story() -> None:
        await consumer.open()
        running = asyncio.create_task(consumer.run())
        async with asyncio.timeout(30):
            while "The dead letters take no message" not in figures.problem:
                await asyncio.sleep(0.005)
        consumer.stop()
        await running

    asyncio.run(story())
    assert source.confirmed == []


def test_an_unforeseen_error_of_a_library_is_waited_out() -> None:
    """What a client raises that it never should, while it takes or counts, opens the stream anew and ends nothing."""
    steps: list[str] = []
    source = FakeSource(steps, breaks=2)
    figures = run_consumer(source, FakeTarget(steps, "results"), FakeTarget(steps, "dead letters"), EchoHandler(steps))
    assert steps[:4] == ["open", "close", "open", "close"]
    assert figures.outcomes == {"predicted": 2, "dead_letter": 1}


def test_a_broker_that_is_away_at_the_start_is_waited_for_if_that_is_wanted() -> None:
    """With ``wait`` a consumer opens later what it cannot open now; without, that is an error."""
    steps: list[str] = []
    places = Places(FakeSource(steps, away=2), FakeTarget(steps, "dead letters"), FakeTarget(steps, "results"))
    figures = StreamFigures("predictions", "fake")
    consumer = Consumer(places, EchoHandler(steps), figures)

    async def story() -> None:
        with pytest.raises(UnavailableError):
            await consumer.open()
        await consumer.open(wait=True)
        assert figures.problem == "The broker is away."
        running = asyncio.create_task(consumer.run())
        async with asyncio.timeout(30):
            while figures.outcomes.total() < len(MESSAGES):
                await asyncio.sleep(0.005)
        consumer.stop()
        await running

    asyncio.run(story())
    assert figures.problem == ""
