"""A Ray cluster of several nodes on this machine, each with one processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_STORE_BYTES = 80_000_000


class Nodes:
    """A running cluster; its head does no work, so that any node may be lost.

    Attributes:
        address: of the cluster.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._nodes: list[Any] = []
        self.address: str = cluster.address

    def add(self) -> None:
        """Start one more node, and wait until it is there."""
        self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES))

    def kill(self) -> None:
        """Kill all processes of the node that was started last."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def __len__(self) -> int:
        return len(self._nodes)


@contextmanager
def start_cluster(nodes: int) -> Iterator[Nodes]:
    """A cluster of so many nodes that work."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'tiltyard[ray]'")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    arguments = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=arguments)
    try:
        running = Nodes(cluster)
        for _ in range(nodes):
            running.add()
        yield running
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
