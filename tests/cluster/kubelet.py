"""What a kubelet would say of pods, and the health that their programs would say of themselves."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.cluster.kubernetes import ControlPlane


@dataclass
class Kubelet:
    """Runs pods as a kubelet does, as far as the cluster can see.

    Attributes:
        cluster: the control plane.
        namespace: whose pods it runs.
        works: whether an image comes up.
        version: the version that servers of an image serve.
        hung: names of pods that say that they hang.
    """

    cluster: ControlPlane
    namespace: str
    works: Callable[[str], bool] = lambda _image: True
    version: Callable[[str], str | None] = lambda _image: "1"
    hung: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)
    _servers: dict[str, ThreadingHTTPServer] = field(default_factory=dict)
    _number: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Kubelet]:
        """Run the pods of the namespace for the block."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.1):
                with contextlib.suppress(httpx.HTTPError):
                    self.step()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(30)
            for server in self._servers.values():
                server.shutdown()
                server.server_close()

    def step(self) -> None:
        """Read all pods once."""
        pods = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        here = {pod["metadata"]["uid"] for pod in pods}
        for uid in set(self._servers) - here:
            server = self._servers.pop(uid)
            server.shutdown()
            server.server_close()
            self.ended.append(uid)
        for pod in pods:
            status = self._status(pod)
            address = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
            if status is not None:
                self.cluster.client.patch(
                    address, headers={"Content-Type": "application/merge-patch+json"}, json={"status": status}
                )

    def _status(self, pod: dict[str, Any]) -> dict[str, Any] | None:
        """The status of a pod; None where it is as it is to be."""
        (container,) = pod["spec"]["containers"]
        works = self.works(container["image"])
        phase = "Running" if works else "Pending"
        part = pod["metadata"]["labels"]["app.kubernetes.io/name"].rsplit("-", 1)[-1]
        ready = works and not (part == "api" and self.version(container["image"]) is None)
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
        if pod["status"].get("phase") == phase and conditions.get("Ready") == str(ready) and conditions:
            return None
        state: dict[str, Any] = {"running": {}} if works else {"waiting": {"reason": "ImagePullBackOff"}}
        seen = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        address = self._serve(pod, part) if works and part != "console" else "127.77.0.1"
        return {
            "phase": phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": [{**seen, "ready": ready, "started": works, "state": state}],
            "conditions": [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")],
        }

    def _serve(self, pod: dict[str, Any], part: str) -> str:
        """Serve the health of a pod at a separate address."""
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        (container,) = pod["spec"]["containers"]
        image, port = container["image"], container["ports"][0]["containerPort"]
        kubelet = self
        if uid in self._servers:
            return str(self._servers[uid].server_address[0])

        class Program(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                live = name not in kubelet.hung
                version = kubelet.version(image)
                said = {"live": live, "model_loaded": version is not None, "version": version}
                self.send_response(200 if live and (self.path != "/health" or version) else 503)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._number += 1
        address = f"127.{64 + os.getpid() % 64}.{1 + self._number // 250}.{1 + self._number % 250}"
        server = ThreadingHTTPServer((address, port), Program)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._servers[uid] = server
        return address
