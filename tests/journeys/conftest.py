"""What the journeys share."""

from __future__ import annotations

import pytest

from tests.films import Films, make_films


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """A project with a champion, version 1."""
    made = make_films(tmp_path_factory.mktemp("films"))
    made.run("train", "--champion")
    return made
