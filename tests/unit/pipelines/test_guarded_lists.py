"""Calls with lists, or with several pictures a prompt: split as diffusers pairs them, gated one by one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from fake_perception import Scene, picture, seen_face
from PIL import Image
from tiny_pipelines import few_pixels, tiny_once

from consent_edit import EditRefused, EditResult, InputError, Operation
from consent_edit.errors import ArgumentRejected
from consent_edit.intake.decode import decode
from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.guarded import GuardedPipeline
from consent_edit.pipelines.splitting import MOST, split

NAMES = ("instruct-pix2pix", "sd-inpaint", "qwen-image-edit-plus")
FEW = {"num_inference_steps": 1, "operations": frozenset({Operation.TONE})}
WORDS = "make it warmer"


@pytest.fixture(scope="module", autouse=True)
def small():
    torch.set_num_threads(1)
    with few_pixels(64 * 64):
        yield


@pytest.fixture(scope="module")
def tiny():
    return {family.name: family for family in FAMILIES if family.name in NAMES}


@pytest.fixture
def guarded(tiny):
    """Makes a drop-in of a family, around a scene in which nobody is shown."""
    made = []

    def make(name="instruct-pix2pix", *, returning=True):
        pipeline = tiny_once(tiny[name])
        genuine = pipeline.image_processor
        scene = Scene.make(pipeline, genuine)
        made.append((pipeline, genuine))
        if not returning:
            pipeline.image_processor = genuine
        return GuardedPipeline(scene.editor), scene

    yield make
    for pipeline, genuine in made:
        pipeline.image_processor = genuine


def shown(seed=1, side=64):
    return Image.fromarray(picture(seed, side, side).pixels)


def makes(scene, *made):
    coming = iter(made)
    vars(scene.editor.pipeline.image_processor)["_shown"] = lambda: Image.fromarray(next(coming).pixels)


def parts(tiny, name="instruct-pix2pix", **keywords):
    family = tiny[name]
    return split(tiny_once(family), family, (), keywords)


def pairs(tiny, **keywords):
    return [(call["prompt"], call["image"]) for call in parts(tiny, **keywords).calls]


def test_lists_are_paired_as_diffusers_pairs_them(tiny):
    """One prompt for many pictures, many prompts for one, one to one, and n of each side by side."""
    assert pairs(tiny, prompt="p", image=["a", "b"]) == [("p", "a"), ("p", "b")]
    assert pairs(tiny, prompt=["p", "q"], image="a") == [("p", "a"), ("q", "a")]
    assert pairs(tiny, prompt=("p", "q"), image=["a", "b"]) == [("p", "a"), ("q", "b")]
    assert pairs(tiny, prompt=["p"], image=["a", "b"]) == [("p", "a"), ("p", "b")]
    twice = pairs(tiny, prompt="p", image=["a", "b"], num_images_per_prompt=2)
    assert twice == [("p", "a"), ("p", "a"), ("p", "b"), ("p", "b")]


def test_every_argument_of_a_picture_goes_with_it(tiny):
    """Masks and negative prompts in lists go with their picture; single ones serve all."""
    calls = parts(
        tiny, "sd-inpaint", prompt="p", negative_prompt=["m", "n"], image=["a", "b"], mask_image="x"
    ).calls
    assert [(call["negative_prompt"], call["image"], call["mask_image"]) for call in calls] == [
        ("m", "a", "x"),
        ("n", "b", "x"),
    ]


def test_where_a_list_is_one_edit(tiny):
    """Where a class takes references in a list, the list is one edit, and a list of lists is a batch."""
    assert len(parts(tiny, "qwen-image-edit-plus", prompt="p", image=["a", "b"]).calls) == 1
    calls = parts(tiny, "qwen-image-edit-plus", prompt="p", image=[["a", "b"], "c"]).calls
    assert [call["image"] for call in calls] == [["a", "b"], "c"]


@pytest.mark.parametrize(
    "keywords",
    [
        {"prompt": ["p", "q"], "image": ["a", "b", "c"]},
        {"prompt": "p", "image": []},
        {"prompt": [], "image": "a"},
        {"prompt": "p", "image": ["a", "b"], "negative_prompt": ["m", "n", "o"]},
        {"prompt": "p", "image": ["a", "b"], "generator": [torch.Generator()]},
        {"prompt": "p", "image": "a", "num_images_per_prompt": 2, "generator": [torch.Generator()] * 3},
        {"prompt": "p", "image": ["a"] * (MOST + 1)},
        {"prompt": "p", "image": "a", "num_images_per_prompt": MOST + 1},
    ],
)
def test_lists_that_do_not_go_together(tiny, keywords):
    """Lists of other lengths, empty ones and too many pictures are refused whole."""
    with pytest.raises(ArgumentRejected) as refused:
        parts(tiny, **keywords)
    assert refused.value.code == "input.batch"


@pytest.mark.parametrize("number", [0, -1, 2.0, True, "2"])
def test_numbers_of_pictures_that_are_none(guarded, number):
    """Only a plain whole number says how many."""
    pipe, scene = guarded()
    with pytest.raises(ArgumentRejected) as refused:
        pipe(WORDS, shown(), num_images_per_prompt=number, **FEW)
    assert refused.value.code == "input.argument" and scene.entries == 0


def test_one_refused_among_many(guarded):
    """Each picture has its outcome at its own place; images raises the first refusal and says which."""
    pipe, scene = guarded()
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    scene.perception.faces[picture(13).digest] = (seen_face(1),)
    makes(scene, picture(20), picture(22))
    output = pipe(WORDS, [shown(seed) for seed in (10, 11, 12, 13)], **FEW)
    assert [type(one) for one in output.outcomes] == [EditResult, EditRefused, EditResult, EditRefused]
    left = [decode(output.outcomes[index].released).image.digest for index in (0, 2)]
    assert left == [picture(20).digest, picture(22).digest]
    for ask in (lambda: output.images, lambda: output[0], lambda: output.released, lambda: output.receipt):
        with pytest.raises(EditRefused) as refused:
            ask()
        assert "1, 3 of the pictures 0 to 3" in refused.value.message
        assert ".outcomes" in refused.value.remedy
        first = output.outcomes[1]
        for name in ("codes", "boxes", "pictures", "decision_id"):
            assert getattr(refused.value, name) == getattr(first, name)
        assert refused.value.__context__ is None


def test_picture_that_cannot_be_read_among_many(guarded):
    """Bytes that are no picture end their own edit and no other's."""
    pipe, _ = guarded()
    output = pipe(WORDS, [shown(), b"no picture"], **FEW)
    assert isinstance(output.outcomes[0], EditResult)
    with pytest.raises(InputError) as refused:
        _ = output.images
    assert refused.value.code == output.outcomes[1].code == "input.format"


