"""Hostile outputs: faces of consenting people used against others, or hidden to escape a withdrawal."""

from __future__ import annotations

import pytest
from consent_world import face
from fake_perception import FAR, LEFT, RIGHT, seen_face

from consent_edit.errors import EditRefused
from consent_edit.vocabulary import Operation, PersonKind, Recognisable, Region

FACE = frozenset({Region.FACE})
SMALL = {"recognisable": Recognisable.NO}


def consenting(scene, who, *operations, **changes):
    """A grant of this photo by person ``who``."""
    person = scene.person(who)
    return person, person.grant(operations=set(operations), images=(scene.before.digest,), **changes)


def refused(scene, *grants, **changes):
    with pytest.raises(EditRefused) as error:
        scene.edit(presentations=tuple(grant.presentation() for grant in grants), **changes)
    return scene.exact(error.value)


def test_untouched_consenting_face_is_released(scene):
    """The scene itself releases what it should, so that every refusal here has a cause."""
    scene.shows([seen_face(1)], [seen_face(1)])
    _, grant = consenting(scene, 1, Operation.TONE)
    assert scene.edit(presentations=(grant.presentation(),)).released


def test_two_consenting_faces_swapped_without_a_swap_grant(scene):
    """Two people who granted new expressions did not grant each other's bodies."""
    scene.shows([seen_face(1, LEFT), seen_face(2, RIGHT)], [seen_face(2, LEFT), seen_face(1, RIGHT)])
    scene.perception.touched = (FACE, FACE)
    asked = (Operation.TONE, Operation.EXPRESSION)
    (_, one), (_, two) = consenting(scene, 1, *asked), consenting(scene, 2, *asked)
    assert "floor.foreign-identity" in refused(scene, one, two, operations=frozenset(asked))


def test_swap_that_both_granted_is_released(scene):
    """Where both granted the swap, it leaves."""
    scene.shows([seen_face(1, LEFT), seen_face(2, RIGHT)], [seen_face(2, LEFT), seen_face(1, RIGHT)])
    scene.perception.touched = (FACE, FACE)
    asked = (Operation.TONE, Operation.FACE_SWAP)
    grants = [consenting(scene, who, *asked)[1].presentation() for who in (1, 2)]
    assert scene.edit(presentations=tuple(grants), operations=frozenset(asked)).released


@pytest.mark.parametrize(
    "bystander", [seen_face(9, RIGHT, **SMALL), seen_face(9, RIGHT, kind=PersonKind.POSSIBLE_FACE)]
)
def test_consenting_face_painted_over_a_bystander(scene, bystander):
    """A bystander is not repainted because the paint is a consenting person's face."""
    scene.shows([seen_face(1, LEFT), bystander], [seen_face(1, LEFT), seen_face(1, RIGHT)])
    scene.perception.touched = (frozenset(), FACE)
    asked = (Operation.TONE, Operation.EXPRESSION)
    _, grant = consenting(scene, 1, *asked)
    codes = refused(scene, grant, operations=frozenset(asked))
    assert {"floor.hands-off", "floor.foreign-identity"} <= codes


def test_consenting_face_put_onto_somebody_in_the_background(scene):
    """A grant for another background does not put her face where she did not stand."""
    scene.shows([seen_face(1, LEFT)], [seen_face(1, LEFT), seen_face(1, FAR)])
    scene.perception.unseen = frozenset({Region.BODY})
    asked = (Operation.TONE, Operation.BACKGROUND)
    _, grant = consenting(scene, 1, *asked)
    assert "floor.foreign-identity" in refused(scene, grant, operations=frozenset(asked))


def test_bystander_made_recognisable(scene):
    """A face too small to recognise does not leave large enough, without consent."""
    scene.shows([seen_face(9, LEFT, **SMALL)], [seen_face(9, LEFT)])
    assert "floor.consent-required" in refused(scene)


def test_bystander_repainted_and_gone(scene):
    """A face too small to recognise is not painted away."""
    scene.shows([seen_face(9, LEFT, **SMALL)], [])
    scene.perception.touched = (FACE,)
    assert "floor.hands-off" in refused(scene)


def test_stranger_at_a_new_place(scene):
    """A face that was not there, of somebody without a grant, does not leave."""
    scene.shows([seen_face(1)], [seen_face(1), seen_face(7, RIGHT)])
    _, grant = consenting(scene, 1, Operation.TONE, Operation.BACKGROUND)
    codes = refused(scene, grant, operations=frozenset({Operation.BACKGROUND}))
    assert {"floor.consent-required", "floor.foreign-identity"} <= codes


