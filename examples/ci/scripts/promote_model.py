"""Send the trained version through the gates; a champion that is better stays, which does not fail the step."""

from __future__ import annotations

import argparse
import sys

from run_tiltyard import NOT_PROMOTED, read_version, run_tiltyard

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=["production"], default="production")
    parser.parse_args()
    name, version = read_version()
    code = run_tiltyard("promote", version, "--model-name", name)
    sys.exit(0 if code == NOT_PROMOTED else code)
