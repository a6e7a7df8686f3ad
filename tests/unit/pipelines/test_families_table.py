"""The table of families against the installed diffusers: nothing is unclassified, and the page is fresh."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diffusers import DiffusionPipeline

from consent_edit.pipelines.families import FAMILIES, Hook, Role
from consent_edit.pipelines.families.arguments import REFUSED, SETTINGS
from consent_edit.pipelines.families.family import Measure, Sizing, Works
from consent_edit.pipelines.families.refused import REFUSED_CLASSES

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "pipelines_table.py"
_spec = importlib.util.spec_from_file_location("pipelines_table", SCRIPT)
table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(table)


@pytest.fixture(scope="module")
def classes():
    return table.installed()


def test_every_class_and_argument_is_classified(classes):
    """Each pipeline class stands in one list, each argument of a covered class in one group."""
    assert table.unclassified(classes) == []


def test_the_page_is_fresh(classes):
    """docs/pipelines.md is what the script writes from this diffusers and these records."""
    assert table.PAGE.read_text(encoding="utf-8") == table.page(classes)


def test_a_new_class_is_noticed(classes):
    """A class that a later diffusers brings is named, until somebody classifies it."""
    new = type(
        "NextYearPipeline", (), {"__module__": "diffusers.pipelines.next", "__call__": lambda self: None}
    )
    assert table.unclassified([*classes, new]) == [
        "class diffusers.pipelines.next:NextYearPipeline is in 0 lists"
    ]


def test_a_new_argument_is_noticed():
    """An argument that a later diffusers gives a covered class is named, and so is one it takes away."""
    family = next(one for one in FAMILIES if one.name == "z-image-img2img")

    def call(self, prompt=None, image=None, face_image=None):
        """Two arguments that are known, one that is not, and none of the others."""

    kind = type("ZImageImg2ImgPipeline", (), {"__call__": call})
    said = table.unsorted_arguments(family, kind)
    assert "argument face_image is in 0 groups []" in said
    assert "there is no argument strength" in said


def test_a_class_covered_and_refused_is_noticed(classes, monkeypatch):
    """A class in two lists could be read either way."""
    group = replace(REFUSED_CLASSES[0], classes=frozenset({"FluxKontextPipeline"}))
    monkeypatch.setattr(table, "REFUSED_CLASSES", (*REFUSED_CLASSES, group))
    said = table.unclassified(classes)
    assert len(said) == 1 and "FluxKontextPipeline is in 2 lists" in said[0]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_record_serves_what_a_request_holds(family):
    """One picture edited, one mask at most, a prompt and one text to steer from; any further pictures."""
    assert len(family.of_role(Role.EDITED)) == 1 and len(family.of_role(Role.MASK)) <= 1
    assert family.text_arguments in {("prompt",), ("prompt", "negative_prompt")}
    own = {*family.image_arguments, family.mask_argument}
    assert family.several <= set(family.further) and set(family.pictures) - own <= set(family.further)
    assert family.mask_argument not in family.further and own - {""} <= set(family.needed)
    assert family.fixed["output_type"] == "pil" and family.fixed["return_dict"] is True
    assert Hook.STEP in family.hooks
    assert family.tier == 1


def test_records_cannot_be_changed():
    """Neither a field nor what it holds can be widened while the program runs."""
    family = FAMILIES[1]
    with pytest.raises(AttributeError):
        family.allowed = {}
    with pytest.raises(TypeError):
        family.allowed["latents"] = lambda value: True


def test_an_argument_is_not_both_allowed_and_refused():
    """What is refused everywhere is allowed nowhere, and stands for one reason."""
    refused = [name for names in REFUSED.values() for name in names]
    assert len(refused) == len(set(refused))
    assert not set(refused) & SETTINGS.keys()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 10**9, "1", b"1", [1], np.float64(1), (1, 2, 3)])
def test_a_setting_of_no_plain_value_is_refused(name, value):
    """No setting takes what is not a plain finite value of its range."""
    assert not SETTINGS[name](value)


@pytest.mark.parametrize("size", [(1000, 1000), (1023, 511), (16, 320), (4000, 3000)])
def test_own_sizes_are_cut_never_grown(size):
    """A family that works at the picture's size makes nothing larger, and cuts less than its multiple."""
    sizing = Sizing(16, {"height": Measure.HEIGHT, "width": Measure.WIDTH, "max_area": Measure.AREA})
    wide, high = sizing.working(*size)
    assert all(0 <= given - worked < 16 for given, worked in zip(size, (wide, high), strict=True))
    assert sizing.measured(*size) == {"height": high, "width": wide, "max_area": wide * high}


def test_working_sizes_are_the_ones_diffusers_computes():
    """The size a family says it works at is what diffusers makes of the picture, whatever its proportions."""
    from diffusers.pipelines.flux2.image_processor import Flux2ImageProcessor
    from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_inpaint import calculate_dimensions
    from PIL import Image

    about = next(one.sizing for one in FAMILIES if one.sizing.works is Works.ABOUT)
    at_most = next(one.sizing for one in FAMILIES if one.sizing.works is Works.AT_MOST)
    for width, height in np.random.default_rng(1).integers(1100, 3000, (40, 2)).tolist():
        assert about.working(width, height) == calculate_dimensions(about.area, width / height)[:2]
        shrunk = Flux2ImageProcessor._resize_to_target_area(Image.new("1", (width, height)), at_most.area)
        assert at_most.working(width, height) == tuple(side // 16 * 16 for side in shrunk.size)
    assert at_most.working(800, 600) == (800, 592)


def test_kontext_keeps_the_pictures_size():
    """Kontext computes its size again from an area: the area given brings it back to the picture's own."""
    sizing = next(one.sizing for one in FAMILIES if one.name == "flux-kontext")
    for width, height in np.random.default_rng(2).integers(64, 4000, (200, 2)).tolist():
        said = sizing.measured(width, height)
        ratio = said["width"] / said["height"]
        assert round((said["max_area"] * ratio) ** 0.5) == said["width"]
        assert round((said["max_area"] / ratio) ** 0.5) == said["height"]


def test_only_diffusers_own_classes_are_looked_through(classes):
    """The package's own editor is no class of diffusers, and everything found is one."""
    assert all(issubclass(one, DiffusionPipeline) for one in classes)
    assert "GradingPipeline" not in {one.__name__ for one in classes}
