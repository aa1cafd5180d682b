"""A plain HTTP client for where there is no wrk: ``client.py URL BODIES CONNECTIONS SECONDS``, figures as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

FINE = 400


class Figures:
    """The measurements: seconds of each response, and how many failed."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.errors = 0


async def main(url: str, bodies: Path, connections: int, seconds: float) -> None:
    parts = urlsplit(url)
    host, port, path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path or "/"
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: "
    requests = cycle(
        [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies.read_bytes().splitlines() if body]
    )
    figures = Figures()
    begun = perf_counter()
    senders = [_send_requests(host, port, requests, begun + seconds, figures) for _ in range(connections)]
    await asyncio.gather(*senders)
    taken = perf_counter() - begun
    ordered = sorted(figures.seconds) or [0.0]
    shares = {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1e6 for share in (50, 99)}
    print(
        json.dumps({"requests": len(figures.seconds), "microseconds": taken * 1e6, "errors": figures.errors, **shares})
    )


async def _send_requests(host: str, port: int, requests: cycle[bytes], until: float, figures: Figures) -> None:
    while perf_counter() < until:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            figures.errors += 1
            await asyncio.sleep(0.05)
            continue
        try:
            while (started := perf_counter()) < until:
                writer.write(next(requests))
                head = await reader.readuntil(b"\r\n\r\n")
                await _read_body(reader, head)
                if int(head.split(None, 2)[1]) < FINE:
                    figures.seconds.append(perf_counter() - started)
                else:
                    figures.errors += 1
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            figures.errors += 1
        finally:
            writer.close()


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    """Read to the end of a response's body, which states its length or comes in chunks."""
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            await reader.readexactly(int(value))
            return
        if name == b"transfer-encoding" and value.strip() == b"chunked":
            while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                await reader.readexactly(size + 2)
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # a line after the last chunk
            return
    raise ValueError("The response neither names its length nor comes in chunks.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
