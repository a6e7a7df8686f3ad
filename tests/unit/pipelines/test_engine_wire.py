"""The engine's wire: what is asked arrives as it was asked, and a host reads what it would in-process."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import fields, replace

import pytest
import torch
from engine_doors import answer, door
from fake_perception import Scene, picture, seen_face
from PIL import Image
from tiny_pipelines import tiny_instruct_pix2pix

from consent_edit.consent.presentation import Presentation
from consent_edit.errors import (
    ArgumentRejected,
    CheckFailed,
    ConsentEditError,
    ConsentInvalid,
    EditRefused,
    ImageRejected,
    InputError,
    ModelUnavailable,
    StoreUnavailable,
    Unavailable,
)
from consent_edit.intake.decode import DEFAULT_LIMITS
from consent_edit.pipelines.engine import frames
from consent_edit.pipelines.engine.messages import ASKED, MAX_PICTURE, Asked
from consent_edit.pipelines.engine.server import Bounds
from consent_edit.pipelines.engine.translation import asked, error_of, failed, request_of
from consent_edit.request import EditRequest, EditResult
from consent_edit.vocabulary import ConsentStatus, Operation, Purpose

TONE = {Operation.TONE}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_instruct_pix2pix(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def scene(tiny):
    genuine = tiny.image_processor
    made = Scene.make(tiny, genuine)
    made.shows([seen_face(1)], [seen_face(1)])
    yield made
    tiny.image_processor = genuine


@pytest.fixture
def engine(scene):
    with door(scene.editor) as opened:
        yield opened


def file_of(seed: int) -> bytes:
    import io

    buffer = io.BytesIO()
    Image.fromarray(picture(seed).pixels).save(buffer, "PNG")
    return buffer.getvalue()


FULL = EditRequest(
    image=file_of(1),
    prompt="plus chaud, bitte \u00e9\U0001f600",
    grantee="client-1",
    presentations=("sealed", Presentation("credential", "grant", ("second",))),
    operations=frozenset({Operation.TONE, Operation.HAIR}),
    purpose=Purpose.NEWS,
    negative_prompt="blue",
    mask=Image.fromarray(picture(2).pixels),
    pictures={"control_image": picture(3), "image": (file_of(4), picture(5))},
    settings={"steps": 2, "scale": 1.0, "flag": True, "word": "x", "none": None, "pair": (0, 3)},
    file_format="webp",
    jurisdictions=("eu", "fr"),
    preserve="bystanders",
    proof="proof",
)

APART = ("anonymise", "crop")
"""Fields that go neither together nor with further pictures."""


def carried(request: EditRequest) -> EditRequest:
    """The request as it comes out at the other end."""
    head, parts = asked(request)
    text = head.model_dump_json().encode()
    return request_of(ASKED.validate_json(text, strict=True), [bytes(part) for part in parts])


def test_every_field_of_a_request_travels():
    """No field is left out or changed: a proof over the request is one over what arrives."""
    plain = EditRequest(image=FULL.image, prompt=FULL.prompt)
    for field in fields(EditRequest):
        assert field.name in Asked.model_fields, f"{field.name} does not travel"
        value = getattr(FULL, field.name)
        assert value != getattr(plain, field.name) or field.name in {"image", "prompt", *APART}
    came = carried(FULL)
    assert came.digest() == FULL.digest()
    same = ("prompt", "grantee", "presentations", "operations", "purpose", "negative_prompt", "settings")
    for name in (*same, "file_format", "jurisdictions", "proof", "preserve"):
        assert getattr(came, name) == getattr(FULL, name)
    for name in APART:
        asked_for = EditRequest(image=FULL.image, prompt=FULL.prompt, **{name: "bystanders"})
        assert getattr(carried(asked_for), name) == "bystanders"
        assert carried(asked_for).digest() == asked_for.digest()
    assert [type(value) for value in came.settings.values()] == [int, float, bool, str, type(None), tuple]
    assert came.image == FULL.image and list(came.pictures) == list(FULL.pictures)


def test_generator_travels_as_its_seed():
    """The engine's generator has the host's seed."""
    request = replace(FULL, settings={"generator": torch.Generator().manual_seed(2**40 + 7)})
    assert carried(request).settings["generator"].initial_seed() == 2**40 + 7


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, torch.zeros(1), lambda: 1, b"x", (1, (2,)), type("Text", (str,), {})("x"), object()],
    ids=lambda value: type(value).__name__,
)
def test_settings_of_other_kinds_do_not_travel(value):
    """Lists, tensors, callables and subclasses are refused where they are, by the name of the argument."""
    with pytest.raises(ArgumentRejected, match="argument odd"):
        asked(replace(FULL, settings={"odd": value}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"image": b"\0" * (DEFAULT_LIMITS.max_bytes + 1)}, "input.bytes-limit"),
        ({"image": Image.new("RGB", (8, 8))}, "input.too-small"),
        ({"prompt": "\ud800"}, "input.request"),
        ({"settings": {"scale": float("nan")}}, "input.request"),
        ({"settings": {"seed": 2**20_000}}, "input.request"),
        ({"jurisdictions": ("x" * 300,)}, "input.request"),
    ],
)
def test_what_does_not_fit_the_wire(engine, changes, code):
    """It is an error of ours in the host, as it would be without the wire, and the engine hears nothing."""
    with pytest.raises(InputError) as refused:
        engine.client.edit(replace(FULL, presentations=(), **changes))
    assert refused.value.code == code


def outcome(ask, request):
    """All that a requester can see, but for the random names."""
    try:
        result = ask(request)
    except ConsentEditError as error:
        seen = {name: value for name, value in vars(error).items() if name != "decision_id"}
        return type(error), error.args, sorted(seen.items()), error.exit_code, error.diagnostics()
    receipt = json.loads(result.receipt)
    shown = [image.tobytes() for image in result.images]
    return type(result), shown, sorted(receipt), len(result.decision_id)


SITUATIONS = {
    "released": lambda scene: {"presentations": (scene.person(1).present(operations=TONE),)},
    "a stranger": lambda scene: {},
    "bad picture": lambda scene: {"image": b"no picture"},
    "wrong setting": lambda scene: {"settings": {"strength": "much"}},
    "unknown setting": lambda scene: {"settings": {"latents": 1}},
    "too many": lambda scene: {"presentations": ("{}", "{}")},
    "no words": lambda scene: {"prompt": ""},
    "unknown law": lambda scene: {"jurisdictions": ("atlantis",)},
    "unknown format": lambda scene: {"negative_prompt": "x" * 9000},
    "another purpose": lambda scene: {
        "presentations": (scene.person(1).present(operations=TONE, purpose=Purpose.NEWS),)
    },
}


@pytest.mark.parametrize("what", SITUATIONS)
def test_same_answer_as_in_process(scene, engine, what):
    """Class, message, codes, boxes and remedies are what the editor says in the host's own process."""
    here = outcome(scene.editor.edit, scene.request(**SITUATIONS[what](scene)))
    there = outcome(engine.client.edit, scene.request(**SITUATIONS[what](scene)))
    assert here == there


