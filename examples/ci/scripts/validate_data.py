"""Check the data against the limits of tiltyard.toml; exit code 3 where a limit is broken."""

from __future__ import annotations

import sys

from run_tiltyard import run_tiltyard

if __name__ == "__main__":
    sys.exit(run_tiltyard("validate"))
