"""Facts from observations and consents: who is whose, what changed, and which checks are missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consent_edit import assembly
from consent_edit.consent.query import ConsentResult
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ChangeObservation,
    CheckRun,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    ModelUse,
    PictureExposure,
    PromptObservation,
)
from consent_edit.vocabulary import (
    IMAGE_CHECKS,
    Age,
    Assurance,
    CheckName,
    CheckOutcome,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    NamedPerson,
    Operation,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Region,
)

KEEPING = {"face-embedding": 0.4, "face-embedding-second": 0.8}
THRESHOLDS = {"face-embedding": 0.5, "face-embedding-second": 0.9}
USE = ModelUse("m", "0" * 64, 0.5, True)
PROMPT = PromptObservation(
    Intent.ORDINARY,
    frozenset({Operation.TONE}),
    "en",
    False,
    (CheckRun(CheckName.PROMPT_INTENT, CheckOutcome.RAN, (USE,)),),
)
TONE = frozenset({Operation.TONE})
CHANGE_RAN = (CheckRun(CheckName.CHANGE, CheckOutcome.RAN, (USE,)),)


def unit(index, second=None):
    """Templates of person ``index``: orthogonal to everybody else's."""
    row = np.eye(8, dtype=np.float32)
    return {"face-embedding": row[index], "face-embedding-second": row[index if second is None else second]}


def face(who, *, x=10.0, kind=PersonKind.FACE, size=40.0, second=None):
    embeddings = {role: vector[None, :] for role, vector in unit(who, second).items()}
    return FaceObservation(
        Box(x, 10, size, size),
        kind,
        Recognisable.YES,
        0.9,
        ("a", "b"),
        np.zeros((5, 2), np.float32),
        embeddings,
    )


def picture(
    *faces,
    exposure=Exposure.NONE,
    checks=None,
    width=200,
    height=100,
    bodies=(),
    own=None,
    elsewhere=Exposure.NONE,
):
    ran = tuple(CheckRun(name, CheckOutcome.RAN, (USE,)) for name in sorted(IMAGE_CHECKS))
    reading = ExposureReading(exposure)
    persons = tuple(ExposureReading(value) for value in own or (exposure,) * (len(faces) + len(bodies)))
    shown = PictureExposure(reading, persons, ExposureReading(elsewhere))
    return ImageObservation(
        "sha256:0", width, height, faces, tuple(bodies), shown, ran if checks is None else checks
    )


def consent(who, status=ConsentStatus.VERIFIED, **more):
    return ConsentResult(
        status=status,
        assurance=Assurance.SUBSTANTIAL if status is ConsentStatus.VERIFIED else Assurance.NONE,
        templates=unit(who),
        granted=TONE,
        grant_id=f"grant-{who}",
        subject=f"subject-{who}",
        **more,
    )


def nobody_objects(probe):
    return False


def at_input(seen, consents=(), prompt=PROMPT, operations=TONE, objects=nobody_objects):
    return assembly.assemble_input(
        seen,
        prompt,
        consents,
        operations,
        thresholds=THRESHOLDS,
        environment=Environment.PRODUCTION,
        objects=objects,
    )


class Unnamed(tuple):
    """As many untouched people as are asked for, where a test does not say."""

    def __getitem__(self, index):
        return tuple.__getitem__(self, index) if index < len(self) else frozenset()


class Unmoved(tuple):
    """The same of exposure changes."""

    def __getitem__(self, index):
        return tuple.__getitem__(self, index) if index < len(self) else ExposureChange.NONE


def change(
    *touched,
    unseen=frozenset(),
    tone=False,
    background=False,
    new=(),
    moved=(),
    picture_moved=ExposureChange.NONE,
):
    return ChangeObservation(
        tuple(touched), Unnamed(new), unseen, tone, background, Unmoved(moved), picture_moved, CHANGE_RAN
    )


def at_output(before, after, changed, consents=(), operations=TONE):
    return assembly.assemble_output(
        before,
        after,
        PROMPT,
        changed,
        consents,
        operations,
        thresholds=THRESHOLDS,
        keeping=KEEPING,
        environment=Environment.PRODUCTION,
        objects=nobody_objects,
    )


