"""Exposure of everybody in a picture: read in the order given, the worst counts, no answer is no pass."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.checks import Checks
from consent_edit.perception.exposure.fusion import Answer, Look, reading_of, value_of
from consent_edit.perception.exposure.look import ROLE, ExposureCheck, prepared
from consent_edit.perception.exposure.views import BODY, TORSO, WHOLE, View
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import BodyObservation, Box, FaceObservation
from consent_edit.perception.worker import Worker
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, PersonKind, Recognisable

MARK = (250, 20, 20)
"""The colour that the scripted network takes for what it looks for."""

FIXED = {WHOLE, "top-left", "top-right", "bottom-left", "bottom-right", "centre"}


def plainly(crop):
    """Yahoo's preparation in Pillow's words alone, float32 (224, 224, 3)."""
    small = crop.resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    memory = io.BytesIO()
    small.save(memory, format="JPEG")
    return np.asarray(Image.open(memory))[:, :, ::-1].astype(np.float32) - np.array(
        [104, 117, 123], np.float32
    )


@pytest.mark.parametrize(
    "size",
    [(1024, 1024), (614, 614), (300, 1500), (1500, 300), (777, 431), (224, 230), (100, 40), (3, 2), (1, 900)],
)
def test_preparation_is_yahoos_to_the_last_bit(size):
    """Wide, tall, square and tiny crops: what the network is shown is what it was measured with."""
    noise = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    crop = Image.fromarray(noise)
    assert np.array_equal(prepared([crop])[0], plainly(crop))


class Scripted:
    """In place of OpenNSFW: scores four times the share of marked pixels in each view."""

    output_names = ("out",)

    def __init__(self, spoil=lambda column: column):
        self.views, self.spoil = 0, spoil

    def run(self, batch):
        blue, green, red = (batch[..., i] + mean for i, mean in enumerate((104, 117, 123)))
        marked = ((red > 180) & (green < 90) & (blue < 90)).mean(axis=(1, 2))
        column = np.minimum(marked * 4, 1).astype(np.float32)
        self.views += len(column)
        return {"out": np.stack([1 - column, self.spoil(column)], axis=1)}


@pytest.fixture(scope="module")
def loaded(image_store, limits, tmp_path_factory) -> ExposureCheck:
    """The check with OpenNSFW alone, whatever else is installed here."""
    folder = tmp_path_factory.mktemp("models")
    entry = image_store.lock.entry(ROLE)
    (folder / entry.file).symlink_to(image_store.find(ROLE))
    return ExposureCheck(ModelStore([folder]), limits)


@pytest.fixture
def check(loaded, monkeypatch) -> ExposureCheck:
    """The check with a scripted network."""
    monkeypatch.setattr(loaded, "_model", Scripted())
    return loaded


def face(x, y, side=60.0) -> FaceObservation:
    middle = x + side / 2, y + side / 2
    offsets = [(-12, -12), (12, -12), (0, 0), (-10, 14), (10, 14)]
    points = np.array([(middle[0] + a, middle[1] + b) for a, b in offsets], np.float32)
    return FaceObservation(Box(x, y, side, side), PersonKind.FACE, Recognisable.YES, 0.9, ("a",), points)


def canvas(*marks: tuple[int, int, int, int]):
    """A grey picture with marked rectangles: left, top, right, bottom."""
    pixels = np.full((1000, 1500, 3), 128, np.uint8)
    for left, top, right, bottom in marks:
        pixels[top:bottom, left:right] = MARK
    return pixels


PEOPLE = (face(200, 60), face(700, 60), face(1200, 60))
CHEST = (660, 180, 820, 260)
"""Below the face of the one in the middle."""


def test_everybody_has_a_reading_in_the_order_given(check):
    """The one whose chest is marked is the one who reads, wherever in the list."""
    pixels = canvas(CHEST)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        found = check.read(pixels, [PEOPLE[i] for i in order])
        values = [reading.value for reading in found.persons]
        assert [values[order.index(i)] for i in range(3)] == [Exposure.NONE, Exposure.NUDE, Exposure.NONE]
        assert all(set(reading.scores) == {BODY} for reading in found.persons)


def test_small_exposure_that_the_whole_picture_does_not_see(check):
    """A person's own crop reads what is too small for the picture and its fixed crops."""
    found = check.read(canvas((670, 130, 790, 260)), PEOPLE)
    assert found.picture.value is Exposure.NONE
    assert [reading.value for reading in found.persons] == [Exposure.NONE, Exposure.NUDE, Exposure.NONE]


