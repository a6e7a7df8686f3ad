"""The desk: nobody enrols another's face, nobody twice, and nothing goes out that was not written down."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from enrolment_world import (
    ADULT,
    CHILD,
    DAY,
    LIMITS,
    MODELS,
    NEW_MODELS,
    NOW,
    REVIEW,
    SEEN,
    STATUS_URI,
    Town,
    face,
    flipped,
    guardian,
    holder,
    leaves,
    photo,
    refused,
    reviewed,
)

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import FaceBinding
from consent_edit.consent.disclosure import reveal
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.jose import unverified
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.match import Probe
from consent_edit.enrolment import desk as desk_module
from consent_edit.enrolment.audit import commitment, vault_name
from consent_edit.enrolment.register import CLAIM_LIFETIME
from consent_edit.enrolment.review import Finding
from consent_edit.errors import ConsentInvalid, EnrolmentRefused, InputError, StoreUnavailable
from consent_edit.intake.digests import byte_digest
from consent_edit.store.store import Store
from consent_edit.vocabulary import Assurance, ConsentStatus, Environment

HER, VICTIM, OTHER = face(1), face(2), face(3)


def binding_of(enrolment: Enrolment) -> FaceBinding:
    """The whole credential."""
    parsed = sd_jwt.parse(enrolment.credential)
    return FaceBinding.model_validate_json(json.dumps(reveal(unverified(parsed.jwt)[1], parsed.disclosures)))


def test_enrolment_leaves_a_register_entry_and_a_log_entry() -> None:
    """What was issued stands in both, and the salts in the vault open the log's commitments."""
    town, key = Town.make(), SigningKey.generate()
    issued = town.enrol([photo(HER), photo(HER, seed=1)], key)
    (entry,) = town.desk.register.entries()
    assert entry.keys == (key.public.thumbprint,) and entry.issued[0].entry == issued.entry
    assert entry.birthdate == ADULT and entry.face_template == issued.face_template
    (leaf,) = leaves(town)
    assert (leaf["event"], leaf["outcome"], leaf["code"], leaf["time"]) == ("enrolment", "done", "", NOW)
    assert leaf["evidence"] == {"loa": "substantial", "liveness": "supervised_session"}
    assert leaf["models"] == sorted(MODELS.values())
    (kept,) = town.store.subject_entries(vault_name(key.public.thumbprint))
    salts = kept["data"]["salts"]  # type: ignore[index, call-overload]
    for name, value in {
        "subject": issued.subject,
        "credential.0": f"{STATUS_URI}#{issued.entry.idx}",
    }.items():
        assert leaf["commitments"][name] == commitment(name, value, salts[name])  # type: ignore[index, call-overload, arg-type]


def test_nothing_of_the_person_stands_in_log_or_file(tmp_path: Path) -> None:
    """Neither the log nor the store's files hold key, template, birthdate or the issuer's own words."""
    store = Store.open(tmp_path / "register.sqlite")
    town, key = Town.make(store=store), SigningKey.generate()
    evidence = SEEN.model_copy(update={"method": "passport of Erika Example"})
    issued = town.enrol([photo(HER)], key, evidence=evidence)
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER, seed=1)], SigningKey.generate())
    store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    secret = [key.public.thumbprint, "Erika", ADULT.isoformat(), *(one.data for one in issued.face_template)]
    assert not [text for text in secret if text.encode() in written]


def test_own_and_victims_photo_at_the_desk() -> None:
    """The pair is refused, leaves an entry, and nothing of either in the register; no review lifts it."""
    town, key = Town.make(), SigningKey.generate()
    pair = [photo(HER), photo(VICTIM)]
    for review in ("", reviewed(town, pair, key, finding=Finding.OTHER_PERSON)):
        with pytest.raises(EnrolmentRefused, match="same person"):
            town.enrol(pair, key, review=review)
        refused(town, "input.enrolment-pair")
        assert max(leaves(town)[-1]["scores"]["pair"].values()) < 40  # type: ignore[index, call-overload]
    assert not list(town.desk.register.entries())


def test_enrolled_twice_under_another_key() -> None:
    """Somebody who enrols a registered face under his own key is refused, and told nothing of whose it is."""
    town = Town.make()
    town.enrol([photo(VICTIM), photo(VICTIM, seed=1)], SigningKey.generate())
    for thief in ([photo(VICTIM, seed=2)], [photo(VICTIM, 0.97, seed=n) for n in range(3, 6)]):
        with pytest.raises(EnrolmentRefused) as error:
            town.enrol(thief, SigningKey.generate())
        assert error.value.code == REVIEW and "review" in error.value.remedy
        assert refused(town) == "duplicate"
    assert len(list(town.desk.register.entries())) == 1