def test_all_released(guarded):
    """Where all were released they are listed in order, each by its outcome's bytes and receipt."""
    pipe, scene = guarded()
    makes(scene, picture(20), picture(21))
    output = pipe([WORDS, "make it colder"], shown(), **FEW)
    for one, seed in zip(output.images, (20, 21), strict=True):
        assert np.array_equal(np.asarray(one), picture(seed).pixels)
    assert sorted(scene.perception.saw) == ["make it colder", WORDS]
    assert output["images"] and len({one.receipt for one in output.outcomes}) == 2
    with pytest.raises(InputError, match="2 files"):
        _ = output.released


def test_single_call_raises_as_ever(guarded):
    """One picture refused is an exception, though it came in a list."""
    pipe, scene = guarded()
    scene.shows([seen_face(1)], [seen_face(1)])
    for image in (Image.fromarray(scene.before.pixels), [Image.fromarray(scene.before.pixels)]):
        with pytest.raises(EditRefused) as refused:
            pipe(WORDS, image, **FEW)
        assert ".outcomes" not in refused.value.remedy


def test_consent_for_each_picture(guarded):
    """Presentations come as one list for all, or as a list for each picture; no other way."""
    pipe, scene = guarded()
    grants = [scene.person(who).grant(operations={Operation.TONE}) for who in (1, 2)]
    for who, seeds in ((1, (10, 20)), (2, (11, 21))):
        for seed in seeds:
            scene.perception.faces[picture(seed).digest] = (seen_face(who),)
    makes(scene, picture(20), picture(20), picture(21), picture(21))
    presented = [[grant.presentation()] for grant in grants]
    call = {"grantee": scene.request().grantee, "num_images_per_prompt": 2, **FEW}
    output = pipe(WORDS, [shown(10), shown(11)], presentations=presented, **call)
    assert [type(one) for one in output.outcomes] == [EditResult] * 4
    assert [scene.uses(grant) for grant in grants] == [2, 2]
    for wrong in (presented[:1], [*presented, []], [presented[0], grants[1].presentation()]):
        with pytest.raises(ArgumentRejected) as refused:
            pipe(WORDS, [shown(10), shown(11)], presentations=wrong, **call)
        assert refused.value.code == "input.batch"


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_generators_one_each_give_what_each_gives_alone(guarded):
    """With a list of generators, each picture is the one that its own call would make."""
    pipe, _ = guarded(returning=False)
    images = [shown(10), shown(11)]
    both = pipe(WORDS, images, generator=[seeded(1), seeded(2)], **FEW).images
    alone = [
        pipe(WORDS, image, generator=seeded(seed), **FEW).images[0] for seed, image in enumerate(images, 1)
    ]
    assert [np.array_equal(one, other) for one, other in zip(both, alone, strict=True)] == [True, True]