def test_each_face_gets_its_own_persons_consent():
    """Consent follows the face it matches, whatever the order of presentation."""
    facts = at_input(picture(face(0), face(1, x=100)), [consent(1), consent(0, ConsentStatus.EXPIRED)]).facts
    assert [person.consent for person in facts.persons[:2]] == [ConsentStatus.EXPIRED, ConsentStatus.VERIFIED]


def test_nobody_speaks_for_a_stranger():
    """A verified grant of somebody else leaves the face without consent."""
    facts = at_input(picture(face(0)), [consent(1)]).facts
    assert facts.persons[0].consent is ConsentStatus.ABSENT
    assert facts.persons[0].granted == frozenset()


def test_several_grants_of_one_person_speak_with_one_voice():
    """A renewed grant beside the old one is hers all the same; the one that verified speaks."""
    old = consent(0, ConsentStatus.EXPIRED)
    for presented in ([old, consent(0)], [consent(0), old], [consent(0), consent(0)]):
        facts = at_input(picture(face(0)), presented).facts
        assert facts.persons[0].consent is ConsentStatus.VERIFIED


def test_two_people_of_one_face_speak_for_nobody():
    """Two subjects whose templates both match a face are ambiguous, and neither consents."""
    twin = replace(consent(0), subject="subject-twin")
    facts = at_input(picture(face(0)), [consent(0), twin]).facts
    assert facts.persons[0].consent is ConsentStatus.ABSENT


def test_who_objected_to_every_edit_has_withdrawn():
    """A face on the list reads as withdrawn, whatever consent is presented; the others do not."""
    listed = unit(0)

    def objects(probe):
        return np.allclose(probe.embeddings["face-embedding"][0], listed["face-embedding"])

    facts = at_input(picture(face(0), face(1, x=100)), [consent(0), consent(1)], objects=objects).facts
    assert [person.consent for person in facts.persons[:2]] == [ConsentStatus.REVOKED, ConsentStatus.VERIFIED]


def test_one_embedder_is_no_match():
    """A face that only one embedder takes for the consenting person is a stranger's."""
    facts = at_input(picture(face(0, second=3)), [consent(0)]).facts
    assert facts.persons[0].consent is ConsentStatus.ABSENT


def test_a_refused_presentation_without_templates_labels_the_stranger():
    """A presentation whose credential cannot be read still says why the face has no consent."""
    broken = ConsentResult(status=ConsentStatus.MALFORMED)
    facts = at_input(picture(face(0)), [broken]).facts
    assert facts.persons[0].consent is ConsentStatus.MALFORMED


def test_there_is_always_somebody_unseen():
    """A picture without anybody still has one person, on whom its exposure and names fall."""
    seen = picture(exposure=Exposure.NUDE)
    (unseen,) = at_input(seen, prompt=replace(PROMPT, names_person=True)).facts.persons
    assert (unseen.kind, unseen.exposure) == (PersonKind.UNSEEN, Exposure.NUDE)
    assert unseen.named_person is NamedPerson.UNCOVERED


@pytest.mark.parametrize("name", sorted(IMAGE_CHECKS))
@pytest.mark.parametrize("how", ["absent", "failed", "no-model", "self-test"])
def test_a_check_without_an_answer_makes_the_checks_incomplete(name, how):
    """A must-run check that is absent, failed, names no model or failed its self-test is not an answer."""
    good = picture().checks
    others = tuple(run for run in good if run.name is not name)
    bad = {
        "absent": others,
        "failed": (*others, CheckRun(name, CheckOutcome.FAILED)),
        "no-model": (*others, CheckRun(name, CheckOutcome.RAN)),
        "self-test": (*others, CheckRun(name, CheckOutcome.RAN, (replace(USE, self_test=False),))),
    }[how]
    assembled = at_input(picture(checks=bad))
    assert assembled.facts.checks is Checks.INCOMPLETE
    assert all(code.startswith(f"check.{name.value}-") for code in assembled.failed_checks)
    assert at_input(picture()).facts.checks is Checks.COMPLETE


