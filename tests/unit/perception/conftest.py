"""Shared pictures, weights and one running perception process for the perception tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import Thresholds, load_thresholds

IMAGE_ROLES = (
    "face-detection",
    "face-detection-short",
    "face-detection-centre",
    "face-mesh",
    "face-embedding",
    "face-embedding-second",
    "face-landmarks-five",
    "exposure",
)


@pytest.fixture(scope="session")
def limits() -> Thresholds:
    return load_thresholds()


@pytest.fixture(scope="session")
def image_store() -> ModelStore:
    store = ModelStore()
    for role in IMAGE_ROLES:
        try:
            store.load(role)
        except ModelUnavailable as error:
            pytest.skip(f"{error.message}; run: consent-edit models pull")
    return store


@pytest.fixture(scope="session")
def detector(image_store, limits):
    from consent_edit.perception.faces.look import FaceDetector

    return FaceDetector(image_store, limits)


@pytest.fixture(scope="session")
def perception(image_store) -> Iterator[object]:
    from consent_edit.perception.process import PerceptionProcess

    with PerceptionProcess(image_store) as process:
        yield process


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="session")
def hopper() -> NDArray[np.uint8]:
    cbook = pytest.importorskip("matplotlib.cbook", reason="matplotlib carries the Grace Hopper portrait")
    from PIL import Image

    with Image.open(cbook.get_sample_data("grace_hopper.jpg")) as picture:
        return np.asarray(picture.convert("RGB")).copy()


@pytest.fixture(scope="session")
def astronaut_image(astronaut) -> CanonicalImage:
    return CanonicalImage.of(astronaut)


@pytest.fixture(scope="session")
def astronaut_seen(perception, astronaut_image):
    return perception.observe_image(astronaut_image)


@pytest.fixture(scope="session")
def hopper_seen(perception, hopper):
    return perception.observe_image(CanonicalImage.of(hopper))
