"""People in control and reference pictures: without consent, with another photo's, undressed, underage."""

from __future__ import annotations

import json
from datetime import date

import pytest
from consent_world import MINOR_BIRTHDATE
from fake_perception import LEFT, RIGHT, seen_face
from further_pictures import CONTROL, OTHER, THIRD, TONE, also, around, ask, grant, refused, shown
from PIL import Image

from consent_edit.errors import EditRefused, InputError
from consent_edit.pipelines.guarded import GuardedPipeline
from consent_edit.policy.codes import check_code
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, Intent, Operation, Region


@pytest.fixture
def steered():
    """Person 1 in the picture edited, and a control picture to be added."""
    yield from around("sd-controlnet-img2img")


@pytest.fixture
def drawn():
    """The same with a pipeline that draws from the pictures behind the one edited."""
    yield from around("flux2-klein")


def test_everybody_in_every_picture_consents(steered):
    """Then it leaves: two people's uses are counted once each, and the log commits to the picture."""
    also(steered, OTHER, seen_face(2))
    one, two = grant(steered, 1, steered.before), grant(steered, 2, OTHER)
    result = ask(steered, one, two)
    assert result.released and (steered.uses(one[1]), steered.uses(two[1])) == (1, 1)
    fields = json.loads(steered.newest())["commitments"]
    assert {"input", "picture.0", "output", "grant.0", "grant.1"} <= fields.keys()
    assert len(steered.operator.decision(result.decision_id).facts.persons) == 3
    assert steered.perception.compared == [steered.before.digest]  # lineage and change are the edited one's


def test_a_hidden_reference_face(steered, monkeypatch):
    """A stranger in a control picture is asked for, in that picture, and nothing runs."""
    also(steered, OTHER, seen_face(7, RIGHT))
    monkeypatch.setattr(type(steered.editor.pipeline), "prepare_control_image", None)
    error = refused(steered, grant(steered, 1, steered.before))
    assert {"floor.consent-required", "consent.absent"} <= steered.exact(error)
    assert steered.record(error)["stage"] == "input"
    assert (error.boxes, error.pictures) == ((RIGHT.as_ints(),), ("control_image",))


def test_a_grant_for_the_other_photo(steered):
    """Her grant for the photo edited does not cover a second photo of her; one that names both does."""
    also(steered, OTHER, seen_face(1))
    error = refused(steered, grant(steered, 1, steered.before))
    assert "consent.wrong_image" in steered.exact(error)
    assert error.pictures == ("control_image",)
    assert ask(steered, grant(steered, 1, steered.before, OTHER)).released


def test_a_grant_for_the_photo_edited_by_somebody_in_the_reference(steered):
    """Naming the photo edited says nothing of a reference that shows its holder, or the other way round."""
    also(steered, OTHER, seen_face(2))
    one = grant(steered, 1, steered.before)
    assert "consent.wrong_image" in steered.exact(refused(steered, one, grant(steered, 2, steered.before)))
    swapped = (grant(steered, 1, OTHER), grant(steered, 2, OTHER))
    assert "consent.wrong_image" in steered.exact(refused(steered, *swapped))


def test_a_body_edit_with_a_reference_that_no_grant_names(steered):
    """Where the photo must be named, each photo of her must be."""
    also(steered, OTHER, seen_face(2))
    hair = frozenset({Operation.TONE, Operation.HAIR})
    one, (person, bound) = (
        grant(steered, who, image, operations=hair) for who, image in ((1, steered.before), (2, OTHER))
    )
    call = {"pictures": CONTROL, "operations": hair, "settings": {"num_inference_steps": 1, "strength": 1.0}}
    unbound = person.regrant(bound.presentation(), images=...)
    with pytest.raises(EditRefused) as error:
        steered.edit(presentations=(*shown(one), unbound), **call)
    assert "floor.photo-required" in steered.exact(error.value)
    assert error.value.pictures == ("control_image",)
    assert steered.edit(presentations=(*shown(one), bound.presentation()), **call).released


def test_a_second_face_in_a_reference(steered):
    """The stranger beside a consenting person in a reference is found and refused."""
    also(steered, OTHER, seen_face(2, LEFT), seen_face(7, RIGHT))
    error = refused(steered, grant(steered, 1, steered.before), grant(steered, 2, OTHER))
    assert "consent.absent" in steered.exact(error) and error.boxes == (RIGHT.as_ints(),)


