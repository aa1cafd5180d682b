"""How versions go over the line between keeper and worker."""

from __future__ import annotations

from pydantic import TypeAdapter

from tiltyard.registry.ports import VersionInfo

VERSION: TypeAdapter[VersionInfo] = TypeAdapter(VersionInfo)
