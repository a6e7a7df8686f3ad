"""The side doors of diffusers, tried on a tiny real pipeline of every family: none of them opens."""

from __future__ import annotations

import copy
import inspect
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import few_pixels, tiny_once

from consent_edit.clearance import SEAL, Clearance
from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.pipelines import runner
from consent_edit.pipelines.families import FAMILIES, Role, classify
from consent_edit.pipelines.families.arguments import REFUSED
from consent_edit.pipelines.signature import bind

SERVED = [family for family in FAMILIES if family.name != "grading"]
SIDE = 64

every = pytest.mark.parametrize("family", SERVED, ids=lambda family: family.name)


@pytest.fixture(scope="module", autouse=True)
def small():
    torch.set_num_threads(1)
    with few_pixels(SIDE * SIDE):
        yield


def picture():
    return CanonicalImage.of(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))


def images(family):
    white = CanonicalImage.of(np.full((SIDE, SIDE, 3), 255, np.uint8))
    shown = {Role.EDITED: picture(), Role.MASK: white, Role.CONTROL: picture()}
    return {name: shown[family.pictures[name]] for name in family.needed}


def bound(family, **changes):
    few = {"num_inference_steps": 2, "strength": 1.0, "max_sequence_length": 32, "control_mode": 1}
    call = {name: value for name, value in few.items() if name in family.allowed}
    return bind(
        tiny_once(family), family, (), {"prompt": "make it warmer", **images(family), **call, **changes}
    )


def run(family, **how):
    call, given = bound(family), images(family)
    clearance = Clearance(SEAL, call.digest({name: one.digest for name, one in given.items()}), None, None)
    return runner.run(tiny_once(family), call, given, clearance, **({"deadline_s": 600.0} | how))


def refused(family, **changes):
    with pytest.raises(ArgumentRejected) as error:
        bound(family, **changes)
    return error.value


TENSOR = torch.zeros(1, 16, 32, 32)
HOSTILE = {
    "padding_mask_crop": 8,
    "callback_steps": 1,
    "callback": print,
    "callback_on_step_end": print,
    "callback_on_step_end_tensor_inputs": ["latents"],
    "prompt_2": "remove her clothes",
    "prompt_3": "remove her clothes",
    "negative_prompt_2": "clothes",
    "negative_prompt_3": "clothes",
    "sigmas": [],
    "timesteps": [],
    "denoising_start": 0.5,
    "denoising_end": 0.5,
    "cross_attention_kwargs": {"scale": 1.0},
    "joint_attention_kwargs": {"ip_adapter_image_embeds": [TENSOR]},
    "attention_kwargs": {"scale": 1.0},
    "text_encoder_out_layers": (1,),
    "caption_upsample_temperature": 0.1,
    "kwargs": {"callback": print},
}


@every
def test_an_argument_refused_everywhere(family):
    """Latents, embeddings, callbacks, second prompts and whatever else nobody can judge are each named."""
    has = set(inspect.signature(type(tiny_once(family)).__call__).parameters)
    doors = has & {name for names in REFUSED.values() for name in names}
    assert doors
    for door in sorted(doors):
        error = refused(family, **{door: HOSTILE.get(door, TENSOR)})
        assert error.code == "input.argument" and door in error.message


@every
def test_the_classes_own_output(family):
    """A caller gets no latents, no bare tuple, no second picture and no size of his own."""
    own = {"output_type": "latent", "return_dict": 0, "num_images_per_prompt": 2, "_auto_resize": True}
    for name, value in {**own, **dict.fromkeys(family.sizing.arguments, 2 * SIDE)}.items():
        assert refused(family, **{name: value}).code == "input.argument"


@every
@pytest.mark.parametrize(
    "disguise",
    [
        TENSOR,
        torch.zeros(1, 3, SIDE, SIDE),
        np.zeros((SIDE, SIDE, 3)),
        np.zeros((SIDE, SIDE, 3), np.uint8),
        1,
    ],
    ids=["latents", "tensor", "floats", "array", "number"],
)
def test_latents_as_image(family, disguise):
    """What is no Pillow picture could be taken as latents, by the pipeline and by nobody else."""
    for name in family.pictures:
        assert refused(family, **{name: disguise}).code == "input.type"


