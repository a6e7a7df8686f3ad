"""What a guard passes on brings no code that is shown the picture; an error of a batch holds no frame."""

from __future__ import annotations

import json
import shutil

import pytest
from diffusers import DiffusionPipeline
from fake_perception import picture

from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.pipelines.guarded import GuardedPipeline
from consent_edit.pipelines.loading import load

COMPILED = {
    "a backend of one's own": {"backend": lambda graph, inputs: graph.forward},
    "a backend registered elsewhere": {"backend": "somebodys"},
    "a backend that only reads like one": {"backend": type("Text", (str,), {})("eager")},
    "passes of one's own": {"options": {"post_grad_custom_post_pass": print}},
    "inputs written to the disk": {"options": {"trace.save_real_tensors": True}},
    "what nobody knows": {"hook": print},
    "code as a mode": {"mode": print},
}


@pytest.mark.parametrize("what", COMPILED)
def test_compiler_that_is_shown_what_is_made(scene, tiny, monkeypatch, what):
    """A compiler's backend and options get every tensor of a run: only torch's own are taken, by name."""
    compiled = []
    monkeypatch.setattr(tiny.unet, "compile", lambda **said: compiled.append(said), raising=False)
    for guard in (scene.editor, GuardedPipeline(scene.editor)):
        with pytest.raises(ArgumentRejected) as refused:
            guard.compile(**COMPILED[what])
        assert refused.value.code == "input.pipeline-setting"
    assert compiled == []
    scene.editor.compile(backend="inductor", fullgraph=True, dynamic=None, mode="default")
    assert len(compiled) == 1


def chain(error):
    """An error, and all that it came of."""
    left, found = [error], []
    while left:
        one = left.pop()
        if one is not None and not any(one is other for other in found):
            found.append(one)
            left += [one.__cause__, one.__context__]
    return found


def two_reasons():
    try:
        raise KeyError("aside")
    except KeyError:
        raise ValueError from OSError()


def one_of_the_other():
    first, second = ValueError(), OSError()
    first.__cause__, second.__context__ = second, first
    raise first


@pytest.mark.parametrize("raised", [two_reasons, one_of_the_other])
def test_no_frame_is_kept_by_any_way(scene, raised):
    """Frames hold the pixels of what was not released; errors that go in a ring hold nobody up."""
    steps = []

    def progress(*said):
        steps.append(said)
        raised()

    outcomes = scene.editor.edit_many([scene.request(image=picture(10))], progress=progress)
    assert type(outcomes[0]) is CheckFailed and steps
    held = chain(outcomes[0])
    assert len(held) > 2 and all(one.__traceback__ is None for one in held)


def test_repository_that_changes_while_it_is_fetched(tiny, tmp_path, monkeypatch):
    """What is loaded is what the fetched folder's own index names, and that is looked at."""
    import huggingface_hub

    tiny.save_pretrained(tmp_path / "first")
    later = shutil.copytree(tmp_path / "first", tmp_path / "later")
    index = json.loads((later / "model_index.json").read_text())
    (later / "model_index.json").write_text(json.dumps({**index, "unet": ["subprocess", "Popen"]}))

    def never(*arguments, **keywords):
        raise AssertionError("it was loaded")

    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *_, **__: str(tmp_path / "first" / "model_index.json")
    )
    monkeypatch.setattr(DiffusionPipeline, "download", classmethod(lambda *_, **__: str(later)))
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", classmethod(never))
    with pytest.raises(ArgumentRejected) as refused:
        load("somebody/model")
    assert refused.value.code == "input.remote-code"
