"""Reading the parts of a booster's JSON document, each with an error that names the document and the field."""

from __future__ import annotations

from typing import Any

from tiltyard.formatting import quote_excerpt
from tiltyard.json_reading import RepeatedKeyError, load_json
from tiltyard.models.boosters.raw_trees import refuse


def parse_document(where: str, document: bytes) -> Any:
    """What a document states.

    Raises:
        ArtifactError: it is not JSON, or names a key twice, of which the library may read the other value.
    """
    try:
        return load_json(document)
    except RepeatedKeyError as error:
        refuse(where, f"names {quote_excerpt(error.key)} twice", field=error.key[:40])
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
