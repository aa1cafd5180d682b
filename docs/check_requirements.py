"""Check that no row of docs/requirements.md is ticked without a test (``python docs/check_requirements.py``).

Two arguments, a page and a folder of tests, take the place of the project's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generating.requirements import PAGE, TESTS, find_faults, find_proofs


def main() -> int:
    """Print what is wrong, a line each; 1 if anything is."""
    page, tests = map(Path, sys.argv[1:3]) if len(sys.argv) > 2 else (PAGE, TESTS)
    faults = find_faults(page.read_text("utf-8"), list(find_proofs(tests)))
    print("\n".join(faults), end="\n" if faults else "")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