def test_refused_output(scene, engine):
    """Boxes of a refused output travel."""
    scene.shows([seen_face(1)], [seen_face(1), seen_face(7)])
    request = scene.request(presentations=(scene.person(1).present(operations=TONE),))
    with pytest.raises(EditRefused) as refused:
        engine.client.edit(request)
    assert refused.value.boxes and scene.record(refused.value)["event"] == "refusal"


def test_steps_travel(scene, engine):
    """The host hears of every step; nothing but two numbers."""
    told = []
    request = scene.request(
        presentations=(scene.person(1).present(operations=TONE),), settings={"num_inference_steps": 3}
    )
    engine.client.edit(request, progress=lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_cancellation_travels(scene, engine):
    """A host that wants the edit no more ends it within a step; the break is in the log."""
    request = scene.request(
        presentations=(scene.person(1).present(operations=TONE),), settings={"num_inference_steps": 100}
    )
    told = []
    with pytest.raises(CheckFailed) as ended:
        engine.client.edit(request, cancelled=lambda: bool(told), progress=lambda *step: told.append(step))
    assert ended.value.code == "check.pipeline-cancelled" and len(told) < 100
    assert "check.pipeline-cancelled" in scene.newest()


@pytest.mark.parametrize("which", ["progress", "cancelled"])
def test_callback_that_raises(scene, engine, which):
    """A host's callback that raises aborts the edit, as it does in-process."""

    def raising(*_):
        raise ValueError("mine")

    request = scene.request(
        presentations=(scene.person(1).present(operations=TONE),), settings={"num_inference_steps": 60}
    )
    with pytest.raises(CheckFailed) as ended:
        engine.client.edit(request, **{which: raising})
    assert ended.value.code == "check.pipeline-failed" and isinstance(ended.value.__cause__, ValueError)


def test_many_and_asynchronous(scene, engine):
    """Several keep their order, and one that is refused keeps its place."""
    good = scene.request(presentations=(scene.person(1).present(operations=TONE),))
    ends = engine.client.edit_many([good, scene.request(), replace(good, image=b"")])
    assert [type(end) for end in ends] == [EditResult, EditRefused, ImageRejected]
    assert asyncio.run(engine.client.edit_async(good)).released


def test_hosts_in_parallel_are_served_one_by_one(scene):
    """However many ask at once, one edit runs at a time, and each gets its own answer."""
    running, most = [], []

    class Editor:
        def edit(self, request, *, cancelled, progress):
            running.append(1)
            most.append(len(running))
            threading.Event().wait(0.01)
            running.pop()
            return EditResult(released=request.prompt.encode(), receipt="", decision_id="")

    with door(Editor()) as opened:
        answers = {}

        def ask(number: int) -> None:
            answers[number] = opened.client.edit(replace(FULL, prompt=f"n{number}")).released

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert answers == {number: f"n{number}".encode() for number in range(12)} and set(most) == {1}


@pytest.mark.parametrize(
    "error",
    [
        ImageRejected("no picture", code="input.frames", remedy="one frame"),
        ModelUnavailable("gone", remedy="pull it"),
        StoreUnavailable("full", code="check.clock-behind"),
        EditRefused(
            "no",
            codes=("a", "b"),
            boxes=((1, 2, 3, 4),),
            pictures=("image",),
            remedies=("ask",),
            decision_id="d",
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_whole(error):
    """An error comes out as it went in."""
    again = error_of(failed(error))
    assert type(again) is type(error) and vars(again) == vars(error) and again.args == error.args


class Own(ImageRejected):
    """A plug-in's own kind."""


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (Own("odd", code="input.odd"), ("ImageRejected", "input.odd")),
        (ConsentInvalid(ConsentStatus.REVOKED, "she withdrew"), ("CheckFailed", "check.edit-failed")),
        (ValueError("about a person"), ("CheckFailed", "check.edit-failed")),
        (KeyboardInterrupt(), ("CheckFailed", "check.edit-failed")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_inner_errors_say_nothing(error, becomes):
    """What is no business of a host's travels as a break, without its words or its cause."""
    told = failed(error)
    assert (told.error, told.code) == becomes
    assert "withdrew" not in told.message and "person" not in told.message


def test_no_engine(tmp_path):
    """Without an engine the error says how to start one."""
    from consent_edit.pipelines.engine.client import EngineClient

    with pytest.raises(Unavailable) as refused:
        EngineClient(tmp_path / "none.sock").edit(FULL)
    assert refused.value.code == "check.engine-down" and "consent-edit engine" in refused.value.remedy


def test_busy_engine(scene):
    """Beyond the connections it takes, and beyond the memory, a host is told to come again."""
    one = Bounds(connections=1)
    with door(scene.editor, bounds=one) as opened, opened.line(), opened.line() as second:
        assert answer(second)[0].code == "check.engine-busy"
    with door(scene.editor, bounds=Bounds(memory=10)) as opened:
        with pytest.raises(Unavailable) as refused:
            opened.client.edit(FULL)
        assert refused.value.code == "check.engine-busy"


def test_frames_of_a_size():
    """The wire has room for what intake takes, and for no more."""
    head, _ = asked(FULL)
    assert DEFAULT_LIMITS.max_bytes <= MAX_PICTURE and frames.framed(head).startswith(frames.MAGIC)
