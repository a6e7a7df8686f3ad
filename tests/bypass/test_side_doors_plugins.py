"""Checks and restrictions of an operator's own that lie, forget or answer nonsense let nothing out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_perception import LEFT, RIGHT, seen_face

from consent_edit.errors import CheckFailed, EditRefused, Unavailable
from consent_edit.perception.observation import ImageObservation
from consent_edit.policy.restriction import Restriction
from consent_edit.vocabulary import IMAGE_CHECKS, CheckName, CheckOutcome, Operation, Region


def answers(scene, changed, *, of="observe_image", output=False):
    """Let perception give ``changed`` instead of its answer; with ``output``, of the second picture only."""
    genuine = getattr(scene.perception, of)

    def asked(*arguments, **keywords):
        answer = genuine(*arguments, **keywords)
        first = of == "observe_image" and arguments[0].digest == scene.before.digest
        return answer if output and first else changed(answer)

    setattr(scene.perception, of, asked)


def without(name):
    return lambda seen: replace(seen, checks=tuple(run for run in seen.checks if run.name is not name))


def with_run(name, **changes):
    """The check's run once more, changed."""

    def changed(seen):
        run = next(run for run in seen.checks if run.name is name)
        return replace(seen, checks=(*seen.checks, replace(run, **changes)))

    return changed


def untested(seen):
    runs = [
        replace(run, models=tuple(replace(one, self_test=False) for one in run.models)) for run in seen.checks
    ]
    return replace(seen, checks=tuple(runs))


def without_models(seen):
    return replace(seen, checks=tuple(replace(run, models=()) for run in seen.checks))


LIES = {
    **{f"without {name.value}": without(name) for name in sorted(IMAGE_CHECKS)},
    **{
        f"{name.value} failed as well": with_run(name, outcome=CheckOutcome.FAILED)
        for name in sorted(IMAGE_CHECKS)
    },
    "models that nobody tested": untested,
    "checks that name no model": without_models,
    "no check at all": lambda seen: replace(seen, checks=()),
}