def test_a_check_that_ran_and_failed_counts_as_failed():
    """One good run does not hide a bad one of the same check."""
    runs = (*picture().checks, CheckRun(CheckName.EXPOSURE, CheckOutcome.TIMED_OUT))
    assert at_input(picture(checks=runs)).failed_checks == ("check.exposure-timed_out",)


def test_output_face_of_the_same_person_is_same():
    """The output face is held against the credential's template."""
    seen = picture(face(0))
    facts = at_output(seen, seen, change(frozenset()), [consent(0)]).facts
    assert facts.persons[0].identity_kept is IdentityKept.SAME
    assert facts.persons[0].consent is ConsentStatus.VERIFIED


def test_foreign_face_in_the_output():
    """A face that is nobody's whose grant was presented is foreign."""
    facts = at_output(picture(face(0)), picture(face(5)), change(frozenset()), [consent(0)]).facts
    assert facts.persons[0].identity_kept is IdentityKept.FOREIGN
    assert facts.persons[0].consent is ConsentStatus.ABSENT


def test_stranger_who_fools_one_embedder_where_the_consenting_one_stood():
    """A face that only one embedder still reads as the person who stood there is foreign."""
    before, after = picture(face(0)), picture(face(0, second=4))
    facts = at_output(before, after, change(frozenset({Region.FACE})), [consent(0)]).facts
    assert facts.persons[0].identity_kept is IdentityKept.FOREIGN


def worn(who, first, second, other=6):
    """Person ``who``'s face as an edit left it: cosines with her templates, the rest towards ``other``."""
    rows = {}
    for role, share in {"face-embedding": first, "face-embedding-second": second}.items():
        row = unit(who)[role] * share + unit(other)[role] * np.sqrt(1 - share**2)
        rows[role] = row[None, :].astype(np.float32)
    return replace(face(who), embeddings=rows)


@pytest.mark.parametrize(
    ("face_after", "kept", "status"),
    [
        (worn(0, 0.45, 0.85), IdentityKept.ALTERED, ConsentStatus.VERIFIED),
        (worn(0, 0.45, 0.75), IdentityKept.FOREIGN, ConsentStatus.ABSENT),
        (worn(0, 0.35, 0.85), IdentityKept.FOREIGN, ConsentStatus.ABSENT),
    ],
)
def test_an_edit_wears_a_face_down_and_both_embedders_must_still_know_it(face_after, kept, status):
    """Where she stood, a face that both still take for her is hers, altered; one embedder is not enough."""
    before, after = picture(face(0)), picture(face_after)
    person = at_output(before, after, change(frozenset({Region.FACE})), [consent(0)]).facts.persons[0]
    assert (person.identity_kept, person.consent) == (kept, status)


def test_a_face_between_two_people_presented_is_nobodys():
    """A face worn down to where both consenting people are recognised in it is neither's."""
    between = replace(
        face(0),
        embeddings={
            role: np.eye(8, dtype=np.float32)[[0, 1]].sum(axis=0)[None] / np.float32(np.sqrt(2))
            for role in THRESHOLDS
        },
    )
    before = picture(face(0), face(1, x=120))
    thresholds = {"face-embedding": 0.8, "face-embedding-second": 0.8}
    facts = assembly.assemble_output(
        before,
        picture(between, face(1, x=120)),
        PROMPT,
        change(frozenset({Region.FACE}), frozenset()),
        [consent(0), consent(1)],
        TONE,
        thresholds=thresholds,
        keeping={"face-embedding": 0.6, "face-embedding-second": 0.6},
        environment=Environment.PRODUCTION,
        objects=nobody_objects,
    ).facts
    assert facts.persons[0].identity_kept is IdentityKept.FOREIGN


