"""Many edits at once: each by itself, in order, checked while the next is made, and ended together."""

from __future__ import annotations

import threading

import pytest
from fake_perception import LEFT, Scene, picture, seen_face
from PIL import Image
from tiny_pipelines import tiny_instruct_pix2pix

from consent_edit import EditRefused, EditResult, InputError, Operation
from consent_edit.errors import CheckFailed
from consent_edit.intake.decode import decode

SOON_S = 60.0
"""A wait that ends at once where it ends at all."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    yield Scene.make(tiny, genuine)
    tiny.image_processor = genuine


def makes(scene, *made):
    """The pictures that the pipeline's runs return, one after the other."""
    coming = iter(made)
    vars(scene.editor.pipeline.image_processor)["_shown"] = lambda: Image.fromarray(next(coming).pixels)


def asked(scene, *pictures, **changes):
    return [scene.request(image=one, **changes) for one in pictures]


def leaves(scene):
    return [scene.operator.store.leaf(number).decode() for number in range(scene.entries)]


def test_every_outcome_stands_at_its_requests_place(scene):
    """Refused, unusable and released requests keep their places; none discards or changes another."""
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    made = [picture(20), picture(23)]
    makes(scene, *made)
    requests = asked(scene, picture(10), picture(11), b"no picture", picture(13))
    first, refused, unusable, last = scene.editor.edit_many(requests)
    assert [decode(one.released).image.digest for one in (first, last)] == [one.digest for one in made]
    assert type(refused) is EditRefused and refused.boxes == ((LEFT.x, LEFT.y, LEFT.width, LEFT.height),)
    assert isinstance(unusable, InputError) and unusable.code == "input.format"
    assert scene.exact(refused) and first.receipt != last.receipt


def test_refused_output_between_two_released_ones(scene):
    """What the pipeline made of one picture is refused; those beside it leave."""
    scene.perception.faces[picture(21).digest] = (seen_face(7),)
    makes(scene, picture(20), picture(21), picture(22))
    first, refused, last = scene.editor.edit_many(asked(scene, picture(10), picture(11), picture(12)))
    assert isinstance(first, EditResult) and isinstance(last, EditResult)
    assert "floor.foreign-identity" in scene.exact(refused)


@pytest.mark.parametrize("number", [0, 1])
def test_none_and_one(scene, number):
    """A batch of nothing is nothing, and a batch of one is the one."""
    outcomes = scene.editor.edit_many(asked(scene, *[picture(10)] * number))
    assert [type(one) for one in outcomes] == [EditResult] * number


def test_generator_of_requests(scene):
    """Any iterable of requests is taken, and read once."""
    outcomes = scene.editor.edit_many(scene.request(image=picture(seed)) for seed in (10, 11))
    assert [type(one) for one in outcomes] == [EditResult] * 2


@pytest.mark.parametrize("given", [None, "a request", [None], [b"bytes"], 7])
def test_what_is_no_batch(scene, given):
    """Anything among them that is no request refuses the whole before anything is looked at."""
    batch = [scene.request(), *given] if isinstance(given, list) else given
    with pytest.raises(InputError) as refused:
        scene.editor.edit_many(batch)
    assert refused.value.code == "input.request" and scene.perception.saw == []


def test_one_request_is_no_batch(scene):
    """A request that somebody forgot to put into a list is not taken for one."""
    with pytest.raises(InputError) as refused:
        scene.editor.edit_many(scene.request())
    assert refused.value.code == "input.request"


def test_checks_run_while_the_next_picture_is_made(scene):
    """The output of a picture is looked at in another thread, while the next one takes its steps."""
    stepping, looked = threading.Event(), []
    threads = set()

    def looking():
        threads.add(threading.get_ident())
        looked.append(looked or stepping.wait(SOON_S))

    def progress(index, step, total):
        if index == 1:
            stepping.set()

    scene.perception.before_change = looking
    outcomes = scene.editor.edit_many(asked(scene, picture(10), picture(11)), progress=progress)
    assert [type(one) for one in outcomes] == [EditResult] * 2
    assert looked[0] is True and threading.get_ident() not in threads and len(threads) == 1


def test_no_more_than_three_pictures_are_held(scene):
    """However long the batch, none is looked at before its neighbour but one is made."""
    ahead = []

    def progress(index, step, total):
        ahead.append(len(scene.perception.saw) - index)

    scene.editor.edit_many(asked(scene, *map(picture, range(10, 17))), progress=progress)
    assert len(ahead) == 7 and max(ahead) <= 2


def test_progress_says_which(scene):
    """The callback is told the index, the step and how many: plain numbers."""
    told = []
    requests = asked(scene, picture(10), picture(11), settings={"num_inference_steps": 2})
    scene.editor.edit_many(requests, progress=lambda *said: told.append(said))
    assert told == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]


