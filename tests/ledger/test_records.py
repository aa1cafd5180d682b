"""Names of records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from tiltyard.ledger import new_id


def test_ids_rise_and_are_of_version_7() -> None:
    """Each id of a process sorts after the one before, and is a UUID of version 7 in its usual text."""
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    assert {UUID(id_).version for id_ in ids} == {7}
    assert all(str(UUID(id_)) == id_ for id_ in ids[:10])


def test_threads_never_share_an_id() -> None:
    """Ids made by several threads at once are all different."""
    with ThreadPoolExecutor(8) as pool:
        made = [id_ for ids in pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)) for id_ in ids]
    assert len(set(made)) == len(made)
