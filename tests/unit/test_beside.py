"""Further pictures as facts: whose they show, what falls on whom, and where each box lies."""

from __future__ import annotations

import pytest
from test_assembly import (
    KEEPING,
    PROMPT,
    THRESHOLDS,
    TONE,
    change,
    consent,
    face,
    nobody_objects,
    picture,
)

from consent_edit import assembly
from consent_edit.assembly import Beside
from consent_edit.assembly.people import EDITED
from consent_edit.consent.query import ConsentResult
from consent_edit.errors import ArgumentRejected
from consent_edit.perception.observation import BodyObservation, Box, CheckRun
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.decision import decide, public_view
from consent_edit.vocabulary import (
    Age,
    CheckName,
    CheckOutcome,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    IdentityKept,
    Operation,
    PersonKind,
)

BODY = BodyObservation(Box(1, 2, 30, 60), 0.8, ("pose",))
SWAP = frozenset({Operation.TONE, Operation.FACE_SWAP})


def beside(seen, *consents, place="control_image", objects=nobody_objects):
    return Beside(place, seen, consents, objects)


def at_input(edited, consents, *pictures, operations=TONE):
    return assembly.assemble_input(
        edited,
        PROMPT,
        consents,
        operations,
        thresholds=THRESHOLDS,
        environment=Environment.PRODUCTION,
        objects=nobody_objects,
        pictures=pictures,
    )


def at_output(before, after, consents, *pictures, operations=TONE):
    return assembly.assemble_output(
        before,
        after,
        PROMPT,
        change(*(frozenset() for _ in before.people)),
        consents,
        operations,
        thresholds=THRESHOLDS,
        keeping=KEEPING,
        environment=Environment.PRODUCTION,
        objects=nobody_objects,
        pictures=pictures,
    )


def both(edited, consents, *pictures):
    """Facts of the same pictures before and after an edit that changes nothing."""
    return [at_input(edited, consents, *pictures), at_output(edited, edited, consents, *pictures)]


def test_everybody_beside_is_a_person_at_both_stages():
    """Faces and bodies of every picture follow those of the edited one, untouched and themselves."""
    reference = picture(face(2), bodies=(BODY,))
    for made in both(
        picture(face(1)),
        [consent(1)],
        beside(reference, consent(2)),
        beside(picture(face(3)), place="image[2]"),
    ):
        kinds = [person.kind for person in made.facts.persons]
        assert kinds == [*[PersonKind.FACE] * 2, PersonKind.BODY, PersonKind.FACE, PersonKind.UNSEEN]
        assert [one.consent for one in made.facts.persons[:2]] == [ConsentStatus.VERIFIED] * 2
        assert made.facts.persons[3].consent is ConsentStatus.ABSENT
        assert all(not one.touched for one in made.facts.persons[1:])
        assert all(one.identity_kept is IdentityKept.SAME for one in made.facts.persons[1:])
        assert made.pictures == (EDITED, "control_image", "control_image", "image[2]")
        assert made.boxes[2] == BODY.box.as_ints() and len(made.boxes) == len(made.pictures) == 4
        assert [one.subject for one in made.consents] == ["subject-1", "subject-2"]


def test_consent_for_one_picture_does_not_speak_in_another():
    """A reading made for the picture edited says nothing of the same face in a reference, nor the reverse."""
    for edited, reference in (([consent(1)], []), ([], [consent(1)])):
        for made in both(picture(face(1)), edited, beside(picture(face(1)), *reference)):
            consents = {one.consent for one in made.facts.persons[:2]}
            assert consents == {ConsentStatus.VERIFIED, ConsentStatus.ABSENT}


def test_an_objection_counts_in_a_reference():
    """Who objected to every edit is refused as a reference too, whatever was presented."""
    for made in both(
        picture(face(1)), [consent(1)], beside(picture(face(2)), consent(2), objects=lambda probe: True)
    ):
        assert made.facts.persons[1].consent is ConsentStatus.REVOKED


@pytest.mark.parametrize("exposure", [Exposure.SUGGESTIVE, Exposure.NUDE, Exposure.UNDETERMINED])
def test_exposure_beside_falls_on_its_people_and_on_nobody_else(exposure):
    """What a reference shows falls on who is found there; where nobody is, on the unseen."""
    for made in both(picture(face(1)), [consent(1)], beside(picture(face(2), exposure=exposure), consent(2))):
        read = [one.exposure for one in made.facts.persons]
        assert read == [Exposure.NONE, exposure, Exposure.NONE]
    for made in both(picture(face(1)), [consent(1)], beside(picture(exposure=exposure)), beside(picture())):
        assert [one.exposure for one in made.facts.persons] == [Exposure.NONE, exposure]


