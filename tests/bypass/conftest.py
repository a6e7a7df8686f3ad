"""One tiny real InstructPix2Pix for all attacks; each test gets a fresh scene around it."""

from __future__ import annotations

import pytest
from fake_perception import Scene
from tiny_pipelines import tiny_instruct_pix2pix


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    made = Scene.make(tiny, genuine)
    yield made
    tiny.image_processor = genuine
