"""Anonymise, attacked: washing a victim's picture, undressing or swapping her, telling who is enrolled."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from consent_world import face
from fake_perception import FAR, LEFT, RIGHT, Box, ExposureReading, picture, seen_face

from consent_edit.errors import EditRefused, InputError
from consent_edit.evidence.log import commitment
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.objections import Objections
from consent_edit.perception.observation import BodyObservation, CheckRun, Origin, PictureExposure
from consent_edit.pipelines import runner
from consent_edit.remedies.anonymise import SIGN, anonymised
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, Intent, Operation, Region

HER, VICTIM = seen_face(1, LEFT), seen_face(2, RIGHT)
NOBODY = frozenset()


@pytest.fixture
def group(scene):
    """One who consents beside one who does not; the pipeline leaves the first as she is."""
    painted(scene, (HER, VICTIM), second=(HER,), after=(HER,))
    return scene


def painted(scene, first, *, second, after, consenting=frozenset({0})):
    """Script both looks and the output."""
    scene.shows(first, after)
    over = anonymised(scene.before, first, consenting)
    scene.perception.faces[over.digest] = tuple(second)
    return over


def consent(scene, who=1, **grant):
    return scene.person(who).grant(**{"operations": {Operation.TONE}, **grant}).presentation()


def washed(scene, **changes):
    """The edit, with everybody else anonymised."""
    return scene.edit(**{"anonymise": "bystanders", "presentations": (consent(scene),), **changes})


def test_a_group_photo_with_one_consent(group):
    """It leaves, and receipt, record and log say what was done to which picture."""
    result = washed(group)
    told = json.loads(result.receipt)["receipt"]
    assert told["remedies"] == ["anonymise"]
    assert group.operator.store.decision(result.decision_id)["remedies"] == ["anonymise"]
    assert {"input", "edited", "output"} <= set(told["log"]["leaf"]["commitments"])


def test_it_is_off_unless_asked(group):
    """Without the word the bystander is asked for, as ever; the refusal names what could be asked for."""
    with pytest.raises(EditRefused) as refused:
        group.edit(presentations=(consent(group),))
    assert "consent.required" in refused.value.codes
    assert refused.value.boxes == (RIGHT.as_ints(),)
    assert any("anonymise='bystanders'" in remedy for remedy in refused.value.remedies)
    assert group.record(refused.value)["remedies"] == []


def test_nothing_is_proposed_where_nobody_would_be_left(group):
    """Whose every face lacks consent is told to ask for it, and of no remedy."""
    with pytest.raises(EditRefused) as refused:
        group.edit()
    assert not any("bystanders" in remedy for remedy in refused.value.remedies)


def test_the_pipeline_never_gets_the_bystander(group, monkeypatch):
    """What is sent to the pipeline is the painted picture, and the log commits to both."""
    sent = []
    run = runner.run
    monkeypatch.setattr(
        runner, "run", lambda pipe, call, images, *rest, **more: sent.append(images) or run(
            pipe, call, images, *rest, **more
        )
    )  # fmt: skip
    salts = {}
    import consent_edit.gate as gate

    log_release = gate.log_release

    def kept(store, **release):
        salts.update(release["draft"].salts)
        return log_release(store, **release)

    monkeypatch.setattr(gate, "log_release", kept)
    result = washed(group)
    over = anonymised(group.before, (HER, VICTIM), {0})
    assert [one["image"].digest for one in sent] == [over.digest]
    leaf = json.loads(result.receipt)["receipt"]["log"]["leaf"]["commitments"]
    assert leaf["input"] == commitment("input", group.before.digest, salts["input"])
    assert leaf["edited"] == commitment("edited", over.digest, salts["edited"])


def test_undressing_an_anonymised_victim(group):
    """Her face is gone and no look finds her: her body is still hers, and nobody repaints it."""
    group.perception.touched = (NOBODY, frozenset({Region.BODY}))
    group.perception.reads["another dress"] = (Intent.ORDINARY, frozenset({Operation.CLOTHING}))
    dressed = consent(group, operations={Operation.CLOTHING, Operation.BODY}, images=(group.before.digest,))
    with pytest.raises(EditRefused) as refused:
        washed(group, prompt="another dress", presentations=(dressed,))
    assert "floor.hands-off" in group.exact(refused.value)
    assert group.record(refused.value)["stage"] == "output"
    assert group.record(refused.value)["remedies"] == ["anonymise"]


def test_a_consenting_person_s_dress_beside_an_anonymised_one(group):
    """The same edit that touches only the one who consented to it leaves."""
    group.perception.touched = (frozenset({Region.BODY}), NOBODY)
    group.perception.reads["another dress"] = (Intent.ORDINARY, frozenset({Operation.CLOTHING}))
    dressed = consent(group, operations={Operation.CLOTHING}, images=(group.before.digest,))
    assert washed(group, prompt="another dress", presentations=(dressed,)).released


def test_sexual_words_stay_refused(group):
    """No remedy makes an intent ordinary."""
    group.perception.reads["make it warmer"] = (Intent.SEXUAL, frozenset({Operation.TONE}))
    with pytest.raises(EditRefused) as refused:
        washed(group)
    assert "floor.sexual-intent" in group.exact(refused.value)


def test_a_consenting_face_swapped_onto_an_anonymised_victim(group):
    """Two who granted a swap may not put a face where hers was."""
    third = seen_face(3, FAR)
    painted(group, (HER, VICTIM, third), second=(HER, third), after=(HER, seen_face(3, RIGHT), third),
            consenting=frozenset({0, 2}))  # fmt: skip
    group.perception.touched = (NOBODY, NOBODY, frozenset({Region.BODY}))
    group.perception.reads["swap them"] = (Intent.ORDINARY, frozenset({Operation.FACE_SWAP}))
    both = tuple(
        consent(group, who, operations={Operation.FACE_SWAP}, images=(group.before.digest,)) for who in (1, 3)
    )
    with pytest.raises(EditRefused) as refused:
        washed(group, prompt="swap them", presentations=both)
    assert "floor.hands-off" in group.exact(refused.value)


def test_the_pipeline_paints_her_face_again(group):
    """A face that comes back in the output, hers or anybody's, is a face without consent."""
    group.shows((HER, VICTIM), (HER, VICTIM))
    with pytest.raises(EditRefused) as refused:
        washed(group)
    assert "floor.consent-required" in group.exact(refused.value)
    assert group.record(refused.value)["stage"] == "output"


