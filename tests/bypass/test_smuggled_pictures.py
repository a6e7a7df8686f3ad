"""What is handed in as a further picture and is none, is another at each look, or goes elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_perception import seen_face
from further_pictures import CONTROL, OTHER, THIRD, TONE, also, around, ask, grant, shown
from PIL import Image

from consent_edit.errors import ArgumentRejected, CheckFailed, InputError
from consent_edit.gate import Gate
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.reception import Received
from consent_edit.request import MAX_PICTURES, EditRequest
from consent_edit.vocabulary import Intent


@pytest.fixture
def steered():
    """Person 1 in the picture edited, and a control picture to be added."""
    yield from around("sd-controlnet-img2img")


@pytest.mark.parametrize(
    "smuggled",
    [
        torch.zeros(1, 4, 32, 32),
        torch.zeros(1, 3, 64, 64),
        np.zeros((64, 64, 3), np.uint8),
        [torch.zeros(1, 4, 32, 32)],
        (OTHER, np.zeros((64, 64, 3), np.float32)),
        [[OTHER]],
        {"image": OTHER},
        None,
        "https://example.org/face.png",
    ],
    ids=["latents", "tensor", "array", "listed", "behind", "nested", "mapping", "nothing", "address"],
)
def test_latents_as_a_control_picture(steered, smuggled):
    """What nobody can look at as a picture is no further picture."""
    with pytest.raises(InputError) as error:
        steered.request(pictures={"control_image": smuggled})
    assert error.value.code == "input.type"


def test_a_file_that_is_no_picture(steered):
    """Bytes are decoded like those of the picture edited."""
    with pytest.raises(InputError) as error:
        ask(steered, pictures={"control_image": b"no picture"})
    assert error.value.code.startswith("input.") and steered.perception.looked == []


def test_pixels_changed_after_they_were_looked_at(steered, monkeypatch):
    """The pipeline is sent the pixels that were checked, whatever becomes of the caller's picture."""
    mutable = Image.fromarray(OTHER.pixels)
    sent = []
    genuine = type(steered.editor.pipeline).prepare_control_image
    monkeypatch.setattr(
        type(steered.editor.pipeline),
        "prepare_control_image",
        lambda self, image, *a, **k: sent.append(np.asarray(image)) or genuine(self, image, *a, **k),
    )
    steered.perception.reads["make it warmer"] = (Intent.ORDINARY, TONE)
    reading = steered.perception.read_prompt

    def then_paint(*arguments, **keywords):
        mutable.paste((255, 0, 0), (0, 0, 64, 64))
        return reading(*arguments, **keywords)

    monkeypatch.setattr(steered.perception, "read_prompt", then_paint)
    assert ask(steered, grant(steered, 1, steered.before), pictures={"control_image": mutable}).released
    assert len(sent) == 1 and np.array_equal(sent[0], OTHER.pixels)
    assert OTHER.digest in steered.perception.looked


def test_pictures_swapped_after_admission(steered, monkeypatch):
    """A clearance does not run a call whose control picture became another one."""
    admit, images = Gate.admit, Received.images
    swapped = []
    later = property(lambda self: {**images.fget(self), **({"control_image": THIRD} if swapped else {})})
    monkeypatch.setattr(Received, "images", later)
    monkeypatch.setattr(Gate, "admit", lambda *a, **k: (admit(*a, **k), swapped.append(1))[0])
    with pytest.raises(CheckFailed) as error:
        ask(steered, grant(steered, 1, steered.before))
    assert error.value.code == "check.clearance-mismatch"


def test_another_picture_was_looked_at(steered, monkeypatch):
    """An observation of some other picture is none of this one."""
    look = steered.perception.observe_image
    monkeypatch.setattr(
        steered.perception,
        "observe_image",
        lambda image: (
            replace(look(image), digest=THIRD.digest) if image.digest == OTHER.digest else look(image)
        ),
    )
    with pytest.raises(CheckFailed) as error:
        ask(steered, grant(steered, 1, steered.before))
    assert error.value.code == "check.observation"


def test_too_many_pictures(steered):
    """More further pictures than the limit are refused before any is looked at, however they are spread."""
    many = (OTHER,) * (MAX_PICTURES + 1)
    for pictures in ({"control_image": many}, {"control_image": many[:5], "image": many[5:]}):
        with pytest.raises(InputError) as error:
            steered.request(pictures=pictures)
        assert error.value.code == "input.pictures"
    assert len(steered.request(pictures={"control_image": many[1:]}).further["control_image"]) == MAX_PICTURES