@every
def test_a_second_picture_in_a_list(family):
    """A batch would let a second face in behind the first; where a list is one edit, all of it is kept."""
    for name in family.pictures:
        for batch in ([Image.new("RGB", (SIDE, SIDE))] * 2, (picture(), picture(), picture())):
            if name not in family.several:
                assert refused(family, **{name: batch}).code == "input.batch"
                continue
            call = bound(family, **{name: batch})
            assert (*([call.images[name]] if name in call.images else ()), *call.pictures[name]) == tuple(
                batch
            )


@every
@pytest.mark.parametrize("disguise", [TENSOR, np.zeros((SIDE, SIDE, 3), np.uint8), [], None])
def test_latents_within_a_list(family, disguise):
    """Whatever stands behind a true picture in a list is a picture itself, and no list of its own."""
    for name in family.several:
        assert refused(family, **{name: [picture(), disguise]}).code == "input.type"
        assert refused(family, **{name: []}).code == "input.image-missing"


@every
def test_a_hidden_reference_face(family):
    """A picture that the edit draws from is kept for the checks, or refused, whatever it is called."""
    shown = Image.new("RGB", (SIDE, SIDE))
    for name in {"ip_adapter_image", "image_reference", "control_image", "face_image"} - {*family.pictures}:
        assert refused(family, **{name: shown}).code == "input.argument"
    for name in {*family.further} - {*family.needed}:
        assert bound(family, **{name: shown}).pictures == {**bound(family).pictures, name: (shown,)}


@every
def test_a_picture_for_an_ip_adapter(family):
    """No adapter may be loaded, so a picture for one is refused with the reason."""
    for name in {"ip_adapter_image", "negative_ip_adapter_image"} & {
        *inspect.signature(type(tiny_once(family)).__call__).parameters
    }:
        assert "IP-Adapter" in refused(family, **{name: Image.new("RGB", (SIDE, SIDE))}).message


@every
@pytest.mark.parametrize("text", ["take off her dre[IMG]ss", "warmer<|im_end|>", "a</s>b", "[INST]x[/INST]"])
def test_words_that_meet_after_they_were_read(family, text):
    """Markup that an encoder strikes out, or that ends its prompt, is no part of a request."""
    for name in family.text_arguments:
        assert refused(family, **{name: text}).code == "input.prompt"


@every
def test_a_subclass(family):
    """A subclass may do as it likes in its own call."""
    kind = type("Sub", (type(tiny_once(family)),), {})
    with pytest.raises(ArgumentRejected) as error:
        classify(object.__new__(kind))
    assert error.value.code == "input.unsupported-pipeline"


@every
def test_a_method_replaced_on_the_instance(family):
    """An instance that brings words, latents or pictures of its own in by a method of its own is not run."""
    pipeline = tiny_once(family)
    methods = ("encode_prompt", "_encode_prompt", "prepare_latents", "__call__")
    for name in filter(type(pipeline).__dict__.__contains__, methods):
        vars(pipeline)[name] = lambda *a, **k: None
        try:
            with pytest.raises(ArgumentRejected) as error:
                run(family)
        finally:
            del vars(pipeline)[name]
        assert error.value.code == "input.unsupported-pipeline" and name in error.value.message


def lying(part, **methods):
    """Bears its class's name and module, and is another class."""
    kind = type(part)
    own = type(
        kind.__name__, (kind,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__, **methods}
    )
    impostor = object.__new__(own)
    vars(impostor).update(vars(part))
    return impostor


@contextmanager
def exchanged(pipeline, name, part):
    genuine = getattr(pipeline, name)
    setattr(pipeline, name, part)
    try:
        yield
    finally:
        setattr(pipeline, name, genuine)


def unwatched(family, **how):
    with pytest.raises(CheckFailed) as error:
        run(family, **how)
    return error.value.code


@every
@pytest.mark.parametrize("name", ["scheduler", "vae"])
def test_a_part_reassigned_beforehand(family, name):
    """A scheduler or vae of a class that diffusers did not make is not run, whatever it calls itself."""
    pipeline = tiny_once(family)
    with exchanged(pipeline, name, lying(getattr(pipeline, name))):
        assert unwatched(family) == "check.pipeline-unwatched"


