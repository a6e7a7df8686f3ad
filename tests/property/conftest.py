"""Where racing stores lie: a SQLite file and a PostgreSQL database."""

from __future__ import annotations

import pytest
from postgres_server import postgres_url  # noqa: F401 - a fixture


@pytest.fixture(params=["sqlite", "postgres"])
def where(request, tmp_path) -> str:
    """A path or an address."""
    return str(tmp_path / "s.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
