"""Masks that read as next to nothing and repaint everything, or that a curve of tone could explain away."""

from __future__ import annotations

import numpy as np
import pytest

from consent_edit.errors import InputError, ModelUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.mask import painted_over, plain_mask
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import (
    Box,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    Origin,
    PictureExposure,
)
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Exposure, PersonKind, Recognisable, Region

HEAD = (slice(20, 180), slice(158, 290))
"""Where the astronaut's face and hair are, in her photograph of 512 px."""

POINTS = np.array([[206, 112], [244, 110], [226, 132], [210, 150], [242, 148]], np.float32)
GRID = 8
"""Latent pixels of an inpainting pipeline are squares of 8: it reads one pixel of each and repaints all."""


@pytest.fixture(scope="module")
def reach():
    """What the change check says a mask over the astronaut reaches; her face is told, no detector runs."""
    pytest.importorskip("ai_edge_litert")
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    from consent_edit.perception.change.look import ChangeMeter

    try:
        meter = ChangeMeter(ModelStore(), load_thresholds())
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")
    picture = CanonicalImage.of(np.ascontiguousarray(data.astronaut()))
    face = FaceObservation(Box(178, 63, 90, 110), PersonKind.FACE, Recognisable.YES, 0.9, ("160",), POINTS)
    reading = ExposureReading(Exposure.NONE, {"whole": 0.0})
    seen = ImageObservation(
        picture.digest, 512, 512, (face,), (), PictureExposure(reading, (reading,), reading), ()
    )

    def told(mask):
        plain = plain_mask(mask, picture)
        found = meter.observe(picture, painted_over(picture, plain), seen, seen, Origin.of(seen))
        return found.touched[0]

    return told


def over(where, value=255, step=1, rest=0):
    """A mask of ``value`` at every ``step``-th pixel of a part, ``rest`` elsewhere."""
    pixels = np.full((512, 512, 3), rest, np.uint8)
    pixels[where][::step, ::step] = value
    return CanonicalImage.of(pixels)


def test_solid_mask_over_her_head_reaches_her_face(reach):
    """The plain case, by which the others are judged."""
    assert Region.FACE in reach(over(HEAD))


def test_dots_over_her_head_reach_her_face(reach):
    """One white pixel in each square of the grid repaints all of it, and reaches what all of it would."""
    mask = over(HEAD, step=GRID)
    assert Region.FACE in reach(mask)


def test_dots_are_the_whole_mask_to_the_pipeline():
    """The pipeline's own way of shrinking a mask takes those dots for a mask of everything."""
    torch = pytest.importorskip("torch")
    dots = torch.zeros(1, 1, 512, 512)
    dots[..., ::GRID, ::GRID] = 1.0
    small = torch.nn.functional.interpolate(dots, size=(512 // GRID, 512 // GRID))
    assert float(small.mean()) == 1.0


def test_mask_of_everything_is_no_edit_of_tone(reach):
    """What lies under a mask is painted so that no curve of tone explains it, however much it covers."""
    everything = (slice(None), slice(None))
    assert {Region.FACE, Region.BODY} <= reach(over(everything))
    but_the_top = over((slice(60, None), slice(None)))
    assert {Region.FACE, Region.BODY} <= reach(but_the_top)


@pytest.mark.parametrize("grey", [127, 128, 200])
def test_grey_mask_is_what_the_pipeline_gets(reach, grey):
    """A grey pixel is in or out, and the plain mask that is judged is the one that is handed on."""
    picture = CanonicalImage.of(np.zeros((512, 512, 3), np.uint8))
    plain = plain_mask(over(HEAD, value=grey), picture)
    assert set(np.unique(plain.pixels)) <= {0, 255}
    assert bool(plain.pixels.any()) is (grey >= 128)
    assert (Region.FACE in reach(over(HEAD, value=grey))) is (grey >= 128)


def test_empty_mask_reaches_nobody(reach):
    """Nothing under the mask, nobody reached: the check says what it sees."""
    assert reach(over(HEAD, value=0)) == frozenset()


@pytest.mark.parametrize("size", [(511, 512), (512, 511), (1024, 1024)])
def test_mask_of_another_size_is_never_stretched(size):
    """A mask that would have to be stretched could lie elsewhere in the pipeline than in the check."""
    picture = CanonicalImage.of(np.zeros((512, 512, 3), np.uint8))
    with pytest.raises(InputError):
        plain_mask(CanonicalImage.of(np.full((*size, 3), 255, np.uint8)), picture)
