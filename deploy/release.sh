#!/usr/bin/env bash
# What a release consists of, made in a folder: wheel, source, the docs site, and the digests of all. Needs `make setup`.
#   deploy/release.sh v1.2.3 FOLDER      the tag has to be the package's version
set -euo pipefail
tag=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
bin=$(dirname "$python")
version=$("$python" -c 'import sys; sys.path.insert(0, "src/tiltyard"); from _version import __version__; print(__version__)')
if [ "$tag" != "v$version" ]; then
  echo "::error::The tag is $tag and the package's version is $version: change src/tiltyard/_version.py, or the tag." >&2
  exit 2
fi
"$bin/uv" build --quiet --no-build-isolation --python "$python" --out-dir "$folder"
rm -f "$folder/.gitignore"
"$bin/zensical" build --clean --strict
tar --create --gzip --owner=0 --group=0 --file "$folder/tiltyard-docs-$version.tar.gz" --directory site .
cd "$folder"
sha256sum -- *.whl *.tar.gz >SHA256SUMS
cat SHA256SUMS
