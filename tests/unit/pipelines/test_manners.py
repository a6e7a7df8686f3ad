"""Diffusers' manners: what says where and how fast a guarded pipeline runs is passed on, and nothing else."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from accelerate.hooks import remove_hook_from_module
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from diffusers.models.attention_processor import AttnProcessor2_0, SlicedAttnProcessor
from fake_perception import Scene
from PIL import Image
from tiny_pipelines import tiny_instruct_pix2pix

from consent_edit.errors import ArgumentRejected, ConsentEditError
from consent_edit.intake.decode import decode
from consent_edit.pipelines.guarded import GuardedPipeline
from consent_edit.pipelines.turns import turns

SOON_S = 60.0


@pytest.fixture
def tiny(tmp_path):
    return tiny_instruct_pix2pix(tmp_path)


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    made = Scene.make(tiny, genuine)
    tiny.image_processor = genuine  # what is made is what leaves
    return made


@pytest.fixture(params=["editor", "drop-in"])
def guard(request, scene):
    return scene.editor if request.param == "editor" else GuardedPipeline(scene.editor)


def edited(scene):
    settings = {"num_inference_steps": 2, "generator": torch.Generator().manual_seed(3)}
    return decode(scene.edit(settings=settings).released).image.pixels


def test_to_moves_and_gives_the_guard_back(guard, scene, tiny):
    """Precision and place are set as diffusers sets them, and an edit runs in them."""
    assert guard.dtype == torch.float32 and guard.device == torch.device("cpu")
    assert guard.to(torch.bfloat16) is guard
    assert guard.dtype == tiny.unet.dtype == torch.bfloat16
    assert edited(scene).shape == (64, 64, 3)


def test_slicing_and_tiling(guard, scene, tiny):
    """Attention in slices and a vae in tiles are switched on, and an edit runs with them."""
    assert guard.enable_attention_slicing(1).enable_vae_slicing().enable_vae_tiling() is guard
    kinds = {type(one) for one in tiny.unet.attn_processors.values()}
    assert kinds == {SlicedAttnProcessor} and tiny.vae.use_tiling and tiny.vae.use_slicing
    assert edited(scene).shape == (64, 64, 3)
    guard.disable_attention_slicing()
    assert {type(one) for one in tiny.unet.attn_processors.values()} == {AttnProcessor2_0}


def test_progress_bar(guard, tiny):
    """Diffusers' own bar is configured through."""
    guard.set_progress_bar_config(disable=True, desc="warming")
    assert tiny._progress_bar_config == {"disable": True, "desc": "warming"}


def test_attention_backend(guard, scene):
    """A backend that is installed is set; one that diffusers would fetch as code is not."""
    plain = edited(scene)
    guard.set_attention_backend("native")
    assert np.array_equal(edited(scene), plain)
    for fetched in ("flash_hub", "_FLASH_3_HUB", "sage_hub"):
        with pytest.raises(ArgumentRejected) as refused:
            guard.set_attention_backend(fetched)
        assert refused.value.code == "input.pipeline-setting" and "hub" in refused.value.message


def test_scheduler_of_diffusers_own(guard, scene, tiny):
    """Another scheduler is put in from the present one's configuration, and watched as the first was."""
    assert guard.set_scheduler(EulerAncestralDiscreteScheduler, steps_offset=0) is guard
    assert type(tiny.scheduler) is EulerAncestralDiscreteScheduler and tiny.scheduler.config.steps_offset == 0
    told = []
    scene.editor.edit(scene.request(), progress=lambda *said: told.append(said))
    assert told == [(1, 1)]


@pytest.mark.parametrize("kind", [EulerAncestralDiscreteScheduler, DDIMScheduler])
def test_schedulers_that_draw_noise_of_their_own(scene, tiny, kind):
    """Watched, a step is still given the caller's generator and eta: equal seeds make equal pictures."""
    scene.editor.set_scheduler(kind)
    how = {"num_inference_steps": 3, "eta": 1.0}
    made = decode(scene.edit(settings={**how, "generator": torch.Generator().manual_seed(3)}).released).image
    bare = tiny(
        prompt="make it warmer",
        image=Image.fromarray(scene.before.pixels),
        generator=torch.Generator().manual_seed(3),
        **how,
    ).images[0]
    assert np.array_equal(made.pixels, np.asarray(bare))


class Own(EulerDiscreteScheduler):
    """A scheduler of somebody's own."""


class Impostor:
    """Bears a scheduler's name."""

    config = None


Impostor.__name__ = "DDIMScheduler"


@pytest.mark.parametrize(
    "kind", [Own, Impostor, object, DDIMScheduler(), torch.Generator, None, "DDIMScheduler"]
)
def test_scheduler_of_another_kind(guard, tiny, kind):
    """A class of somebody's own, one that merely bears a name, and an instance are refused."""
    before = tiny.scheduler
    with pytest.raises(ArgumentRejected) as refused:
        guard.set_scheduler(kind)
    assert refused.value.code == "input.pipeline-setting" and tiny.scheduler is before


CLOSED = (
    "components",
    "from_pipe",
    "vae",
    "unet",
    "scheduler",
    "text_encoder",
    "tokenizer",
    "image_processor",
    "_encode_prompt",
    "prepare_latents",
    "load_lora_weights",
    "load_ip_adapter",
    "load_textual_inversion",
    "register_modules",
    "save_pretrained",
    "config",
    "_execution_device",
)


