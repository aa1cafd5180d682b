"""The rows that a training saw are kept as a snapshot, so that the version can be trained again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tiltyard.data import Dataset
from tiltyard.data.snapshots.snapshot import take_snapshot
from tiltyard.errors import DataError, MissingExtraError
from tiltyard.project import DataSection

_GIGABYTE = 1e9


@dataclass(frozen=True)
class KeptRows:
    """The rows that a training saw, as far as they were kept.

    Attributes:
        fingerprint: of all rows, both sides of the split; empty where none were looked at.
        uri: the snapshot, which ``data.source`` takes; None where there is none.
        why_not: the reason where there is none.
        created: whether it was written now.
    """

    fingerprint: str
    uri: str | None = None
    why_not: str = ""
    created: bool = False

    @property
    def summary(self) -> str:
        """A few words for people."""
        if self.uri is None:
            return f"not kept: {self.why_not}"
        return f"{'kept' if self.created else 'kept already'} as {self.fingerprint}"

    def to_params(self) -> dict[str, str]:
        """The parameters of the run."""
        return {
            "snapshot_fingerprint": self.fingerprint,
            "snapshot": self.uri or f"not kept: {self.why_not}",
        }


NOTHING_KEPT = KeptRows("", why_not="no place for snapshots was given")


def keep_rows(dataset: Dataset, section: DataSection, store: str | None) -> KeptRows:
    """Keep the rows of a dataset, all columns, in their order, if they are not kept already.

    A training does not fail because its rows cannot be kept: the reason is written down with it.

    Args:
        dataset: all rows, before they are split.
        section: says whether rows are to be kept, and up to which size.
        store: folder or URL of the snapshots; None where this host has no place for them.
    """
    fingerprint = dataset.fingerprint
    if not section.snapshots:
        return KeptRows(fingerprint, why_not="data.snapshots is false")
    if store is None:
        return KeptRows(fingerprint, why_not=NOTHING_KEPT.why_not)
    size = float(dataset.frame.memory_usage(deep=True).sum())
    if size > section.max_snapshot_gb * _GIGABYTE:
        return KeptRows(
            fingerprint,
            why_not=f"the rows take {size / _GIGABYTE:.1f} GB, more than data.max_snapshot_gb = "
            f"{section.max_snapshot_gb:g}",
        )
    free = _free_bytes(store)
    if free is not None and free < size:
        return KeptRows(
            fingerprint, why_not=f"the rows may take {size / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free"
        )
    try:
        taken = take_snapshot(dataset, store, ordered=True)
    except (DataError, MissingExtraError) as error:
        return KeptRows(fingerprint, why_not=error.message.rstrip("."))
    return KeptRows(fingerprint, taken.uri, created=taken.created)


def _free_bytes(store: str) -> int | None:
    """Bytes that are free where a folder stands or will stand; None for a URL."""
    if "://" in store:
        return None
    folder = Path(store)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