class Twofaced(dict):
    """Gives another picture at each reading."""

    def __init__(self, *pictures):
        super().__init__({"control_image": pictures[0]})
        self.pictures = list(pictures)

    def keys(self):
        return ["control_image"]

    def __getitem__(self, name):
        return self.pictures.pop(0) if len(self.pictures) > 1 else self.pictures[0]


def test_a_mapping_that_changes_between_two_reads(steered):
    """It is read once: the picture that is looked at is the picture that is run and signed for."""
    also(steered, THIRD, seen_face(7))
    request = steered.request(pictures=Twofaced(OTHER, THIRD))
    assert request.further == {"control_image": (OTHER,)}
    assert type(request.pictures) is dict and request.digest() == request.digest()


@pytest.mark.parametrize("make", [lambda: (one for one in (OTHER,)), lambda: iter([OTHER]), lambda: {OTHER}])
def test_an_iterator_as_a_list_of_pictures(steered, make):
    """What can be read once only, or in any order, is no list."""
    with pytest.raises(InputError) as error:
        steered.request(pictures={"control_image": make()})
    assert error.value.code == "input.type"


def test_pictures_added_after_asking(steered):
    """What is put into the caller's list or mapping later is no part of the request."""
    also(steered, THIRD, seen_face(7))
    listed, mapping = [OTHER], {}
    mapping["control_image"] = listed
    request = steered.request(pictures=mapping, presentations=shown(grant(steered, 1, steered.before)))
    listed.append(THIRD)
    mapping["image"] = THIRD
    assert request.further == {"control_image": (OTHER,)}


@pytest.mark.parametrize(
    "name",
    ["image", "latents", "prompt", "strength", "mask_image", "ip_adapter_image", "control_image[1]", ""],
)
def test_a_picture_under_another_argument(steered, name):
    """A further picture goes to an argument that takes one, and to no other."""
    with pytest.raises(ArgumentRejected) as error:
        ask(steered, pictures={**CONTROL, name: THIRD})
    assert error.value.code == "input.argument" and steered.perception.looked == []


@pytest.mark.parametrize("name", ["control_image", "image"])
def test_a_picture_in_the_settings(steered, name):
    """Settings hold no picture, whether the request gives one or leaves it out."""
    for pictures in (CONTROL, {}):
        with pytest.raises(ArgumentRejected):
            steered.edit(pictures=pictures, settings={"num_inference_steps": 1, name: THIRD})
    assert steered.perception.looked == []


def test_a_control_picture_left_out(steered):
    """A family that is steered does not run without what steers it."""
    for pictures in ({}, {"control_image": ()}):
        with pytest.raises(ArgumentRejected) as error:
            ask(steered, pictures=pictures)
        assert error.value.code == "input.image-missing" and "pictures" in error.value.remedy


def test_a_further_picture_for_a_pipeline_without_one(scene):
    """What no argument takes is refused, not ignored."""
    with pytest.raises(ArgumentRejected):
        scene.edit(pictures=CONTROL)


def test_what_a_proof_is_signed_over(steered):
    """Other further pictures, another order or another argument are another request."""
    asked = [
        {},
        {"control_image": OTHER},
        {"control_image": THIRD},
        {"control_image": (OTHER, THIRD)},
        {"control_image": (THIRD, OTHER)},
        {"image": OTHER},
    ]
    digests = [steered.request(pictures=one).digest() for one in asked]
    assert len(set(digests)) == len(digests)
    file = steered.request(pictures={"control_image": Image.fromarray(OTHER.pixels)})
    assert file.digest() == digests[1]


class Lying(EditRequest):
    """Shows another picture at each look."""

    looks = 0

    @property
    def further(self):
        type(self).looks += 1
        return {"control_image": (OTHER if type(self).looks % 2 else THIRD,)}


def test_a_request_whose_pictures_change_between_two_reads(steered, monkeypatch):
    """Whatever a subclass shows, nothing runs but what was looked at."""
    sent = []
    kind = type(steered.editor.pipeline)
    prepare = kind.prepare_control_image

    def noting(self, image, *arguments, **keywords):
        sent.append(CanonicalImage.of(np.asarray(image)).digest)
        return prepare(self, image, *arguments, **keywords)

    monkeypatch.setattr(kind, "prepare_control_image", noting)
    one = shown(grant(steered, 1, steered.before))
    few = {"num_inference_steps": 1, "strength": 1.0}
    plain = steered.request(presentations=one, pictures=CONTROL, settings=few)
    lying = Lying(**{name: getattr(plain, name) for name in EditRequest.__dataclass_fields__})
    for _ in range(2):
        steered.perception.looked.clear()
        assert steered.editor.edit(lying).released
        assert sent.pop() == steered.perception.looked[1]
