"""How the API server is reached: as the service account of the pod, or by a kubeconfig."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tiltyard.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import kopf

TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""The token of the pod; the cluster writes a new one every hour."""
_SECONDS = 30.0


def find_access() -> kopf.ConnectionInfo:
    """Where the API server is, and by what it knows the operator.

    Raises:
        MissingExtraError: kopf is not installed.
        UsageError: there is neither a service account nor a kubeconfig that can be used.
    """
    try:
        import kopf  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("The operator", "operator") from None
    try:
        settings = kopf.OperatorSettings()
        found = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)
    except (OSError, LookupError, AttributeError, kopf.LoginError) as error:
        raise UsageError(
            f"The kubeconfig cannot be used: {error or type(error).__name__}.",
            next_step="Name another by KUBECONFIG, and try it with: kubectl cluster-info",
            code="cluster.access",
        ) from None
    if found is None or not found.server:
        raise UsageError(
            "No cluster is known: there is no service account, and no kubeconfig.",
            next_step="Set KUBECONFIG, or start the operator in the cluster.",
            code="cluster.access",
        )
    return found


def open_api_client(access: kopf.ConnectionInfo) -> httpx.AsyncClient:
    """A client of an API server.

    Args:
        access: its address, and the credentials.
    """
    return httpx.AsyncClient(
        base_url=access.server, verify=_make_context(access), auth=_Token(access), timeout=_SECONDS, trust_env=False
    )


class _Token(httpx.Auth):
    """A bearer token, read anew for each request where the cluster renews it."""

    def __init__(self, access: kopf.ConnectionInfo) -> None:
        self._token = access.token
        self._renewed = TOKEN.exists() and TOKEN.read_text("utf-8").strip() == access.token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = TOKEN.read_text("utf-8").strip() if self._renewed else self._token
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def _make_context(access: kopf.ConnectionInfo) -> ssl.SSLContext:
    data = _decode(access.ca_data) if access.ca_data else None
    context = ssl.create_default_context(cafile=access.ca_path, cadata=data)
    if access.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:  # the library reads certificates of clients from files alone
        certificate = access.certificate_path or _write(folder, "certificate", access.certificate_data)
        key = access.private_key_path or _write(folder, "key", access.private_key_data)
        if certificate:
            context.load_cert_chain(certificate, key)
    return context


def _write(folder: str, name: str, data: str | bytes | None) -> str | None:
    if not data:
        return None
    file = Path(folder, name)
    file.touch(mode=0o600)
    file.write_text(_decode(data), encoding="ascii")
    return str(file)


def _decode(data: str | bytes) -> str:
    text = data.decode("ascii") if isinstance(data, bytes) else data
    return text if text.startswith("-----BEGIN ") else base64.b64decode(text).decode("ascii")
