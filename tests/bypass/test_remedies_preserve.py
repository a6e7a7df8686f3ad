"""Preserve, attacked: a repaint hidden by it, a face it should not help, and what the checks see of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_perception import LEFT, NOBODY, RIGHT, Box, Scene, ScriptedPerception, seen_face
from PIL import Image

from consent_edit.errors import EditRefused
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode
from consent_edit.perception.observation import BodyObservation
from consent_edit.remedies.anonymise import anonymised
from consent_edit.vocabulary import Intent, Operation, PersonKind, Recognisable, Region

HER = seen_face(1, Box(4, 4, 14, 14))
BODY = BodyObservation(Box(40, 8, 18, 50), 0.9, ("pose",))
INSIDE = np.s_[8:58, 40:58]


class Comparing(ScriptedPerception):
    """The scripted perception, but bodies and doubtful people are touched where their very pixels changed."""

    def __init__(self) -> None:
        super().__init__()
        self.compared: list[CanonicalImage] = []

    def observe_image(self, image):
        """Of a picture it was told nothing of it says that the consenting person is there."""
        if image.digest not in self.faces:
            self.faces[image.digest] = (HER,)
        return super().observe_image(image)

    def observe_change(self, before, after, seen_before, seen_after, origin):
        """What differs, box by box."""
        self.compared.append(after)
        told = super().observe_change(before, after, seen_before, seen_after, origin)
        touched = []
        for person in seen_before.people:
            x, y, width, height = person.box.as_ints()
            part = np.s_[max(0, y) : y + height, max(0, x) : x + width]
            changed = (before.pixels[part] != after.pixels[part]).any()
            doubtful = getattr(person, "recognisable", Recognisable.NO) is Recognisable.NO
            touched.append(frozenset({Region.BODY}) if changed and doubtful else NOBODY)
        return replace(told, touched=tuple(touched))


@pytest.fixture
def watched(tiny):
    genuine = tiny.image_processor
    scene = Scene.make(tiny, genuine, perception=Comparing())
    scene.perception.faces[scene.before.digest] = (HER,)
    scene.perception.bodies[scene.before.digest] = (BODY,)
    scene.perception.reads["a red hat"] = (Intent.ORDINARY, frozenset({Operation.OBJECT}))
    yield scene
    tiny.image_processor = genuine


def kept(scene, **changes):
    grant = scene.person(1).grant(operations={Operation.OBJECT, Operation.TONE})
    asked = {"prompt": "a red hat", "preserve": "bystanders", "presentations": (grant.presentation(),)}
    return scene.edit(**{**asked, **changes})


def test_a_body_is_put_back(watched):
    """The pipeline repainted everything; what leaves shows her pixels as they were, and says so."""
    result = kept(watched)
    pixels = decode(result.released).image.pixels
    assert (pixels[INSIDE] == watched.before.pixels[INSIDE]).all()
    assert (pixels[4:18, 4:18] == watched.after.pixels[4:18, 4:18]).all()
    assert json.loads(result.receipt)["receipt"]["remedies"] == ["preserve"]
    assert watched.operator.store.decision(result.decision_id)["remedies"] == ["preserve"]
    assert "edited" not in json.loads(result.receipt)["receipt"]["log"]["leaf"]["commitments"]


def test_it_is_off_unless_asked(watched):
    """Without the word the repainted body refuses, and the refusal names what could be asked for."""
    with pytest.raises(EditRefused) as refused:
        kept(watched, preserve="")
    assert "floor.hands-off" in watched.exact(refused.value)
    assert any("preserve='bystanders'" in remedy for remedy in refused.value.remedies)


def test_what_the_checks_compare_is_what_leaves(watched):
    """Nothing is put in after the checks looked: the compared picture is the released file's."""
    result = kept(watched)
    (compared,) = watched.perception.compared
    assert compared.digest == decode(result.released).image.digest