def test_exposure_elsewhere_beside_falls_on_the_unseen():
    """Exposure away from everybody found in a reference belongs to somebody nobody found."""
    seen = picture(face(2), elsewhere=Exposure.NUDE)
    for made in both(picture(face(1)), [consent(1)], beside(seen, consent(2))):
        assert made.facts.persons[-1].exposure is Exposure.NUDE


def test_somebody_not_found_in_the_picture_edited_is_present():
    """Where only other pictures show people, one more stands for whoever is in the picture edited."""
    for made in both(picture(), [], beside(picture(face(2)), consent(2, age=Age.ADULT))):
        first = made.facts.persons[0]
        assert (first.kind, first.age, first.consent) == (
            PersonKind.BODY,
            Age.UNDETERMINED,
            ConsentStatus.ABSENT,
        )
        assert made.pictures == (EDITED, "control_image")
    for made in both(picture(), [], beside(picture())):
        assert [one.kind for one in made.facts.persons] == [PersonKind.UNSEEN]


@pytest.mark.parametrize("outcome", [one for one in CheckOutcome if one is not CheckOutcome.RAN])
def test_checks_beside_are_required(outcome):
    """A check without an answer on any picture makes the facts incomplete at both stages."""
    whole = picture(face(2)).checks
    for name in {run.name for run in whole}:
        runs = tuple(CheckRun(name, outcome) if run.name is name else run for run in whole)
        for made in both(picture(face(1)), [consent(1)], beside(picture(face(2), checks=runs), consent(2))):
            assert made.facts.checks is Checks.INCOMPLETE
            assert any(name.value in code for code in made.failed_checks)
    for made in both(picture(face(1)), [consent(1)], beside(picture(face(2), checks=()), consent(2))):
        assert made.facts.checks is Checks.INCOMPLETE


def test_a_run_of_a_check_is_told_once():
    """Records name what ran, and not once more for each picture it ran on alike."""
    alone = at_input(picture(face(1)), [consent(1)])
    several = at_input(picture(face(1)), [consent(1)], *(beside(picture()) for _ in range(3)))
    assert several.effective_checks == alone.effective_checks
    other = (CheckRun(CheckName.FACE_DETECTION, CheckOutcome.TIMED_OUT),)
    told = at_input(picture(face(1)), [consent(1)], beside(picture(checks=other)))
    assert len(told.effective_checks) == len(alone.effective_checks) + 1


def swapper(who) -> ConsentResult:
    return ConsentResult(
        status=ConsentStatus.VERIFIED,
        templates=consent(who).templates,
        granted=SWAP,
        subject=f"subject-{who}",
    )


def parties(made):
    return sum(Operation.FACE_SWAP in one.granted for one in made.facts.persons)


def test_one_person_in_several_pictures_is_one_party_to_a_swap():
    """A swap needs two people's grants: one person's second photo is no second person."""
    one, two = swapper(1), swapper(2)
    for made in both(picture(face(1)), [one], beside(picture(face(1)), one), beside(picture(face(1)), one)):
        assert parties(made) == 1
    for made in both(picture(), [], beside(picture(face(1)), one), beside(picture(face(1)), one)):
        assert parties(made) == 0
    for made in both(picture(face(1)), [one], beside(picture(face(2)), two)):
        assert parties(made) == 2


def test_a_box_is_told_with_its_picture():
    """A refusal points at faces of two pictures, and says of each in which it lies."""
    made = at_input(picture(face(5)), [], beside(picture(face(6, x=70.0)), place="image[1]"))
    decision = decide(made.facts, PolicyBundle.shipped("default"))
    view = public_view(decision, made.boxes, pictures=made.pictures)
    assert view.boxes == ((10, 10, 40, 40), (70, 10, 40, 40)) and view.pictures == (EDITED, "image[1]")
    assert public_view(decision, made.boxes).pictures == ()
    for wrong in (("image",), ("image",) * 3):
        with pytest.raises(ArgumentRejected):
            public_view(decision, made.boxes, pictures=wrong)
