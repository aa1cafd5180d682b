"""Comment a file on the pull request of this run; the comment of an earlier run is updated in place.

    python deploy/action/comment.py verdict.md --about examples/sentiment

The comment is found by a mark that people do not see, so that each project of a repository has a comment. What GitHub
says of the run comes from its environment: GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL and GH_TOKEN.
A run that is not about a pull request, or whose token may not write (one from a fork), says so and ends well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = 100
LONGEST = 60_000
"""Characters; GitHub takes 65,536."""


class Issue:
    """The conversation of a pull request.

    Args:
        api: address of GitHub's API.
        repository: owner and name.
        number: of the pull request.
        token: of the run.
    """

    def __init__(self, api: str, repository: str, number: int, token: str) -> None:
        self._url, self._number, self._token = f"{api}/repos/{repository}/issues", number, token

    def find(self, mark: str) -> int | None:
        """The id of the comment that begins with a mark."""
        return next((one["id"] for one in self._list() if str(one["body"]).startswith(mark)), None)

    def write(self, text: str, comment: int | None) -> str:
        """Write a comment anew, or over an earlier one; returns its address."""
        place = f"{self._url}/{self._number}/comments" if comment is None else f"{self._url}/comments/{comment}"
        said = self._request("POST" if comment is None else "PATCH", place, {"body": text})
        return str(said["html_url"])

    def _list(self) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._request("GET", f"{self._url}/{self._number}/comments?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _request(self, method: str, url: str, content: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - GitHub's own address
            url,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - likewise
            return json.load(response)


def find_number() -> int | None:
    """The number of the pull request that this run is about."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    event = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    number = (event.get("pull_request") or {}).get("number")
    return int(number) if number is not None else None


def comment(text: str, about: str) -> int:
    """Write the comment; returns the exit code."""
    number, token = find_number(), os.environ.get("GH_TOKEN", "")
    if number is None or not token:
        print("::notice::This run is not about a pull request, or has no token: nothing is commented.")
        return 0
    mark = f"<!-- tiltyard: {about} -->"
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n\n… The summary of the run has the rest."
    api = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    issue = Issue(api, os.environ["GITHUB_REPOSITORY"], number, token)
    try:
        print(issue.write(f"{mark}\n{shown}", issue.find(mark)))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404):
            print(f"::notice::The token may not comment ({error.code}): give the job `pull-requests: write`.")
            return 0
        print(f"::error::GitHub responds with {error.code} to the comment.")
        return 1
    except OSError as error:
        print(f"::error::GitHub does not respond: {error}")
        return 1
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Comment a file on the pull request of this run.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--about", required=True, help="what tells its comment from those about other projects")
    options = parser.parse_args()
    if not options.file.is_file():
        print(f"::notice::{options.file} was not written: nothing is commented.")
        return 0
    return comment(options.file.read_text(encoding="utf-8"), options.about)


if __name__ == "__main__":
    sys.exit(main())