def test_a_credential_without_the_template_of_an_added_embedder_says_so_to_the_operator():
    """Where an embedder was added after issuing, nobody matches, and the reason can be read."""
    from consent_edit.assembly.people import matched_consents

    more = {**THRESHOLDS, "operator-house-embedding": 0.4}
    (found,) = matched_consents(picture(face(0)), [consent(0)], more, nobody_objects)
    assert found.status is ConsentStatus.ABSENT
    assert "operator-house-embedding" in found.detail


def test_half_matching_face_elsewhere_is_foreign():
    """The same half-match where the consenting person did not stand is foreign."""
    before, after = picture(face(0)), picture(face(0), face(0, x=120, second=4))
    unpainted = (frozenset(), frozenset())
    facts = at_output(before, after, change(frozenset(), new=unpainted), [consent(0)]).facts
    assert facts.persons[1].identity_kept is IdentityKept.FOREIGN


def test_vanished_face_stays_among_the_persons():
    """A person wiped out of the picture is still judged, with what was done to her."""
    touched = frozenset({Region.FACE})
    facts = at_output(picture(face(0), face(1, x=120)), picture(face(0)), change(frozenset(), touched)).facts
    assert len(facts.persons) == 3
    assert facts.persons[1].touched == touched
    assert facts.persons[1].identity_kept is IdentityKept.UNDETERMINED


@pytest.mark.parametrize("painted", [frozenset(), frozenset({Region.FACE}), frozenset({Region.UNDETERMINED})])
def test_a_face_without_a_past_is_touched_where_it_was_painted(painted):
    """Of a face that was not there before, the face's own pixels count, and doubt counts as paint."""
    facts = at_output(picture(), picture(face(0)), change(new=(painted | {Region.BODY},))).facts
    assert facts.persons[0].touched == painted


def test_faces_are_paired_across_a_resize():
    """A pipeline that returns half the size does not lose whose pixels changed."""
    before = picture(face(0), face(1, x=120), width=200, height=100)
    half = picture(face(1, x=60, size=20), face(0, x=5, size=20), width=100, height=50)
    half = replace(half, faces=tuple(replace(f, box=replace(f.box, y=5)) for f in half.faces))
    touched = frozenset({Region.HAIR})
    facts = at_output(before, half, change(frozenset(), touched), [consent(0), consent(1)]).facts
    assert [person.touched for person in facts.persons[:2]] == [touched, frozenset()]
    assert len(facts.persons) == 3


def test_only_verified_consents_that_speak_for_a_face_are_used():
    """A release uses the grants it rests on, each once, and no other."""
    seen = picture(face(0), face(1, x=100), face(2, x=150))
    given = [consent(0), consent(1, ConsentStatus.REVOKED), consent(4)]
    assert [used.grant_id for used in at_input(seen, given).consents] == ["grant-0"]
    twice = at_output(seen, seen, change(frozenset(), frozenset(), frozenset()), given)
    assert [used.grant_id for used in twice.consents] == ["grant-0"]


def measured(before, after, changed, asked, consents=()):
    return assembly.measured_operations(
        before, after, changed, consents, frozenset(asked), thresholds=THRESHOLDS, objects=nobody_objects
    )


