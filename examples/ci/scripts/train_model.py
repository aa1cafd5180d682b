"""Train a version of the project in this folder; its name and number are kept for the next steps."""

from __future__ import annotations

import json

from run_tiltyard import KEPT, read_tiltyard

if __name__ == "__main__":
    trained = read_tiltyard("train")
    KEPT.write_text(json.dumps({name: trained[name] for name in ("model_name", "model_version")}), encoding="utf-8")
    print(f"{trained['model_name']} version {trained['model_version']}: {trained['metrics']}")
