"""Show the version in the registry: the training registered it, with its lineage; without it this step fails."""

from __future__ import annotations

from run_tiltyard import read_tiltyard, read_version

if __name__ == "__main__":
    name, version = read_version()
    info = read_tiltyard("model-info", "--model-name", name, "--version", version)
    print(f"{info['model_name']} version {info['version']} ({info['label']}) from run {info['run_id']}")
