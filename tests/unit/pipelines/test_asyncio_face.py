"""Edits from asyncio: the loop goes on, and a cancelled task leaves no edit behind."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fake_perception import Scene, picture, seen_face
from tiny_pipelines import tiny_instruct_pix2pix

from consent_edit import EditRefused, EditResult, InputError

SOON_S = 60.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    yield Scene.make(tiny, genuine)
    tiny.image_processor = genuine


class Steps:
    """Lets a test's coroutine hear of a run's steps, and hold the run up at one."""

    def __init__(self, hold):
        self.loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self.go_on = threading.Event()
        self.hold = hold
        self.told = []

    def __call__(self, *said):
        self.told.append(said)
        if said == self.hold:
            self.loop.call_soon_threadsafe(self.reached.set)
            assert self.go_on.wait(SOON_S)


def leaves(scene):
    return [scene.operator.store.leaf(number).decode() for number in range(scene.entries)]


def long(scene, **changes):
    return scene.request(settings={"num_inference_steps": 5}, **changes)


def test_the_loop_goes_on_while_an_edit_runs(scene):
    """A run that waits for the loop itself ends, so the loop is not held up by it."""

    async def main():
        steps = Steps((1, 1))
        editing = asyncio.create_task(scene.editor.edit_async(scene.request(), progress=steps))
        await asyncio.wait_for(steps.reached.wait(), SOON_S)
        steps.go_on.set()
        return await editing

    assert isinstance(asyncio.run(main()), EditResult)


def test_what_edit_raises_is_raised(scene):
    """Refusals come out of the task as they come out of the call."""
    scene.shows([seen_face(1)], [seen_face(1)])
    with pytest.raises(EditRefused):
        asyncio.run(scene.editor.edit_async(scene.request()))


def test_cancelled_task_ends_its_edit_within_a_step(scene):
    """No further step is taken, nothing is released, and the log says that it broke off."""
    said = []

    async def main():
        steps = Steps((2, 5))
        editing = asyncio.create_task(scene.editor.edit_async(long(scene), progress=steps))
        await asyncio.wait_for(steps.reached.wait(), SOON_S)
        editing.cancel()
        await asyncio.sleep(0)
        editing.cancel()  # twice is once
        await asyncio.sleep(0)
        said.append(editing.done())
        steps.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await editing
        return steps.told

    assert asyncio.run(main()) == [(1, 5), (2, 5)]
    assert said == [False], "the task ended before its edit had"
    assert ['"event":"refusal"' in leaf and "check.pipeline-cancelled" in leaf for leaf in leaves(scene)] == [
        True
    ]
    assert scene.edit().released


def test_task_cancelled_while_its_picture_is_checked(scene):
    """A cancellation that comes after the run, and before the release, stops the release."""

    async def main():
        loop, reached, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def looking():
            loop.call_soon_threadsafe(reached.set)
            assert go_on.wait(SOON_S)

        scene.perception.before_change = looking
        editing = asyncio.create_task(scene.editor.edit_async(scene.request()))
        await asyncio.wait_for(reached.wait(), SOON_S)
        editing.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await editing

    asyncio.run(main())
    assert ["check.pipeline-cancelled" in leaf for leaf in leaves(scene)] == [True]


def test_release_that_came_too_late_for_its_task(scene, caplog):
    """What is released as its task is cancelled is named: the log has it, and a use may be counted."""
    release = type(scene.editor._gate).release

    async def main():
        loop, reached, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def releasing(self, *arguments):
            loop.call_soon_threadsafe(reached.set)
            assert go_on.wait(SOON_S)
            return release(self, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(scene.editor._gate), "release", releasing)
            editing = asyncio.create_task(scene.editor.edit_async(scene.request()))
            await asyncio.wait_for(reached.wait(), SOON_S)
            editing.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await editing

    asyncio.run(main())
    (record,) = caplog.records
    named = record.getMessage().rpartition(": ")[2]
    assert '"event":"release"' in scene.newest() and scene.operator.decision(named).allowed


def test_more_tasks_than_threads(scene):
    """Tasks that wait for a thread get one in turn."""

    async def main():
        return await asyncio.gather(*[scene.editor.edit_async(scene.request()) for _ in range(5)])

    assert len({one.decision_id for one in asyncio.run(main())}) == 5


def test_task_cancelled_before_it_got_a_thread(scene):
    """An edit that never began leaves nothing, not even an entry."""

    async def main():
        steps = Steps((1, 1))
        first = asyncio.create_task(scene.editor.edit_async(scene.request(), progress=steps))
        others = [asyncio.create_task(scene.editor.edit_async(scene.request())) for _ in range(2)]
        await asyncio.wait_for(steps.reached.wait(), SOON_S)
        late = asyncio.create_task(scene.editor.edit_async(scene.request(prompt="make it colder")))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        steps.go_on.set()
        await asyncio.gather(first, *others)

    asyncio.run(main())
    assert "make it colder" not in scene.perception.saw and scene.entries == 3


def test_stream_hands_over_each_in_order(scene):
    """Released and refused pictures come one after the other, each with its index."""
    scene.perception.faces[picture(11).digest] = (seen_face(1),)
    requests = [scene.request(image=picture(seed)) for seed in (10, 11, 12)]

    async def main():
        return [(index, type(one)) async for index, one in scene.editor.stream(requests)]

    assert asyncio.run(main()) == [(0, EditResult), (1, EditRefused), (2, EditResult)]


def test_stream_of_what_is_no_request(scene):
    """It is refused before anything is looked at."""

    async def main():
        return [one async for one in scene.editor.stream([scene.request(), "a request"])]

    with pytest.raises(InputError):
        asyncio.run(main())
    assert scene.perception.saw == []


def test_stream_closed_early(scene):
    """Whoever stops listening stops the rest; what was admitted by then is written down as broken off."""
    requests = [scene.request(image=picture(seed)) for seed in range(10, 16)]

    async def main():
        stream = scene.editor.stream(requests)
        index, _ = await anext(stream)
        await stream.aclose()
        return index

    assert asyncio.run(main()) == 0
    assert len(leaves(scene)) == len(scene.perception.saw) < 6


def test_stream_cancelled_in_a_run(scene):
    """The task ends within a step of the run it was in, and every admission has its end in the log."""
    requests = [long(scene, image=picture(seed)) for seed in range(10, 14)]

    async def main():
        steps, got = Steps((1, 2, 5)), []

        async def listen():
            async for one in scene.editor.stream(requests, progress=steps):
                got.append(one)

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(steps.reached.wait(), SOON_S)
        listening.cancel()
        await asyncio.sleep(0)
        steps.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await listening
        return steps.told[-1]

    assert asyncio.run(main()) == (1, 2, 5)
    assert len(leaves(scene)) == len(scene.perception.saw) < 4