@pytest.mark.parametrize("file_format", ["jpeg", "webp"])
def test_a_lossy_file_is_judged_by_what_it_decodes_to(watched, file_format):
    """What the encoder made of the pixels put back is what was compared, not what was put back."""
    with pytest.raises(EditRefused):  # here the least change of a pixel is a touch
        kept(watched, file_format=file_format)
    (compared,) = watched.perception.compared
    assert (compared.pixels[INSIDE] != watched.before.pixels[INSIDE]).any()


def test_a_change_beside_her_is_not_hidden(watched):
    """What nobody found explains is still seen: only the people found are put back."""
    watched.perception.unseen = frozenset({Region.BODY})
    with pytest.raises(EditRefused) as refused:
        kept(watched)
    assert "floor.hands-off" in watched.exact(refused.value)


def test_a_recognisable_face_is_not_helped(watched):
    """Whoever can be recognised must consent; being put back is no consent."""
    watched.perception.faces[watched.before.digest] = (HER, seen_face(2, RIGHT))
    with pytest.raises(EditRefused) as refused:
        kept(watched)
    assert "floor.consent-required" in watched.exact(refused.value)
    assert watched.record(refused.value)["stage"] == "input"


def test_a_face_that_appears_in_the_output_is_not_helped(watched):
    """A stranger painted into the output is refused though everybody else was put back."""
    observe = watched.perception.observe_image

    def looked(image):
        seen = observe(image)
        strange = (HER, seen_face(5, LEFT)) if image.digest != watched.before.digest else seen.faces
        reading = seen.exposure.picture
        people = (reading,) * (len(strange) + len(seen.bodies))
        return replace(seen, faces=strange, exposure=replace(seen.exposure, persons=people))

    watched.perception.observe_image = looked
    with pytest.raises(EditRefused) as refused:
        kept(watched)
    assert "floor.consent-required" in watched.exact(refused.value)


@pytest.mark.parametrize(
    "doubtful",
    [{"kind": PersonKind.POSSIBLE_FACE}, {"recognisable": Recognisable.NO}],
    ids=["possible", "small"],
)
def test_people_who_cannot_be_recognised_are_put_back(watched, doubtful):
    """Possible faces and faces too small are put back like bodies."""
    watched.perception.faces[watched.before.digest] = (HER, seen_face(2, Box(44, 20, 6, 8), **doubtful))
    watched.perception.bodies[watched.before.digest] = ()
    assert kept(watched).released


def test_a_tone_edit_is_done_to_everybody(watched):
    """Where the whole picture's tone is all that is asked, nobody is put back in the old one."""
    watched.perception.bodies[watched.before.digest] = ()
    watched.perception.faces[watched.before.digest] = (HER, seen_face(2, RIGHT, recognisable=Recognisable.NO))
    watched.perception.observe_change = lambda *seen: ScriptedPerception.observe_change(
        watched.perception, *seen
    )
    result = kept(watched, prompt="make it warmer")
    assert json.loads(result.receipt)["receipt"]["remedies"] == []
    assert decode(result.released).image.digest == watched.after.digest


def test_with_anonymise_the_painted_person_is_put_back(watched):
    """After both, the oval and the body below it are as they went to the pipeline, and both are told."""
    victim = seen_face(2, Box(42, 6, 12, 12))
    watched.perception.faces[watched.before.digest] = (HER, victim)
    watched.perception.bodies[watched.before.digest] = ()
    over = anonymised(watched.before, (HER, victim), {0})
    result = kept(watched, anonymise="bystanders")
    pixels = decode(result.released).image.pixels
    assert (pixels[0:60, 42:54] == over.pixels[0:60, 42:54]).all()
    assert (over.pixels[6:18, 42:54] != watched.before.pixels[6:18, 42:54]).any()
    assert json.loads(result.receipt)["receipt"]["remedies"] == ["anonymise", "preserve"]


def test_the_pipeline_s_own_pixels_are_not_trusted_with_her(watched):
    """Whatever the pipeline returns, her pixels come from the picture that was admitted."""
    watched.returned[0] = Image.fromarray(255 - watched.before.pixels)
    pixels = decode(kept(watched).released).image.pixels
    assert (pixels[INSIDE] == watched.before.pixels[INSIDE]).all()
