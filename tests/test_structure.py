"""The structure of the package keeps to its rules, and the page that shows it is up to date."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = """
[[tool.importlinter.contracts]]
type = "layers"
layers = ["above", "below | other"]
"""


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    """The script of the page as a module."""
    spec = importlib.util.spec_from_file_location("structure", ROOT / "docs" / "structure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["structure"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """A source tree with three packages and some more modules."""
    packages = {f"{name}__init__.py": "" for name in ("", "above/", "below/", "other/")}
    for name, text in {**packages, **files}.items():
        file = root / "src" / "tiltyard" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (root / "pyproject.toml").write_text(LAYERS, encoding="utf-8")
    return root


def test_the_structure_keeps_its_rules_and_its_page_is_up_to_date() -> None:
    """Run `python docs/structure.py` after a module was added, moved or removed, or imports another part."""
    command = [sys.executable, "docs/structure.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({f"below/part_{n}.py": "" for n in range(17)}, "tiltyard.below has 17 rooms"),
        ({"below/one.py": "def f():\n    from tiltyard.above import two\n", "above/two.py": ""}, "below imports above"),
        ({"below/one.py": "from tiltyard.other.two import x\n", "other/two.py": "x = 1"}, "below imports other"),
        (
            {"below/one.py": "from tiltyard.below import two\n", "below/two.py": "from .one import x\n"},
            "The rooms one, two of tiltyard.below import each other",
        ),
        ({"below/one.py": "x = 1\n" * 401}, "tiltyard.below.one has 401 lines"),
        ({"below/one.py": "x = 1\n" * 130}, "The median module has 130 lines"),
    ],
)
def test_each_rule_that_is_broken_is_named(
    structure: ModuleType, tmp_path: Path, files: Mapping[str, str], fault: str
) -> None:
    """Crowded packages, circles, imports upwards or sideways, and long modules are found wherever they stand."""
    faults = structure.find_faults(structure.read_structure(write_tree(tmp_path, files)))
    assert any(each.startswith(fault) for each in faults), faults


def test_a_tree_within_the_rules_has_no_fault(structure: ModuleType, tmp_path: Path) -> None:
    """Sixteen rooms, 400 lines and imports downwards are within the rules."""
    files = {f"below/part_{n}.py": "x = 1\n" for n in range(16)}
    files["above/one.py"] = "from tiltyard.below.part_1 import x\n" + "y = 1\n" * 399
    assert structure.find_faults(structure.read_structure(write_tree(tmp_path, files))) == []
