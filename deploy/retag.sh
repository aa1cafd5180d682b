#!/usr/bin/env bash
# Give an image that is in the registry further names, without building or changing it: the digest stays the same.
#   deploy/retag.sh ghcr.io/owner/name@sha256:… < names, one a line
set -euo pipefail
image=$1
here=$(cd "$(dirname "$0")" && pwd)
digest=${image##*@}
case $image in
  *@sha256:*) ;;
  *) echo "error: $image is not named by its digest." >&2; exit 2 ;;
esac
mapfile -t names
[ "${#names[@]}" -gt 0 ] || { echo "error: no name on standard input." >&2; exit 2; }
options=()
# A single manifest would be wrapped into an index, which has another digest; Buildx before 0.14 cannot be told not to.
if docker buildx imagetools create --help 2>/dev/null | grep -q -- --prefer-index; then options+=(--prefer-index=false); fi
for name in "${names[@]}"; do options+=(--tag "$name"); done
docker buildx imagetools create "${options[@]}" "$image"
for name in "${names[@]}"; do
  found=$("$here/digest.sh" "$name")
  [ "$found" = "$digest" ] || { echo "error: $name is $found, not $digest." >&2; exit 1; }
  echo "$name is $digest"
done