@pytest.mark.parametrize("left", [VICTIM, seen_face(4, FAR)], ids=["herself", "somebody new"])
def test_a_second_look_that_still_finds_a_face(group, left):
    """Whoever can still be recognised after it is refused before anything runs."""
    painted(group, (HER, VICTIM), second=(HER, left), after=(HER,))
    with pytest.raises(EditRefused) as refused:
        washed(group)
    assert "floor.consent-required" in group.exact(refused.value)
    assert group.record(refused.value)["stage"] == "input"
    assert refused.value.boxes == (left.box.as_ints(),)
    assert not any("bystanders" in remedy for remedy in refused.value.remedies)


def test_a_bystander_seen_twice(scene):
    """Herself and her reflection are two faces; both are painted over."""
    mirrored = seen_face(2, FAR)
    over = painted(scene, (HER, VICTIM, mirrored), second=(HER,), after=(HER,))
    assert over.digest != anonymised(scene.before, (HER, VICTIM), {0}).digest
    assert washed(scene).released


def test_a_face_that_would_be_eaten(scene):
    """A bystander over a consenting face is refused by name; nothing is painted, looked at or logged."""
    scene.shows((HER, seen_face(2, Box(14, 8, 20, 20))), (HER,))
    with pytest.raises(InputError) as refused:
        washed(scene)
    assert refused.value.code == "input.anonymise"
    assert scene.entries == 0


def test_an_oval_hides_no_nudity(group):
    """A picture that read as nude before it was painted reads so after."""
    observe = group.perception.observe_image

    def looked(image):
        seen = observe(image)
        if image.digest != group.before.digest:
            return seen
        return replace(
            seen, exposure=replace(seen.exposure, picture=ExposureReading(Exposure.NUDE, {"whole": 0.9}))
        )

    group.perception.observe_image = looked
    with pytest.raises(EditRefused) as refused:
        washed(group)
    assert "floor.nudity-of-real-person" in group.exact(refused.value)


def withdrawn(scene):
    person = scene.person(2)
    grant = person.grant(operations={Operation.TONE})
    person.withdraw(grant)
    return grant.presentation()


def test_whoever_has_no_consent_looks_alike(scene):
    """Absent, withdrawn, given for something else: the same picture is edited, the same is told (G7)."""
    told = set()
    given = (
        lambda: (),
        lambda: (withdrawn(scene),),
        lambda: (consent(scene, 2, operations={Operation.BACKGROUND}),),
        lambda: (consent(scene, 2, images=(picture(9).digest,)),),
    )
    for others in given:
        painted(scene, (HER, VICTIM), second=(HER,), after=(HER,))
        result = washed(scene, presentations=(consent(scene), *others()))
        receipt = json.loads(result.receipt)["receipt"]
        told.add((result.released, *(json.dumps(receipt[name]) for name in sorted(receipt) if name not in
                  {"receipt_id", "consents", "log", "time"}), len(receipt["consents"])))  # fmt: skip
    assert len(told) == 1


def test_an_objecting_person_is_a_bystander_whatever_is_presented(scene, monkeypatch):
    """On the list of objections she is painted over like any other, though her grant holds."""
    painted(scene, (HER, VICTIM), second=(HER,), after=(HER,))
    listed = Objections.listed
    monkeypatch.setattr(
        Objections,
        "listed",
        lambda self, probe, models: (
            bool((next(iter(probe.embeddings.values()))[0] @ next(iter(face(2).values()))) > 0.5)
            or listed(self, probe, models)
        ),
    )
    assert washed(scene, presentations=(consent(scene), consent(scene, 2))).released