@pytest.mark.parametrize("exposure", [Exposure.NUDE, Exposure.EXPLICIT, Exposure.UNDETERMINED])
@pytest.mark.parametrize("people", [(), (seen_face(2),)], ids=["nobody-found", "consenting"])
def test_nudity_in_a_control_picture(steered, exposure, people):
    """Nudity in any picture refuses, whoever consents and though nobody is found there."""
    also(steered, OTHER, *people)
    steered.perception.exposed[OTHER.digest] = exposure
    grants = [grant(steered, 1, steered.before), *(grant(steered, 2, OTHER) for _ in people)]
    error = refused(steered, *grants)
    assert "floor.nudity-of-real-person" in steered.exact(error)
    assert steered.record(error)["stage"] == "input"


def test_a_control_picture_whose_checks_did_not_run(steered):
    """A check without an answer on any picture refuses, and is named."""
    steered.perception.blind.add(OTHER.digest)
    error = refused(steered, grant(steered, 1, steered.before))
    assert {
        "floor.checks-incomplete",
        check_code(CheckName.FACE_DETECTION, CheckOutcome.TIMED_OUT),
    } <= steered.exact(error)


def test_a_hidden_second_picture_in_a_list(drawn):
    """Every picture of a list is looked at, the last one too."""
    also(drawn, THIRD, seen_face(7, RIGHT))
    error = refused(drawn, grant(drawn, 1, drawn.before), pictures={"image": (OTHER, THIRD)})
    assert (error.boxes, error.pictures) == ((RIGHT.as_ints(),), ("image[2]",))
    assert [OTHER.digest, THIRD.digest] == drawn.perception.looked[1:3]
    also(drawn, THIRD)
    assert ask(drawn, grant(drawn, 1, drawn.before), pictures={"image": (OTHER, THIRD)}).released


def test_a_list_handed_to_the_drop_in(drawn):
    """A pipeline's own list is the picture edited, then references, each of them judged."""
    also(drawn, THIRD, seen_face(7, RIGHT))
    pipe = GuardedPipeline(drawn.editor)
    pictures = [Image.fromarray(one.pixels) for one in (drawn.before, OTHER, THIRD)]
    one = shown(grant(drawn, 1, drawn.before))
    few = {"grantee": "client-1", "presentations": one, "num_inference_steps": 1}
    with pytest.raises(EditRefused) as error:
        pipe(image=pictures, prompt="make it warmer", **few)
    assert error.value.pictures == ("image[2]",)
    assert pipe(image=pictures[:2], prompt="make it warmer", **few).released


def test_who_is_in_the_reference_withdraws_while_it_runs(steered):
    """Consent of people in further pictures is read again, and no use is counted."""
    also(steered, OTHER, seen_face(2))
    one, two = grant(steered, 1, steered.before), grant(steered, 2, OTHER)
    steered.perception.before_change = lambda: two[0].withdraw(two[1])
    error = refused(steered, one, two)
    assert "consent.revoked" in steered.exact(error)
    assert (error.pictures, error.boxes) == (("control_image",), (LEFT.as_ints(),))
    assert (steered.uses(one[1]), steered.uses(two[1])) == (0, 0)


def test_a_reference_of_somebody_whose_uses_are_spent(steered):
    """A use of her grant is counted for a reference as for the picture edited."""
    also(steered, OTHER, seen_face(2))
    person = steered.person(2)
    once = person.grant(operations=TONE, images=(OTHER.digest,), max_uses=1)
    one = grant(steered, 1, steered.before)
    assert ask(steered, one, (person, once)).released
    assert "consent.exhausted" in steered.exact(refused(steered, one, (person, once)))


def test_an_edit_that_who_is_in_the_reference_did_not_grant(steered):
    """She grants what is made of the picture edited, or her picture steers nothing of the kind."""
    also(steered, OTHER, seen_face(2))
    steered.perception.touched = (frozenset({Region.BODY}),)
    wide = frozenset({Operation.TONE, Operation.BODY})
    one, two = grant(steered, 1, steered.before, operations=wide), grant(steered, 2, OTHER)
    error = refused(steered, one, two)
    assert "consent.out_of_scope" in steered.exact(error) and error.pictures == ("control_image",)


