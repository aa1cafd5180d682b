"""Point the alias of a stage at the version that was trained: a server of that stage loads it without a restart."""

from __future__ import annotations

import argparse

from run_tiltyard import read_tiltyard, read_version

ALIASES = {"staging": "challenger"}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=sorted(ALIASES), default="staging")
    stage = parser.parse_args().stage
    name, version = read_version()
    words = ("--model-name", name, "--version", version, "--alias", ALIASES[stage], "--reason", f"deployed to {stage}")
    print(read_tiltyard("set-alias", *words))
