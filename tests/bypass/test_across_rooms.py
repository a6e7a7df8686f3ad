"""Attacks across rooms: a leftover answer, a wrong folder, and repaints under a harmless name."""

from __future__ import annotations

import contextlib
import signal
import time

import pytest
from fake_perception import LEFT, RIGHT, ScriptedPerception, picture, ran, seen_face

from consent_edit.demo.world import DemoWorld
from consent_edit.errors import ConsentEditError, EditRefused
from consent_edit.perception.checks import Checks
from consent_edit.perception.observation import PromptObservation
from consent_edit.perception.process import PerceptionProcess
from consent_edit.vocabulary import CheckName, Intent, Operation, PersonKind, Recognisable, Region

WHOLE = frozenset({Region.FACE, Region.BODY, Region.HAIR})


class TwoPrompts(Checks):
    """Reads only whether clothes are named, and slowly when told."""

    def load(self, name):
        return ()

    def read(self, texts, negative):
        if "slowly" in texts[0]:
            time.sleep(1.0)
        intent = Intent.SEXUAL if "clothes" in texts[0] else Intent.ORDINARY
        return PromptObservation(intent, frozenset(), "en", False, ran(CheckName.PROMPT_INTENT))


def two_prompts(store, limits):
    """What the child builds."""
    return TwoPrompts(store, limits)


def _interrupted(*arguments):
    raise KeyboardInterrupt


def test_answer_to_an_interrupted_question():
    """After an interrupt the next prompt is judged by its own answer, not by the one left over."""
    with PerceptionProcess(build=two_prompts) as process:
        process.read_prompt(["warmer"])
        before = signal.signal(signal.SIGALRM, _interrupted)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                process.read_prompt(["slowly warmer"])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert process.read_prompt(["remove her clothes"]).intent is not Intent.ORDINARY


def test_demo_pointed_at_an_operators_folder(tmp_path):
    """The demo does not delete the log and the signing key of an operator whose folder it is pointed at."""
    held = [tmp_path / name for name in ("operator.json", "log.sqlite", "receipt-key.pem")]
    for file in held:
        file.write_text("an operator's")
    with contextlib.suppress(ConsentEditError):
        DemoWorld.create(picture(1), ScriptedPerception(), tmp_path)
    assert [file.read_text() for file in held if file.exists()] == ["an operator's"] * 3


@pytest.mark.parametrize(
    "bystander",
    [seen_face(9, LEFT, recognisable=Recognisable.NO), seen_face(9, LEFT, kind=PersonKind.POSSIBLE_FACE)],
    ids=["small", "possible"],
)
def test_bystander_repainted_in_the_name_of_restoring(scene, bystander):
    """Declaring an edit a restoration does not let it repaint one bystander alone."""
    scene.shows([bystander], [bystander])
    scene.perception.touched = (WHOLE,)
    with pytest.raises(EditRefused):
        scene.edit(operations=frozenset({Operation.RESTORE}))


def test_body_repainted_under_a_grant_to_restore_any_photo(scene):
    """A grant to restore, of no photo by name, does not let her body be repainted."""
    scene.shows([seen_face(1)], [seen_face(1)])
    scene.perception.touched = (frozenset({Region.BODY}),)
    grant = scene.person(1).present(operations={Operation.TONE, Operation.RESTORE})
    with pytest.raises(EditRefused):
        scene.edit(operations=frozenset({Operation.RESTORE}), presentations=(grant,))


def test_large_possible_face_made_in_the_background(scene):
    """A face of recognisable size that few passes support is not added to a picture unembedded."""
    scene.shows([], [seen_face(7, RIGHT, kind=PersonKind.POSSIBLE_FACE)])
    scene.perception.unseen = frozenset({Region.BODY})
    with pytest.raises(EditRefused):
        scene.edit(operations=frozenset({Operation.BACKGROUND}))