def swapping(scene, *, asked, ref=OTHER):
    """Person 2, of the reference, stands in the output where person 1 stood; both named both photos."""
    also(scene, ref, seen_face(2))
    scene.shows([seen_face(1)], [seen_face(2)])
    scene.perception.touched = (frozenset({Region.FACE}),)
    return [grant(scene, who, scene.before, ref, operations=asked) for who in (1, 2)]


def test_a_reference_face_put_onto_another_without_a_swap(drawn):
    """Who consents to being a reference does not consent to standing in somebody's place."""
    asked = frozenset({Operation.TONE, Operation.EXPRESSION})
    grants = swapping(drawn, asked=asked)
    error = refused(drawn, *grants, pictures={"image": OTHER}, operations=asked)
    assert "floor.foreign-identity" in drawn.exact(error)
    assert drawn.record(error)["stage"] == "output"


def test_a_reference_face_put_onto_another_where_both_granted_a_swap(drawn):
    """A swap that both granted, for both photos, leaves."""
    asked = frozenset({Operation.TONE, Operation.FACE_SWAP})
    grants = swapping(drawn, asked=asked)
    assert ask(drawn, *grants, pictures={"image": OTHER}, operations=asked).released


@pytest.mark.parametrize("who", [0, 1])
def test_a_swap_that_one_of_the_two_granted(drawn, who):
    """One grant of a swap is not two."""
    asked = frozenset({Operation.TONE, Operation.FACE_SWAP})
    grants = swapping(drawn, asked=asked)
    photos = (drawn.before, OTHER)
    grants[who] = grant(drawn, who + 1, *photos, operations=frozenset({Operation.TONE}))
    assert "consent.out_of_scope" in drawn.exact(
        refused(drawn, *grants, pictures={"image": OTHER}, operations=asked)
    )


def test_one_person_in_two_pictures_as_both_parties_of_a_swap(drawn):
    """Two references of one person are one party: nobody else granted the swap."""
    drawn.shows([], [seen_face(2)])
    also(drawn, OTHER, seen_face(2))
    also(drawn, THIRD, seen_face(2))
    asked = frozenset({Operation.TONE, Operation.FACE_SWAP})
    one = grant(drawn, 2, drawn.before, OTHER, THIRD, operations=asked)
    error = refused(drawn, one, pictures={"image": (OTHER, THIRD)}, operations=asked)
    assert "floor.photo-required" in drawn.exact(error)


@pytest.mark.parametrize("birthdate", [MINOR_BIRTHDATE, date(1990, 1, 1)], ids=["child", "adult"])
def test_a_child_in_a_reference(steered, birthdate):
    """With a child in any picture nobody leaves in swimwear, though she is in none that is edited."""
    also(steered, OTHER, seen_face(2))
    steered.perception.exposed[steered.after.digest] = Exposure.SUGGESTIVE
    grants = grant(steered, 1, steered.before), grant(steered, 2, OTHER, birthdate=birthdate)
    if birthdate == MINOR_BIRTHDATE:
        assert "floor.sexualised-minor" in steered.exact(refused(steered, *grants))
    else:
        assert ask(steered, *grants).released


def test_a_consenting_adult_beside_a_picture_in_which_nobody_was_found(drawn):
    """Her age says nothing of whoever was not found in the picture edited."""
    drawn.shows([], [])
    drawn.perception.reads["shorter dress"] = (Intent.REVEALING, TONE)
    also(drawn, OTHER, seen_face(2))
    error = refused(drawn, grant(drawn, 2, OTHER), pictures={"image": OTHER}, prompt="shorter dress")
    assert "floor.sexualised-minor" in drawn.exact(error)
    drawn.shows([seen_face(1)], [seen_face(1)])
    found = refused(
        drawn,
        grant(drawn, 1, drawn.before),
        grant(drawn, 2, OTHER),
        pictures={"image": OTHER},
        prompt="shorter dress",
    )
    assert "floor.sexualised-minor" not in drawn.exact(found)


def test_consent_of_people_who_are_in_no_picture(steered):
    """Presentations are at most as many as the faces of all pictures."""
    one, two, three = (grant(steered, who, steered.before, OTHER) for who in (1, 2, 3))
    with pytest.raises(InputError) as error:
        ask(steered, one, two)
    assert error.value.code == "input.presentations"
    also(steered, OTHER, seen_face(2))
    assert ask(steered, one, two).released
    with pytest.raises(InputError):
        ask(steered, one, two, three)
