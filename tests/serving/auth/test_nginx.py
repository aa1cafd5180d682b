"""Behind a real nginx: with the configuration of docs/deployment.md, and with none beyond ``proxy_pass``."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.pages.blocks import read_blocks
from tests.serving.conftest import Start
from tests.serving.fake_registry import FakeRegistry
from tiltyard.serving.auth import KeyFile, NewKey

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed"
)


@contextlib.contextmanager
def nginx(folder: Path, servers: str, port: int) -> Iterator[None]:
    """nginx with these servers, of which one listens on the port."""
    assert NGINX is not None
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 100; }}\nhttp {{ access_log off; {places}\n{servers}\n}}\n",
        encoding="utf-8",
    )
    with subprocess.Popen([NGINX, "-e", f"{folder}/error.log", "-c", str(configuration)]) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert process.poll() is None, (folder / "error.log").read_text("utf-8")
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_configuration_of_the_guide_works(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start
) -> None:
    """As the guide has it, callers with a key predict under a prefix over TLS, and pages and probes work there."""
    [block] = [each for each in read_blocks() if each.page == "docs/deployment.md" and each.language == "nginx"]
    file, made = KeyFile(tmp_path / "api-keys.json"), NewKey.generate(["predict", "read"])
    file.add(made.key)
    registry.point_alias("champion", registry.add(text_package))
    address = start(api_keys=file.path, trusted_proxies=("127.0.0.1",)).url
    port, key, certificate = free_port(), tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.org"]
    made_files = ["-addext", "subjectAltName=DNS:example.org", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words, *made_files], check=True, capture_output=True)
    servers = block.text
    for written, here in (
        ("127.0.0.1:8000", address.removeprefix("http://")),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/nginx/example.org.pem", str(certificate)),
        ("/etc/nginx/example.org.key", str(key)),
    ):
        assert written in servers
        servers = servers.replace(written, here)
    trusts = ssl.create_default_context(cafile=str(certificate))
    named = {"sni_hostname": "example.org"}
    with nginx(tmp_path, servers, port), httpx.Client(verify=trusts, timeout=60) as client:

        def call(method: str, path: str, token: str | None = made.token, sent: object = None) -> httpx.Response:
            headers = {"Host": "example.org"} | ({"X-API-Key": token} if token else {})
            return client.request(
                method, f"https://127.0.0.1:{port}/films{path}", headers=headers, extensions=named, json=sent
            )

        predicted = call("POST", "/predict", sent={"text": "a warm film"})
        assert (predicted.status_code, predicted.json()["model_version"]) == (200, "1")
        assert call("POST", "/predict", None, sent={"text": "a warm film"}).json()["code"] == "api-key.missing"
        assert call("GET", "/openapi.json").json()["servers"] == [{"url": "/films"}]
        page = call("GET", "/", None).text
        assert 'src="pages/' in page
        assert call("GET", "/pages/style.css", None).status_code == 200
        for method, status in (("GET", 200), ("HEAD", 200), ("OPTIONS", 204)):
            assert call(method, "/health", None).status_code == status
        two_mib = call("POST", "/predict", sent={"text": "a " * 2**20})
        assert two_mib.status_code in (200, 413)
        assert "nginx" not in two_mib.text, "nginx's own limit is in the way"


def test_an_open_server_refuses_what_nginx_forwards_by_default(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start
) -> None:
    """``proxy_pass`` alone adds no header and names this machine as the host: it admits nobody to an open server."""
    registry.point_alias("champion", registry.add(text_package))
    address = start(host="127.0.0.1").url
    port = free_port()
    servers = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {address}; }} }}"
    assert httpx.get(f"{address}/predictions", timeout=60).status_code == 200
    with nginx(tmp_path, servers, port):
        for path in ("/predictions", "/health", "/"):
            refused = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60)
            assert (refused.status_code, refused.json()["code"]) == (403, "request.forwarded")
