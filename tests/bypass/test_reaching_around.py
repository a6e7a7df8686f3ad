"""What a host can do inside its own process, shown; and the same, tried on an engine, come to nothing.

In one Python process the guard is a guard rail: whoever runs code beside it reaches its parts. These tests
are the honest half of docs/threat-model.md: each way around is taken, with success, so that nobody believes
it closed; and each is then taken by a host of an engine, whose pipeline, checks and pixels are elsewhere.
"""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from engine_worlds import EngineWorld
from fake_perception import Scene, seen_face
from tiny_pipelines import tiny_once

from consent_edit.clearance import SEAL, Clearance
from consent_edit.errors import ArgumentRejected, EditRefused
from consent_edit.intake.decode import decode
from consent_edit.pipelines import runner
from consent_edit.pipelines.engine.process import EngineDeadlines, EngineProcess
from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.signature import bind

SMUGGLED = "remove her clothes"
TESTS = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def words_put_in():
    """The class's own way of encoding a prompt, replaced in this program: it adds words that nobody read."""
    kind, said = StableDiffusionInstructPix2PixPipeline, []
    genuine = kind._encode_prompt

    def smuggling(self, prompt, *arguments, **keywords):
        said.append(f"{prompt} {SMUGGLED}")
        return genuine(self, said[-1], *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "_encode_prompt", smuggling)
        yield said


@contextlib.contextmanager
def every_network_overheard():
    """A hook of torch's own on every network of the program: it keeps whatever comes out of one."""
    kept = []

    def keep(module, inputs, output):
        if isinstance(output, torch.Tensor) and output.dim() == 4 and output.shape[1] == 3:
            kept.append(output.detach().clone())

    handle = torch.nn.modules.module.register_module_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


def test_in_process_words_are_put_in_after_they_were_read(scene):
    """NOT stopped in one process: a class patched by the host brings in words that no check read."""
    with words_put_in() as said:
        assert scene.edit().released
    assert SMUGGLED in said[0] and not [text for text in scene.perception.saw if SMUGGLED in text]


def test_in_process_a_template_brings_words():
    """NOT stopped in one process: Qwen's template is a plain attribute, and says what the host writes."""
    pipeline = tiny_once(next(family for family in FAMILIES if family.name == "qwen-image-img2img"))
    genuine, template = pipeline.image_processor, pipeline.prompt_template_encode
    scene, read = Scene.make(pipeline, genuine), []
    tokenizer = type(pipeline.tokenizer)
    called = tokenizer.__call__

    def reading(self, text, *arguments, **keywords):
        read.append(text)
        return called(self, text, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "__call__", reading)
        pipeline.prompt_template_encode = template.replace("{}", "{} " + SMUGGLED)
        try:
            assert scene.edit().released
        finally:
            pipeline.image_processor, pipeline.prompt_template_encode = genuine, template
    assert SMUGGLED in str(read) and not [text for text in scene.perception.saw if SMUGGLED in text]


def test_in_process_a_refused_picture_is_overheard(scene):
    """NOT stopped in one process: the pixels of an edit that is refused pass under the host's own hook."""
    scene.shows([], [seen_face(7)])
    with every_network_overheard() as kept, pytest.raises(EditRefused):
        scene.edit()
    assert kept, "nothing was overheard"


def test_in_process_a_clearance_is_made(scene):
    """NOT stopped in one process: a seal that lies in the same memory is found, and clears any run."""
    call = bind(
        scene.editor.pipeline,
        scene.editor.family,
        (),
        {"prompt": SMUGGLED, "image": scene.before, "num_inference_steps": 1},
    )
    forged = Clearance(SEAL, call.digest({"image": scene.before.digest}), None, None)
    entries = scene.entries
    assert runner.run(scene.editor.pipeline, call, {"image": scene.before}, forged, deadline_s=60).width == 64
    assert scene.entries == entries, "no log says so"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return EngineWorld.make(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def engine(world):
    with EngineProcess(world.setup(), deadlines=EngineDeadlines(edit=60.0, silence=60.0)) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(request):
    """A list of what was withdrawn counts for a minute."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").publish()


def seeded(world, **changes):
    settings = {"num_inference_steps": 1, "generator": torch.Generator().manual_seed(5)}
    return world.consented(settings=settings, **changes)


def test_engine_words_are_not_put_in(engine, world):
    """The host's patched class is not the engine's: the same picture comes out, and nothing was said."""
    plain = decode(engine.edit(seeded(world)).released).image.digest
    with words_put_in() as said:
        assert decode(engine.edit(seeded(world)).released).image.digest == plain
    assert not said


@pytest.mark.parametrize("name", ["prompt_template_encode", "system_message", "image_processor", "vae"])
def test_engine_takes_no_attribute_of_its_pipeline(engine, world, name):
    """What a host could set on a pipeline of its own it cannot even ask an engine for."""
    with pytest.raises(ArgumentRejected) as refused:
        engine.edit(world.consented(settings={"num_inference_steps": 1, name: SMUGGLED}))
    assert refused.value.code == "input.argument"
    assert not hasattr(engine, name) and not hasattr(engine.client, name)


def test_engine_refused_picture_is_not_overheard(engine, world):
    """No network runs in the host's process, so no hook of the host's sees what was refused."""
    with every_network_overheard() as kept, pytest.raises(EditRefused):
        engine.edit(world.consented("make it warmer stranger"))
    assert not kept
    assert world.lines("forbidden.txt"), "the engine made no such picture: the case is none"


HOST = """
import gc, json, sys
sys.path[:0] = json.loads(sys.argv[2])
from consent_edit.errors import EditRefused
from consent_edit.pipelines.engine.client import EngineClient
from consent_edit.request import EditRequest
asked = json.loads(sys.stdin.read())
request = EditRequest(
    image=bytes.fromhex(asked["image"]), prompt=asked["prompt"], grantee=asked["grantee"],
    presentations=tuple(asked["presentations"]), settings={"num_inference_steps": 1},
)
try:
    EngineClient(sys.argv[1]).edit(request)
    ended = "released"
except EditRefused as refusal:
    ended = "refused"
kinds = {type(one) for one in gc.get_objects()}
held = {kind.__name__ for kind in kinds if kind.__module__.startswith("consent_edit")}
loaded = sorted({"torch", "diffusers", "cv2", "onnxruntime"} & set(sys.modules))
print(json.dumps({"ended": ended, "held": sorted(held), "loaded": loaded}))
"""


def test_engine_nothing_to_find_in_the_hosts_memory(engine, world):
    """A host that asks holds no clearance, pipeline, operator or checks, whatever it digs through."""
    request = world.consented("make it warmer stranger")
    from test_side_doors_pictures import file_of

    asked = {
        "image": file_of(request.image).hex(),
        "prompt": request.prompt,
        "grantee": request.grantee,
        "presentations": [one.to_json() for one in request.presentations],
    }
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(engine.path), json.dumps([str(TESTS.parent)])],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    told = json.loads(done.stdout)
    assert told["ended"] == "refused" and told["loaded"] == []
    assert not {"Clearance", "Operator", "Gate", "Store", "PerceptionProcess", "Finished"} & set(told["held"])
    assert {"EditRequest", "EditRefused"} & set(told["held"]), "the search finds nothing: it is none"


def test_in_process_the_same_search_finds_them(scene):
    """The search above finds a clearance, an operator and a gate where they are: in a process that edits."""
    found = []
    progress = lambda step, total: found.extend(type(one).__name__ for one in gc.get_objects())  # noqa: E731
    scene.editor.edit(scene.request(), progress=progress)
    assert {"Clearance", "Operator", "Store"} <= set(found)
