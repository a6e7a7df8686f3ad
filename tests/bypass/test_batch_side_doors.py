"""Attacks through many pictures at once: what is refused or broken off must not leave with the others."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from fake_perception import picture, seen_face
from PIL import Image

from consent_edit import EditRefused, EditResult, InputError, Operation
from consent_edit.errors import ArgumentRejected, CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode
from consent_edit.pipelines.guarded import GuardedPipeline

SOON_S = 60.0
FEW = {"num_inference_steps": 1, "operations": frozenset({Operation.TONE})}
WORDS = "make it warmer"


def shown(seed):
    return Image.fromarray(picture(seed).pixels)


def makes(scene, *made):
    coming = iter(made)
    vars(scene.editor.pipeline.image_processor)["_shown"] = lambda: Image.fromarray(next(coming).pixels)


def events(scene):
    leaves = [scene.operator.store.leaf(number).decode() for number in range(scene.entries)]
    return ["release" if '"event":"release"' in leaf else "refusal" for leaf in leaves]


def reachable(start):
    """Everything that can be got at from an object, classes and modules aside."""
    found, left = {}, [start]
    while left:
        one = left.pop()
        if id(one) in found or isinstance(one, type) or type(one).__name__ in {"module", "function"}:
            continue
        found[id(one)] = one
        left += gc.get_referents(one)
    return list(found.values())


def held_pictures(outcomes):
    """The pixels of every picture that can be got at from outcomes."""
    arrays = [one for one in reachable(outcomes) if isinstance(one, np.ndarray) and one.ndim == 3]
    images = [np.asarray(one) for one in reachable(outcomes) if isinstance(one, Image.Image)]
    return {
        CanonicalImage.of(one.astype(np.uint8)).digest for one in (*arrays, *images) if one.shape[-1] == 3
    }


def test_refused_picture_reached_through_its_outcome(scene):
    """Nothing that was made and refused, or broke off, hangs on what the caller is given."""
    scene.perception.faces[picture(21).digest] = (seen_face(7),)
    made = [picture(20), picture(21), picture(22)]
    makes(scene, *made)
    requests = [scene.request(image=picture(seed)) for seed in (10, 11, 12)]

    def progress(index, step, total):
        if index == 2:
            raise RuntimeError

    outcomes = scene.editor.edit_many(requests, progress=progress)
    assert [type(one) for one in outcomes] == [EditResult, EditRefused, CheckFailed]
    gc.collect()
    assert held_pictures(outcomes) == set()
    assert decode(outcomes[0].released).image.digest == made[0].digest


def test_refused_picture_hidden_between_released_ones(scene):
    """A drop-in's call of many, one of which shows somebody, gives out the others and nothing of it."""
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    scene.perception.faces[picture(22).digest] = (seen_face(7),)
    makes(scene, picture(20), picture(22), picture(23))
    output = GuardedPipeline(scene.editor)(WORDS, [shown(seed) for seed in (10, 11, 12, 13)], **FEW)
    assert [type(one) for one in output.outcomes] == [EditResult, EditRefused, EditRefused, EditResult]
    with pytest.raises(EditRefused):
        _ = output.images
    with pytest.raises(EditRefused):
        _ = output[0]
    assert sorted(events(scene)) == ["refusal", "refusal", "release", "release"]


WRONG = [np.zeros((64, 64, 3), np.uint8), None, 7, object(), "picture.png", [[]], {"image": 1}]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: type(one).__name__)
def test_wrong_type_among_pictures(scene, wrong):
    """A batch with anything but pictures in it is refused whole, before anything is looked at."""
    with pytest.raises(InputError):
        GuardedPipeline(scene.editor)(WORDS, [shown(10), wrong], **FEW)
    assert scene.perception.saw == [] and scene.entries == 0


