#!/usr/bin/env bash
# Bring a cluster to an image, named by its digest: apply the overlay, wait, go back if it does not come up.
#   deploy/rollout.sh staging ghcr.io/owner/name@sha256:…           applies, with the cluster of KUBE_CONFIG
#   deploy/rollout.sh staging ghcr.io/owner/name@sha256:… --print   prints the manifests
set -euo pipefail
stage=$1 image=$2 how=${3:-apply}
here=$(cd "$(dirname "$0")" && pwd)
case $stage in staging | production) ;; *) echo "error: $stage is neither staging nor production." >&2; exit 2 ;; esac
case $image in *@sha256:*) ;; *) echo "error: $image is not named by its digest." >&2; exit 2 ;; esac

say() { echo "$1"; [ -z "${GITHUB_STEP_SUMMARY:-}" ] || echo "$1" >>"$GITHUB_STEP_SUMMARY"; }

if [ "$how" = apply ] && [ -z "${KUBE_CONFIG:-}" ]; then
  say "No cluster is configured for $stage (no secret KUBE_CONFIG): $image is pushed and tagged, and nothing was rolled out."
  exit 0
fi

# Kustomize takes bases by relative paths only, so the folder that names the image lies beside them.
work=$(mktemp -d "$here/kubernetes/.rollout-XXXXXX")
trap 'rm -rf "$work"' EXIT
cat >"$work/kustomization.yaml" <<END
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../overlays/$stage]
images:
  - name: ghcr.io/tiltyard/tiltyard
    newName: ${image%@*}
    digest: ${image#*@}
END
if [ "$how" = --print ]; then
  kubectl kustomize "$work"
  exit 0
fi

umask 077
printf '%s' "$KUBE_CONFIG" >"$work/config"
export KUBECONFIG="$work/config"
namespace=tiltyard-$stage
kubectl apply --server-side -k "$work"
for workload in $(kubectl --namespace "$namespace" get statefulset,deployment \
  --selector app.kubernetes.io/part-of=tiltyard --output name); do
  if ! kubectl --namespace "$namespace" rollout status "$workload" --timeout=20m; then
    say "$workload did not come up with $image in $stage; it goes back to what ran before."
    kubectl --namespace "$namespace" rollout undo "$workload"
    exit 1
  fi
done
say "$stage runs $image."