def test_last_use_of_a_grant_releases_one_of_two(scene):
    """Two pictures admitted under a grant's last use: the first release has it, the second none."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE}, max_uses=1)
    request = scene.request(presentations=(grant.presentation(),))
    first, second = scene.editor.edit_many([request, request])
    assert isinstance(first, EditResult) and "consent.exhausted" in scene.exact(second)
    assert scene.uses(grant) == 1


def test_withdrawal_during_a_later_run_ends_the_earlier_edit(scene):
    """What was made and not yet released is refused once its consent is withdrawn, whoever runs by then."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    grant = person.grant(operations={Operation.TONE})
    makes(scene, scene.after, picture(22))
    stepping, looked = threading.Event(), []

    def looking():
        looked.append(stepping.wait(SOON_S))

    def progress(index, step, total):
        if index == 1:
            person.withdraw(grant)
            stepping.set()

    scene.perception.before_change = looking
    hers = scene.request(presentations=(grant.presentation(),))
    refused, other = scene.editor.edit_many([hers, scene.request(image=picture(12))], progress=progress)
    assert looked[0] is True
    assert "consent.revoked" in scene.exact(refused) and "consent.revoked" not in refused.codes
    assert isinstance(other, EditResult) and scene.uses(grant) == 0


def test_cancelled_batch(scene):
    """What was released before stays released; the rest reads cancelled, and every admission has its end."""
    off = threading.Event()
    seen = threading.Event()

    def progress(index, step, total):
        if index == 1:
            seen.wait(SOON_S)
            off.set()

    release = scene.editor._gate.release

    def releasing(*arguments):
        try:
            return release(*arguments)
        finally:
            seen.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(scene.editor._gate), "release", lambda self, *a: releasing(*a))
        requests = asked(scene, *map(picture, range(10, 15)))
        outcomes = scene.editor.edit_many(requests, cancelled=off.is_set, progress=progress)
    assert isinstance(outcomes[0], EditResult) and len(outcomes) == 5
    assert [one.code for one in outcomes[1:]] == ["check.pipeline-cancelled"] * 4
    broken = [leaf for leaf in leaves(scene) if "check.pipeline-cancelled" in leaf]
    assert len(broken) == len(scene.perception.saw) - 1


def test_callback_that_fails(scene):
    """A callback that cannot say whether to go on ends the batch, as errors of ours."""

    def failing():
        raise RuntimeError("her name")

    outcomes = scene.editor.edit_many(asked(scene, picture(10), picture(11)), cancelled=failing)
    assert {type(one) for one in outcomes} == {CheckFailed}
    assert not any("her name" in one.message for one in outcomes)


def test_interrupt_ends_everything_and_loses_nothing_silently(scene, caplog):
    """Ctrl-C in a run: what was admitted is written down as broken off, what was released is named."""
    released = threading.Event()
    admitted = threading.Event()
    read = scene.perception.read_prompt
    release = type(scene.editor._gate).release

    def releasing(self, *arguments):
        try:
            return release(self, *arguments)
        finally:
            released.set()

    def reading(texts, *, negative=()):
        if len(scene.perception.saw) == 2:
            admitted.set()
        return read(texts, negative=negative)

    def progress(index, step, total):
        if index == 1:
            assert released.wait(SOON_S) and admitted.wait(SOON_S)
            raise KeyboardInterrupt

    scene.perception.read_prompt = reading
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt) as interrupt:
        patch.setattr(type(scene.editor._gate), "release", releasing)
        scene.editor.edit_many(asked(scene, *map(picture, range(10, 15))), progress=progress)
    ends = [('"event":"release"' in leaf, '"event":"refusal"' in leaf) for leaf in leaves(scene)]
    assert sorted(ends, reverse=True) == [(True, False), (False, True), (False, True)]
    (note,) = interrupt.value.__notes__
    (named,) = note.rpartition(": ")[2].split(", ")
    assert scene.operator.decision(named).allowed and named in caplog.text
    assert scene.edit().released


def test_refusal_keeps_no_frame(scene):
    """An error kept in an outcome holds no frame: those hold pictures that did not leave."""
    scene.perception.faces[picture(21).digest] = (seen_face(7),)
    makes(scene, picture(20), picture(21))
    refused = scene.editor.edit_many(asked(scene, picture(10), picture(11)))[1]
    broken = scene.editor.edit_many([scene.request()], progress=lambda *said: 1 / 0)[0]
    assert broken.code == "check.pipeline-failed" and isinstance(broken.__cause__, ZeroDivisionError)
    for one in (refused, broken, broken.__cause__):
        assert one.__traceback__ is None