@pytest.mark.parametrize("name", CLOSED)
def test_nothing_else_is_passed_on(guard, tiny, name):
    """Parts and methods through which a picture could leave are not there, and the error says why."""
    assert hasattr(tiny, name) and not hasattr(guard, name)
    with pytest.raises(AttributeError) as refused:
        getattr(guard, name)
    assert isinstance(refused.value, ConsentEditError) and refused.value.code == "input.not-passed-on"
    assert name in refused.value.message


@pytest.mark.parametrize(
    "name", ["scheduler", "vae", "unet", "image_processor", "safety_checker", "anything"]
)
def test_nothing_is_set_past_it(guard, tiny, name):
    """What is set on the guard would seem to reach the pipeline; it is refused instead."""
    with pytest.raises(AttributeError) as refused:
        setattr(guard, name, None)
    assert refused.value.code == "input.not-passed-on" and name not in vars(guard)


def test_what_a_guard_holds_is_not_taken_away(scene):
    """Without its parts a guard could not say what it guards."""
    for guard, name in ((scene.editor, "pipeline"), (GuardedPipeline(scene.editor), "editor")):
        with pytest.raises(AttributeError):
            delattr(guard, name)


def test_copies_and_what_python_looks_for(guard):
    """Python's own look-ups end as Python expects; a shallow copy is a guard of the same pipeline."""
    assert not hasattr(guard, "__array__") and not hasattr(guard, "__fspath__")
    assert copy.copy(guard)._wrapped is guard._wrapped
    with pytest.raises(Exception, match="pickle"):
        pickle.dumps(guard)


def test_what_diffusers_refuses_is_an_error_of_ours(guard):
    """Without an accelerator there is nothing to offload from; diffusers' error does not cross the edge."""
    for ask in (
        guard.enable_model_cpu_offload,
        guard.enable_sequential_cpu_offload,
        lambda: guard.to("no device"),
        lambda: guard.enable_group_offload(onload_device="no device"),
    ):
        with pytest.raises(ArgumentRejected) as refused:
            ask()
        assert refused.value.code == "input.pipeline-setting"


def test_part_that_is_not_there(guard, tiny):
    """A pipeline without the part in question says so."""
    tiny.vae = None
    with pytest.raises(ArgumentRejected, match="no vae"):
        guard.enable_vae_tiling()


def test_nothing_changes_under_a_run(scene, guard):
    """A change asked for in another thread waits until the run is over; in the run itself it is refused."""
    asked, moved = [], threading.Event()

    def move():
        guard.to(torch.float32)
        moved.set()

    def progress(step, total):
        if not asked:
            asked.append(threading.Thread(target=move))
            asked[0].start()
            while not turns(scene.editor.pipeline)._queue:
                threading.Event().wait(0.01)
            asked.append(moved.is_set())
            with pytest.raises(ConsentEditError) as refused:
                guard.to(torch.float32)
            asked.append(refused.value.code)

    assert scene.editor.edit(scene.request(), progress=progress).released
    asked[0].join(SOON_S)
    assert asked[1:] == [False, "check.pipeline-busy"] and moved.is_set()


def test_hooks_of_offloading(scene, tiny):
    """With accelerate's hooks on every network the watch passes, and the pictures are the same."""
    plain = edited(scene)
    networks = (tiny.text_encoder, tiny.unet, tiny.vae)
    for one in networks:
        cpu_offload(one, execution_device=torch.device("cpu"))
    assert all(hasattr(one, "_hf_hook") for one in networks)
    told = []
    scene.editor.edit(scene.request(), progress=lambda *said: told.append(said))
    assert told == [(1, 1)] and np.array_equal(edited(scene), plain)
    assert "decode" not in vars(tiny.vae) and hasattr(tiny.vae, "_hf_hook")
    for one in networks:
        remove_hook_from_module(one, recurse=True)


def test_hooks_of_model_offloading_free_after_every_run(scene, tiny):
    """Hooks that offload a whole network at a time are kept, and freed after runs that break off too."""
    plain, freed = edited(scene), []
    _, tiny_hook = cpu_offload_with_hook(tiny.vae, execution_device=torch.device("cpu"))
    offload = tiny_hook.offload
    tiny_hook.offload = lambda: freed.append(1) or offload()
    genuine = type(tiny).maybe_free_model_hooks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(tiny), "maybe_free_model_hooks", lambda self: (tiny_hook.offload(), genuine(self))[1]
        )
        assert np.array_equal(edited(scene), plain)
        with pytest.raises(ConsentEditError):
            scene.editor.edit(scene.request(), progress=lambda *said: 1 / 0)
    assert len(freed) >= 2
    remove_hook_from_module(tiny.vae, recurse=True)


def test_compiled_in_place(guard, scene, tiny):
    """Compiled where it stands, the network is still diffusers' own, and draws the same picture."""
    plain = edited(scene)
    assert guard.compile(backend="eager") is guard
    assert tiny.unet._compiled_call_impl is not None
    told = []
    scene.editor.edit(scene.request(), progress=lambda *said: told.append(said))
    assert told == [(1, 1)] and np.array_equal(edited(scene), plain)
