"""Control and reference pictures on tiny real pipelines: sent as they were checked, each in its place."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines_networks as networks
import torch
from diffusers import MultiControlNetModel
from PIL import Image
from tiny_pipelines import few_pixels, tiny, tiny_once

from consent_edit.clearance import SEAL, Clearance
from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines import runner
from consent_edit.pipelines.families import FAMILIES, Role
from consent_edit.pipelines.signature import bind

WIDTH, HEIGHT = 64, 96
NAMED = {family.name: family for family in FAMILIES}
LISTS = [family for family in FAMILIES if {*family.several} & {*family.image_arguments}]
REFERENCES = [family for family in FAMILIES if family.of_role(Role.REFERENCE)]
STEERED = [family for family in FAMILIES if family.of_role(Role.CONTROL)]


def families(some):
    return pytest.mark.parametrize("family", some, ids=lambda family: family.name)


@pytest.fixture(scope="module", autouse=True)
def small():
    torch.set_num_threads(1)
    with few_pixels(WIDTH * HEIGHT):
        yield


def picture(seed, width=WIDTH, height=HEIGHT):
    rng = np.random.default_rng(seed)
    return CanonicalImage.of(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


FIRST, SECOND = picture(1, 99, 67), picture(2, 80, 80)


def settings(family):
    wanted = {"num_inference_steps": 2, "strength": 1.0, "max_sequence_length": 32, "control_mode": 1}
    few = {name: value for name, value in wanted.items() if name in family.allowed}
    return few | {"generator": torch.Generator().manual_seed(7)}


def own(family):
    """The picture edited and its mask."""
    white = CanonicalImage.of(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    shown = {Role.EDITED: picture(0), Role.MASK: white}
    return {name: shown[role] for name, role in family.pictures.items() if role in shown}


def run(family, further, *, swapped=None, pipeline=None):
    """A cleared run; ``further`` maps places to pictures, ``swapped`` takes their part after admission."""
    pipeline = pipeline or tiny_once(family)
    given = {**own(family), **further}
    listed = {name: [given[name]] for name in own(family)}
    for place, one in further.items():
        listed.setdefault(place.partition("[")[0], []).append(one)
    called = {name: several if len(several) > 1 else several[0] for name, several in listed.items()}
    call = bind(pipeline, family, (), {"prompt": "make it warmer", **called, **settings(family)})
    clearance = Clearance(SEAL, call.digest({name: one.digest for name, one in given.items()}), None, None)
    sent = given if swapped is None else {**given, **swapped}
    return runner.run(pipeline, call, sent, clearance, deadline_s=600.0).pixels


def bare(family, further, pipeline=None):
    """What the pipeline gives by itself, called as its own documentation calls it."""
    sizes = family.sizing.measured(WIDTH, HEIGHT)
    if "_auto_resize" in family.fixed:
        sizes["_auto_resize"] = False
    pictures = {name: Image.fromarray(one.pixels) for name, one in own(family).items()}
    for name, several in further.items():
        behind = [Image.fromarray(one.pixels) for one in several]
        before = [pictures[name]] if name in pictures else []
        pictures[name] = [*before, *behind] if before or len(behind) > 1 else behind[0]
    call = {**pictures, **settings(family), **sizes}
    return np.asarray((pipeline or tiny_once(family))(prompt="make it warmer", **call).images[0])


def test_every_family_with_further_pictures_is_here():
    """Lists behind the picture edited, references of their own, and control pictures."""
    assert {one.name for one in LISTS} == {"flux2", "flux2-klein", "flux2-klein-kv", "qwen-image-edit-plus"}
    assert {one.name for one in REFERENCES} == {"flux-kontext-inpaint", "flux2-klein-inpaint"}
    assert len(STEERED) == 6
    taking = {one.name for one in FAMILIES if one.further}
    assert taking == {one.name for one in (*LISTS, *REFERENCES, *STEERED)}


@families(LISTS)
def test_references_behind_the_picture_edited(family):
    """They come second and third in the list, as they were checked, and the run is the bare one."""
    places = {"image[1]": FIRST, "image[2]": SECOND}
    made = run(family, places)
    assert np.array_equal(made, bare(family, {"image": (FIRST, SECOND)}))
    assert made.shape == (HEIGHT, WIDTH, 3)


@families(LISTS)
def test_places_in_the_list_are_kept_whatever_the_order_of_the_mapping(family):
    """A mapping read in another order sends no picture to another place."""
    backwards = run(family, {"image[1]": FIRST, "image[2]": SECOND}, swapped={})
    given = {"image[2]": SECOND, **own(family), "image[1]": FIRST}
    sent = runner._sent(given, family)["image"]
    assert [one.size for one in sent] == [(WIDTH, HEIGHT), (99, 67), (80, 80)]
    assert not np.array_equal(backwards, run(family, {"image[1]": SECOND, "image[2]": FIRST}))


@families(REFERENCES)
def test_a_reference_of_its_own(family):
    """It reaches the pipeline at its own size, changes what is drawn, and may be left out."""
    made = run(family, {"image_reference": FIRST})
    assert np.array_equal(made, bare(family, {"image_reference": (FIRST,)}))
    assert np.array_equal(run(family, {}), bare(family, {}))
    assert not np.array_equal(made, run(family, {}))


@families(STEERED)
def test_a_control_picture_steers(family):
    """It reaches the network at any size, and another one makes another picture of the same size."""
    made = run(family, {"control_image": FIRST})
    assert np.array_equal(made, bare(family, {"control_image": (FIRST,)}))
    assert made.shape == (HEIGHT, WIDTH, 3)
    assert not np.array_equal(made, run(family, {"control_image": SECOND}))


def test_several_controlnets_take_a_picture_each(tmp_path):
    """A list of control pictures goes to the networks in its order."""
    family = NAMED["sd-controlnet-img2img"]
    pipeline = tiny(family, tmp_path)
    torch.manual_seed(1)
    pipeline.controlnet = MultiControlNetModel([networks.controlnet(), networks.controlnet()])
    places = {"control_image[1]": FIRST, "control_image[2]": SECOND}
    made = run(family, places, pipeline=pipeline)
    assert np.array_equal(made, bare(family, {"control_image": (FIRST, SECOND)}, pipeline))


@families([*LISTS[:1], *REFERENCES[:1], *STEERED[:1]])
def test_pictures_swapped_after_admission(family):
    """A clearance is for exactly these further pictures, each in its place: no other, fewer or more."""
    further = next(name for name in family.further)
    here, there = family.places(further, 1)[0], f"{further}[9]"
    for swapped in ({here: SECOND}, {there: SECOND}):
        with pytest.raises(CheckFailed) as refused:
            run(family, {here: FIRST}, swapped=swapped)
        assert refused.value.code == "check.clearance-mismatch"
