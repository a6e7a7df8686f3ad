"""The gate's own time is told for every family, measured on as many pictures as its edits hand in."""

from __future__ import annotations

from types import SimpleNamespace

from fake_perception import Scene
from tiny_pipelines import tiny_once

from consent_edit.bench.guard_families import EDIT_SECONDS, gate_by_family
from consent_edit.pipelines.families import FAMILIES, INSTRUCT_PIX2PIX


def test_every_family_has_its_time_and_its_looks():
    """Released each time; a control picture is one look more; shares are of the edits named."""
    pipeline = tiny_once(INSTRUCT_PIX2PIX)
    genuine = pipeline.image_processor
    scene = Scene.make(pipeline, genuine)
    pipeline.image_processor = genuine
    looked = []
    observe = scene.perception.observe_image
    scene.perception.observe_image = lambda image: (looked.append(1), observe(image))[1]
    world = SimpleNamespace(
        photo=scene.before, operator=scene.operator, perception=scene.perception, consent=lambda **_: ()
    )
    gates = gate_by_family(world, 1)
    assert {*gates} == {family.name for family in FAMILIES} - {"grading"}
    kinds = {gate.measured_as: gate.looked_at for gate in gates.values()}
    assert len(looked) == 2 * sum(kinds.values()), "a warm-up and a run a kind"
    assert gates["flux-kontext"].looked_at == 2 and gates["sd-controlnet-img2img"].looked_at == 3
    for gate in gates.values():
        assert gate.gate > 0
        assert gate.shares == {f"{each} s": round(gate.gate / 1000 / each, 4) for each in EDIT_SECONDS}