def test_double_seen_by_one_photo_of_several() -> None:
    """One photo that shows a registered face is enough, though the mean of all lies elsewhere."""
    town = Town.make(thresholds=replace(LIMITS, enrol_face_embedding=0.9, enrol_face_embedding_second=0.9))
    between = {role: 0.92 * HER[role] + np.sqrt(1 - 0.92**2) * _aside(HER[role], OTHER[role]) for role in HER}
    town.enrol([photo(HER, 0.9999)], SigningKey.generate())
    far = {role: 0.75 * HER[role] + np.sqrt(1 - 0.75**2) * _aside(HER[role], OTHER[role]) for role in HER}
    thief = [photo(far, 0.9999), photo(far, 0.9999, seed=1), photo(between, 0.9999)]
    with pytest.raises(EnrolmentRefused):
        town.enrol(thief, SigningKey.generate())
    assert refused(town) == "duplicate"
    town.enrol(thief[:2], SigningKey.generate())


def _aside(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    rest = other - (other @ one) * one
    return (rest / np.linalg.norm(rest)).astype(np.float32)


def test_double_after_one_weight_file_changed() -> None:
    """The embedder whose weight file stayed still finds a double."""
    town = Town.make()
    town.enrol([photo(VICTIM)], SigningKey.generate())
    half = {"face-embedding": MODELS["face-embedding"], "face-embedding-second": "d" * 64}
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(VICTIM, seed=1)], SigningKey.generate(), models=half)
    assert refused(town) == "duplicate"


def test_double_after_both_weight_files_changed() -> None:
    """While anybody in force cannot be compared nobody is enrolled without a review; renewals end that."""
    town, key = Town.make(), SigningKey.generate()
    first = town.enrol([photo(VICTIM)], key)
    thief, stranger = SigningKey.generate(), [photo(OTHER)]
    for seed in (1, 3):
        with pytest.raises(EnrolmentRefused):
            town.enrol([photo(face(seed))], thief, models=NEW_MODELS)
        assert refused(town) == "incomparable"
    review = reviewed(town, stranger, thief, finding=Finding.NEW)
    town.enrol(stranger, thief, models=NEW_MODELS, review=review)
    captures = [photo(VICTIM, seed=1)]
    review = reviewed(town, captures, key, finding=Finding.NEW)
    town.renew(first, key, captures, models=NEW_MODELS, review=review)
    town.enrol([photo(HER)], SigningKey.generate(), models=NEW_MODELS)
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(VICTIM, seed=2)], SigningKey.generate(), models=NEW_MODELS)
    assert refused(town) == "duplicate"


def test_credentials_that_ended_block_nobody() -> None:
    """Who has no credential in force any more need not be compared."""
    town = Town.make()
    town.enrol([photo(VICTIM)], SigningKey.generate())
    town.clock.now += 181 * DAY
    town.enrol([photo(HER)], SigningKey.generate(), models=NEW_MODELS)


def test_only_pair_scores_stand_in_the_leaf() -> None:
    """How alike somebody is to others of the register is in the private record, never in the public leaf."""
    town, key = Town.make(), SigningKey.generate()
    first = town.enrol([photo(HER), photo(HER, seed=1)], key)
    with pytest.raises(EnrolmentRefused):
        town.enrol([photo(HER, seed=2), photo(HER, seed=3)], SigningKey.generate())
    town.renew(first, key, [photo(HER, seed=4), photo(HER, seed=5)])
    for leaf in leaves(town):
        assert set(leaf["scores"]) == {"pair"}  # type: ignore[call-overload]
        kept = town.store.decision(str(leaf["decision"]))["scores"]
        assert {"pair", "own", "register"} >= set(kept) > {"pair"}  # type: ignore[arg-type]


def test_another_face_under_an_enrolled_key() -> None:
    """Whoever is enrolled cannot put a victim's face under the same key later; no review lifts that."""
    town, key = Town.make(), SigningKey.generate()
    town.enrol([photo(HER)], key)
    theft = [photo(VICTIM)]
    for review in ("", *(reviewed(town, theft, key, finding=finding) for finding in Finding)):
        with pytest.raises(EnrolmentRefused):
            town.enrol(theft, key, review=review)
        assert refused(town) == "other-face"


def test_minor_made_an_adult_by_a_second_enrolment() -> None:
    """A day of birth once verified is not exchanged, nor left out, by enrolling again."""
    town, key, parent = Town.make(), SigningKey.generate(), guardian(SigningKey.generate())
    town.enrol([photo(HER)], key, birthdate=CHILD, guardians=(parent,))
    for born in (ADULT, type(ADULT).min):
        with pytest.raises(EnrolmentRefused):
            town.enrol([photo(HER, seed=1)], key, birthdate=born)
        assert refused(town) == "other-birthdate"
    town.enrol([photo(HER, seed=2)], key, birthdate=CHILD, guardians=(parent,))


