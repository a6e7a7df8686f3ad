"""The pipelines of real size have as many parameters as the published ones, and are of covered classes."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from consent_edit.bench import guard_device, real_sizes
from consent_edit.bench.device import DeviceReport
from consent_edit.errors import EditRefused
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines.families import classify

NETWORKS = ("sdxl_unet", "flux_transformer", "sdxl_vae", "flux_vae", "clip_large", "clip_big", "t5_xxl")


@pytest.mark.parametrize("name", NETWORKS)
def test_network_has_the_published_parameters(name):
    """As many as the weights that its authors published hold."""
    build = getattr(real_sizes, name)
    with torch.device("meta"):
        network = build()
    published = re.search(r"\(([\d,]+)\)", build.__doc__).group(1)
    assert f"{sum(one.numel() for one in network.parameters()):,}" == published


@pytest.mark.parametrize("name", real_sizes.REAL_SIZES)
def test_pipeline_is_of_its_family(name):
    """Put together it is of the exact class that the gate knows, and its settings are allowed there."""
    wanted = real_sizes.REAL_SIZES[name]
    with torch.device("meta"):
        networks = {part: make() for part, make in wanted.networks.items()}
    family = classify(wanted.assemble(networks))
    assert family.name == wanted.family
    assert all(family.allowed[setting](value) for setting, value in wanted.settings.items())


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A tiny pipeline in place of the one of real size, and a device that is the CPU."""
    from tiny_pipelines import tiny_once

    from consent_edit.pipelines.families import FAMILIES

    wanted = real_sizes.REAL_SIZES["kontext"]
    few = replace(wanted, settings={"num_inference_steps": 2})
    pipeline = tiny_once(next(family for family in FAMILIES if family.name == wanted.family))
    monkeypatch.setattr(guard_device, "real_size", lambda name, device: (few, pipeline))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    look = DeviceReport("torch", 64, 1, 1, 0.0, 0.0, {}, picture=5.0, observation=8.0, memory=0, modes={})
    monkeypatch.setattr(guard_device, "measure_device", lambda *_, **__: look)
    return pipeline


@pytest.fixture
def world(tiny):
    """An operator around whom nobody is shown; without a presentation the floor is made to refuse."""
    from fake_perception import Scene

    genuine = tiny.image_processor
    scene = Scene.make(tiny, genuine)
    tiny.image_processor = genuine
    yield SimpleNamespace(
        photo=scene.before, operator=scene.operator, perception=scene.perception, consent=lambda **_: ()
    )
    tiny.image_processor = genuine


def test_measurement_beside_a_pipeline(world, monkeypatch):
    """Steps are counted, both looks are two of what the device took, and a refusal takes no step."""
    asked = []
    genuine = guard_device.ConsentEditor.edit

    def edit(self, request, **more):
        asked.append(request)
        if len(asked) > 2:  # a warm-up and a run before it, then what nobody consented to
            raise EditRefused("no", codes=("consent.required",))
        return genuine(self, request, **more)

    monkeypatch.setattr(guard_device.ConsentEditor, "edit", edit)
    report = guard_device.guard_on_device(world, None, name="kontext", device="cuda:0", runs=1)
    assert (report.family, report.steps, report.refused_steps) == ("flux-kontext", 2, 0)
    assert report.looks == 16.0 and report.looks_shares["2.7 s"] == round(0.016 / 2.7, 4)
    assert report.ended == "refused and released" and report.ungated > 0
    assert isinstance(world.photo, CanonicalImage)
