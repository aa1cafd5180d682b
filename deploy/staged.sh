#!/usr/bin/env bash
# Start an image as it will run (read-only root, no privileges, keys in force), check it, take it down again.
#   deploy/staged.sh ghcr.io/owner/name@sha256:… [VERSION]
set -euo pipefail
image=$1 version=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
container=""
finish() {
  code=$?
  [ "$code" -eq 0 ] || [ -z "$container" ] || docker logs "$container" || true
  [ -z "$container" ] || docker rm --force --volumes "$container" >/dev/null || true
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT
chmod 755 "$work"

# A key of this check alone; the server is handed its digest. Nothing of it is printed.
docker run --rm --volume "$work:/keys" --user "$(id -u):$(id -g)" --env TILTYARD_API_KEYS=/keys/api-keys.json \
  --env TILTYARD_HOME=/keys/state \
  --entrypoint tiltyard "$image" \
  keys api new --scope predict --scope feedback --scope read --name check --expires 1d --json >"$work/key.json"
chmod 644 "$work/api-keys.json"
TILTYARD_CHECK_KEY=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["key"])' "$work/key.json")
export TILTYARD_CHECK_KEY

container=$(docker run --detach --publish 127.0.0.1::8000 --read-only --tmpfs /tmp --cap-drop ALL \
  --security-opt no-new-privileges --volume "$work/api-keys.json:/keys/api-keys.json:ro" \
  --env TILTYARD_API_KEYS=/keys/api-keys.json "$image")
address=$(docker port "$container" 8000/tcp | head -n 1)
"$python" "$here/check.py" "http://$address" --wait 180 ${version:+--expect-version "$version"}
