"""One perception process and one demo world for all integration tests."""

from __future__ import annotations

import pytest

from consent_edit.demo.photos import astronaut
from consent_edit.demo.world import DemoWorld
from consent_edit.perception.process import PerceptionProcess


@pytest.fixture(scope="session")
def perception():
    with PerceptionProcess() as process:
        yield process


@pytest.fixture(scope="session")
def world(perception, tmp_path_factory):
    return DemoWorld.create(astronaut(), perception, tmp_path_factory.mktemp("demo"))