def test_minor_without_guardian_at_the_desk() -> None:
    """The refusal is in the log and no face was looked at: photos of two people are refused as a minor's."""
    town = Town.make()
    with pytest.raises(EnrolmentRefused, match="guardian"):
        town.enrol([photo(HER), photo(VICTIM)], SigningKey.generate(), birthdate=CHILD)
    refused(town, "input.enrolment-guardian")
    assert leaves(town)[-1]["scores"] == {}
    with pytest.raises(EnrolmentRefused, match="keys"):
        town.desk.enrol([photo(HER)], holders=(), models=MODELS, evidence=SEEN)
    refused(town, "input.enrolment-key")


def test_enrolled_again_under_the_same_key() -> None:
    """The same person may come again: one entry, both credentials known, ended ones forgotten."""
    town, key = Town.make(), SigningKey.generate()
    first, second = town.enrol([photo(HER)], key), town.enrol([photo(HER, seed=1)], key)
    (entry,) = town.desk.register.entries()
    assert [one.entry for one in entry.issued] == [first.entry, second.entry] and not flipped(town)
    town.clock.now += 181 * DAY
    third = town.enrol([photo(HER, seed=2)], key)
    (entry,) = town.desk.register.entries()
    assert [one.entry for one in entry.issued] == [third.entry]


def test_keys_of_two_people_in_one_batch() -> None:
    """A batch under the keys of two enrolled people is refused, whoever's face is shown."""
    town, one, other = Town.make(), SigningKey.generate(), SigningKey.generate()
    town.enrol([photo(HER)], one)
    town.enrol([photo(OTHER)], other)
    with pytest.raises(EnrolmentRefused):
        town.desk.enrol(
            [photo(HER, seed=1)],
            holders=(holder(one), holder(other)),
            models=MODELS,
            evidence=SEEN,
            birthdate=ADULT,
        )
    assert refused(town) == "other-face"


def test_keys_of_two_look_alikes_in_one_batch() -> None:
    """Two people of the same looks are not made one by a batch under the keys of both."""
    town, one, other = Town.make(), SigningKey.generate(), SigningKey.generate()
    town.enrol([photo(HER)], one)
    captures = [photo(HER, seed=1)]
    town.enrol(captures, other, review=reviewed(town, captures, other, finding=Finding.OTHER_PERSON))
    both = (holder(one), holder(other))
    with pytest.raises(EnrolmentRefused):
        town.desk.enrol([photo(HER)], holders=both, models=MODELS, evidence=SEEN, birthdate=ADULT)
    assert refused(town) == "other-face"


def test_batch_is_one_person_in_the_register() -> None:
    """Every key of a batch leads to the one entry, and erasing by any of them ends all."""
    town, keys = Town.make(), [SigningKey.generate() for _ in range(3)]
    batch = town.desk.enrol(
        [photo(HER)], holders=[holder(key) for key in keys], models=MODELS, evidence=SEEN, birthdate=ADULT
    )
    (entry,) = town.desk.register.entries()
    assert entry.keys == tuple(key.public.thumbprint for key in keys)
    assert town.desk.erase(keys[2].public.thumbprint) == 3
    assert flipped(town) == {one.entry.idx for one in batch}


def test_somebody_on_the_never_edit_me_list() -> None:
    """Who is on a list reads what a double reads, and no review lifts it."""
    asked: list[Mapping[str, str]] = []

    def listed(probe: Probe, models: Mapping[str, str]) -> bool:
        asked.append(models)
        return float(np.median(probe.embeddings["face-embedding"] @ VICTIM["face-embedding"])) > 0.5

    town, key = Town.make(listed=listed), SigningKey.generate()
    captures = [photo(VICTIM)]
    messages = set()
    for review in ("", reviewed(town, captures, key, finding=Finding.OTHER_PERSON)):
        with pytest.raises(EnrolmentRefused) as error:
            town.enrol(captures, key, review=review)
        messages.add((error.value.message, error.value.code, error.value.remedy))
        assert refused(town) == "listed"
    town.enrol([photo(HER)], SigningKey.generate())
    with pytest.raises(EnrolmentRefused) as error:
        town.enrol([photo(HER, seed=1)], SigningKey.generate())
    messages.add((error.value.message, error.value.code, error.value.remedy))
    assert len(messages) == 1 and asked[0] == MODELS


