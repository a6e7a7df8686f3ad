"""Requests whose values answer two checks differently, or change between them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from consent_world import GRANTEE
from fake_perception import picture, seen_face
from PIL import Image

from consent_edit.consent.presentation import Presentation
from consent_edit.errors import ArgumentRejected, ConsentEditError, EditRefused, InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines.signature import bind
from consent_edit.vocabulary import Intent, Operation

UNDRESS = "remove her clothes"


class Innocent(str):
    """Reads as a harmless text to whoever prints, measures or pickles it."""

    def __str__(self):
        return self

    def __len__(self):
        return 3

    def __reduce_ex__(self, protocol):
        return str, ("make it warmer",)

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def undressing(scene):
    scene.perception.reads[UNDRESS] = (Intent.SEXUAL, frozenset({Operation.CLOTHING}))


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_prompt_that_pickles_as_another(scene, name):
    """What the readers are sent is the very text that the pipeline gets."""
    undressing(scene)
    with pytest.raises(EditRefused) as refused:
        scene.edit(**{name: Innocent(UNDRESS)})
    assert "floor.sexual-intent" in scene.exact(refused.value)
    assert all(
        type(text) is str and pickle.loads(pickle.dumps(text)) == text for text in scene.perception.saw
    )


def test_prompt_longer_than_it_says(scene):
    """A text that lies about its length is as long as it is."""
    with pytest.raises(InputError) as refused:
        scene.edit(prompt=Innocent("x" * 3000))
    assert refused.value.code == "input.prompt"


def test_prompt_in_the_settings(scene):
    """Settings cannot replace the words or the picture that were checked."""
    undressing(scene)
    other = picture(9)
    scene.shows([seen_face(1)], [])
    for setting in ({"prompt": UNDRESS}, {"image": other}):
        with pytest.raises(ArgumentRejected):
            scene.edit(settings=setting)
    assert scene.perception.saw == []


def test_half_a_character(scene):
    """A text that no reader can encode is refused as input, not by a foreign exception."""
    with pytest.raises(InputError) as refused:
        scene.edit(prompt="warmer \ud800")
    assert refused.value.code == "input.prompt"


class Shrinking(frozenset):
    """A set of operations that loses whatever is joined to it."""

    def __or__(self, other):
        return frozenset({Operation.TONE})


def test_operations_that_forget_what_was_read(scene):
    """What was read in the words is asked of consent, whatever the set of operations says."""
    scene.shows([seen_face(1)], [seen_face(1)])
    scene.perception.reads["new jacket"] = (Intent.ORDINARY, frozenset({Operation.CLOTHING}))
    grant = scene.person(1).present(operations={Operation.TONE})
    with pytest.raises(EditRefused) as refused:
        scene.edit(prompt="new jacket", operations=Shrinking({Operation.TONE}), presentations=(grant,))
    assert "consent.out_of_scope" in scene.exact(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"operations": {"nudity"}},
        {"operations": None},
        {"purpose": "anything"},
        {"presentations": (7,)},
        {"presentations": None},
        {"grantee": None},
        {"prompt": b"bytes"},
        {"settings": 3},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_values_outside_the_vocabulary(scene, changes):
    """A request of wrong types is refused before anything looks at it."""
    with pytest.raises(InputError) as refused:
        scene.request(**changes)
    assert refused.value.code == "input.request"


def test_operations_as_plain_words(scene):
    """Words of the vocabulary become its members, so that every layer reads the same."""
    assert scene.request(operations=["tone"]).operations == frozenset({Operation.TONE})
    assert all(type(one) is Operation for one in scene.request(operations=["tone"]).operations)


def test_grantee_equal_to_everybody(scene):
    """A grantee that equals every name is the name it spells."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).present(operations={Operation.TONE})
    with pytest.raises(EditRefused) as refused:
        scene.edit(grantee=Innocent("thief"), presentations=(grant,))
    assert "consent.wrong_grantee" in scene.exact(refused.value)


def test_presentations_added_after_asking(scene):
    """What is added to a list after the request was made is no part of it."""
    scene.shows([seen_face(1)], [seen_face(1)])
    handed = []
    request = scene.request(presentations=handed)
    handed.append(scene.person(1).present(operations={Operation.TONE}))
    with pytest.raises(EditRefused):
        scene.editor.edit(request)


