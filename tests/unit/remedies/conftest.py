"""Two shipped photographs side by side, and the real perception to look at them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from consent_edit.intake.canonical import CanonicalImage


@pytest.fixture(scope="session")
def perception():
    from consent_edit.perception.process import Deadlines, PerceptionProcess

    with PerceptionProcess(deadlines=Deadlines(start=300, load=300, run=120)) as process:
        yield process


@pytest.fixture(scope="session")
def two_people() -> CanonicalImage:
    """The astronaut to the left of Grace Hopper, 1024 x 512."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    cbook = pytest.importorskip("matplotlib.cbook", reason="matplotlib carries the Grace Hopper portrait")
    with Image.open(cbook.get_sample_data("grace_hopper.jpg")) as picture:
        hopper = picture.convert("RGB").resize((512, 606)).crop((0, 0, 512, 512))
    return CanonicalImage.of(np.hstack([data.astronaut(), np.asarray(hopper)]))


@pytest.fixture(scope="session")
def seen(perception, two_people):
    """What is seen of them: two faces, the left one first."""
    found = perception.observe_image(two_people)
    if any(run.outcome != "ran" for run in found.checks):
        pytest.skip("weights are missing; run: consent-edit models pull")
    return found
