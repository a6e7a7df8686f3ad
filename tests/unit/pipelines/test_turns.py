"""Turns on a pipeline: one at a time, first come first served, and nobody waits for ever."""

from __future__ import annotations

import threading

import pytest
from fake_perception import Scene, picture
from tiny_pipelines import tiny_instruct_pix2pix

from consent_edit import ConsentEditor, EditResult
from consent_edit.errors import CheckFailed
from consent_edit.pipelines.turns import Turns, turns

SOON_S = 60.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    yield Scene.make(tiny, genuine)
    tiny.image_processor = genuine


def waiting(queue, number):
    """Until so many wait."""
    for _ in range(int(SOON_S * 100)):
        if len(queue._queue) >= number:
            return
        threading.Event().wait(0.01)
    raise AssertionError("they do not wait")


def test_first_come_first_served():
    """Those who wait go in the order in which they asked."""
    queue, order, threads = Turns(), [], []

    def run(number):
        with queue.taken(SOON_S):
            order.append(number)

    with queue.taken(SOON_S):
        for number in range(5):
            threads.append(threading.Thread(target=run, args=(number,)))
            threads[-1].start()
            waiting(queue, number + 1)
    for one in threads:
        one.join(SOON_S)
    assert order == [0, 1, 2, 3, 4]


def in_thread(work):
    """What another thread's call ends with."""
    ended = []

    def run():
        try:
            ended.append(work())
        except CheckFailed as error:
            ended.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(SOON_S)
    return ended[0]


def take(queue, deadline_s=SOON_S, **how):
    with queue.taken(deadline_s, **how):
        return "taken"


def test_waiting_ends_at_the_deadline_and_at_cancellation():
    """Who waits too long, or is no longer wanted, goes away and holds nobody up."""
    queue = Turns()
    with queue.taken(SOON_S):
        assert in_thread(lambda: take(queue, 0.0)) == "check.pipeline-busy"
        assert in_thread(lambda: take(queue, cancelled=lambda: True)) == "check.pipeline-cancelled"
    assert take(queue) == "taken"


def test_a_thread_does_not_wait_for_itself():
    """Asked for from inside its own turn, it is refused at once."""
    queue = Turns()
    with queue.taken(SOON_S):
        with pytest.raises(CheckFailed) as refused:
            take(queue)
        assert refused.value.code == "check.pipeline-busy"
    assert take(queue) == "taken"


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
def test_a_turn_ends_with_whatever_ends_the_run(raised):
    """An error or an interrupt gives the pipeline back."""
    queue = Turns()
    with pytest.raises(raised), queue.taken(SOON_S):
        raise raised
    assert in_thread(lambda: take(queue)) == "taken"


def test_turns_are_the_pipelines(tiny):
    """Every editor around a pipeline waits in the same line; another pipeline has another."""
    assert turns(tiny) is turns(tiny) and turns(tiny) is not turns(Turns())


def test_cancelled_before_its_run(scene, monkeypatch):
    """An edit that nobody wants any more when its turn comes does not call the pipeline at all."""
    called = []
    monkeypatch.setattr("consent_edit.pipelines.attended.runner.run", lambda *_, **__: called.append(1))
    with pytest.raises(CheckFailed) as refused:
        scene.editor.edit(scene.request(), cancelled=lambda: True)
    assert refused.value.code == "check.pipeline-cancelled" and called == []


def test_threads_that_share_an_editor(scene, tiny):
    """Edits from several threads, and by a second editor around the same pipeline, are all served."""
    second = ConsentEditor(tiny, scene.operator, perception=scene.perception)
    ended, lock = [], threading.Lock()
    running, most = [], []

    def progress(step, total):
        running.append(1)
        most.append(len(running))
        running.pop()

    def run(editor, seed):
        made = editor.edit(scene.request(image=picture(seed)), progress=progress)
        with lock:
            ended.append(type(made))

    threads = [
        threading.Thread(target=run, args=(editor, seed))
        for seed, editor in enumerate([scene.editor, second] * 3, 10)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(SOON_S)
    assert ended == [EditResult] * 6 and set(most) == {1}
