#!/usr/bin/env bash
# Make an image that was deployed before production again: find its digest by its tag, and move the tag production to it.
#   deploy/older.sh ghcr.io/owner/name production-0123…
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
reference=$("${PYTHON:-python3}" "$here/tags.py" older --image "$1" --tag "$2")
digest=$("$here/digest.sh" "$reference")
image=${reference%:*}
echo "$image:production" | "$here/retag.sh" "$image@$digest"
[ -z "${GITHUB_OUTPUT:-}" ] || echo "image=$image@$digest" >>"$GITHUB_OUTPUT"
