#!/usr/bin/env bash
# Build Tiltyard's image and, on it, the image with the model; push both, the second as staging.
#   deploy/push.sh ghcr.io/owner/name SHA REF FOLDER      FOLDER is what deploy/carry.py wrote
# Layers are kept in the registry itself (the tags base-cache and model-cache), so that the next build is quick.
set -euo pipefail
image=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')
sha=$2 ref=$3 model=$4
here=$(cd "$(dirname "$0")" && pwd)
mapfile -t names < <("${PYTHON:-python3}" "$here/tags.py" staging --image "$image" --sha "$sha" --ref "$ref")
[ "${#names[@]}" -gt 0 ] || exit 2
tags=()
for name in "${names[@]}"; do tags+=(--tag "$name"); done

# With its provenance an image is an index, which every Buildx gives further names as it is (deploy/retag.sh).
# The default builder keeps no cache outside of its machine.
docker buildx inspect tiltyard >/dev/null 2>&1 || docker buildx create --name tiltyard --driver docker-container >/dev/null
docker buildx build --builder tiltyard --push --provenance=true --tag "$image:base-$sha" --build-arg "REVISION=$sha" \
  --cache-from "type=registry,ref=$image:base-cache" --cache-to "type=registry,ref=$image:base-cache,mode=max" "$here/.."
docker buildx build --builder tiltyard --push --provenance=true "${tags[@]}" --build-arg "TILTYARD_IMAGE=$image:base-$sha" \
  --cache-from "type=registry,ref=$image:model-cache" --cache-to "type=registry,ref=$image:model-cache,mode=max" \
  --file "$here/model/Dockerfile" "$model"
digest=$("$here/digest.sh" "${names[0]}")
# What follows names the image by its digest: a tag can be moved meanwhile.
echo "${names[*]} are $digest"
[ -z "${GITHUB_OUTPUT:-}" ] || echo "image=$image@$digest" >>"$GITHUB_OUTPUT"
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || printf 'Pushed `%s@%s` as %s.\n' "$image" "$digest" "${names[*]}" >>"$GITHUB_STEP_SUMMARY"
