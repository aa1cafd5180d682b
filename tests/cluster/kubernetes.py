"""A real cluster's control plane for tests: etcd, kube-apiserver and kube-controller-manager on loopback.

No kubelet runs: ``Pods`` says of pods what one would say. The programs are looked for in the folder
``TILTYARD_KUBERNETES``, in ``/opt/kubernetes`` and on the path; ``tests/cluster/build_kubernetes.sh`` builds them of
Debian's source package, which is version 1.20.2. That one lacks the newer addresses of four kinds and two fields, so
``proxy`` writes them the old way (see ``OLD_ADDRESSES``); newer programs are used as they are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

ADMIN, OPERATOR, STRANGER = "admin-token", "operator-token", "stranger-token"
_ACCOUNT = "system:serviceaccount:tiltyard-system:tiltyard-operator"
_TOKENS = f"""\
{ADMIN},admin,1,system:masters
{OPERATOR},{_ACCOUNT},2,"system:serviceaccounts,system:authenticated"
{STRANGER},stranger,3,system:authenticated
"""


def find_program(name: str) -> str | None:
    """Where a program of Kubernetes is."""
    places = [os.environ.get("TILTYARD_KUBERNETES", ""), "/opt/kubernetes"]
    return shutil.which(name, path=os.pathsep.join([*filter(None, places), os.environ["PATH"]]))


@dataclass
class ControlPlane:
    """A running control plane.

    Attributes:
        url: address of the API server.
        authority: file of its certificate.
        version: such as 1.20.
        client: talks to it as its administrator.
    """

    url: str
    authority: Path
    version: tuple[int, int]
    client: httpx.Client

    def get(self, address: str) -> Any:
        """What is at an address; None for nothing."""
        response = self.client.get(address)
        return None if response.status_code == 404 else response.raise_for_status().json()

    def apply(self, item: dict[str, Any], address: str) -> Any:
        """Apply an object as a person does."""
        response = self.client.patch(
            f"{address}/{item['metadata']['name']}",
            params={"fieldManager": "person", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=item,
        )
        assert response.is_success, response.text
        return response.json()


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Start the three programs for the block; skips where they are not to be had."""
    programs = {name: find_program(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
    missing = [name for name, place in programs.items() if place is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} cannot be found: tests/cluster/build_kubernetes.sh builds Kubernetes")
    etcd, peer, port = free_port(), free_port(), free_port()
    (folder / "tokens.csv").write_text(_TOKENS)
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    store = f"http://127.0.0.1:{etcd}"
    url = f"https://127.0.0.1:{port}"
    starts = {
        "etcd": [
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        ],
        "kube-apiserver": [
            f"--etcd-servers={store}",
            f"--cert-dir={folder / 'certificates'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
        ],
    }
    with contextlib.ExitStack() as stack:
        for name, options in starts.items():
            stack.enter_context(_running([str(programs[name]), *options], folder / f"{name}.log"))
        authority = folder / "certificates" / "apiserver.crt"
        client = stack.enter_context(
            httpx.Client(base_url=url, verify=False, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=30)
        )
        _wait_until_ready(client, folder / "kube-apiserver.log")
        config = write_kubeconfig(folder / "admin.yaml", url, ADMIN)
        options = [f"--kubeconfig={config}", "--leader-elect=false", f"--service-account-private-key-file={key}"]
        manager = [str(programs["kube-controller-manager"]), *options, f"--secure-port={free_port()}", "--port=0"]
        version = _read_version(str(programs["kube-apiserver"]))
        if version >= (1, 24):
            manager.remove("--port=0")
        stack.enter_context(_running(manager, folder / "kube-controller-manager.log"))
        yield ControlPlane(url, authority, version, client)


def _read_version(program: str) -> tuple[int, int]:
    """Kubernetes v1.20.2, as two numbers."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    major, minor, *_ = said.split()[-1].removeprefix("v").split(".")
    return int(major), int(minor)


def write_kubeconfig(file: Path, server: str, token: str) -> Path:
    """A kubeconfig for a server, which is not verified."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(client: httpx.Client, log: Path) -> None:
    last = ""
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            response = client.get("/readyz")
            last = response.text
            if response.is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"the API server does not come up: {last} {log.read_text()[-2000:]}")
