#!/usr/bin/env bash
# The digest of an image in a registry, by one of its names.
#   deploy/digest.sh ghcr.io/owner/name:latest
set -euo pipefail
# As JSON: Buildx prints {{.Manifest.Digest}} of a single manifest as a text of several lines.
docker buildx imagetools inspect "$1" --format '{{json .Manifest}}' | "${PYTHON:-python3}" -c '
import json, re, sys
digest = json.load(sys.stdin)["digest"]
if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
    sys.exit(f"error: {sys.argv[1]} has no digest that can be used: {digest!r}")
print(digest)' "$1"
