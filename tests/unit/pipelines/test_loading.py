"""An editor from a folder: its class is known before a weight is read, and no code comes along."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from fake_perception import Scene
from tiny_pipelines import tiny, tiny_instruct_pix2pix

from consent_edit import ConsentEditor
from consent_edit.errors import ArgumentRejected, ModelUnavailable
from consent_edit.pipelines.families import FAMILIES
from consent_edit.pipelines.loading import load


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A tiny pipeline as diffusers saves it."""
    made = tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))
    folder = tmp_path_factory.mktemp("saved")
    made.save_pretrained(folder)
    return made, folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the folder that a test may spoil."""
    import shutil

    return shutil.copytree(saved[1], tmp_path / "copy")


def never(*arguments, **keywords):
    raise AssertionError("it was loaded")


def index(folder, **changes):
    file = folder / "model_index.json"
    held = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in held.items() if value is not Ellipsis}))


def test_editor_of_a_folder(saved, tmp_path):
    """It edits as an editor around the loaded pipeline does."""
    made, folder = saved
    scene = Scene.make(made, made.image_processor)
    made.image_processor = made.image_processor._genuine
    editor = ConsentEditor.from_pretrained(
        folder, scene.operator, perception=scene.perception, torch_dtype=torch.float32
    )
    assert editor.family.name == "instruct-pix2pix" and editor.pipeline is not made
    editor.set_progress_bar_config(disable=True)
    pictures = [
        one.edit(
            scene.request(settings={"generator": torch.Generator().manual_seed(1), "num_inference_steps": 1})
        )
        for one in (editor, scene.editor)
    ]
    assert pictures[0].released == pictures[1].released


def test_precision(saved):
    """The precision asked for is the one it runs in."""
    assert load(saved[1], dtype=torch.bfloat16).dtype == torch.bfloat16


def test_parts_loaded_as_a_family(tmp_path):
    """A folder of a text-to-image pipeline is loaded as the editing family that its caller names."""
    from diffusers import StableDiffusionPipeline

    family = next(one for one in FAMILIES if one.name == "sd-img2img")
    StableDiffusionPipeline(
        **tiny(family, tmp_path).components, requires_safety_checker=False
    ).save_pretrained(tmp_path / "saved")
    with pytest.raises(ArgumentRejected) as refused:
        load(tmp_path / "saved")
    assert refused.value.code == "input.unsupported-pipeline" and "family=" in refused.value.remedy
    loaded = load(tmp_path / "saved", "sd-img2img")
    assert type(loaded).__name__ == "StableDiffusionImg2ImgPipeline"
    with pytest.raises(ArgumentRejected) as refused:
        load(tmp_path / "saved", "sd-no-such")
    assert refused.value.code == "input.unsupported-pipeline"


UNCOVERED = [
    "StableDiffusionPipeline",
    "LEditsPPPipelineStableDiffusion",
    "DiffusionPipeline",
    "os",
    "",
    "x" * 99,
]


@pytest.mark.parametrize("named", UNCOVERED)
def test_class_that_is_not_covered(folder, monkeypatch, named):
    """A class that nobody has classified is refused before anything of it is loaded."""
    from diffusers import DiffusionPipeline

    index(folder, _class_name=named)
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", never)
    with pytest.raises(ArgumentRejected) as refused:
        load(folder)
    assert refused.value.code == "input.unsupported-pipeline"


@pytest.mark.parametrize("named", [["pipeline", "InstructPix2Pix"], None, 7, ...])
def test_class_of_code_beside_the_weights(folder, monkeypatch, named):
    """An index that names a file of code, or no class at all, is refused before anything is loaded."""
    from diffusers import DiffusionPipeline

    index(folder, _class_name=named)
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", never)
    with pytest.raises(ArgumentRejected) as refused:
        load(folder)
    assert refused.value.code == "input.remote-code"


def test_part_of_another_library(folder, monkeypatch):
    """A part that would be made by a module of somebody's own is refused, though it were imported already."""
    from diffusers import DiffusionPipeline

    index(folder, unet=["tiny_pipelines_networks", "unet"])
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", never)
    with pytest.raises(ArgumentRejected) as refused:
        load(folder)
    assert refused.value.code == "input.remote-code"


