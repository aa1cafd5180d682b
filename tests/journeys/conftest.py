"""What the journeys share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.films import Films, make_films


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, version 1."""
    made = make_films(tmp_path_factory.mktemp("films"), store=fresh_store)
    made.call("train", "--champion")
    return made
