"""Names of metrics that MLflow accepts, distinct for whatever classes are called."""

from __future__ import annotations

import hashlib
import posixpath
import re

LONGEST_NAME = 250
"""The most characters that MLflow keeps of a name."""

LONGEST_PART = 100
"""The most characters of a class in the name of its metrics."""

_REFUSED = re.compile(r"[^\w\-. :/]")
_DIGEST_BYTES = 3


def make_metric_name(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as MLflow accepts it: letters, digits and ``_-. :/``, no path that leads elsewhere, and not too long.

    A name that has to be changed ends with a digest of what it was, so that ``C+`` and ``C#`` stay two names; each name
    always becomes the same one.
    """
    accepted = _REFUSED.sub("_", name) or "_"
    if _leads_elsewhere(accepted):
        accepted = "_" + accepted.replace("/", "_").lstrip(".")
    if accepted == name and len(accepted) <= longest:
        return name
    digest = hashlib.blake2s(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{accepted[: longest - len(digest) - 1].rstrip()}-{digest}"


def make_class_metric_name(label: str, metric: str) -> str:
    """The name of a class's metric: ``positive.f1``."""
    return f"{make_metric_name(label, LONGEST_PART)}.{metric}"


def _leads_elsewhere(name: str) -> bool:
    """Whether a name is not a plain path: MLflow can keep a metric as a file of its name."""
    plain = posixpath.normpath(name)
    return plain != name or plain == "." or plain.startswith(("..", "/"))
