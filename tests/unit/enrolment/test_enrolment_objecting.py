"""The issuer's never-edit list: somebody enrolled says never, and nobody is enrolled with her face."""

from __future__ import annotations

from dataclasses import replace

import pytest
from enrolment_world import LIMITS, SEEN, Town, face, leaves, photo, refused

from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.keys import SigningKey
from consent_edit.enrolment.objecting import lift_objection, object_to_enrolment
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, InputError
from consent_edit.objections import Objections
from consent_edit.vocabulary import Assurance, ConsentStatus

HER = face(1)


def town_with_a_list() -> Town:
    """A town whose desk asks its own list."""
    town = Town.make()
    town.desk = replace(town.desk, listed=Objections(town.store, LIMITS).listed)
    return town


def bound(town: Town, her: Enrolment, key: SigningKey, asked: Asked) -> tuple[str, str]:
    """Her credential over a fresh nonce for that, and the nonce."""
    nonce = town.desk.challenge(asked)
    return town.bound(her, key, nonce), nonce


def test_objected_and_lifted() -> None:
    """On the list her face is enrolled under no key, her own included; once lifted it is again."""
    town, key = town_with_a_list(), SigningKey.generate()
    her = town.enrol([photo(HER)], key)
    assert object_to_enrolment(town.desk, *bound(town, her, key, Asked.OBJECT)) == her.subject
    for again in (lambda: town.renew(her, key, [photo(HER, seed=1)]), lambda: town.enrol([photo(HER)], key)):
        with pytest.raises(EnrolmentRefused):
            again()
        assert refused(town) == "listed"
    assert lift_objection(town.desk, *bound(town, her, key, Asked.LIFT)) == her.subject
    town.renew(her, key, [photo(HER, seed=2)])
    assert {"objection", "objection-lifted"} < {leaf["event"] for leaf in leaves(town)}


def test_objection_outlives_erasure() -> None:
    """Whoever objects and is then erased is not enrolled by anybody afterwards."""
    town, key = town_with_a_list(), SigningKey.generate()
    her = town.enrol([photo(HER)], key)
    object_to_enrolment(town.desk, *bound(town, her, key, Asked.OBJECT))
    town.desk.erase(her.subject)
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER, seed=1)], SigningKey.generate())
    assert refused(town) == "listed"


def test_objection_of_a_self_asserted_credential() -> None:
    """Whose face it shows nobody verified: it puts nobody on the list and takes nobody off."""
    town, key = town_with_a_list(), SigningKey.generate()
    her = town.enrol([photo(HER)], key, evidence=SEEN.model_copy(update={"loa": Assurance.SELF_ASSERTED}))
    for act, asked in ((object_to_enrolment, Asked.OBJECT), (lift_objection, Asked.LIFT)):
        with pytest.raises(InputError):
            act(town.desk, *bound(town, her, key, asked))
        refused(town, "input.objection")
    town.renew(her, key, [photo(HER, seed=1)])


def test_nonce_that_was_for_something_else_or_used() -> None:
    """What she bound to renew neither lists nor lifts, and nothing counts twice."""
    town, key = town_with_a_list(), SigningKey.generate()
    her = town.enrol([photo(HER)], key)
    for act, own in ((object_to_enrolment, Asked.OBJECT), (lift_objection, Asked.LIFT)):
        for other in {Asked.RENEW, Asked.OBJECT, Asked.LIFT} - {own}:
            with pytest.raises(ConsentInvalid):
                act(town.desk, *bound(town, her, key, other))
        shown = bound(town, her, key, own)
        act(town.desk, *shown)
        with pytest.raises(ConsentInvalid) as error:
            act(town.desk, *shown)
        assert error.value.status is ConsentStatus.REPLAYED


def test_stolen_key_of_a_revoked_credential() -> None:
    """Once it is revoked, a credential lists nobody and lifts nothing."""
    town, key = town_with_a_list(), SigningKey.generate()
    her = town.enrol([photo(HER)], key)
    object_to_enrolment(town.desk, *bound(town, her, key, Asked.OBJECT))
    town.desk.revoke(her.entry.idx)
    for act, asked in ((object_to_enrolment, Asked.OBJECT), (lift_objection, Asked.LIFT)):
        with pytest.raises(ConsentInvalid) as error:
            act(town.desk, *bound(town, her, key, asked))
        assert error.value.status is ConsentStatus.REVOKED