@pytest.mark.parametrize("file", ["pipeline.py", "unet/diffusers.py", "tokenizer/deep/er.py"])
def test_code_in_the_folder(folder, file):
    """A folder that brings Python along is refused, and none of it runs."""
    place = folder / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(ArgumentRejected) as refused:
        load(folder)
    assert refused.value.code == "input.remote-code" and not (folder / "ran").exists()


def test_pickled_weights(folder):
    """Weights that are a pickle are not read, for reading one can run code."""
    from safetensors.torch import load_file

    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelUnavailable) as refused:
        load(folder)
    assert refused.value.code == "check.pipeline-load"


BRINGS = {
    "trust_remote_code": True,
    "custom_pipeline": "somebody/pipeline",
    "custom_revision": "main",
    "use_safetensors": False,
    "unet": torch.nn.Linear(1, 1),
    "safety_checker": torch.nn.Linear(1, 1),
    "scheduler": None,
    "use_flashpack": True,
    "use_onnx": True,
    "load_connected_pipeline": True,
    "proxies": {},
    "mirror": "x",
}


@pytest.mark.parametrize("name", BRINGS)
def test_argument_that_brings_something_in(saved, name):
    """Code, pickles and parts from outside are not loaded on anybody's word; not even in a false form."""
    with pytest.raises(ArgumentRejected) as refused:
        load(saved[1], **{name: BRINGS[name]})
    assert refused.value.code == "input.argument" and name in refused.value.message


def test_arguments_that_are_taken(saved):
    """What only says how to load, and a checker left out, are diffusers' own arguments."""
    loaded = load(saved[1], use_safetensors=True, safety_checker=None, requires_safety_checker=False)
    assert loaded.safety_checker is None and np.isfinite(loaded.unet.conv_in.weight.detach().numpy()).all()


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "\ud800", " " * (1 << 21)])
def test_index_that_is_none(folder, text):
    """A file that is no index is an error of ours."""
    (folder / "model_index.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises((ArgumentRejected, ModelUnavailable)):
        load(folder)


@pytest.mark.parametrize("where", ["no/such", "", "a/b/c", "/no/such/folder"])
def test_folder_that_is_not_there(where):
    """What is neither a folder nor a repository within reach is unavailable."""
    with pytest.raises((ModelUnavailable, ArgumentRejected)):
        load(where, local_files_only=True)


def test_repository_is_classified_before_its_weights_are_fetched(folder, monkeypatch):
    """Of a repository only the index is read until its class is known."""
    import huggingface_hub
    from diffusers import DiffusionPipeline

    asked = []
    monkeypatch.setattr(
        huggingface_hub,
        "hf_hub_download",
        lambda *said, **how: asked.append((said, how)) or str(folder / "model_index.json"),
    )
    index(folder, _class_name="StableDiffusionPipeline")
    monkeypatch.setattr(DiffusionPipeline, "download", classmethod(never))
    with pytest.raises(ArgumentRejected):
        load("somebody/model", revision="abc", variant="fp16")
    assert asked == [(("somebody/model", "model_index.json"), {"revision": "abc"})]
    index(folder, _class_name="StableDiffusionInstructPix2PixPipeline")
    fetched = []
    monkeypatch.setattr(
        DiffusionPipeline,
        "download",
        classmethod(lambda cls, *said, **how: fetched.append((said, how)) or str(folder)),
    )
    assert type(load("somebody/model", revision="abc")).__name__ == "StableDiffusionInstructPix2PixPipeline"
    assert fetched == [(("somebody/model",), {"use_safetensors": True, "revision": "abc"})]