@pytest.mark.parametrize("wrong", [7, b"words", ["p"], object()], ids=lambda one: type(one).__name__)
def test_wrong_type_among_prompts(scene, wrong):
    """So is one with anything but texts among its prompts."""
    with pytest.raises(ArgumentRejected):
        GuardedPipeline(scene.editor)([WORDS, wrong], [shown(10), shown(11)], **FEW)
    assert scene.perception.saw == []


def test_every_prompt_of_a_list_is_read(scene):
    """Words that ask for more than a consent gives do not pass between harmless ones."""
    from consent_edit.vocabulary import Intent

    scene.perception.reads["undress"] = (Intent.SEXUAL, frozenset({Operation.CLOTHING}))
    output = GuardedPipeline(scene.editor)([WORDS, "undress", WORDS], shown(10), **FEW)
    assert [type(one) for one in output.outcomes] == [EditResult, EditRefused, EditResult]
    assert "floor.sexual-intent" in output.outcomes[1].codes


@pytest.mark.parametrize(
    "lists",
    [
        {"prompt": [WORDS] * 2, "image": 3},
        {"prompt": [WORDS] * 3, "image": 2},
        {"prompt": WORDS, "negative_prompt": ["a", "b"], "image": 3},
        {"prompt": [], "image": 1},
        {"prompt": WORDS, "image": 0},
    ],
)
def test_lists_of_mixed_lengths(scene, lists):
    """No picture is paired with words that were meant for another, or with none."""
    call = {**lists, "image": [shown(seed) for seed in range(10, 10 + lists["image"])]}
    with pytest.raises(ArgumentRejected) as refused:
        GuardedPipeline(scene.editor)(**call, **FEW)
    assert refused.value.code == "input.batch" and scene.perception.saw == []


def test_generator_object_in_place_of_a_list(scene):
    """What can be read once only is no list: nothing could be checked in it that is not gone by then."""
    with pytest.raises(ArgumentRejected) as refused:
        GuardedPipeline(scene.editor)(WORDS, (shown(seed) for seed in (10, 11)), **FEW)
    assert refused.value.code == "input.type" and scene.perception.saw == []


class Turning(list):
    """A list that shows other pictures at every look."""

    looks = 0

    def __iter__(self):
        self.looks += 1
        return iter([shown(10 + self.looks)])


def test_list_that_changes_from_look_to_look(scene):
    """A list of a class of its own is refused, and a tuple's subclass as well."""

    class Pair(tuple):
        __slots__ = ()

    for turning in (Turning([shown(10)]), Pair([shown(10)])):
        with pytest.raises(ArgumentRejected) as refused:
            GuardedPipeline(scene.editor)(WORDS, turning, **FEW)
        assert refused.value.code == "input.batch"


def test_list_mutated_between_the_checks_and_the_run(scene):
    """What is put into the list, or drawn into a picture not yet looked at, changes nothing unlooked at."""
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    images = [shown(10), shown(12), shown(13)]
    third = images[2]

    def progress(step, total):
        images[1:] = [shown(11)] * 9
        third.paste(shown(11))

    makes(scene, picture(20), picture(21), picture(22))
    output = GuardedPipeline(scene.editor)(WORDS, images, progress=progress, **FEW)
    assert len(output.outcomes) == 3 and isinstance(output.outcomes[1], EditResult)
    assert isinstance(output.outcomes[2], EditRefused)  # looked at as it was when its turn came


def test_requests_mutated_in_a_batch(scene):
    """Requests put into the list after it was handed over are not edited, and those in it are."""
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    requests = [scene.request(image=picture(10)), scene.request(image=picture(12))]

    def progress(index, step, total):
        requests[:] = [scene.request(image=picture(11))]

    outcomes = scene.editor.edit_many(requests, progress=progress)
    assert [type(one) for one in outcomes] == [EditResult, EditResult]