def test_grants_for_this_photo_name_the_one_handed_in(group):
    """A grant bound to the picture before it was painted holds; one bound to the painted picture does not."""
    over = anonymised(group.before, (HER, VICTIM), {0})
    assert washed(group, presentations=(consent(group, images=(group.before.digest,)),)).released
    with pytest.raises(EditRefused):
        washed(group, presentations=(consent(group, images=(over.digest,)),))


def test_lineage_begins_at_the_picture_handed_in(group):
    """Exposure is compared with what the first picture showed, and so is the next edit's."""
    result = washed(group)
    (origin,) = group.perception.origins
    assert len(origin.boxes) == 2
    released = CanonicalImage.of(group.after.pixels)
    assert result.images[0].size == (released.width, released.height)
    kept = group.operator.store.origin(released.digest, replace(origin, boxes=()))
    assert kept.boxes == origin.boxes


def test_a_chain_goes_on_through_the_picture_handed_in(group):
    """Painting somebody over starts no new chain: what was edited before is still compared with its first."""
    reading = ExposureReading(Exposure.NONE, {"whole": 0.0})
    first = Origin((Box(0.1, 0.2, 0.3, 0.4),), PictureExposure(reading, (reading,), reading))
    group.operator.store.commit_release(
        grants=[],
        record={"decision_id": "1", "stage": "output"},
        leaf={"v": 1},
        now=group.world.clock(),
        origins={group.before.digest: first},
    )
    washed(group)
    assert [origin.boxes for origin in group.perception.origins] == [first.boxes]


def test_the_second_comparison_knows_the_hidden_person(group):
    """The comparison with the output is told of a body where her face was."""
    told = []
    compare = group.perception.observe_change

    def comparing(before, after, seen_before, seen_after, origin):
        told.append((before.digest, seen_before))
        return compare(before, after, seen_before, seen_after, origin)

    group.perception.observe_change = comparing
    washed(group)
    ((digest, seen),) = told
    assert digest == anonymised(group.before, (HER, VICTIM), {0}).digest
    assert [body.signs for body in seen.bodies] == [(SIGN,)]


def test_a_first_look_that_failed_paints_nobody(group):
    """Where a check gave no answer nobody knows who is a bystander: refused for the check."""
    observe = group.perception.observe_image

    def looked(image):
        seen = observe(image)
        broken = CheckRun(CheckName.FACE_EMBEDDING, CheckOutcome.FAILED)
        return replace(seen, checks=(*seen.checks, broken)) if image.digest == group.before.digest else seen

    group.perception.observe_image = looked
    with pytest.raises(EditRefused) as refused:
        washed(group)
    assert "check.face-embedding-failed" in group.exact(refused.value)
    assert group.record(refused.value)["remedies"] == []


def test_everybody_else_counts_even_if_nobody_consents(scene):
    """With nobody's consent all are painted over, and what is left may be toned but nobody repainted."""
    painted(scene, (VICTIM,), second=(), after=(), consenting=frozenset())
    assert washed(scene, presentations=()).released
    scene.perception.touched = (frozenset({Region.BODY}),)
    scene.perception.reads["make it warmer"] = (Intent.ORDINARY, frozenset({Operation.CLOTHING}))
    with pytest.raises(EditRefused) as refused:
        washed(scene, presentations=())
    assert "floor.hands-off" in scene.exact(refused.value)


def test_the_output_s_body_is_hers(group):
    """A body that the output shows where she was is her, not somebody new."""
    group.perception.bodies[group.after.digest] = (BodyObservation(Box(28, 0, 36, 64), 0.9, ("pose",)),)
    assert washed(group).released


def test_a_proof_covers_the_remedies(scene):
    """Another remedy is another request to prove, and none leaves the digest as it was."""
    digests = {
        scene.request(**asked).digest()
        for asked in ({}, {"anonymise": "bystanders"}, {"crop": "bystanders"}, {"preserve": "bystanders"})
    }
    assert len(digests) == 4
    assert scene.request().digest() == scene.request(anonymise="").digest()


@pytest.mark.parametrize(
    "asked",
    [
        {"anonymise": "everybody"},
        {"crop": 1},
        {"preserve": None},
        {"anonymise": True},
        {"crop": ["bystanders"]},
    ],
)
def test_a_remedy_on_nobody_there_is_a_word_for(scene, asked):
    """Anything but the one word is no request."""
    with pytest.raises(InputError) as refused:
        scene.request(**asked)
    assert refused.value.code == "input.request"


@pytest.mark.parametrize(
    "asked",
    [
        {"anonymise": "bystanders", "crop": "bystanders"},
        {"anonymise": "bystanders", "pictures": {"control_image": picture(3)}},
        {"crop": "bystanders", "pictures": {"control_image": picture(3)}},
    ],
)
def test_remedies_that_do_not_go_together(scene, asked):
    """Two that change the picture, or one beside further pictures, are told so."""
    with pytest.raises(InputError) as refused:
        scene.request(**asked)
    assert refused.value.code == "input.remedies"