@pytest.mark.parametrize("output", [False, True], ids=["input", "output"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_checks_that_were_left_out_of_an_answer(scene, lie, output):
    """A look whose checks are not all there, ran and tested, lets nothing in and nothing out."""
    answers(scene, lie, output=output)
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    assert "floor.checks-incomplete" in scene.exact(refused.value)


@pytest.mark.parametrize("of", ["read_prompt", "observe_change"])
@pytest.mark.parametrize(
    "lie",
    [lambda seen: replace(seen, checks=()), untested, without_models],
    ids=["none", "untested", "no models"],
)
def test_checks_left_out_of_the_other_answers(scene, of, lie):
    """Words that nobody is known to have read, and a change that nobody measured, count as neither."""
    answers(scene, lie, of=of)
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    assert "floor.checks-incomplete" in scene.exact(refused.value)


@pytest.mark.parametrize("of", ["observe_image", "read_prompt", "observe_change"])
@pytest.mark.parametrize(
    "nonsense", [None, (), True, "ran", object()], ids=["none", "empty", "true", "text", "object"]
)
def test_answers_that_are_none(scene, of, nonsense):
    """Nonsense ends the edit as a failed check, and no foreign exception leaves."""
    answers(scene, lambda _: nonsense, of=of)
    with pytest.raises(Unavailable):
        scene.edit()
    assert '"event":"release"' not in "".join(
        scene.operator.store.leaf(number).decode() for number in range(scene.entries)
    )


@pytest.mark.parametrize("output", [False, True], ids=["input", "output"])
def test_observation_of_another_picture(scene, output):
    """An answer that bears another picture's digest speaks for no picture."""
    answers(scene, lambda seen: replace(seen, digest=scene.after.digest[:-1] + "0"), output=output)
    with pytest.raises(CheckFailed) as refused:
        scene.edit()
    assert refused.value.code in {"check.observation", "check.bytes-changed"}


def shortened(seen: ImageObservation) -> ImageObservation:
    return replace(seen, exposure=replace(seen.exposure, persons=()))


def test_exposure_of_fewer_people_than_were_found(scene):
    """People about whose exposure nothing was said are not taken for clothed."""
    scene.shows([seen_face(1)], [seen_face(1)])
    answers(scene, shortened)
    consent = scene.person(1).present(operations={Operation.TONE}, images=(scene.before.digest,))
    with pytest.raises((EditRefused, Unavailable)):
        scene.edit(presentations=(consent,))


@pytest.mark.parametrize("field", ["touched", "painted", "exposure_change"])
def test_change_of_fewer_people_than_were_found(scene, field):
    """People about whom nothing was measured are not taken for untouched."""
    scene.shows([seen_face(1), seen_face(2, RIGHT)], [seen_face(1), seen_face(2, RIGHT)])
    answers(scene, lambda change: replace(change, **{field: getattr(change, field)[:1]}), of="observe_change")
    consents = tuple(
        scene.person(who).present(operations={Operation.TONE}, images=(scene.before.digest,))
        for who in (1, 2)
    )
    with pytest.raises((EditRefused, Unavailable)):
        scene.edit(presentations=consents)


def test_control_two_people_who_consent(scene):
    """Where everything about both was said, the same edit leaves."""
    scene.shows([seen_face(1), seen_face(2, RIGHT)], [seen_face(1), seen_face(2, RIGHT)])
    consents = tuple(
        scene.person(who).present(operations={Operation.TONE}, images=(scene.before.digest,))
        for who in (1, 2)
    )
    assert scene.edit(presentations=consents).released


class Truthy:
    """Says yes to every question that Python asks it."""

    def __bool__(self):
        return True

    def __eq__(self, other):
        return True

    __hash__ = object.__hash__

    def __iter__(self):
        return iter(())

    def __contains__(self, one):
        return True

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_, **__):
        return self


@pytest.mark.parametrize(
    "answer", [Truthy(), True, "allow", {"allowed": True}, [True], [Truthy()], None], ids=type
)
def test_restriction_that_answers_yes(scene, answer):
    """A restriction has no way to say yes: no list of indices refuses, an empty one adds nothing."""
    scene.shows([seen_face(1)], [seen_face(1)])
    scene.operator.replace(
        restrictions=(Restriction(name="yes", refuses=lambda facts: answer, reason="No."),)
    )
    with pytest.raises(EditRefused):
        scene.edit()


def test_restriction_that_rewrites_what_it_was_shown(scene):
    """Facts forced to read as consent, past their freeze, are a copy: who is shown still has to be asked."""
    scene.shows([seen_face(1)], [seen_face(1)])
    forced = []

    def rewriting(facts):
        for person in facts.persons:
            for name in person.__slots__ if hasattr(person, "__slots__") else vars(person):
                object.__setattr__(person, name, Truthy())
            forced.append(person)
        object.__setattr__(facts, "persons", ())
        return ()

    scene.operator.replace(restrictions=(Restriction(name="rewrites", refuses=rewriting, reason="No."),))
    with pytest.raises(EditRefused) as refused:
        scene.edit()
    assert "floor.consent-required" in scene.exact(refused.value) and forced


def test_perception_that_says_a_face_is_untouched(scene):
    """What a check says of one person is not taken for another: boxes are matched, not counted."""
    scene.shows([seen_face(1, LEFT)], [seen_face(1, LEFT), seen_face(7, RIGHT)])
    scene.perception.touched = (frozenset[Region](),)
    consent = scene.person(1).present(operations={Operation.TONE}, images=(scene.before.digest,))
    with pytest.raises(EditRefused) as refused:
        scene.edit(presentations=(consent,))
    assert "floor.foreign-identity" in scene.exact(refused.value)


def test_every_check_has_its_name_in_the_lies_above():
    """A check that is added to the vocabulary is left out of an answer by these tests as well."""
    assert {f"without {name.value}" for name in CheckName if name in IMAGE_CHECKS} <= set(LIES)