def withdrawing(scene, person, grant):
    scene.perception.before_change = lambda: person.withdraw(grant)


def test_withdrawal_while_the_edit_runs(scene):
    """Who withdraws while the pipeline runs is not released."""
    scene.shows([seen_face(1)], [seen_face(1)])
    person, grant = consenting(scene, 1, Operation.TONE)
    withdrawing(scene, person, grant)
    assert "consent.revoked" in refused(scene, grant)
    assert scene.uses(grant) == 0


@pytest.mark.parametrize("after", [PersonKind.POSSIBLE_FACE, PersonKind.FACE])
def test_withdrawn_person_made_unrecognisable(scene, after):
    """Blurring the face of who withdrew meanwhile does not release the rest of her."""
    scene.shows([seen_face(1)], [seen_face(1, kind=after, **SMALL)])
    person, grant = consenting(scene, 1, Operation.TONE, Operation.BACKGROUND)
    withdrawing(scene, person, grant)
    assert "consent.revoked" in refused(scene, grant)


def test_withdrawn_person_covered_by_a_consenting_face(scene):
    """Painting a consenting face over who withdrew meanwhile releases neither, swap grants or not."""
    scene.shows([seen_face(1, LEFT), seen_face(2, RIGHT)], [seen_face(1, LEFT), seen_face(1, RIGHT)])
    scene.perception.touched = (frozenset(), FACE)
    asked = (Operation.TONE, Operation.FACE_SWAP)
    (_, one), (person, two) = consenting(scene, 1, *asked), consenting(scene, 2, *asked)
    withdrawing(scene, person, two)
    assert "consent.revoked" in refused(scene, one, two, operations=frozenset(asked))


def test_one_person_presented_twice(scene):
    """One grant presented twice speaks with one voice, and one use is counted."""
    faces = [seen_face(1, LEFT), seen_face(1, RIGHT)]
    scene.shows(faces, faces)
    _, grant = consenting(scene, 1, Operation.TONE)
    scene.edit(presentations=(grant.presentation(), grant.presentation()))
    assert scene.uses(grant) == 1


def test_a_withdrawn_grant_beside_a_good_one(scene):
    """A person's withdrawn grant does not end her other one; only the good one is used."""
    faces = [seen_face(1, LEFT), seen_face(1, RIGHT)]
    scene.shows(faces, faces)
    person, withdrawn = consenting(scene, 1, Operation.TONE)
    good = person.grant(operations={Operation.TONE})
    withdrawing(scene, person, withdrawn)
    scene.edit(presentations=(withdrawn.presentation(), good.presentation()))
    assert (scene.uses(withdrawn), scene.uses(good)) == (0, 1)


def test_strangers_consent_as_a_label(scene):
    """Somebody else's valid grant speaks for nobody but herself."""
    scene.shows([seen_face(7)], [seen_face(7)])
    _, grant = consenting(scene, 1, Operation.TONE)
    assert "consent.absent" in refused(scene, grant)


def foreign_templates(scene, who=1):
    """A genuine grant beside a genuine credential whose templates other weight files made."""
    person = scene.world.person(
        face(who), models={"face-embedding": "e" * 64, "face-embedding-second": "f" * 64}
    )
    return person.grant(operations={Operation.TONE})


def test_template_of_another_model_file(scene):
    """A template that another weight file made matches nothing, and its consent falls on nobody."""
    scene.shows([seen_face(7)], [seen_face(7)])
    assert "consent.absent" in refused(scene, foreign_templates(scene))


def test_strangers_face_blurred_under_consent_that_fits_nobody(scene):
    """Verified consent with unusable templates admits no stranger, however her face comes out."""
    scene.shows([seen_face(7)], [seen_face(7, kind=PersonKind.POSSIBLE_FACE)])
    codes = refused(scene, foreign_templates(scene))
    assert {"floor.consent-required", "consent.absent"} <= codes


def test_operation_measured_beyond_the_grant(scene):
    """A declared tone edit that repaints her body needs her grant for that."""
    scene.shows([seen_face(1)], [seen_face(1)])
    scene.perception.touched = (frozenset({Region.BODY}),)
    _, grant = consenting(scene, 1, Operation.TONE)
    assert "consent.out_of_scope" in refused(scene, grant)
