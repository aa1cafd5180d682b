#!/usr/bin/env bash
# Build kube-apiserver and kube-controller-manager 1.20.2 of Debian 12's source package, with Debian 11's Go 1.15, with
# which that version was released, and install etcd: what tests/cluster/kubernetes.py runs. It needs a Debian with
# apt-get, root, 3 GB of disk and about ten minutes.
#   tests/cluster/build_kubernetes.sh [FOLDER]      default: /opt/kubernetes
set -euo pipefail
to=${1:-/opt/kubernetes}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$to" "$work/lists/partial" "$work/cache/archives/partial"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
cat >"$work/debian.sources" <<END
Types: deb deb-src
URIs: $mirror
Suites: bookworm bullseye
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
apt=(-o "Dir::Etc::sourcelist=$work/debian.sources" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" update -qq
command -v etcd >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends etcd-server
cd "$work"
apt-get "${apt[@]}" download -qq golang-1.15-go golang-1.15-src
for package in ./*.deb; do dpkg -x "$package" go; done
apt-get "${apt[@]}" source -qq --download-only kubernetes=1.20.5+really1.20.2-1.1+deb12u1
dpkg-source --no-check -x kubernetes_*.dsc source

export GOROOT="$work/go/usr/lib/go-1.15" GOPATH="$work/gopath" GOCACHE="$work/gocache" GO111MODULE=off CGO_ENABLED=0
export PATH="$GOROOT/bin:$PATH"
mkdir -p "$GOPATH/src/k8s.io"
ln -s "$work/source" "$GOPATH/src/k8s.io/kubernetes"
cd "$GOPATH/src/k8s.io/kubernetes"
# One file is generated, as Kubernetes' own makefile does it.
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(grep -rl '+k8s:openapi-gen=' --include=*.go staging/src/k8s.io pkg | grep -v -E '_test.go|code-generator|sample-apiserver' |
  xargs -n1 dirname | sort -u | sed 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' | paste -sd,)
"$work/openapi-gen" -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
  -h hack/boilerplate/boilerplate.generatego.txt -r "$work/violations"
version=k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion
for program in kube-apiserver kube-controller-manager; do
  go build -ldflags "-s -w -X $version=v1.20.2" -o "$to/$program" "./cmd/$program"
done
"$to/kube-apiserver" --version