@pytest.mark.parametrize(
    "asked,changed,found",
    [
        ({Operation.TONE}, change(frozenset(), tone=True), set()),
        ({Operation.TONE}, change(frozenset({Region.FACE})), {Operation.EXPRESSION}),
        ({Operation.TONE}, change(frozenset({Region.UNDETERMINED})), {Operation.BODY}),
        ({Operation.HAIR}, change(frozenset({Region.HAIR})), set()),
        ({Operation.HAIR}, change(frozenset({Region.HAIR, Region.BODY})), {Operation.BODY}),
        ({Operation.BACKGROUND}, change(frozenset(), unseen=frozenset({Region.BODY})), set()),
        ({Operation.TONE}, change(frozenset(), unseen=frozenset({Region.BODY})), {Operation.BODY}),
        ({Operation.OBJECT}, change(frozenset(), unseen=frozenset({Region.BODY})), {Operation.BODY}),
        ({Operation.STYLISE}, change(frozenset(), unseen=frozenset({Region.BODY})), {Operation.BODY}),
        ({Operation.RESTORE}, change(frozenset(), unseen=frozenset({Region.BODY})), set()),
        ({Operation.HAIR}, change(frozenset({Region.HAIR}), background=True), {Operation.BACKGROUND}),
        ({Operation.TONE}, change(frozenset(), background=True), {Operation.BACKGROUND}),
        ({Operation.OBJECT}, change(frozenset(), background=True), set()),
        ({Operation.STYLISE}, change(frozenset({Region.FACE}), background=True), set()),
        ({Operation.BACKGROUND}, change(frozenset(), tone=True), {Operation.TONE}),
        ({Operation.MAKEUP}, change(frozenset({Region.FACE}), tone=True), set()),
        ({Operation.BACKGROUND}, change(frozenset({Region.FACE})), {Operation.EXPRESSION}),
        ({Operation.RESTORE}, change(frozenset({Region.FACE})), set()),
        ({Operation.RESTORE}, change(frozenset({Region.BODY})), {Operation.BODY}),
    ],
)
def test_measured_operations(asked, changed, found):
    """A change of a consenting person that nothing asked for explains counts as an operation of its own."""
    seen = picture(face(0))
    assert measured(seen, seen, changed, asked, [consent(0)]) == found


@pytest.mark.parametrize(
    "asked", [Operation.HAIR, Operation.RESTORE, Operation.STYLISE, Operation.BACKGROUND]
)
def test_nothing_asked_explains_a_bystanders_change(asked):
    """What a bystander's pixels show counts, whatever the edit is called."""
    seen = picture(face(0), face(1, x=100))
    changed = change(frozenset(), frozenset({Region.HAIR, Region.FACE}), new=(frozenset(), frozenset()))
    assert {Operation.HAIR, Operation.EXPRESSION} - {asked} <= measured(
        seen, seen, changed, {asked}, [consent(0)]
    )


def test_a_face_painted_in_is_an_operation_unless_a_swap_was_asked():
    """A face that was not there before is no background."""
    painted = change(new=(frozenset({Region.FACE}),))
    assert measured(picture(), picture(face(0)), painted, {Operation.BACKGROUND}) == {Operation.EXPRESSION}
    assert measured(picture(), picture(face(0)), painted, {Operation.FACE_SWAP}) == set()


def test_photo_binding_and_grant_come_from_the_consent():
    """What the grant holds is what the facts say, and nothing without one."""
    bound = consent(0, photo=PhotoBinding.EXACT)
    facts = at_input(picture(face(0)), [bound]).facts
    assert (facts.persons[0].photo, facts.persons[0].granted) == (PhotoBinding.EXACT, TONE)


def body(x=100.0, size=40.0):
    return BodyObservation(Box(x, 10, size, size), 0.8, ("pose",))


def test_a_body_without_a_face_is_somebody_nobody_consents_for():
    """A body stands among the persons between faces and unseen, without consent and without an age."""
    assembled = at_input(picture(face(0), bodies=[body()]), [consent(0)])
    kinds = [person.kind for person in assembled.facts.persons]
    assert kinds == [PersonKind.FACE, PersonKind.BODY, PersonKind.UNSEEN]
    found = assembled.facts.persons[1]
    assert (found.consent, found.age) == (ConsentStatus.ABSENT, Age.UNDETERMINED)
    assert len(assembled.boxes) == 2


def test_exposure_is_each_persons_own_and_the_pictures_falls_on_all():
    """A crop of one person speaks for that person only; the whole picture speaks for everybody."""
    own = (Exposure.NONE, Exposure.SUGGESTIVE)
    seen = picture(face(0), bodies=[body()], own=own)
    assert [one.exposure for one in at_input(seen).facts.persons] == [*own, Exposure.NONE]
    seen = picture(face(0), exposure=Exposure.SUGGESTIVE, own=(Exposure.NUDE,))
    assert [one.exposure for one in at_input(seen).facts.persons] == [Exposure.NUDE, Exposure.NONE]
    seen = picture(face(0), exposure=Exposure.NUDE, own=(Exposure.NONE,))
    assert at_input(seen).facts.persons[0].exposure is Exposure.NUDE