class TestCrash:
    """Whatever breaks off, no credential is out that register and log do not know."""

    @pytest.mark.parametrize("breaks", ["commit_release", "put"])
    def test_crash_between_register_and_credential(
        self, breaks: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When log or register cannot be written, nothing is handed back and nothing is left claimed."""
        town, key = Town.make(), SigningKey.generate()

        def broken(*_: object, **__: object) -> None:
            raise StoreUnavailable("the disk is full")

        target = Store if breaks == "commit_release" else desk_module.Register
        with monkeypatch.context() as patched:
            patched.setattr(target, breaks, broken)
            with pytest.raises(StoreUnavailable, match="full"):
                town.enrol([photo(HER)], key)
        assert not list(town.desk.register.entries())
        assert not list(town.store.vault.all("enrolment-claim"))
        town.enrol([photo(HER)], key)

    def test_order_is_log_then_register_then_credential(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The register is written after the log, and both before the enrolment is returned."""
        town, order = Town.make(), []
        put, commit = desk_module.Register.put, Store.commit_release

        def log(self: Store, **asked: object) -> object:
            order.append("log")
            return commit(self, **asked)  # type: ignore[arg-type]

        def enter(self: desk_module.Register, entry: object) -> None:
            order.append("register")
            put(self, entry)  # type: ignore[arg-type]

        monkeypatch.setattr(Store, "commit_release", log)
        monkeypatch.setattr(desk_module.Register, "put", enter)
        town.enrol([photo(HER)], SigningKey.generate())
        assert order == ["log", "register"]

    def test_claim_of_a_program_that_died(self) -> None:
        """What it left blocks its face for ten minutes, then goes; nothing of the face stays behind."""
        town, key = Town.make(), SigningKey.generate()
        gone = town.desk.register.claim(
            ["A" * 43], town.enrol([photo(HER)], key).face_template, [], MODELS, NOW
        )
        gone.__enter__()
        town.store.vault.erase(vault_name(key.public.thumbprint))
        with pytest.raises(EnrolmentRefused) as error:
            town.enrol([photo(HER, seed=1)], SigningKey.generate())
        assert error.value.code == "input.enrolment-busy"
        town.clock.now += CLAIM_LIFETIME
        town.enrol([photo(HER, seed=1)], SigningKey.generate())
        assert not list(town.store.vault.all("enrolment-claim"))


def test_two_desks_enrol_one_face_at_once(tmp_path: Path) -> None:
    """Of desks that race with one face under different keys, at most one gets through."""
    store = Store.open(tmp_path / "register.sqlite")
    town, won, start = Town.make(store=store), [], threading.Barrier(4)

    def attempt(number: int) -> None:
        start.wait()
        try:
            won.append(town.enrol([photo(HER, seed=number)], SigningKey.generate()))
        except EnrolmentRefused as error:
            assert error.code in (REVIEW, "input.enrolment-busy")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) <= 1 and len(list(town.desk.register.entries())) == len(won)
    assert store.log_state().size == 4


def test_key_being_enrolled_at_another_desk() -> None:
    """Two faces under one key at the same time: the second desk gives way."""
    town, key = Town.make(), SigningKey.generate()
    templates = town.enrol([photo(HER)], SigningKey.generate()).face_template
    with town.desk.register.claim([key.public.thumbprint], templates, [], MODELS, NOW):
        with pytest.raises(EnrolmentRefused) as error:
            town.enrol([photo(OTHER)], key)
        assert error.value.code == "input.enrolment-busy"
    town.enrol([photo(OTHER)], key)


