"""The users' own metrics: functions of a project that receive the registry, and then each recorded batch.

``[serving] metrics = ["my_metrics:register"]`` names ``register`` of ``my_metrics.py`` in the project's folder::

    from prometheus_client import Counter

    def register(registry):
        long = Counter("films_long_texts", "Texts of more than 1,000 characters.", registry=registry)
        return lambda rows: long.inc(sum(len(row.input) > 1000 for row in rows))

It is called once, when the server starts, with a ``prometheus_client.CollectorRegistry``. The function that it returns,
if any, is called with the rows of each batch (``version``, ``route``, ``label``, ``confidence``, ``latency_ms``,
``key``, and ``probabilities`` and ``input`` as JSON text), once they are durable, on the thread that scores.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from tiltyard.errors import UsageError
from tiltyard.serving.telemetry.instrumentation import UserMetrics


def load_user_metrics(names: Sequence[str], root: Path | None, registry: CollectorRegistry) -> list[UserMetrics]:
    """Import the users' functions, and call each to register its metrics.

    Args:
        names: each ``module:function``.
        root: the folder of modules that are not installed; default: the working folder.
        registry: where they register.

    Raises:
        UsageError: a function cannot be imported, is not callable, or fails.
    """
    found = []
    for name in names:
        register = _import_function(name, (root or Path()).resolve())
        try:
            on_batch = register(registry)
        except Exception as error:
            raise _usage_error(name, f"failed: {type(error).__name__}: {error}") from error
        if on_batch is not None and not callable(on_batch):
            raise _usage_error(name, f"returned a {type(on_batch).__name__}, and not a function or None")
        if on_batch is not None:
            found.append((name, on_batch))
    return found


def _import_function(name: str, root: Path) -> Any:
    module_name, _, attribute = name.partition(":")
    sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise _usage_error(name, f"cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(root))
    call = getattr(module, attribute, None)
    if not callable(call):
        raise _usage_error(name, f"is not a function of {getattr(module, '__file__', module_name)}")
    return call


def _usage_error(name: str, why: str) -> UsageError:
    return UsageError(
        f"[serving] metrics: '{name}' {why}.",
        next_step="Name a function of the project's folder as my_module:register; it takes a CollectorRegistry.",
        code="metrics.custom",
    )