def test_exposure_near_nobody_falls_on_unseen():
    """What a part of the picture shows that holds nobody found is somebody's whom nobody saw."""
    for at in (
        at_input(picture(face(0), elsewhere=Exposure.NUDE)),
        at_output(picture(face(0)), picture(face(0), elsewhere=Exposure.NUDE), change(frozenset())),
    ):
        assert at.facts.persons[-1].exposure is Exposure.NUDE


def test_exposure_that_was_not_read_is_worse_than_any_that_was():
    """An undetermined crop is not outvoted by a clean picture."""
    seen = picture(face(0), own=(Exposure.UNDETERMINED,))
    assert at_input(seen).facts.persons[0].exposure is Exposure.UNDETERMINED


def test_a_childs_looks_lower_an_unverified_age_only():
    """A face that looks like a child's is a minor's unless the credential speaks for this very photo."""
    young = replace(face(0), apparent_age=Age.MINOR)
    ages = [
        at_input(picture(young), presented).facts.persons[0].age
        for presented in ([], [consent(0)], [consent(0, age=Age.ADULT)], [consent(0, age=Age.MINOR)])
    ]
    assert ages == [Age.MINOR, Age.MINOR, Age.ADULT, Age.MINOR]
    assert at_input(picture(face(0))).facts.persons[0].age is Age.UNDETERMINED


def test_exposure_rises_person_by_person_even_where_the_whole_picture_falls():
    """Each person of the output carries their own change, and the picture's where that is worse."""
    seen = picture(face(0), face(1, x=100), bodies=[body(x=150)])
    rises = (ExposureChange.NONE, ExposureChange.INCREASED, ExposureChange.UNDETERMINED)
    untouched = (frozenset(),) * 3
    facts = at_output(seen, seen, change(*untouched, moved=rises)).facts
    assert [one.exposure_change for one in facts.persons] == [*rises, ExposureChange.NONE]
    whole = change(*untouched, picture_moved=ExposureChange.INCREASED)
    facts = at_output(seen, seen, whole).facts
    assert [one.exposure_change for one in facts.persons[:3]] == [ExposureChange.INCREASED] * 3


def test_a_body_repainted_where_it_stood_or_stands_is_touched():
    """A body keeps what was done to it, at its old place and at its new one."""
    before, after = picture(bodies=[body()]), picture(bodies=[body(x=105)])
    at_old = at_output(before, after, change(frozenset({Region.BODY}))).facts.persons
    at_new = at_output(before, after, change(frozenset(), new=(frozenset({Region.BODY}),))).facts.persons
    assert len(at_old) == len(at_new) == 2
    assert at_old[0].touched == at_new[0].touched == {Region.BODY}


def test_a_body_painted_over_stays_among_the_persons():
    """Somebody without a face who is gone from the output is judged with what was done to them."""
    facts = at_output(picture(bodies=[body()]), picture(), change(frozenset({Region.BODY}))).facts
    assert [one.kind for one in facts.persons] == [PersonKind.BODY, PersonKind.UNSEEN]
    assert facts.persons[0].touched == {Region.BODY}


def test_nothing_asked_explains_a_bodys_change():
    """Clothing asked for the consenting person does not explain the repainted body beside her."""
    seen = picture(face(0), bodies=[body()])
    changed = change(frozenset({Region.BODY}), frozenset({Region.BODY}))
    assert Operation.BODY in measured(seen, seen, changed, {Operation.CLOTHING}, [consent(0)])


def test_what_was_painted_where_somebody_stands_now_counts_for_them():
    """Pixels repainted at somebody's place in the output are theirs, as those at their place before."""
    seen = picture(face(0), face(1, x=100))
    changed = change(frozenset(), frozenset(), new=(frozenset(), frozenset({Region.HAIR})))
    persons = at_output(seen, seen, changed).facts.persons
    assert [person.touched for person in persons[:2]] == [frozenset(), {Region.HAIR}]