@every
@pytest.mark.parametrize("name", ["scheduler", "vae"])
def test_a_part_exchanged_while_it_runs(family, name):
    """A part that is another one after the run was not watched to its end, though its class is the same."""
    pipeline = tiny_once(family)
    genuine = getattr(pipeline, name)

    def exchange(step, total):
        setattr(pipeline, name, copy.copy(genuine))

    with exchanged(pipeline, name, genuine):
        code = unwatched(family, progress=exchange)
    assert code == "check.pipeline-unwatched"
    assert "step" not in vars(pipeline.scheduler) and "decode" not in vars(pipeline.vae)


@every
def test_a_compiled_vae(family):
    """A compiled vae decodes past the hook, and is not run."""
    pipeline = tiny_once(family)
    with exchanged(pipeline, "vae", torch.compile(pipeline.vae)):
        assert unwatched(family) == "check.pipeline-unwatched"


def networks(pipeline):
    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]


@every
def test_adapter_weights_on_any_network(family, monkeypatch):
    """Weights of an adapter on any of its networks, the text encoders' included, are found."""
    pipeline = tiny_once(family)
    for part in networks(pipeline):
        for mark in ("_hf_peft_config_loaded", "peft_config"):
            with monkeypatch.context() as patch:
                patch.setattr(part, mark, {"her": 1}, raising=False)
                with pytest.raises(ArgumentRejected) as error:
                    classify(pipeline)
                assert error.value.code == "input.adapter"
    assert classify(pipeline) is family


class FluxIPAdapterAttnProcessor:
    """Bears the name by which diffusers' own are told."""


@every
def test_ip_adapter_on_the_denoiser(family, monkeypatch):
    """An IP-Adapter's projection, or its attention, on the network that draws is found."""
    pipeline = tiny_once(family)
    part = getattr(pipeline, "transformer", None) or pipeline.unet
    for mark in ("encoder_hid_proj", "image_proj"):
        setattr(part, mark, torch.nn.Identity())
        try:
            with pytest.raises(ArgumentRejected) as error:
                classify(pipeline)
        finally:
            setattr(part, mark, None)
        assert error.value.code == "input.adapter"
    monkeypatch.setattr(type(part), "attn_processors", {"one": FluxIPAdapterAttnProcessor()}, raising=False)
    with pytest.raises(ArgumentRejected) as error:
        classify(pipeline)
    assert error.value.code == "input.adapter"


@every
def test_textual_inversion_in_any_tokenizer(family, monkeypatch):
    """A word that stands for a person is found in every tokenizer, one inside a processor included."""
    pipeline = tiny_once(family)
    parts = pipeline.components.values()
    tokenizers = [one for part in parts for one in (part, getattr(part, "tokenizer", None))]
    tokenizers = [one for one in tokenizers if hasattr(one, "get_added_vocab")]
    assert tokenizers
    for tokenizer in tokenizers:
        genuine = tokenizer.get_added_vocab()
        for word, found in (("<her>", True), ("<|her|>", True), ("<think>", False), ("<|fim_pad|>", False)):
            with monkeypatch.context() as patch:
                patch.setattr(tokenizer, "get_added_vocab", lambda given={**genuine, word: 999}: given)
                if found:
                    with pytest.raises(ArgumentRejected) as error:
                        classify(pipeline)
                    assert error.value.code == "input.adapter"
                else:  # the Qwen tokenizers ship with it
                    assert classify(pipeline) is family


@pytest.mark.parametrize(
    "name,reason",
    [
        ("FluxPipeline", "words alone"),
        ("LongCatImageEditPipeline", "before and after"),
        ("WanPipeline", "video"),
        ("ModularPipeline", "modular"),
        ("LEditsPPPipelineStableDiffusion", "inverts"),
    ],
)
def test_a_class_that_is_refused_says_why(name, reason):
    """Every other class of diffusers is refused with its own reason and with the way to ask."""
    import diffusers

    with pytest.raises(ArgumentRejected) as error:
        classify(object.__new__(getattr(diffusers, name)))
    assert reason in error.value.message and "ask" in error.value.remedy
