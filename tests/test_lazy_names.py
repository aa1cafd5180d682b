"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = [
    "tiltyard.data",
    "tiltyard.data.sources",
    "tiltyard.data.sources.delimited",
    "tiltyard.ledger",
    "tiltyard.models",
    "tiltyard.registry",
    "tiltyard.scoring",
    "tiltyard.serving.telemetry",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_is_handed_out_and_none_is_that_of_a_module(package: str) -> None:
    """A package hands out all of its public names and no others, and no module of it can stand in for one."""
    module = importlib.import_module(package)
    assert sorted(module.__all__) == dir(module)
    assert all(getattr(module, name) is not None for name in module.__all__)
    assert {found.name for found in pkgutil.iter_modules(module.__path__)}.isdisjoint(module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_none_of_its_modules_by_itself(package: str) -> None:
    """Importing the package imports neither numpy nor any library of models: only who uses a name pays for it."""
    heavy = "{'numpy', 'pandas', 'sklearn', 'scipy', 'sqlalchemy', 'mlflow', 'prometheus_client'}"
    code = f"import sys, {package}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
