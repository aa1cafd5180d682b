"""Repeated requests get the prediction of the first one: the header ``Idempotency-Key``.

The ids of a request's predictions follow from its key, so that the ledger holds them once, whichever worker predicts,
and finds them again after a restart. A small table next to the cache keeps what was sent with which key, for all
workers. The form of the header is that of draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import msgspec

from tiltyard.errors import UnavailableError
from tiltyard.files import make_folder
from tiltyard.ledger.codec import PredictionRow, encode_predictions
from tiltyard.ledger.ports import Ledger
from tiltyard.serving.problem_details import RequestError
from tiltyard.sqlite import SQLITE_ERRORS, SqliteConnection, open_sqlite

LONGEST_KEY = 255
KEPT_SECONDS = 24 * 3600
# Another worker that received the same request a moment ago has so long to record its predictions.
PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05

Inputs = Sequence[Mapping[str, Any]]
Claim = Literal["new", "same", "other"]


class IdempotentRequest:
    """One request with a key.

    Attributes:
        ids: the ids of its predictions, in the order of its inputs.
        name: digest of caller and key.
        digest: digest of the inputs.
    """

    def __init__(self, model_name: str, caller_id: str, key: bytes, inputs: Inputs) -> None:
        self.name = hashlib.sha256(msgspec.json.encode([model_name, caller_id, _check_key(key)])).digest()
        self.inputs = [msgspec.json.encode(item).decode() for item in inputs]
        self.digest = hashlib.sha256("\n".join(self.inputs).encode()).digest()
        self.ids = [_prediction_id(self.name, position) for position in range(len(inputs))]


class Idempotency:
    """The requests that were sent with keys; workers of one host may share it.

    Args:
        ledger: where predictions are found again.
        file: an SQLite file for this alone, which all workers of this host use.
    """

    def __init__(self, ledger: Ledger, file: Path) -> None:
        self._ledger = ledger
        self._file = file
        self._lock = Lock()
        self._running: dict[bytes, tuple[IdempotentRequest, asyncio.Future[None]]] = {}

    async def find(self, request: IdempotentRequest) -> dict[int, PredictionRow]:
        """The predictions of the first such request, by position; none if it is new. Waits for one under way.

        Each call must be followed by ``release``.

        Raises:
            RequestError: another request was sent with the same key.
            UnavailableError: the table or the ledger cannot be read.
        """
        while (running := self._running.get(request.name)) is not None:
            await asyncio.shield(running[1])
        self._running[request.name] = request, asyncio.get_running_loop().create_future()
        claim = await asyncio.to_thread(self._claim, request)
        if claim == "other":
            raise _reused_key()
        deadline = time.monotonic() + (PATIENCE_SECONDS if claim == "same" else 0.0)
        while True:
            found = await asyncio.to_thread(self._load, request)
            if len(found) == len(request.ids) or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(POLL_SECONDS)

    def release(self, request: IdempotentRequest) -> None:
        """Let the next request with the same key continue."""
        running = self._running.get(request.name)
        if running is not None and running[0] is request:
            del self._running[request.name]
            running[1].set_result(None)

    async def forget(self, request: IdempotentRequest) -> None:
        """Free a key whose request got no prediction, so that a corrected request may use it."""
        await asyncio.to_thread(self._delete_claim, request)

    def _claim(self, request: IdempotentRequest) -> Claim:
        now = int(time.time())
        with self._lock, self._use_table() as table:
            if table.execute(
                "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (request.name, request.digest, now)
            ).rowcount:
                if request.name[0] == 0:  # now and then
                    table.execute("DELETE FROM claims WHERE at < ?", (now - KEPT_SECONDS,))
                return "new"
            row = table.execute("SELECT digest FROM claims WHERE name = ?", (request.name,)).fetchone()
        return "same" if row is None or row[0] == request.digest else "other"

    def _delete_claim(self, request: IdempotentRequest) -> None:
        with self._lock, self._use_table() as table:
            table.execute("DELETE FROM claims WHERE name = ? AND digest = ?", (request.name, request.digest))

    def _load(self, request: IdempotentRequest) -> dict[int, PredictionRow]:
        found: dict[int, PredictionRow] = {}
        # While the ledger is away, what this host predicted is found in its spools.
        with suppress(UnavailableError):
            found.update(enumerate(read_recorded(self._ledger, request)))
        return found

    @contextmanager
    def _use_table(self) -> Iterator[SqliteConnection]:
        """The table of claims, open for the block.

        Raises:
            UnavailableError: it cannot be opened, or what the block did with it failed.
        """
        try:
            make_folder(self._file.parent)
            # A claim that a power cut takes back lets its key be sent again; the ledger compares what came with it.
            with closing(open_sqlite(self._file, synchronous="NORMAL", wal=True)) as table:
                table.execute(
                    "CREATE TABLE IF NOT EXISTS claims "
                    "(name BLOB PRIMARY KEY, digest BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID"
                )
                yield table
        except OSError as error:
            raise self._unavailable_error(error) from None
        except SQLITE_ERRORS as error:
            raise self._unavailable_error(error) from None

    def _unavailable_error(self, why: Exception) -> UnavailableError:
        return UnavailableError(
            f"Idempotency keys cannot be looked up in {self._file}: {why}.",
            next_step="Send the request again, or without the header Idempotency-Key.",
            code="idempotency.unavailable",
            retry_after=1,
        )


def read_recorded(ledger: Ledger, request: IdempotentRequest) -> Iterator[PredictionRow]:
    """The recorded predictions of a request in the order of its inputs, up to the first that the ledger lacks.

    Raises:
        RequestError: another request was sent with the same key.
        UnavailableError: the ledger cannot be read.
    """
    for id_, sent in zip(request.ids, request.inputs, strict=True):
        prediction = ledger.prediction(id_)
        if prediction is None:
            return
        [row] = encode_predictions([prediction])
        if row.input != sent:
            raise _reused_key()
        yield row


def _prediction_id(name: bytes, position: int) -> str:
    """A UUIDv8 (RFC 9562, section 5.8): 122 bits of a digest of key and position."""
    bits = bytearray(hashlib.sha256(name + position.to_bytes(8, "big")).digest()[:16])
    bits[6] = bits[6] & 0x0F | 0x80
    bits[8] = bits[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(bits)))


def _check_key(key: bytes) -> str:
    text = key.decode("latin-1").strip()
    if 0 < len(text) <= LONGEST_KEY and text.isascii() and text.isprintable():
        return text
    raise RequestError(
        f"The Idempotency-Key has to be 1 to {LONGEST_KEY} printable ASCII characters.",
        status=400,
        code="idempotency.key",
        next_step="Send a key that you chose, such as a UUID, or leave the header out.",
    )


def _reused_key() -> RequestError:
    return RequestError(
        "Another request was sent with the same Idempotency-Key.",
        status=422,
        code="idempotency.reused",
        next_step="Use a new key for a new request; repeat a request unchanged.",
    )
