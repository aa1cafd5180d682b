"""Commands with curl as requests."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

_PARSER = argparse.ArgumentParser(exit_on_error=False)
_PARSER.add_argument("url")
_PARSER.add_argument("-s", "--silent", action="store_true")
_PARSER.add_argument("-X", "--request")
_PARSER.add_argument("-H", "--header", action="append", default=[])
_PARSER.add_argument("-d", "--data")
_PARSER.add_argument("--data-binary")
_PARSER.add_argument("-o", "--output")


def read_curl(words: Sequence[str], server: str, rewrite: Mapping[str, str], port: int = 8000) -> dict[str, Any]:
    """The request of a command with curl, as ``httpx.request`` takes it.

    Args:
        words: the command.
        server: the address that stands for the one on the page.
        rewrite: texts of the body for which others stand, such as an id.
        port: of that server on the pages: 8000, and 8050 of the console.
    """
    given = _PARSER.parse_args(words[1:])
    url = httpx.URL(given.url if "://" in given.url else f"http://{given.url}")
    assert url.port == port, f"{given.url}: the server of the pages is at port {port}"
    body = given.data or given.data_binary
    if body is not None and body.startswith("@"):
        body = Path(body[1:]).read_text("utf-8")
    for old, new in rewrite.items():
        body = body and body.replace(old, new)
    headers = dict(header.split(": ", 1) for header in given.header)
    if body is not None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}  # as curl does
    here = httpx.URL(server)
    return {
        "method": given.request or ("GET" if body is None else "POST"),
        "url": url.copy_with(host=here.host, port=here.port),
        "headers": headers,
        "content": body,
    }
