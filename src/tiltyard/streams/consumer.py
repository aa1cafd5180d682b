"""The consumer: takes messages, has them handled, publishes the results, and only then confirms the messages.

Whatever breaks, and wherever: what is not confirmed comes again, and is recognised. While the ledger or the model is
away, the messages in hand wait, and nothing more is taken: the broker keeps them better than this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from tiltyard.choices import HOLD_SECONDS, MOST_AT_ONCE
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.streams.figures import StreamFigures
from tiltyard.streams.handling import Handled, Handler, make_dead_letter, own_headers
from tiltyard.streams.ports import Message, Outgoing, ResultTarget, Source

POLL_SECONDS = 1.0
"""So long a consumer waits for messages before it looks whether it should stop."""
LAG_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a consumer takes its messages from, and where it publishes.

    Attributes:
        source: the stream of messages.
        dead_letters: where messages go that cannot be handled.
        results: where results go; None where there are none, as of labels.
    """

    source: Source
    dead_letters: ResultTarget
    results: ResultTarget | None = None

    @property
    def all(self) -> tuple[Source | ResultTarget, ...]:
        """All of them that there are."""
        return (self.source, self.dead_letters, *([self.results] if self.results is not None else []))


class Consumer:
    """Takes the messages of a stream until it is stopped.

    Args:
        places: where messages come from and go to.
        handler: what is done with them.
        figures: where it counts.
        most: most messages that are taken at once.
        hold_seconds: after so long without word, the broker gives messages to another consumer.
    """

    def __init__(
        self,
        places: Places,
        handler: Handler,
        figures: StreamFigures,
        *,
        most: int = MOST_AT_ONCE,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._places, self._handler, self.figures = places, handler, figures
        self._most, self._hold_seconds = most, hold_seconds
        self._stop = asyncio.Event()
        self._is_open = False

    def stop(self) -> None:
        """Finish what was taken, and take no more."""
        self._stop.set()

    async def open(self, *, wait: bool = False) -> None:
        """Connect for the first time.

        Args:
            wait: whether ``run`` waits for a broker that is away, instead of an error here.

        Raises:
            UsageError: a stream does not exist, or its settings would lose messages.
            UnavailableError: a broker cannot be reached.
        """
        try:
            for place in self._places.all:
                await place.open()
            self._is_open = True
        except UnavailableError as error:
            await self.close()
            if not wait:
                raise
            self._note(error)
        except BaseException:
            await self.close()
            raise

    async def run(self) -> None:
        """Take messages until ``stop``, after ``open``; it is closed at the end."""
        try:
            async with _run_next_to(self._measure_lag):
                while not self._stop.is_set():
                    if not self._is_open:
                        await self._open_again()
                        continue
                    try:
                        messages = await self._places.source.take(self._most, POLL_SECONDS)
                        if messages:
                            await self._finish(messages)
                    except TiltyardError as error:
                        self._lose(error)
                    except Exception as error:
                        log.exception("The stream of %s met an unforeseen error", self.figures.stream)
                        self._lose(_unforeseen(error))
        finally:
            await self.close()

    async def _finish(self, messages: Sequence[Message]) -> None:
        async with self._hold(messages):
            handled = await self._handle(messages)
            if handled is None:
                return  # stopped while it waited; the messages come again
            await self._publish(handled)
            await self._places.source.confirm(messages)
        self.figures.count(handled)

    async def _handle(self, messages: Sequence[Message]) -> list[Handled] | None:
        """What became of messages, once the ledger and the model are there; None where it was stopped before."""
        pause = FIRST_PAUSE
        while True:
            try:
                handled = await self._handle_all(messages)
            except UnavailableError as error:
                self._note(error)
                if await self._pause(pause):
                    return None
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._note(None)
                return handled

    async def _handle_all(self, messages: Sequence[Message]) -> list[Handled]:
        """What became of messages; one that meets an unforeseen error is a dead letter, and the others are handled."""
        try:
            return await self._handler.handle(messages)
        except UnavailableError:
            raise
        except Exception as error:
            log.exception("%d messages of the stream of %s could not be handled", len(messages), self.figures.stream)
            if len(messages) > 1:
                return [handled for one in messages for handled in await self._handle_all([one])]
            return [Handled(messages[0], "dead_letter", error=_unforeseen(error))]

    async def _publish(self, handled: Sequence[Handled]) -> None:
        """Publish results and dead letters; what a broker will never take as a result is a dead letter."""
        dead = [one for one in handled if one.error is not None]
        published = [one for one in handled if one.result is not None]
        if published and self._places.results is not None:
            refused = await self._places.results.publish([one.result for one in published if one.result is not None])
            for place, why in refused.items():
                error = TiltyardError(
                    f"The result was recorded, and cannot be published: {why}.",
                    next_step="Let the broker take larger messages; the prediction is in the ledger.",
                    code="stream.result-refused",
                )
                dead.append(Handled(published[place].message, "dead_letter", error=error))
        if dead:
            await self._bury(dead)

    async def _bury(self, dead: Sequence[Handled]) -> None:
        letters = [make_dead_letter(one, self.figures.source) for one in dead]
        for one, letter in zip(dead, letters, strict=True):
            log.warning("The message %s goes to the dead letters: %s", one.message.position or letter.id, one.error)
        refused = await self._places.dead_letters.publish(letters)
        if refused:
            # Where the message is in its source, and what it is recognised by, is enough to find it there.
            cut = [Outgoing(b"", letters[place].id, b"", own_headers(letters[place])) for place in refused]
            refused = await self._places.dead_letters.publish(cut)
        if refused:
            raise UnavailableError(
                f"The dead letters take no message: {next(iter(refused.values()))}.",
                next_step="Let the stream of the dead letters take larger messages.",
                code="stream.full",
            )

    @contextlib.asynccontextmanager
    async def _hold(self, messages: Sequence[Message]) -> AsyncIterator[None]:
        """Tell the broker now and then that the messages are still in hand."""

        async def hold() -> None:
            while True:
                await asyncio.sleep(self._hold_seconds / 3)
                with contextlib.suppress(TiltyardError):  # confirming them will fail too
                    await self._places.source.hold(messages)

        async with _run_next_to(hold):
            yield

    def _lose(self, error: TiltyardError) -> None:
        self._is_open = False
        self._note(error)

    async def _open_again(self) -> None:
        """Forget what was in hand, and connect again, however long that takes."""
        pause = FIRST_PAUSE
        while True:
            await self.close()
            if await self._pause(pause):
                return
            try:
                for place in self._places.all:
                    await place.open()
            except TiltyardError as error:  # a broker that starts may not know its streams yet
                self._note(error)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._is_open = True
                self._note(None)
                return

    async def _pause(self, seconds: float) -> bool:
        """Wait; whether it was stopped meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()

    async def close(self) -> None:
        """Disconnect; closing twice is a no-op."""
        self.figures.lag = None
        for place in self._places.all:
            await place.close()

    def _note(self, error: TiltyardError | None) -> None:
        before = self.figures.problem
        self.figures.problem_code = "" if error is None else error.code
        self.figures.problem = "" if error is None else error.message
        self.figures.next_step = "" if error is None else error.next_step
        if error is not None and error.message != before:
            log.warning("The stream of %s waits: %s", self.figures.stream, error.message)
        elif error is None and before:
            log.warning("The stream of %s continues.", self.figures.stream)

    async def _measure_lag(self) -> None:
        while True:
            try:
                lag = await self._places.source.lag() if self._is_open else None
            except TiltyardError as error:
                lag = None
                if not self.figures.problem:  # some clients take nothing, and say nothing, while they reconnect
                    self._note(error)
            else:
                if self._is_open and self.figures.problem_code == "stream.away":
                    self._note(None)
            self.figures.lag = lag
            await asyncio.sleep(LAG_SECONDS)


@contextlib.asynccontextmanager
async def _run_next_to(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do some work next to the block; if it fails, that is in the log, and the block continues."""

    async def run() -> None:
        try:
            await work()
        except Exception:
            log.exception("Work next to a stream ended by an unforeseen error")

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _unforeseen(error: Exception) -> TiltyardError:
    return TiltyardError(
        f"An unforeseen error came up: {type(error).__name__}.",
        next_step="Read the log of tiltyard stream, and report the error.",
        code="internal",
    )