class TestReview:
    """The reviewed path overrides a double, and nothing else."""

    def test_lost_key(self) -> None:
        """The same person under a new key: her old credentials end, her entry goes on."""
        town, lost, key = Town.make(), SigningKey.generate(), SigningKey.generate()
        old = town.enrol([photo(HER)], lost)
        captures = [photo(HER, seed=1)]
        new = town.enrol(captures, key, review=reviewed(town, captures, key))
        assert flipped(town) == {old.entry.idx}
        (entry,) = town.desk.register.entries()
        assert entry.keys == (lost.public.thumbprint, key.public.thumbprint)
        assert new.entry in [one.entry for one in entry.issued]
        assert leaves(town)[-1]["reviewer"] == town.reviewer.public.thumbprint

    def test_lost_key_of_nobody_found(self) -> None:
        """Said to be enrolled, and not to be found: her old credentials would stay, so she is not let in."""
        town, lost, key = Town.make(), SigningKey.generate(), SigningKey.generate()
        old = town.enrol([photo(HER)], lost)
        captures = [photo(OTHER)]  # other models, other numbers
        review = reviewed(town, captures, key)
        with pytest.raises(EnrolmentRefused, match="not found"):
            town.enrol(captures, key, models=NEW_MODELS, review=review)
        refused(town, "input.review")
        town.desk.erase(old.subject)
        review = reviewed(town, captures, key, finding=Finding.NEW)
        town.enrol(captures, key, models=NEW_MODELS, review=review)

    def test_look_alike(self) -> None:
        """Another person of the same looks: both stay enrolled."""
        town, key = Town.make(), SigningKey.generate()
        town.enrol([photo(HER)], SigningKey.generate())
        captures = [photo(HER, seed=1)]
        town.enrol(captures, key, review=reviewed(town, captures, key, finding=Finding.OTHER_PERSON))
        assert len(list(town.desk.register.entries())) == 2 and not flipped(town)

    def test_review_that_found_nobody(self) -> None:
        """A review that does not speak of an earlier enrolment overrides none."""
        town, key = Town.make(), SigningKey.generate()
        town.enrol([photo(HER)], SigningKey.generate())
        captures = [photo(HER, seed=1)]
        with pytest.raises(EnrolmentRefused):
            town.enrol(captures, key, review=reviewed(town, captures, key, finding=Finding.NEW))
        assert refused(town) == "duplicate"

    def test_lost_key_of_one_of_two_look_alikes(self) -> None:
        """When two entries show the face nobody can say whose key was lost."""
        town, key = Town.make(), SigningKey.generate()
        town.enrol([photo(HER)], SigningKey.generate())
        twin, captures = [photo(HER, seed=1)], [photo(HER, seed=2)]
        other = SigningKey.generate()
        town.enrol(twin, other, review=reviewed(town, twin, other, finding=Finding.OTHER_PERSON))
        with pytest.raises(EnrolmentRefused):
            town.enrol(captures, key, review=reviewed(town, captures, key))
        assert refused(town) == "duplicate"

    def test_refused_by_the_reviewer(self) -> None:
        """A refusal shown at the desk is in the log with its reviewer, its words in the vault alone."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        review = reviewed(town, captures, key, accepted=False)
        with pytest.raises(EnrolmentRefused, match="did not accept"):
            town.enrol(captures, key, review=review)
        refused(town, "input.review")
        leaf = leaves(town)[-1]
        assert leaf["reviewer"] == town.reviewer.public.thumbprint
        (kept,) = town.store.subject_entries(vault_name(key.public.thumbprint))
        data = kept["data"]
        assert data["review"] == review  # type: ignore[index, call-overload]
        digest, salt = byte_digest(review.encode()), data["salts"]["review"]  # type: ignore[index, call-overload]
        assert leaf["commitments"]["review"] == commitment("review", digest, salt)  # type: ignore[index, call-overload, arg-type]
        town.enrol(captures, key)

    def test_accepted_review_is_kept(self) -> None:
        """An acceptance is committed to and kept just so, and goes with the person."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        review = reviewed(town, captures, key, finding=Finding.NEW)
        issued = town.enrol(captures, key, review=review)
        assert "review" in leaves(town)[-1]["commitments"]  # type: ignore[operator]
        (kept,) = town.store.subject_entries(vault_name(issued.subject))
        assert kept["data"]["review"] == review  # type: ignore[index, call-overload]
        town.desk.erase(issued.subject)
        assert town.store.subject_entries(vault_name(issued.subject)) == ()

    def test_decision_shown_to_another_issuer(self) -> None:
        """A reviewer who sits at two desks decides for the one that asked."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        review = reviewed(town, captures, key, issuer="https://other.example", finding=Finding.NEW)
        with pytest.raises(EnrolmentRefused, match="another issuer"):
            town.enrol(captures, key, review=review)
        refused(town, "input.review")

    def test_refusal_recorded_at_once(self) -> None:
        """It is in the log before anybody comes to the desk, once; its case is not decided again."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        review = reviewed(town, captures, key, accepted=False)
        assert town.desk.record_refusal(review) == town.reviewer.public.thumbprint
        leaf = leaves(town)[-1]
        assert (leaf["event"], leaf["outcome"], leaf["code"]) == ("review", "refused", "input.review")
        assert leaf["reviewer"] == town.reviewer.public.thumbprint
        for again in (town.desk.record_refusal, lambda it: town.enrol(captures, key, review=it)):
            with pytest.raises(ConsentInvalid) as error:
                again(review)  # type: ignore[operator]
            assert error.value.status is ConsentStatus.REPLAYED

    def test_recorded_as_a_refusal_and_is_none(self) -> None:
        """An acceptance, another issuer's decision and a stranger's are not recorded as refusals."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        good = reviewed(town, captures, key, finding=Finding.NEW)
        foreign = reviewed(town, captures, key, accepted=False, issuer="https://other.example")
        stranger = reviewed(town, captures, key, accepted=False, by=SigningKey.generate())
        for token, kind in ((good, InputError), (foreign, EnrolmentRefused), (stranger, ConsentInvalid)):
            with pytest.raises(kind):
                town.desk.record_refusal(token)
        assert leaves(town)[-1]["reviewer"] == ""
        town.enrol(captures, key, review=good)

    def test_lost_key_does_not_change_the_day_of_birth(self) -> None:
        """A review of a lost key makes no minor an adult."""
        town, key, parent = Town.make(), SigningKey.generate(), guardian(SigningKey.generate())
        town.enrol([photo(HER)], SigningKey.generate(), birthdate=CHILD, guardians=(parent,))
        captures = [photo(HER, seed=1)]
        with pytest.raises(EnrolmentRefused):
            town.enrol(captures, key, review=reviewed(town, captures, key))
        assert refused(town) == "other-birthdate"

    def test_liveness_is_the_reviewers(self) -> None:
        """Under a review the liveness that counts is the one the reviewer names."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        review = reviewed(town, captures, key, liveness="passive", finding=Finding.NEW)
        assert town.enrol(captures, key, review=review).loa is Assurance.LOW
        assert leaves(town)[-1]["evidence"] == {"loa": "low", "liveness": "passive"}

    def test_review_replayed(self) -> None:
        """A decision counts once, though it is for the same photos and key."""
        town, lost, key = Town.make(), SigningKey.generate(), SigningKey.generate()
        town.enrol([photo(HER)], lost)
        captures = [photo(HER, seed=1)]
        review = reviewed(town, captures, key)
        town.enrol(captures, key, review=review)
        with pytest.raises(ConsentInvalid) as error:
            town.enrol(captures, key, review=review)
        assert error.value.status is ConsentStatus.REPLAYED
        assert leaves(town)[-1]["code"] == "consent.replayed"

    def test_two_desks_use_one_review(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of two that race with one decision the commit lets one through; the register keeps its state."""
        town, key = Town.make(), SigningKey.generate()
        captures = [photo(HER)]
        review = reviewed(town, captures, key, finding=Finding.NEW)
        first = town.enrol(captures, key, review=review)
        monkeypatch.setattr(Store, "nonce_spent", lambda *_: False)
        with pytest.raises(ConsentInvalid):
            town.enrol(captures, key, review=review)
        (entry,) = town.desk.register.entries()
        assert [one.entry for one in entry.issued] == [first.entry]

    def test_refusal_spends_no_review(self) -> None:
        """An enrolment refused for another reason leaves the decision good."""
        town, lost, key = Town.make(), SigningKey.generate(), SigningKey.generate()
        town.enrol([photo(HER)], lost)
        captures = [photo(HER, seed=1)]
        review = reviewed(town, captures, key)
        with pytest.raises(EnrolmentRefused, match="weight file"):
            town.enrol(captures, key, review=review, models={})
        town.enrol(captures, key, review=review)


def morph(*seeds: int) -> dict[str, np.ndarray]:
    """A face that lies between several."""
    faces = [face(seed) for seed in seeds]
    sums = {role: np.sum([one[role] for one in faces], axis=0) for role in faces[0]}
    return {role: (row / np.linalg.norm(row)).astype(np.float32) for role, row in sums.items()}


class TestRenewal:
    """Whoever holds the key and shows the face is issued anew; nobody else is."""

    def test_renewal(self) -> None:
        """The new credential carries the new templates, under the same key, and the register knows it."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        town.clock.now += 100 * DAY
        new = town.renew(old, key, [photo(HER, seed=1)])
        assert new.subject == old.subject and new.exp == old.exp + 100 * DAY
        (entry,) = town.desk.register.entries()
        assert [one.entry for one in entry.issued] == [old.entry, new.entry]
        assert entry.face_template == new.face_template != old.face_template
        assert [leaf["event"] for leaf in leaves(town)] == ["enrolment", "renewal"]

    def test_renewal_replayed(self) -> None:
        """A presentation counts once: its nonce is spent, whatever became of the first try."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        nonce = town.desk.challenge()
        bound = town.bound(old, key, nonce)
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, [photo(VICTIM)], nonce=nonce, presentation=bound)
        for _ in range(2):
            with pytest.raises(ConsentInvalid) as error:
                town.renew(old, key, [photo(HER, seed=1)], nonce=nonce, presentation=bound)
            assert error.value.status is ConsentStatus.REPLAYED

    def test_nonce_of_ones_own_making(self) -> None:
        """A nonce that was never given out, or too long ago, is none."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        late = town.desk.challenge()
        town.clock.now += 901
        for nonce in ("made-up", late):
            with pytest.raises(ConsentInvalid) as error:
                town.renew(old, key, [photo(HER, seed=1)], nonce=nonce)
            assert error.value.status is ConsentStatus.REPLAYED

    def test_credential_without_its_key(self) -> None:
        """A stolen credential renews nothing: the key-binding must be the holder's, and for this issuer."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        thief, nonce = SigningKey.generate(), town.desk.challenge()
        for bad in (
            town.bound(old, thief, nonce),
            town.bound(old, key, nonce, audience="https://elsewhere.example"),
            town.bound(old, key, "another"),
            town.bound(old, key, nonce, now=NOW - 3600),
            old.credential,
        ):
            with pytest.raises(ConsentInvalid):
                town.renew(old, key, [photo(HER, seed=1)], nonce=nonce, presentation=bad)
        town.renew(old, key, [photo(HER, seed=1)], nonce=nonce)

    def test_credential_of_another_issuer(self) -> None:
        """Only this issuer's own credentials are renewed, by its own keys, demo or not."""
        town, key = Town.make(), SigningKey.generate()
        for other in (Town.make(), Town.make(environment=Environment.DEMO)):
            old = other.enrol([photo(HER)], key)
            with pytest.raises(ConsentInvalid):
                town.renew(old, key, [photo(HER)])
        demo = Town.make(environment=Environment.DEMO)
        assert demo.renew(demo.enrol([photo(HER)], key), key, [photo(HER)]).loa is Assurance.SIMULATED

    def test_revoked_credential(self) -> None:
        """What was revoked, or cannot be told not to be, is not renewed."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        town.desk.revoke(old.entry.idx)
        with pytest.raises(ConsentInvalid) as error:
            town.renew(old, key, [photo(HER, seed=1)])
        assert error.value.status is ConsentStatus.REVOKED
        assert [leaf["event"] for leaf in leaves(town)] == ["enrolment", "revocation", "renewal"]

    def test_status_that_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """When nobody can say whether the credential is revoked it is not renewed."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        nonce = town.desk.challenge()
        monkeypatch.setattr(type(town.issuer.status), "token", lambda *_: "broken")
        with pytest.raises(ConsentInvalid) as error:
            town.renew(old, key, [photo(HER, seed=1)], nonce=nonce)
        assert error.value.status is ConsentStatus.STATUS_UNAVAILABLE

    def test_another_persons_face_at_renewal(self) -> None:
        """A new capture that shows a victim is refused, alone or beside a good one, review or no."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        theft = [photo(VICTIM)]
        for review in ("", reviewed(town, theft, key)):
            with pytest.raises(EnrolmentRefused):
                town.renew(old, key, theft, review=review)
            assert refused(town) == "other-face"
        with pytest.raises(EnrolmentRefused, match="same person"):
            town.renew(old, key, [photo(HER), photo(VICTIM)])

    def test_photos_that_pass_for_somebody_else_too(self) -> None:
        """What passes for her and for another is renewed only where a review found two people."""
        limits = replace(LIMITS, enrol_face_embedding_second=0.5)
        town, key = Town.make(thresholds=limits), SigningKey.generate()
        old = town.enrol([photo(HER, 1.0)], key)
        town.enrol([photo(VICTIM, 1.0)], SigningKey.generate())
        between = [photo(morph(1, 2), 1.0)]
        for finding in (None, Finding.NEW, Finding.SAME_PERSON):
            review = reviewed(town, between, key, finding=finding) if finding else ""
            with pytest.raises(EnrolmentRefused):
                town.renew(old, key, between, review=review)
            assert refused(town) == "duplicate"
        review = reviewed(town, between, key, finding=Finding.OTHER_PERSON)
        town.renew(old, key, between, review=review)

    def test_renewal_where_somebody_cannot_be_compared(self) -> None:
        """While somebody has templates of other weight files alone, a renewal needs a review too."""
        town, key = Town.make(), SigningKey.generate()
        town.enrol([photo(VICTIM)], SigningKey.generate())
        captures = [photo(HER)]
        review = reviewed(town, captures, key, finding=Finding.NEW)
        old = town.enrol(captures, key, models=NEW_MODELS, review=review)
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, [photo(HER, seed=1)], models=NEW_MODELS)
        assert refused(town) == "incomparable"
        captures = [photo(HER, seed=2)]
        review = reviewed(town, captures, key, finding=Finding.NEW)
        town.renew(old, key, captures, models=NEW_MODELS, review=review)

    def test_nonce_given_out_for_something_else(self) -> None:
        """What she bound to object or to lift renews nothing."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        for asked in (Asked.OBJECT, Asked.LIFT):
            with pytest.raises(ConsentInvalid, match="renew"):
                town.renew(old, key, [photo(HER, seed=1)], nonce=town.desk.challenge(asked))

    def test_drift_by_renewals(self) -> None:
        """Every photo is held to the register: one far from it is refused though it matches its neighbour."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER, 0.999)], key)
        near = {role: 0.6 * HER[role] + 0.8 * _aside(HER[role], VICTIM[role]) for role in HER}
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, [photo(near, 0.999)])
        assert refused(town) == "other-face"

    def test_weight_files_change(self) -> None:
        """While old weight files are named the old templates go along; afterwards they do not."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        half = {**MODELS, "face-embedding": "c" * 64}
        new = town.renew(old, key, [photo(HER, seed=1)], models=half, still_named={"a" * 64})
        assert {one.sha256 for one in new.face_template} == {"a" * 64, "b" * 64, "c" * 64}
        last = town.renew(new, key, [photo(HER, seed=2)], models=half)
        assert {one.sha256 for one in binding_of(last).face_template} == {"b" * 64, "c" * 64}

    def test_nothing_comparable_needs_a_review(self) -> None:
        """When every weight file changed, only a reviewer can say that it is still she."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        captures = [photo(OTHER)]  # other models, other numbers
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, captures, models=NEW_MODELS)
        assert refused(town) == "incomparable"
        review = reviewed(town, captures, key, finding=Finding.NEW)
        new = town.renew(old, key, captures, models=NEW_MODELS, review=review)
        assert {one.sha256 for one in new.face_template} == set(NEW_MODELS.values())

    def test_level_is_not_raised_by_renewing(self) -> None:
        """Nobody's identity is checked again, so the level is that of the credential at most."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key, evidence=SEEN.model_copy(update={"loa": Assurance.LOW}))
        assert town.renew(old, key, [photo(HER, seed=1)]).loa is Assurance.LOW

    def test_renewal_keeps_birthdate_and_guardians(self) -> None:
        """A child stays a child: what the register has is issued, whatever was disclosed."""
        town, key, parent = Town.make(), SigningKey.generate(), guardian(SigningKey.generate())
        old = town.enrol([photo(HER)], key, birthdate=CHILD, guardians=(parent,))
        hidden = old.credential.split("~")
        (without,) = [
            "~".join(part for part in hidden if part != gone)
            for gone in hidden[1:-1]
            if json.loads(_decoded(gone))[1] == "birthdate"
        ]
        new = binding_of(town.renew(replace(old, credential=without), key, [photo(HER, seed=1)]))
        assert new.birthdate == CHILD and new.guardian == (parent,)

    def test_new_key_at_renewal(self) -> None:
        """Who still holds the old key may change to a new one; to somebody else's she may not."""
        town, key, fresh, others = Town.make(), *(SigningKey.generate() for _ in range(3))
        old = town.enrol([photo(HER)], key)
        town.enrol([photo(OTHER)], others)
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, [photo(HER, seed=1)], holders=(holder(others),))
        assert refused(town) == "other-face"
        new = town.renew(old, key, [photo(HER, seed=1)], holders=(holder(fresh),))
        assert new.subject == fresh.public.thumbprint
        town.renew(new, fresh, [photo(HER, seed=2)])

    def test_erased_person_renews(self) -> None:
        """A credential that the register does not know is not renewed, even while it is not revoked."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        town.desk.register.forget([old.subject])
        with pytest.raises(EnrolmentRefused) as error:
            town.renew(old, key, [photo(HER, seed=1)])
        assert error.value.code == "input.enrolment-unknown"
        again = town.enrol([photo(HER)], key)
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, [photo(HER, seed=1)])
        town.renew(again, key, [photo(HER, seed=1)])

    def test_listed_person_renews(self) -> None:
        """Who has come onto a list meanwhile is not issued anew."""
        town, key, on = Town.make(), SigningKey.generate(), []
        old = town.enrol([photo(HER)], key)
        town.desk = replace(town.desk, listed=lambda *_: bool(on))
        on.append(1)
        with pytest.raises(EnrolmentRefused):
            town.renew(old, key, [photo(HER, seed=1)])
        assert refused(town) == "listed"


def _decoded(disclosure: str) -> str:
    from consent_edit.encoding import b64url_decode

    return b64url_decode(disclosure).decode()


class TestErasure:
    """Erasing ends what the issuer knows and what it vouched for."""

    def test_erasure(self) -> None:
        """Credentials are revoked, templates and salts gone, the log stays and she may enrol again."""
        town, key = Town.make(), SigningKey.generate()
        old = town.enrol([photo(HER)], key)
        assert town.desk.erase(old.subject) == 1
        assert flipped(town) == {old.entry.idx}
        assert not list(town.desk.register.entries())
        assert town.store.subject_entries(vault_name(old.subject)) == ()
        assert [leaf["event"] for leaf in leaves(town)] == ["enrolment", "erasure"]
        town.enrol([photo(HER)], SigningKey.generate())

    def test_erasure_of_somebody_refused(self) -> None:
        """Who was only ever refused leaves salts, and may have them erased."""
        town, key = Town.make(), SigningKey.generate()
        with pytest.raises(EnrolmentRefused):
            town.enrol([photo(HER), photo(VICTIM)], key)
        assert town.desk.erase(key.public.thumbprint) == 0
        assert town.store.subject_entries(vault_name(key.public.thumbprint)) == ()

    def test_erasure_of_nobody(self) -> None:
        """A key nobody knows is told as such, and the attempt is in the log."""
        town = Town.make()
        with pytest.raises(InputError):
            town.desk.erase("A" * 43)
        refused(town, "input.subject")

    def test_erasure_cut_short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that broke off is found and finished by asking again."""
        town, keys = Town.make(), [SigningKey.generate() for _ in range(2)]
        town.desk.enrol(
            [photo(HER)], holders=[holder(key) for key in keys], models=MODELS, evidence=SEEN, birthdate=ADULT
        )
        vault, erased = type(town.store.vault), []
        whole = vault.erase

        def broken(self: object, name: str) -> int:
            if erased:
                raise StoreUnavailable("the disk is gone")
            erased.append(name)
            return whole(self, name)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(vault, "erase", broken)
            with pytest.raises(StoreUnavailable):
                town.desk.erase(keys[0].public.thumbprint)
        assert len(list(town.desk.register.entries())) == 1
        assert town.desk.erase(keys[0].public.thumbprint) == 2
        assert not list(town.desk.register.entries())

    def test_unknown_entry_revoked(self) -> None:
        """Revoking what was never allotted is refused and logged."""
        town = Town.make()
        with pytest.raises(InputError):
            town.desk.revoke(5)
        refused(town, "input.status-entry")
