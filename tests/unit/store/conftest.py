"""A place for a store on each database, and an open store on each."""

from __future__ import annotations

import pytest
from postgres_server import postgres_url  # noqa: F401 - a fixture
from store_world import KEY, Place


@pytest.fixture(params=["file", "postgres"])
def place(request, tmp_path) -> Place:
    """Where a store that outlives its process lies."""
    if request.param == "file":
        return Place(tmp_path / "store.db", None)
    return Place(request.getfixturevalue("postgres_url"), KEY)


@pytest.fixture(params=["file", "memory", "postgres"])
def store(request, tmp_path):
    """An open store."""
    match request.param:
        case "file":
            opened = Place(tmp_path / "store.db", None).open()
        case "memory":
            opened = Place(":memory:", None).open()
        case _:
            opened = Place(request.getfixturevalue("postgres_url"), KEY).open()
    yield opened
    opened.close()