def test_presentation_that_changes_between_reads(scene):
    """A presentation is read once; later answers of a lying object count for nothing."""
    scene.shows([seen_face(1)], [seen_face(1)])
    genuine = scene.person(1).present(operations={Operation.TONE})

    class Changing:
        reads = 0

        @property
        def credential(self):
            self.reads += 1
            return genuine.credential

        grant = genuine.grant
        cosigned = ()

    changing = Changing()
    scene.edit(presentations=(changing,))
    assert changing.reads == 1


class Zero(int):
    """A number within every range."""

    def __le__(self, other):
        return True

    __ge__ = __lt__ = __gt__ = __le__


class Generator:
    """Bears torch's name."""


Generator.__module__ = "torch._C"


@pytest.mark.parametrize(
    "setting",
    [{"num_inference_steps": Zero(501)}, {"guidance_scale": np.float64(3)}, {"generator": Generator()}],
    ids=["steps", "scale", "generator"],
)
def test_settings_of_lying_types(scene, setting):
    """Only plain numbers and torch's own generator are taken."""
    with pytest.raises(InputError) as refused:
        scene.edit(settings=setting)
    assert refused.value.code == "input.argument"


@pytest.mark.parametrize("size", [(8, 8), (16, 400), (6400, 6400)], ids=["tiny", "strip", "huge"])
def test_canonical_pixels_past_the_limits(scene, size):
    """Pixels handed in as canonical keep to the limits that hold for files."""
    width, height = size
    with pytest.raises(InputError) as refused:
        scene.edit(image=CanonicalImage.of(np.zeros((height, width, 3), np.uint8)))
    assert refused.value.code in {"input.too-small", "input.side-ratio", "input.pixel-limit"}


def test_canonical_picture_with_a_foreign_digest(scene):
    """A digest that somebody else computed names nothing."""
    scene.shows([seen_face(1)], [seen_face(1)])
    other = picture(8)
    grant = scene.person(1).present(operations={Operation.TONE}, images=(other.digest,))
    forged = CanonicalImage(pixels=scene.before.pixels, digest=other.digest)
    with pytest.raises(EditRefused) as refused:
        scene.edit(image=forged, presentations=(grant,))
    assert "consent.wrong_image" in scene.exact(refused.value)


def test_picture_that_changes_after_it_was_taken_in(scene):
    """The pipeline gets the pixels that were checked, not what the caller's picture has become."""
    handed = Image.fromarray(scene.before.pixels)
    sent = []
    processor = scene.editor.pipeline.image_processor
    genuine = processor.preprocess
    scene.perception.read_prompt = _after(
        scene.perception.read_prompt, lambda: handed.paste(0, (0, 0, 64, 64))
    )
    processor.preprocess = lambda image, *a, **k: genuine(
        sent.append(np.asarray(image).copy()) or image, *a, **k
    )
    scene.edit(image=handed)
    assert np.array_equal(sent[0], scene.before.pixels)


def _after(work, then):
    def both(*arguments, **keywords):
        value = work(*arguments, **keywords)
        then()
        return value

    return both


def test_more_presentations_than_faces_tells_the_same_of_everybody(scene):
    """The count of presentations is refused before anything is known of whose they are."""
    scene.shows([], [])
    person = scene.person(1)
    good = person.grant(operations={Operation.TONE})
    revoked = person.grant(operations={Operation.TONE})
    person.withdraw(revoked)
    told = set()
    for one in (good.presentation(), revoked.presentation(), Presentation("x~", "y")):
        with pytest.raises(ConsentEditError) as refused:
            scene.edit(presentations=(one,), grantee=GRANTEE)
        told.add((type(refused.value), refused.value.code, refused.value.message, refused.value.remedy))
    assert len(told) == 1


def test_bound_text_is_a_plain_text(scene):
    """A call that is bound outside a request holds plain texts too."""
    call = bind(
        scene.editor.pipeline, scene.editor.family, (), {"prompt": Innocent(UNDRESS), "image": scene.before}
    )
    assert type(call.prompt) is str and call.prompt == UNDRESS