def test_single_generator_goes_on(guarded):
    """One generator draws for picture after picture, so two of the same prompt differ."""
    pipe, _ = guarded(returning=False)
    first, second = pipe(WORDS, shown(), generator=seeded(1), num_images_per_prompt=2, **FEW).images
    one = seeded(1)
    apart = [pipe(WORDS, shown(), generator=one, **FEW).images[0] for _ in range(2)]
    assert np.array_equal(first, apart[0]) and np.array_equal(second, apart[1])
    assert not np.array_equal(first, second)


def test_arrays_and_tensors(guarded):
    """What was released can be had as diffusers gives arrays and tensors, floats of 0 to 1."""
    pipe, scene = guarded()
    pixels = scene.after.pixels.astype(np.float32) / 255
    arrays = pipe(WORDS, shown(), output_type="np", num_images_per_prompt=2, **FEW).images
    assert arrays.shape == (2, 64, 64, 3) and arrays.dtype == np.float32 and np.allclose(arrays[1], pixels)
    tensor = pipe(WORDS, shown(), output_type="pt", **FEW).images
    assert tensor.shape == (1, 3, 64, 64) and tensor.dtype == torch.float32
    assert np.allclose(tensor[0].permute(1, 2, 0).numpy(), pixels)


def test_pictures_of_unequal_sizes_as_arrays(guarded):
    """They do not fit one array, so they come as a list."""
    pipe, scene = guarded()
    makes(scene, picture(20), picture(21, 32, 32), picture(20), picture(21, 32, 32))
    images = [shown(10), shown(11, 32)]
    assert [one.shape for one in pipe(WORDS, images, output_type="np", **FEW).images] == [
        (64, 64, 3),
        (32, 32, 3),
    ]
    assert [one.shape for one in pipe(WORDS, images, output_type="pt", **FEW).images] == [
        (3, 64, 64),
        (3, 32, 32),
    ]


@pytest.mark.parametrize("form", ["latent", "PIL", 1, ["np"]])
def test_forms_that_are_not_handed_out(guarded, form):
    """Latents, above all, are no form of a released picture."""
    pipe, scene = guarded()
    with pytest.raises(ArgumentRejected) as refused:
        pipe(WORDS, shown(), output_type=form, **FEW)
    assert refused.value.code == "input.argument" and scene.entries == 0


def test_tuple_in_place_of_an_output(guarded):
    """return_dict=False gives a tuple whose first is the pictures; a refusal among them is raised."""
    pipe, scene = guarded()
    (images,) = pipe(WORDS, shown(), return_dict=False, **FEW)
    assert [one.size for one in images] == [(64, 64)]
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    with pytest.raises(EditRefused, match="1 of the pictures 0 to 1"):
        pipe(WORDS, [shown(), shown(11)], return_dict=False, **FEW)


def test_positions_of_a_batch(guarded):
    """A call by position, lists and all, is bound as its class binds it."""
    pipe, _ = guarded()
    names = list(inspect.signature(type(pipe.editor.pipeline).__call__).parameters)
    assert names[1:4] == ["prompt", "image", "num_inference_steps"]
    output = pipe([WORDS, WORDS], [shown(), shown()], 1, operations=frozenset({Operation.TONE}))
    assert len(output.images) == 2


def test_references_are_not_a_batch(guarded):
    """With a class that takes references, a flat list is one edit whose further pictures are looked at."""
    pipe, scene = guarded("qwen-image-edit-plus")
    output = pipe(image=[shown(10), shown(11)], prompt=WORDS, max_sequence_length=32, **FEW)
    assert len(output.outcomes) == 1 and output.released
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    with pytest.raises(EditRefused):
        pipe(image=[shown(10), shown(11)], prompt=WORDS, max_sequence_length=32, **FEW)


def test_proof_for_each(guarded):
    """Where a key must sign, it signs each edit's own request."""
    pipe, _ = guarded()
    signed = []
    with pytest.raises(InputError) as refused:
        output = pipe(
            WORDS, [shown(10), shown(11)], prove=lambda said: signed.append(said) or "no proof", **FEW
        )
        _ = output.images
    assert refused.value.code == "input.proof" and len(set(signed)) == 2
