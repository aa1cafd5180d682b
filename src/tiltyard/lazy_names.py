"""Packages whose names are imported when they are first used.

A package that imports all its modules when it is imported makes everybody who needs one of them pay for all: a server
that records predictions would import pandas.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def import_when_used(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package that imports its names when they are first used.

    No name may be that of a module of the package: a caller that imported the module first would get it instead.

    Args:
        package: its full name.
        modules: the names that it hands out, by the module that holds them: one in it, or another one by its full name.
    """
    root = package.partition(".")[0]
    places = {
        name: module if module.startswith(f"{root}.") else f"{package}.{module}"
        for module, names in modules.items()
        for name in names
    }

    def get_name(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(importlib.import_module(places[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get_name, lambda: sorted(places)