def test_exposure_beside_everybody_found_is_elsewhere(check):
    """What stands in no crop of a person found falls on whoever was not found."""
    alone = [face(80, 60, 40)]
    found = check.read(canvas((1150, 650, 1500, 1000)), alone)
    assert found.elsewhere.value is Exposure.NUDE
    assert set(found.elsewhere.scores) == FIXED - {WHOLE, "top-left"}
    assert found.persons[0].value is Exposure.NONE


def test_without_anybody_all_crops_are_elsewhere(check):
    """A picture in which nobody is found still has its fixed crops read."""
    found = check.read(canvas(), ())
    assert set(found.picture.scores) == FIXED
    assert set(found.elsewhere.scores) == FIXED - {WHOLE}
    assert found.persons == ()


def test_person_who_is_in_every_crop_leaves_nobody_elsewhere(check):
    """Where somebody found stands in every fixed crop, nothing is elsewhere."""
    found = check.read(canvas(), [face(500, 300, 500)])
    assert (found.elsewhere.value, dict(found.elsewhere.scores)) == (Exposure.NONE, {})


def test_body_without_a_face_is_read(check):
    """A body whose face was not found has a crop like anybody else."""
    person = BodyObservation(Box(650, 300, 150, 400), 0.9, ("pose",))
    assert check.read(canvas((700, 400, 780, 560)), [person]).persons[0].value is Exposure.NUDE


def test_person_at_the_border_is_read(check):
    """Somebody cut by the border is read from what the picture shows of them."""
    found = check.read(canvas((1400, 900, 1500, 1000)), [face(1420, 840, 100)])
    assert found.persons[0].value is Exposure.NUDE


