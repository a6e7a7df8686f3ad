"""A perception process that a picture took over: it may lie once, and neither change nor hold up the host."""

from __future__ import annotations

import pickle
import struct
import threading
import time
from enum import Enum

import numpy as np
import pytest
from hijacked_checks import Hijacked

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.answers import restored
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box, FaceObservation
from consent_edit.perception.process import Deadlines, PerceptionProcess
from consent_edit.vocabulary import CheckOutcome, Exposure, PersonKind, Recognisable

IMAGE = CanonicalImage.of(np.zeros((40, 50, 3), np.uint8))
SHORT = Deadlines(start=60.0, load=0.5, run=0.5)
PATIENCE = 8.0
"""Seconds in which a question must have come to an end once the child misbehaves; ten deadlines and more."""


def word(kind: type[Enum]) -> bytes:
    """Names one of the host's classes."""
    return b"c" + kind.__module__.encode() + b"\n" + kind.__name__.encode() + b"\n"


def text(value: str) -> bytes:
    """A string."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def member(kind: type[Enum], value: str) -> bytes:
    """One of a class's values, as an honest answer names it."""
    return word(kind) + text(value) + b"\x85R"


def attribute_set(target: bytes, name: str, value: bytes) -> bytes:
    """Sets an attribute of a target by the state that a pickle may give it, and drops the target."""
    return target + b"N}" + text(name) + value + b"s\x86b0"


def message(*steps: bytes) -> bytes:
    """An answer that does some things first."""
    return b"\x80\x04" + b"".join(steps) + text("answer") + b"\x85."


ATTACKS = {
    "a-face-is-a-body": message(
        attribute_set(word(PersonKind), "_member_map_", b"}"),
        attribute_set(word(PersonKind), "FACE", member(PersonKind, "body")),
    ),
    "what-is-nude-is-none": message(
        attribute_set(word(Exposure), "_member_map_", b"}"),
        attribute_set(word(Exposure), "NUDE", member(Exposure, "none")),
    ),
    "a-value-of-another-name": message(
        attribute_set(member(Exposure, "nude"), "_value_", text("none")),
    ),
}


@pytest.fixture
def unharmed():
    """Puts the host's words back should the attack succeed, so that no other test runs with them."""
    kinds = [PersonKind, Exposure]
    held = [(kind, dict(vars(kind)["_member_map_"])) for kind in kinds]
    yield
    for kind, members in held:
        type.__setattr__(kind, "_member_map_", members)
        for name, value in members.items():
            if vars(kind).get(name) is not value:
                type.__setattr__(kind, name, value)
            value._value_ = str.__str__(value)


@pytest.mark.parametrize("attack", ATTACKS)
def test_answer_that_changes_what_the_hosts_words_mean(attack, unharmed):
    """Nothing an answer holds sets anything on the host's own classes and values; it is refused."""
    with pytest.raises(CheckFailed):
        restored(ATTACKS[attack])
    assert PersonKind.FACE is PersonKind("face")
    assert PersonKind.FACE is not PersonKind.BODY
    assert Exposure.NUDE is Exposure("nude")
    assert Exposure.NUDE.value == "nude"


def test_honest_answer_is_read_as_it_was_sent():
    """Arrays, enums and observations arrive as they were; the guard refuses no honest answer."""
    face = FaceObservation(
        Box(1, 2, 3, 4),
        PersonKind.FACE,
        Recognisable.YES,
        0.5,
        ("160",),
        np.ones((5, 2), np.float32),
        {"face-embedding": np.eye(2, 4, dtype=np.float32)},
    )
    kind, told = restored(pickle.dumps(("answer", face), protocol=4))
    assert kind == "answer"
    assert told.kind is PersonKind.FACE
    assert told.box == face.box
    assert np.array_equal(told.embeddings["face-embedding"], face.embeddings["face-embedding"])


def test_every_word_an_answer_may_hold_is_an_enum_or_a_number():
    """What the host lets an answer name cannot be called to do anything: enums, observations, arrays."""
    from consent_edit.perception import answers

    for name in answers._OBSERVATIONS[vocabulary.__name__]:
        assert issubclass(getattr(vocabulary, name), Enum)


@pytest.mark.parametrize("how", ["half", "chatter"])
def test_child_that_never_ends_its_answer_holds_nobody_up(how, tmp_path):
    """Half a message, and announcements without end, are ended like any check that hangs."""
    build = Hijacked(how, tmp_path / "begun")
    perception = PerceptionProcess(ModelStore([]), build=build, deadlines=SHORT)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(perception.observe_image(IMAGE)), daemon=True)
    asking.start()
    until = time.monotonic() + 60
    while (
        asking.is_alive() and not build.begun.exists() and time.monotonic() < until
    ):  # its start has a deadline of its own
        time.sleep(0.05)
    asking.join(PATIENCE)
    ended = not asking.is_alive()
    if perception._child is not None:
        perception._child.end()  # else nothing would: the test must come to an end
    assert ended
    assert all(run.outcome is not CheckOutcome.RAN for run in answers[0].checks)