def test_cancelled_in_the_middle(scene):
    """Nothing that had not left by then leaves, and no admission stands without its end."""
    off = threading.Event()
    looked = threading.Event()

    def looking():
        off.wait(SOON_S)
        looked.set()

    scene.perception.before_change = looking

    def progress(index, step, total):
        if index == 1:
            off.set()
            looked.wait(SOON_S)

    requests = [scene.request(image=picture(seed)) for seed in range(10, 14)]
    outcomes = scene.editor.edit_many(requests, cancelled=off.is_set, progress=progress)
    assert {one.code for one in outcomes} == {"check.pipeline-cancelled"}
    assert "release" not in events(scene) and len(events(scene)) == len(scene.perception.saw)


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
def test_broken_off_by_the_pipeline_itself(scene, ends):
    """A pipeline that exits in the middle of a batch takes no picture out with it."""
    made = iter([Image.fromarray(picture(20).pixels)])

    def shows():
        for one in made:
            return one
        raise ends

    looked = threading.Event()
    scene.perception.before_change = lambda: looked.wait(0.2)
    vars(scene.editor.pipeline.image_processor)["_shown"] = shows
    with pytest.raises(ends):
        scene.editor.edit_many([scene.request(image=picture(seed)) for seed in range(10, 14)])
    assert len(events(scene)) == len(scene.perception.saw)


def test_store_gone_while_a_batch_breaks_off(scene, monkeypatch):
    """Where nothing can be written down any more, the interrupt still ends the batch and says so."""
    from consent_edit.errors import StoreUnavailable

    admitted = threading.Event()
    read = scene.perception.read_prompt

    def reading(texts, *, negative=()):
        if len(scene.perception.saw) == 1:
            admitted.set()
        return read(texts, negative=negative)

    def gone(*arguments):
        raise StoreUnavailable("gone")

    def progress(index, step, total):
        admitted.wait(SOON_S)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(scene.editor), "_abandon", gone)
    scene.perception.read_prompt = reading
    with pytest.raises(KeyboardInterrupt) as interrupt:
        scene.editor.edit_many([scene.request(image=picture(seed)) for seed in (10, 11)], progress=progress)
    assert any("check.store-unavailable" in note for note in interrupt.value.__notes__)


def test_two_threads_at_one_editor(scene):
    """Two callers' pictures do not mix: each gets what its own runs made, and its own refusals."""
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    vars(scene.editor.pipeline.image_processor)["_shown"] = lambda: Image.fromarray(
        picture(50 + len(ran)).pixels
    )
    ran, ended = [], {}

    def call(name, seeds):
        requests = [scene.request(image=picture(seed)) for seed in seeds]
        ended[name] = scene.editor.edit_many(requests, progress=lambda *_: ran.append(name))

    threads = [
        threading.Thread(target=call, args=one) for one in (("hers", (10, 12, 14)), ("his", (11, 13, 15)))
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(SOON_S)
    assert [type(one) for one in ended["hers"]] == [EditResult] * 3
    assert [type(one) for one in ended["his"]] == [EditRefused, EditResult, EditResult]
    made = {name: iter([50 + at for at, who in enumerate(ran, 1) if who == name]) for name in ended}
    for name, outcomes in ended.items():
        for one in outcomes:
            if isinstance(one, EditResult):
                assert decode(one.released).image.digest == picture(next(made[name])).digest


def test_pipelines_that_share_a_scheduler(scene, tmp_path):
    """A pipeline that shares its parts with the one that runs cannot slip its run under the other's watch."""
    from tiny_pipelines import InstructPix2Pix

    from consent_edit import ConsentEditor

    sister = InstructPix2Pix(**scene.editor.pipeline.components, requires_safety_checker=False)
    sister.set_progress_bar_config(disable=True)
    other = ConsentEditor(sister, scene.operator, perception=scene.perception)
    codes = []

    def progress(step, total):
        with pytest.raises(CheckFailed) as refused:
            other.edit(scene.request())
        codes.append(refused.value.code)

    assert scene.editor.edit(scene.request(), progress=progress).released
    assert codes == ["check.pipeline-unwatched"]
