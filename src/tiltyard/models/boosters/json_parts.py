"""Reading the parts of a booster's JSON document, each with an error that names the document and the field."""

from __future__ import annotations

import json
from typing import Any

from tiltyard.models.boosters.raw_trees import refuse


def parse_document(where: str, document: bytes) -> Any:
    """What a document states.

    Raises:
        ArtifactError: it is not JSON.
    """
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        refuse(where, "is not JSON")


def get_part(where: str, stated: Any, kind: type, *path: str) -> Any:
    """The part of a document below some names.

    Raises:
        ArtifactError: there is none, or it is of another kind.
    """
    for name in path:
        stated = stated.get(name) if isinstance(stated, dict) else None
    if not isinstance(stated, kind):
        refuse(where, f"has no {kind.__name__} in {'.'.join(path)!r}", field=".".join(path))
    return stated