def test_crowd_is_bounded_and_everybody_read(check, limits):
    """Thirty people cost no more views than the bound, and the marked one still reads."""
    people = [face(30 + 245 * (i % 6), 20 + 195 * (i // 6), 30) for i in range(30)]
    marked = people[17].box
    x, y = round(marked.x), round(marked.y)
    pixels = canvas((x - 60, y + 40, x + 90, y + 190))
    found = check.read(pixels, people)
    assert check._model.views <= 6 + limits.exposure_person_views
    assert len(found.persons) == 30
    assert found.persons[17].value is Exposure.NUDE
    assert found.persons[0].value is Exposure.NONE


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_score_that_is_no_number_fails_the_check(check, bad):
    """One view without a number is no answer at all."""

    def spoil(column):
        spoilt = column.copy()
        spoilt[-1] = bad
        return spoilt

    check._model.spoil = spoil
    with pytest.raises(CheckFailed):
        check.read(canvas(), PEOPLE)


def test_model_that_raises_leaves_everybody_undetermined(check, limits, image_store):
    """When the network breaks, the picture and each person in it read undetermined."""

    class Broken(Checks):
        def load(self, name):
            return ()

        def detect(self, pixels):
            return PEOPLE

        def embed(self, pixels, face):
            return np.zeros((1, 4), np.float32)

        embed_second = embed

        def bodies(self, pixels, faces):
            return (BodyObservation(Box(0, 0, 10, 10), 0.9, ("pose",)),)

        def age(self, pixels, face):
            return face.apparent_age

        def expose(self, pixels, people):
            return check.read(pixels, people)

    def breaks(column):
        raise RuntimeError("broke")

    from consent_edit.intake.canonical import CanonicalImage

    check._model.spoil = breaks
    worker = Worker(Broken(image_store, limits), lambda name, phase: None)
    seen = worker.observe_image(CanonicalImage.of(canvas()))
    (run,) = [run for run in seen.checks if run.name is CheckName.EXPOSURE]
    assert run.outcome is CheckOutcome.FAILED
    readings = (seen.exposure.picture, *seen.exposure.persons, seen.exposure.elsewhere)
    assert [reading.value for reading in readings] == [Exposure.UNDETERMINED] * 6


def test_record_says_which_families_looked(loaded, image_store, limits):
    """With one family the record names one; the second is named only where it ran."""
    assert [use.role for use in loaded.uses] == [ROLE]
    assert all(not name.endswith(".second") for name in loaded.read(canvas(), ()).picture.scores)


def test_second_family_that_is_altered_is_an_error(image_store, limits, tmp_path):
    """Files of the second family that are there but not the pinned ones are not passed over."""
    (tmp_path / image_store.lock.entry(ROLE).file).symlink_to(image_store.find(ROLE))
    (tmp_path / image_store.lock.entry("exposure-second").file).write_bytes(b"other")
    with pytest.raises(ModelUnavailable):
        ExposureCheck(ModelStore([tmp_path]), limits)


def test_missing_model_fails_the_check(limits, tmp_path):
    """Without OpenNSFW there is no check."""
    with pytest.raises(ModelUnavailable):
        ExposureCheck(ModelStore([tmp_path]), limits)


# ---- fusion -----------------------------------------------------------------------------------------------

SURELY_NOT, PERHAPS, LIKELY, SURE = (Answer(nude, 0.0) for nude in (0.01, 0.2, 0.6, 0.9))


def look(score, second=None, *, name="centre", anybody=False) -> Look:
    return Look(View(name, (0, 0, 10, 10)), score, second, anybody)


def test_operating_point(limits):
    """The whole picture counts from .2, where recall was published, and no crop later than .3."""
    assert (limits.exposure_nude_whole, limits.exposure_nude_crop) == (0.2, 0.3)
    assert value_of(look(limits.exposure_nude_whole, name=WHOLE), limits) is Exposure.NUDE
    assert value_of(look(limits.exposure_nude_crop), limits) is Exposure.NUDE
    assert value_of(look(limits.exposure_nude_crop - 0.01), limits) is not Exposure.NUDE


@pytest.mark.parametrize("name", [WHOLE, "centre", BODY, TORSO])
@pytest.mark.parametrize("second", [None, SURELY_NOT, PERHAPS, SURE])
@pytest.mark.parametrize("score", [0.3, 0.4, 0.499, 0.9])
def test_second_family_never_excuses_a_view_of_somebody(limits, name, second, score):
    """Where anybody was found, what the first family finds stays found, whatever the second says."""
    assert value_of(look(score, second, name=name, anybody=True), limits) is Exposure.NUDE


def test_second_family_excuses_a_doubtful_view_of_nobody(limits):
    """Below .5, where nobody is found and the second family sees nothing either, a hit is dropped."""
    assert value_of(look(0.45, SURELY_NOT), limits) is Exposure.NONE
    assert value_of(look(0.45, SURELY_NOT, name=WHOLE), limits) is Exposure.NONE


@pytest.mark.parametrize(
    ("score", "second"),
    [
        (0.5, SURELY_NOT),
        (0.45, None),
        (0.45, PERHAPS),
        (0.45, Answer(0.01, 0.3)),
        (0.45, Answer(0.05, 0.05)),
    ],
)
def test_view_of_nobody_is_excused_by_nothing_less(limits, score, second):
    """From .5 on, without the second family, or with it in the least doubt, a hit is a hit."""
    assert value_of(look(score, second), limits) is Exposure.NUDE


def test_second_family_adds_hits_of_its_own(limits):
    """On the whole picture it counts when sure, or when likely and the first family not clear of it."""
    assert value_of(look(0.0, SURE, name=WHOLE), limits) is Exposure.NUDE
    assert value_of(look(0.1, LIKELY, name=WHOLE), limits) is Exposure.NUDE
    assert value_of(look(0.05, LIKELY, name=WHOLE), limits) is Exposure.NONE
    assert value_of(look(0.0, SURE), limits) is Exposure.NONE


def test_worst_view_counts(limits):
    """One view at its threshold makes the reading nude, among however many clear ones."""
    clear = [look(0.0, name=f"v{i}") for i in range(8)]
    assert reading_of([*clear, look(0.3)], limits).value is Exposure.NUDE
    suggestive = look(limits.exposure_suggestive_whole, name=WHOLE)
    assert reading_of([*clear, suggestive], limits).value is Exposure.SUGGESTIVE
    assert reading_of([*clear, suggestive, look(0.3)], limits).value is Exposure.NUDE


def test_scores_of_both_families_are_told(limits):
    """Every score stands in the reading under its view's name; of two crops of one name the higher."""
    twice = [look(0.1, Answer(0.2, 0.3), name=BODY), look(0.05, Answer(0.4, 0.1), name=BODY)]
    told = reading_of(twice, limits).scores
    assert told == {"body": 0.1, "body.second": 0.4, "body.suggestive": 0.3}
