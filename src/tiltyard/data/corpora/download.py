"""Downloading one large file: it resumes where it stopped, and counts only when its digests are right."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import httpx

from tiltyard.errors import DataError, UsageError

PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds to wait before each further attempt in a row that brought nothing."""

TIMEOUT = httpx.Timeout(30.0, connect=15.0)


class Watcher(Protocol):
    """Receives how far an activity is."""

    def __call__(self, activity: str, done: int, total: int) -> None:
        """So many bytes of so many are done."""


def download(
    url: str, target: Path, size: int, digests: Mapping[str, str], watch: Watcher, pauses: tuple[float, ...] = PAUSES
) -> None:
    """Bring a file of known size and digests.

    What arrives is kept in ``TARGET.part``; after a break, in this call or in a later one, the rest is requested with a
    Range request. A server that does not do ranges sends all of it again. ``target`` appears only when size and
    digests are right; a wrong file is put aside as ``TARGET.refused``.

    Raises:
        UsageError: the address is not one of the web.
        DataError: the server refuses or cannot be reached, or what it gives is not the file.
        OSError: the file cannot be written.
    """
    part = target.with_name(target.name + ".part")
    if target.exists():
        # Put there by hand, perhaps: it is looked at as if it had just been brought.
        target.replace(part)
    waits = iter(pauses)
    while (have := _read_length(part)) != size:
        if have > size:
            part.replace(_move_aside(target))
            continue
        try:
            _fetch_rest(url, part, size, watch)
        except httpx.RequestError as error:
            if _read_length(part) > have:
                waits = iter(pauses)
            wait = next(waits, None)
            if wait is None:
                raise _interruption_error(url, part, size, error) from None
            time.sleep(wait)
    _verify(part, target, digests, url, watch)
    part.replace(target)


def _fetch_rest(url: str, part: Path, size: int, watch: Watcher) -> None:
    """Append what is missing, or begin anew where the server gives all of it."""
    have = _read_length(part)
    # Without "identity" a server may compress, and ranges would then be of the compressed bytes.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
            start = _find_start(response, have, size)
            if start < 0:
                part.unlink(missing_ok=True)
                return
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                done = start
                for chunk in response.iter_raw():
                    done += len(chunk)
                    if done > size:
                        raise _size_error(_hide_query(url), done, size)
                    file.write(chunk)
                    watch("download", done, size)
        if done < size:
            raise httpx.ReadError(f"it ended after {done:,} bytes")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise UsageError(
            f"{_hide_query(url)} is not a web address.", next_step="Give one like https://host/file."
        ) from None


def _find_start(response: httpx.Response, have: int, size: int) -> int:
    """The position of the response's first byte in the file; -1 to discard the file and start again."""
    url = _hide_query(str(response.request.url))
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        return -1
    if response.status_code in (429, 500, 502, 503, 504):
        raise httpx.ReadError(f"the server responds with status {response.status_code}")
    if response.status_code not in (200, 206):
        raise _status_error(response)
    start, declared = 0, response.headers.get("Content-Length", "")
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if (found is None or int(found[1]) > have) and have:
            return -1
        if found is None or int(found[1]) > have:
            raise _status_error(response)
        start, declared = int(found[1]), found[2]
    if declared.isdigit() and int(declared) != size:
        raise _size_error(url, int(declared), size)
    return start


def _verify(part: Path, target: Path, digests: Mapping[str, str], url: str, watch: Watcher) -> None:
    running = {name: hashlib.new(name, usedforsecurity=False) for name in digests}
    done, size = 0, _read_length(part)
    with part.open("rb") as file:
        while chunk := file.read(1 << 20):
            done += len(chunk)
            for digest in running.values():
                digest.update(chunk)
            watch("verify", done, size)
    for name, digest in running.items():
        if digest.hexdigest() != digests[name]:
            refused = _move_aside(target)
            part.replace(refused)
            raise DataError(
                f"What {_hide_query(url)} gave is not the published file: its {name.upper()} is "
                f"{digest.hexdigest()}, not "
                f"{digests[name]}. It was put aside as {refused}.",
                next_step="Run the command again, which begins anew. If that is refused too, do not trust the address.",
                code="data.checksum",
                expected=digests[name],
                found=digest.hexdigest(),
                file=str(refused),
            )


def _read_length(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _move_aside(target: Path) -> Path:
    return target.with_name(target.name + ".refused")


def _hide_query(url: str) -> str:
    """An address without the user and password in it."""
    return re.sub(r"//[^/@]*@", "//", url)


def _status_error(response: httpx.Response) -> DataError:
    status = f"{response.status_code} {response.reason_phrase}".strip()
    return DataError(
        f"{_hide_query(str(response.request.url))} cannot be fetched: the server responds with status {status}.",
        next_step="Check the address, or name another with --url.",
        code="data.fetch-refused",
        status=response.status_code,
    )


def _size_error(url: str, found: int, size: int) -> DataError:
    return DataError(
        f"{url} gives {found:,} bytes or more, where the published file has {size:,}.",
        next_step="Name another address of the same file with --url.",
        code="data.checksum",
        expected_bytes=size,
        found_bytes=found,
    )


def _interruption_error(url: str, part: Path, size: int, error: httpx.RequestError) -> DataError:
    have = _read_length(part)
    reason = str(error).rstrip(".") or type(error).__name__
    kept = f" {have:,} of {size:,} bytes are kept in {part}." if have else ""
    return DataError(
        f"{_hide_query(url)} cannot be fetched: {reason}.{kept}",
        next_step="Check the network and run the same command again" + ("; it resumes there." if have else "."),
        code="data.unreachable",
        bytes=have,
    )
