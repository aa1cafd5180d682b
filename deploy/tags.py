"""Which names an image gets, and whether a name that a person typed can be one of ours.

    python deploy/tags.py staging --image ghcr.io/Owner/Name --sha $GITHUB_SHA --ref refs/heads/main
    python deploy/tags.py production --image … --sha … --ref …
    python deploy/tags.py older --image … --tag production-0123456789ab…

Prints one reference a line. Needs nothing but Python. Exit codes: 0 done, 2 what was given cannot be used.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

MAIN = "refs/heads/main"
PREFIXES = {"staging": ("main",), "production": ("production", "prod")}
MOVING = {"staging": "latest", "production": "production"}

_SHA = re.compile(r"[0-9a-f]{40}")
_OLDER = re.compile(r"(?:main|production|prod)-[0-9a-f]{40}")
# Registries take lower case only, and a repository's owner may be written otherwise.
_IMAGE = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+")


def tags(stage: str, image: str, sha: str, ref: str) -> list[str]:
    """The references of an image of a stage: the one that moves first, then those that stay.

    Raises:
        ValueError: it is not from main, or a part cannot be used.
    """
    if ref != MAIN:
        raise ValueError(f"Only main is deployed, and this is {ref!r}.")
    if not _SHA.fullmatch(sha):
        raise ValueError(f"{sha!r} is not a commit's full SHA (40 hexadecimal digits).")
    named = _named(image)
    return [f"{named}:{MOVING[stage]}", *(f"{named}:{prefix}-{sha}" for prefix in PREFIXES[stage])]


def older(image: str, tag: str) -> str:
    """The reference of an image that was deployed before, by the tag that stays with it.

    Raises:
        ValueError: the tag moves, or is none of ours.
    """
    if not _OLDER.fullmatch(tag):
        raise ValueError(f"{tag!r} names no image that stays: use production-SHA, prod-SHA or main-SHA.")
    return f"{_named(image)}:{tag}"


def _named(image: str) -> str:
    named = image.lower()
    if not _IMAGE.fullmatch(named):
        raise ValueError(f"{image!r} is not the name of an image, such as ghcr.io/owner/name.")
    return named


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Name images.")
    parser.add_argument("stage", choices=["staging", "production", "older"])
    parser.add_argument("--image", required=True, help="name without a tag")
    parser.add_argument("--sha", default="", help="the commit")
    parser.add_argument("--ref", default="", help="the branch, as refs/heads/NAME")
    parser.add_argument("--tag", default="", help="of an older image")
    given = parser.parse_args(arguments)
    try:
        if given.stage == "older":
            found = [older(given.image, given.tag)]
        else:
            found = tags(given.stage, given.image, given.sha, given.ref)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
