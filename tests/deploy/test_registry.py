"""Names and digests in a real registry of images, on loopback. Buildx speaks to it without any daemon."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.scripts import run
from tests.deploy.test_tags import MAIN

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    program = os.environ.get("DOCKER_REGISTRY") or shutil.which("docker-registry")
    docker = shutil.which("docker")
    if program is None or docker is None or subprocess.run([docker, "buildx", "version"], check=False).returncode:
        pytest.skip("needs docker-registry (on Debian: apt install docker-registry) and docker with Buildx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    configuration = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
        "log": {"level": "error", "accesslog": {"disabled": True}},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(configuration))
    process = subprocess.Popen([program, "serve", str(tmp_path / "registry.yml")])
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://{address}/v2/", timeout=5, verify=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def push(registry: str, tag: str, content: str) -> str:
    """An image with one layer, as an index like Buildx makes; its digest."""
    base = f"http://{registry}/v2/acme/films"

    def blob(data: bytes, kind: str) -> dict[str, Any]:
        named = f"sha256:{hashlib.sha256(data).hexdigest()}"
        place = httpx.post(f"{base}/blobs/uploads/").headers["Location"]
        put = httpx.put(httpx.URL(place).copy_merge_params({"digest": named}), content=data)
        assert put.status_code == 201, put.text
        return {"mediaType": kind, "size": len(data), "digest": named}

    def manifest(body: dict[str, Any], under: str) -> dict[str, Any]:
        data = json.dumps({"schemaVersion": 2, **body}).encode()
        kind = str(body["mediaType"])
        put = httpx.put(f"{base}/manifests/{under}", content=data, headers={"Content-Type": kind})
        assert put.status_code == 201, put.text
        return {"mediaType": kind, "size": len(data), "digest": put.headers["Docker-Content-Digest"]}

    platform = {"architecture": "amd64", "os": "linux"}
    config = blob(json.dumps({**platform, "content": content}).encode(), "application/vnd.oci.image.config.v1+json")
    layer = blob(content.encode(), "application/vnd.oci.image.layer.v1.tar")
    whole = {"mediaType": MANIFEST, "config": config, "layers": [layer]}
    named = f"sha256:{hashlib.sha256(json.dumps({'schemaVersion': 2, **whole}).encode()).hexdigest()}"
    inner = manifest(whole, named)
    return str(manifest({"mediaType": INDEX, "manifests": [{**inner, "platform": platform}]}, tag)["digest"])


@pytest.mark.requirement("R-DEPLOY-18", "R-DEPLOY-21")
def test_production_is_what_was_staged_and_goes_back_to_what_it_was(registry: str, tmp_path: Path) -> None:
    """Two commits become production one after the other, each under the digest that was staged; then the first one is
    production again. The names that stay lead to what they led to."""
    image, commits = f"{registry}/acme/films", ("1" * 40, "2" * 40)
    digests = {sha: push(registry, f"main-{sha}", sha) for sha in commits}
    assert len(set(digests.values())) == 2

    def digest(tag: str) -> str:
        done = run("digest.sh", f"{image}:{tag}")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    for sha in commits:
        names = run("tags.py", "production", "--image", image, "--sha", sha, "--ref", MAIN).stdout
        done = run("retag.sh", f"{image}@{digests[sha]}", stdin=names)
        assert done.returncode == 0, done.stderr
        assert digest("production") == digests[sha]
    output = tmp_path / "output"
    back = run("older.sh", image, f"production-{commits[0]}", env={"GITHUB_OUTPUT": str(output)})
    assert back.returncode == 0, back.stderr
    assert output.read_text() == f"image={image}@{digests[commits[0]]}\n"
    assert digest("production") == digests[commits[0]]
    for sha in commits:
        assert {digest(f"{prefix}-{sha}") for prefix in ("main", "production", "prod")} == {digests[sha]}
    assert run("older.sh", image, f"production-{'3' * 40}").returncode != 0
