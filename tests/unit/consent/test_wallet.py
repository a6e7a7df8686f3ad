"""Wallets: what a person, her passkey and her guardians sign, and how they were to sign something else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from consent_world import (
    ADULT_BIRTHDATE,
    AUDIENCE,
    GRANTEE,
    LIVENESS,
    MINOR_BIRTHDATE,
    MODELS,
    NOW,
    OTHER_PHOTO,
    PHOTO,
    STATUS_URI,
    ConsentWorld,
    Person,
    capture,
    face,
    guardian,
)
from soft_authenticator import SoftAuthenticator

from consent_edit.consent import sd_jwt
from consent_edit.consent.grant import GRANT_TYP, WITHDRAWAL_TYP
from consent_edit.consent.holder.drafting import draft_grant
from consent_edit.consent.holder.held import HeldGrant, read_grant
from consent_edit.consent.holder.notice import notice_text, verified_notice
from consent_edit.consent.holder.notice_words import Language
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.holder.wallet import PendingGrant, Wallet
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.presentation import CredentialPackage
from consent_edit.consent.proof import verify_proof
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.webauthn import challenge, passkey_token
from consent_edit.consent.wire import StatusRef
from consent_edit.encoding import canonical_json
from consent_edit.errors import ConsentEditError, ConsentInvalid, InputError
from consent_edit.intake.digests import byte_digest
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import ConsentStatus, Operation, Purpose

DAY = 86_400
REQUEST = "sha256:" + "7" * 64
TERMS = {
    "audience": AUDIENCE,
    "grantee": GRANTEE,
    "operations": {Operation.TONE},
    "purpose": Purpose.PERSONAL,
    "now": NOW,
}


def enrol(world: ConsentWorld, *holders: Signatory, **changes: object) -> tuple[Enrolment, ...]:
    """Credentials of one person for these keys."""
    asked = {"birthdate": ADULT_BIRTHDATE, "guardians": (), "now": NOW, **changes}
    return world.issuer.enrol_batch(
        [capture(face(1))],
        holders=holders,
        models=MODELS,
        thresholds=load_thresholds(),
        evidence=LIVENESS,
        **asked,  # type: ignore[arg-type]
    )


def package(wallet: Wallet, enrolment: Enrolment, **changes: object) -> str:
    """What the issuer hands over, sealed to the wallet."""
    held = {"credential": enrolment.credential, "stock": enrolment.stock, **changes}
    return CredentialPackage(**held).sealed(wallet.card.sealing_key())  # type: ignore[arg-type]


@dataclass
class Family:
    """A child with two guardians, each with a wallet, and a draft of the child's that waits for them."""

    world: ConsentWorld
    child: Wallet
    guardians: tuple[Wallet, ...]
    draft: PendingGrant

    @classmethod
    def make(cls, **changes: object) -> Family:
        """A family whose child's wallet drafted a grant."""
        world = ConsentWorld.make()
        person = world.person(birthdate=MINOR_BIRTHDATE)
        draft = person.wallet.begin_grant(**{**TERMS, **changes})  # type: ignore[arg-type]
        return cls(world, person.wallet, tuple(map(Wallet, person.guardians)), draft)

    def cosigned(self) -> list[str]:
        """Every guardian's signature."""
        return [one.cosign(self.draft.payload) for one in self.guardians]

    def status(self, held: HeldGrant) -> ConsentStatus:
        """What the service says."""
        return self.world.verify(held.presentation()).status


@dataclass
class PasskeyHolder:
    """Somebody whose passkey signs, enrolled."""

    world: ConsentWorld
    authenticator: SoftAuthenticator
    wallet: Wallet

    @classmethod
    def make(cls) -> PasskeyHolder:
        """A wallet without a key."""
        world, authenticator = ConsentWorld.make(), SoftAuthenticator.make()
        holder = Signatory(authenticator.key, authenticator.passkey)
        wallet = Wallet(holder)
        wallet.accept(*enrol(world, holder))
        return cls(world, authenticator, wallet)


# What she signs


def test_a_self_edit_is_one_call() -> None:
    """She grants herself an edit of her photo in one call, and it verifies for who proves her key, alone."""
    world = ConsentWorld.make()
    wallet = world.person().wallet
    held = wallet.grant_self(audience=AUDIENCE, operations={Operation.HAIR}, now=NOW, images=[PHOTO])
    proven = verify_proof(wallet.prove(REQUEST, AUDIENCE, NOW), audience=AUDIENCE, request=REQUEST, now=NOW)
    asked = {"operations": frozenset({Operation.HAIR})}
    hers = world.verify(held.presentation(), proven=proven.thumbprint, nonce=proven.nonce, **asked)
    assert hers.status is ConsentStatus.VERIFIED, hers.detail
    claimed = world.verify(held.presentation(), grantee=wallet.subject, **asked)
    assert claimed.status is ConsentStatus.WRONG_GRANTEE
    assert claimed.grant_id == held.jti
    assert "you yourself" in held.notice


def test_a_grant_name_never_looks_like_an_option() -> None:
    """A grant's name is 128 random bits that can be typed as an argument: no leading dash, ever."""
    person = ConsentWorld.make().person()
    names = [person.grant().jti for _ in range(8)]
    assert len(set(names)) == 8
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


def test_a_grant_lasts_thirty_days_and_never_outlasts_the_credential() -> None:
    """By default a grant ends after 30 days; asked for longer, it ends with the credential."""
    person = ConsentWorld.make().person()
    assert unverified(person.grant().token)[1]["exp"] == NOW + 30 * DAY
    longest = person.grant(days=400)
    assert longest.claims().exp == NOW + 180 * DAY
    assert "180 days at most" in longest.notice


def test_the_grant_holds_the_hash_of_what_was_read_before_signing() -> None:
    """The hash in the grant is that of the notice in her language, and the claims give it again."""
    for lang in Language:
        held = ConsentWorld.make().person().grant(max_uses=2, images=[PHOTO], lang=lang)
        claims = held.claims()
        assert claims.notice.lang == lang
        assert claims.notice.hash == byte_digest(held.notice.encode("utf-8"))
        assert verified_notice(claims) == held.notice


@pytest.mark.parametrize(
    "asked",
    [
        {"grantee": "any"},
        {"anyone": True},
        {"operations": ()},
        {"operations": {Operation.HAIR}},
        {"max_uses": -1},
        {"days": 0},
        {"lang": "tlh"},
    ],
    ids=["any-by-accident", "anyone-but-named", "nothing", "hair-unbound", "negative", "no-time", "no-words"],
)
def test_grants_that_make_no_sense_are_not_signed(asked: dict[str, object]) -> None:
    """A grant to anybody by accident, of nothing, of hair without a photo, or for no time is not signed."""
    person = ConsentWorld.make().person()
    with pytest.raises(InputError):
        person.grant(**asked)
    assert person.wallet.grants == ()
    assert person.wallet.grants_left == 32


def test_photos_are_named_once_and_sorted() -> None:
    """A grant names each photo once, whatever order they were given in."""
    held = ConsentWorld.make().person().grant(images=[OTHER_PHOTO, PHOTO, PHOTO])
    assert unverified(held.token)[1]["images"] == [PHOTO, OTHER_PHOTO]


def test_the_stock_of_entries_runs_out_and_a_new_credential_refills_it() -> None:
    """Each grant takes a fresh entry; when none is left she is told to enrol again."""
    world = ConsentWorld.make()
    person = world.person()
    entries = {person.grant().entry for _ in range(32)}
    assert len(entries) == 32
    with pytest.raises(InputError, match="no status entry left"):
        person.grant()
    person.wallet.accept(*enrol(world, Signatory(person.key.public)))
    assert person.grant().entry not in entries


def test_old_package_received_again() -> None:
    """Entries already taken by a grant are not used twice, so one withdrawal never hangs on another."""
    person = ConsentWorld.make().person()
    first = person.grant()
    person.wallet.accept(person.enrolment)
    assert person.grant().entry != first.entry
    person.wallet.receive(person.enrolment.credential, person.enrolment.stock)
    assert person.wallet.grants_left == 30


# Credentials


def test_a_package_is_opened_by_the_wallet_it_was_sealed_to() -> None:
    """What the issuer seals to her card arrives, and she grants with it."""
    world = ConsentWorld.make()
    wallet = Wallet(SigningKey.generate())
    wallet.receive_sealed(package(wallet, *enrol(world, wallet.holder)))
    held = wallet.grant(**TERMS)  # type: ignore[arg-type]
    assert world.verify(held.presentation()).status is ConsentStatus.VERIFIED


def _another_key(world: ConsentWorld, wallet: Wallet) -> str:
    return package(wallet, *enrol(world, Signatory(SigningKey.generate().public)))


def _another_stock(world: ConsentWorld, wallet: Wallet) -> str:
    (own,), (other,) = enrol(world, wallet.holder), enrol(world, wallet.holder)
    return package(wallet, own, stock=other.stock)


def _stock_cut_short(world: ConsentWorld, wallet: Wallet) -> str:
    (own,) = enrol(world, wallet.holder)
    return package(wallet, own, stock=own.stock[1:])


def _stock_taken_out(world: ConsentWorld, wallet: Wallet) -> str:
    return package(wallet, *enrol(world, wallet.holder), stock=())


def _one_entry_of_the_courier(world: ConsentWorld, wallet: Wallet) -> str:
    (own,) = enrol(world, wallet.holder)
    strange = StatusRef(idx=own.stock[0].idx, uri="https://courier.example/status")
    return package(wallet, own, stock=(strange, *own.stock[1:]))


def _credential_without_entries(world: ConsentWorld, wallet: Wallet) -> str:
    (own,) = enrol(world, wallet.holder)
    presented = sd_jwt.parse(own.credential)
    claims = {name: value for name, value in unverified(presented.jwt)[1].items() if name != "grant_entries"}
    disclosures = own.credential.split("~")[1:-1]
    text = sd_jwt.join(sign_compact(claims, world.issuer.key, typ="dc+sd-jwt"), disclosures)
    return package(wallet, own, credential=text)


def _sealed_to_somebody_else(world: ConsentWorld, wallet: Wallet) -> str:
    (own,) = enrol(world, wallet.holder)
    plain = CredentialPackage(credential=own.credential, stock=own.stock)
    return plain.sealed(OpeningKey.generate().public)


def _altered_on_the_way(world: ConsentWorld, wallet: Wallet) -> str:
    head, key, nonce, body, tag = package(wallet, *enrol(world, wallet.holder)).split(".")
    return ".".join((head, key, nonce, ("B" if body[0] == "A" else "A") + body[1:], tag))


def _no_credential(_: ConsentWorld, wallet: Wallet) -> str:
    return CredentialPackage(credential="x", stock=()).sealed(wallet.card.sealing_key())


@pytest.mark.parametrize(
    "attack",
    [
        _another_key,
        _another_stock,
        _stock_cut_short,
        _stock_taken_out,
        _one_entry_of_the_courier,
        _credential_without_entries,
        _sealed_to_somebody_else,
        _altered_on_the_way,
        _no_credential,
    ],
)
def test_package_tampered_with_by_the_courier(attack: object) -> None:
    """Nothing of a package that is not whole and hers is stored, beside a good one or alone."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    good = package(wallet, *enrol(world, wallet.holder))
    bad = attack(world, wallet)  # type: ignore[operator]
    for packages in ([bad], [good, bad]):
        with pytest.raises(ConsentEditError):
            wallet.receive_sealed(*packages)
    assert wallet.grants_left == 0


def test_key_wallet_offered_a_passkeys_credential() -> None:
    """The same key bound as a passkey is another signatory: the wallet's signatures would not count."""
    world, key = ConsentWorld.make(), SigningKey.generate()
    bound = Signatory(key.public, SoftAuthenticator.make().passkey)
    with pytest.raises(InputError, match="another key"):
        Wallet(key).accept(*enrol(world, bound))


def test_each_service_is_shown_a_credential_of_its_own() -> None:
    """Of a batch each audience gets one, always the same, under a key of its own; then the least shown."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    cards = wallet.cards(2)
    assert wallet.cards(2) == cards
    wallet.accept(*enrol(world, *(card.signatory() for card in cards)))
    places = [AUDIENCE, "https://b.example", AUDIENCE, "https://b.example", "https://c.example"]
    shown = [wallet.grant(**{**TERMS, "audience": place}).credential for place in places]  # type: ignore[arg-type]
    assert shown[0] == shown[2] != shown[1] == shown[3]
    assert shown[4] in shown[:2]
    keys = [wallet.key_for(place) for place in places[:2]]
    assert keys == [card.signatory().thumbprint for card in cards]
    assert wallet.key_for("https://never.example") == wallet.subject


def test_grants_of_a_batch_are_signed_proven_and_withdrawn_by_the_credentials_own_key() -> None:
    """The second card's key does all of it: self-edit, proof, key binding and withdrawal."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    wallet.accept(*enrol(world, *(card.signatory() for card in wallet.cards(2))))
    wallet.grant_self(audience="https://first.example", operations={Operation.TONE}, now=NOW)
    held = wallet.grant_self(audience=AUDIENCE, operations={Operation.TONE}, now=NOW)
    proof = verify_proof(wallet.prove(REQUEST, AUDIENCE, NOW), audience=AUDIENCE, request=REQUEST, now=NOW)
    assert proof.thumbprint == held.claims().grantee == wallet.key_for(AUDIENCE) != wallet.subject
    asked = {"proven": proof.thumbprint, "nonce": proof.nonce}
    assert world.verify(held.presentation(), **asked).status is ConsentStatus.VERIFIED
    bound = sd_jwt.verify_presentation(
        wallet.bind(AUDIENCE, "n" * 22, NOW), world.trust, audience=AUDIENCE, nonce="n" * 22, now=NOW
    )
    assert bound.claims["cnf"] == {"jwk": wallet.cards(2)[1].jwk}
    world.issuer.status.withdraw(wallet.withdraw(held.jti, NOW))
    assert world.verify(held.presentation(), **asked).status is ConsentStatus.REVOKED


def test_received_again_a_batch_keeps_who_was_shown_what() -> None:
    """Which credential a service knows is remembered when the same packages arrive once more."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    batch = enrol(world, *(card.signatory() for card in wallet.cards(2)))
    wallet.accept(*batch)
    wallet.grant(**{**TERMS, "audience": "https://first.example"})  # type: ignore[arg-type]
    key = wallet.grant(**TERMS).claims().cnf.jkt  # type: ignore[arg-type]
    wallet.accept(*batch)
    assert wallet.grant(**TERMS).claims().cnf.jkt == key  # type: ignore[arg-type]
    kept = [(one.credential, one.superseded) for one in wallet._keeper.read().credentials]
    assert kept == [(one.credential, False) for one in batch]


def test_under_an_expired_credential_nothing_is_granted() -> None:
    """After its end no grant is made with it."""
    wallet = ConsentWorld.make().person().wallet
    with pytest.raises(InputError, match="no credential in force"):
        wallet.grant(**{**TERMS, "now": NOW + 181 * DAY})  # type: ignore[arg-type]


def test_an_expired_credential_still_shows_whose_data_a_service_holds() -> None:
    """To be told and to have erased what is held of her she needs no new enrolment; consent it is none."""
    world = ConsentWorld.make()
    wallet, later = world.person().wallet, NOW + 181 * DAY
    bound, asked = wallet.bind(AUDIENCE, "export.n", later), {"audience": AUDIENCE, "nonce": "export.n"}
    shown = sd_jwt.verify_presentation(bound, world.trust, now=later, lapsed=True, **asked)
    assert shown.holder == wallet.holder
    with pytest.raises(ConsentInvalid) as refused:
        sd_jwt.verify_presentation(bound, world.trust, now=later, **asked)
    assert refused.value.status is ConsentStatus.EXPIRED


def test_a_credential_in_force_is_shown_before_an_expired_one() -> None:
    """A service that knows neither is shown the one that still counts."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    cards = [card.signatory() for card in wallet.cards(2)]
    (old,) = enrol(world, cards[0])
    (new,) = enrol(world, cards[1], now=NOW + 100 * DAY)
    wallet.accept(old, new)
    bound = wallet.bind(AUDIENCE, "n", NOW + 181 * DAY)
    assert bound.split("~")[0] == new.credential.split("~")[0]


def test_an_empty_wallet_shows_nobody() -> None:
    """Without a credential there is nothing to bind."""
    with pytest.raises(InputError, match="has no credential"):
        Wallet(SigningKey.generate()).bind(AUDIENCE, "n", NOW)


def test_a_package_delivered_twice_at_once() -> None:
    """One status entry never serves two grants, so neither credential nor entries may stand twice."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    sealed = package(wallet, *enrol(world, wallet.holder))
    with pytest.raises(InputError, match="stands twice"):
        wallet.receive_sealed(sealed, sealed)
    assert wallet.grants_left == 0


def test_two_credentials_that_name_the_same_entries() -> None:
    """An issuer that hands the same entries out twice is not believed."""
    person = ConsentWorld.make().person()
    other = person.recredential(person.present(), evidence={"loa": "low", "method": "m", "liveness": ""})
    stock = person.enrolment.stock
    wallet = Wallet(person.key)
    packages = [
        CredentialPackage(credential=credential, stock=stock).sealed(wallet.card.sealing_key())
        for credential in (person.enrolment.credential, other.credential)
    ]
    with pytest.raises(InputError, match="stands twice"):
        wallet.receive_sealed(*packages)
    wallet.receive_sealed(packages[1])


def test_package_of_an_unknown_issuer_pushed_on_her() -> None:
    """It does not take a true credential's place, unless she says that she changed the issuer."""
    world, elsewhere = ConsentWorld.make(), ConsentWorld.make(name="https://elsewhere.example")
    wallet = world.person().wallet
    before = wallet._keeper.read()
    sealed = package(wallet, *enrol(elsewhere, wallet.holder))
    with pytest.raises(InputError, match="another issuer") as refused:
        wallet.receive_sealed(sealed)
    assert "--replace" in refused.value.remedy
    assert wallet._keeper.read() == before
    wallet.receive_sealed(sealed, replace=True)
    held = wallet.grant(**TERMS)  # type: ignore[arg-type]
    assert elsewhere.verify(held.presentation()).status is ConsentStatus.VERIFIED


def test_a_credential_under_which_grants_live_is_not_dropped() -> None:
    """Superseded, it makes no grant more; drafts under it are finished, and its service still knows her."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    first, second, third = (card.signatory() for card in wallet.cards(3))
    old = enrol(world, first, second, third)
    wallet.accept(*old)
    places = ["https://a.example", "https://b.example", "https://c.example"]
    held = [wallet.grant(**{**TERMS, "audience": place}) for place in places]  # type: ignore[arg-type]
    wallet.withdraw(held[2].jti, NOW)
    wallet.accept(*enrol(world, first))
    assert wallet.grants_left == 32
    kept = [one.credential for one in wallet._keeper.read().credentials if one.superseded]
    assert kept == [held[0].credential, held[1].credential]
    assert [wallet.key_for(place) for place in places] == [
        first.thumbprint,
        second.thumbprint,
        first.thumbprint,
    ]
    bound = sd_jwt.verify_presentation(
        wallet.bind(places[1], "n", NOW), world.trust, audience=places[1], nonce="n", now=NOW
    )
    assert bound.holder == second
    for place in places:
        again = wallet.grant(**{**TERMS, "audience": place})  # type: ignore[arg-type]
        assert again.claims().cnf.jkt == first.thumbprint
    for place in places:
        assert again.credential.startswith(wallet.bind(place, "n", NOW).split("~")[0])
    wallet.withdraw(held[0].jti, NOW)
    wallet.withdraw(held[1].jti, NOW)
    wallet.accept(*enrol(world, first))
    assert [one.superseded for one in wallet._keeper.read().credentials] == [False, True]


def test_a_draft_under_a_superseded_credential_is_finished() -> None:
    """What waited for guardians when the new credential came can still be signed and presented."""
    family = Family.make()
    named = [
        guardian(SigningKey.generate()).model_copy(update={"jwk": one.public.export()})
        for one in family.guardians
    ]
    (new,) = enrol(family.world, family.child.holder, birthdate=MINOR_BIRTHDATE, guardians=named)
    family.child.accept(new)
    assert [one.superseded for one in family.child._keeper.read().credentials] == [False, True]
    held = family.child.finish_grant(family.draft.jti, *family.cosigned())
    assert family.status(held) is ConsentStatus.VERIFIED


def test_key_binding_discloses_nothing_of_the_face() -> None:
    """To show who she is she shows the issuer's signature and her key: no template, no birthdate."""
    world = ConsentWorld.make()
    person = world.person()
    bound = person.wallet.bind(AUDIENCE, "n" * 22, NOW)
    assert bound.count("~") == 1
    verified = sd_jwt.verify_presentation(
        bound, world.trust, audience=AUDIENCE, nonce="n" * 22, now=world.clock()
    )
    assert not {"face_template", "birthdate"} & verified.claims.keys()


def test_drafting_by_itself_is_what_the_wallet_signs() -> None:
    """A draft names the holder's key, the entry and the notice; who signs its payload has made the grant."""
    world = ConsentWorld.make()
    person = world.person()
    draft = draft_grant(person.enrolment.credential, person.enrolment.stock[3], **TERMS)  # type: ignore[arg-type]
    assert draft.status.status_list == person.enrolment.stock[3]
    assert draft.notice.hash == byte_digest(notice_text(draft).encode())
    held = person.grant()
    token = sign_compact(draft.payload(), person.key, typ=GRANT_TYP)
    assert world.verify(replace(held.presentation(), grant=token)).status is ConsentStatus.VERIFIED


# Withdrawal


def test_withdrawing_what_was_never_granted_is_an_error() -> None:
    """A wallet withdraws its own grants only, and hands out its own only."""
    wallet = ConsentWorld.make().person().wallet
    for ask in (lambda: wallet.withdraw("nothing", NOW), lambda: wallet.held("nothing")):
        with pytest.raises(InputError, match="no such grant"):
            ask()


def test_a_withdrawal_is_kept_with_its_grant() -> None:
    """What was signed first stands; the service takes it, and the other grant is left alone."""
    world = ConsentWorld.make()
    person = world.person()
    held, other = person.grant(), person.grant()
    token = person.wallet.withdraw(held.jti, NOW + 5)
    person.wallet.withdraw(held.jti, NOW + 9)
    kept, left = person.wallet.held(held.jti), person.wallet.held(other.jti)
    assert (kept.withdrawal, kept.withdrawn_at()) == (token, NOW + 5)
    assert (left.withdrawal, left.withdrawn_at()) == ("", 0)
    world.issuer.status.withdraw(kept.withdrawal)
    assert world.verify(held.presentation()).status is ConsentStatus.REVOKED
    assert world.verify(other.presentation()).status is ConsentStatus.VERIFIED


# Guardians


def test_two_guardians_consent_for_a_child_and_any_one_withdraws() -> None:
    """The child's wallet drafts, both guardians sign what they read, it verifies; each alone ends it."""
    for who in range(3):
        family = Family.make()
        tokens = family.cosigned()
        held = family.child.finish_grant(family.draft.jti, *tokens)
        assert family.child.pending == ()
        assert family.status(held) is ConsentStatus.VERIFIED
        wallet = (family.child, *family.guardians)[who]
        family.world.issuer.status.withdraw(wallet.withdraw(held.jti, NOW))
        assert family.status(held) is ConsentStatus.REVOKED


def test_a_draft_is_withdrawn_before_it_counts() -> None:
    """The child takes back what the guardians have not signed yet: it never counts."""
    family = Family.make()
    family.world.issuer.status.withdraw(family.child.withdraw(family.draft.jti, NOW))
    held = family.child.finish_grant(family.draft.jti, *family.cosigned())
    assert family.status(held) is ConsentStatus.REVOKED


def test_the_second_guardian_signs_over_the_firsts_token() -> None:
    """A guardian may be handed another's token in place of the draft: the claims are the same."""
    family = Family.make()
    first = family.guardians[0].cosign(family.draft.payload)
    second = family.guardians[1].cosign(first)
    assert family.status(family.child.finish_grant(family.draft.jti, second, first)) is ConsentStatus.VERIFIED


def test_a_child_cannot_grant_alone() -> None:
    """The child's own key signs no grant, and the entry is not spent on one."""
    family = Family.make()
    left = family.child.grants_left
    with pytest.raises(InputError, match="guardians sign"):
        family.child.grant(**TERMS)  # type: ignore[arg-type]
    assert (family.child.grants_left, family.child.grants) == (left, ())
    assert family.child.guardians == tuple(one.subject for one in family.guardians)
    assert family.guardians[0].guardians == ()


@pytest.mark.parametrize("operation", sorted(set(Operation) - {"background", "object", "tone", "restore"}))
def test_nothing_more_is_drafted_for_a_minor(operation: Operation) -> None:
    """Guardians are never asked for what does not exist for a minor."""
    with pytest.raises(InputError, match="for a minor"):
        Family.make(operations={operation, Operation.TONE}, images=[PHOTO])


def _one_missing(_: Family, tokens: list[str]) -> Sequence[str]:
    return tokens[:1]


def _one_twice(_: Family, tokens: list[str]) -> Sequence[str]:
    return (tokens[0], tokens[0])


def _a_stranger(family: Family, tokens: list[str]) -> Sequence[str]:
    return (tokens[0], sign_compact(family.draft.payload.encode(), SigningKey.generate(), typ=GRANT_TYP))


def _none(_: Family, __: list[str]) -> Sequence[str]:
    return ()


def _the_child(family: Family, tokens: list[str]) -> Sequence[str]:
    own = family.child._key()
    return (tokens[0], sign_compact(family.draft.payload.encode(), own, typ=GRANT_TYP))


def _swapped_on_the_way(family: Family, _: list[str]) -> Sequence[str]:
    """A courier has both sign a grant whose withdrawal only he could make."""
    strange = StatusRef(idx=5, uri=STATUS_URI)
    grant = read_grant(family.draft.payload)
    moved = grant.model_copy(update={"status": grant.status.model_copy(update={"status_list": strange})})
    fresh = [Wallet(one._key()) for one in family.guardians]
    return [one.cosign(moved.payload().decode()) for one in fresh]


@pytest.mark.parametrize(
    "attack", [_one_missing, _one_twice, _a_stranger, _none, _the_child, _swapped_on_the_way]
)
def test_not_each_guardian_signed_this_very_grant(attack: object) -> None:
    """The child's wallet takes in nothing but the draft under every guardian's signature."""
    family = Family.make()
    signed = attack(family, family.cosigned())  # type: ignore[operator]
    with pytest.raises((ConsentInvalid, InputError)):
        family.child.finish_grant(family.draft.jti, *signed)
    assert (len(family.child.pending), family.child.grants) == (1, ())


def test_finishing_what_was_never_drafted_is_an_error() -> None:
    """Signatures for an unknown draft are not taken in."""
    family = Family.make()
    with pytest.raises(InputError, match="no such grant"):
        family.child.finish_grant("0" * 32, *family.cosigned())


def _reworded(payload: bytes, **changes: object) -> str:
    return canonical_json({**json.loads(payload), **changes}).decode()


def test_guardian_shown_another_notice_than_signed() -> None:
    """A notice hash that the claims do not give, a text of another version or language: nothing is signed."""
    family = Family.make()
    payload = family.draft.payload.encode()
    notice = json.loads(payload)["notice"]
    milder = byte_digest(b"You allow nothing much.\n")
    for told in (
        {"notice": {**notice, "hash": milder}},
        {"notice": {**notice, "lang": "tlh"}},
        {"notice": {**notice, "lang": "fr"}},
        {"notice": {**notice, "uri": "urn:consent-edit:notice:grant:1"}},
        {"grantee": "somebody-else"},
        {"exp": NOW + 150 * DAY},
        {"exp": 2**53 - 1},
        {"images": [PHOTO]},
    ):
        with pytest.raises(ConsentInvalid):
            family.guardians[0].cosign(_reworded(payload, **told))
    for raw in (str(2**53), "1e400"):
        with pytest.raises(ConsentInvalid):
            family.guardians[0].cosign(
                family.draft.payload.replace(f'"exp":{NOW + 30 * DAY}', f'"exp":{raw}')
            )
    assert family.guardians[0].grants == ()


def test_her_own_face_granted_by_way_of_cosigning() -> None:
    """A draft about the signer's own face, or one no guardian signs, is not signed as a guardian's."""
    world = ConsentWorld.make()
    adult = world.person()
    request = adult.wallet.begin_grant(**TERMS)  # type: ignore[arg-type]
    about_her = adult.wallet
    for wallet in (about_her, Wallet(SigningKey.generate())):
        with pytest.raises(InputError, match="no grant that a guardian signs"):
            wallet.cosign(request.payload)
    family = Family.make()
    with pytest.raises(InputError, match="no grant that a guardian signs"):
        family.child.cosign(family.draft.payload)


@pytest.mark.parametrize(
    "text", ["", "{}", "a.b", "a.b.c", "{" + " " * 70_000 + "}", "\ud800{", '{"a":1,"a":1}']
)
def test_what_is_no_grant_is_not_cosigned(text: str) -> None:
    """Texts and tokens that hold no grant are refused as such."""
    with pytest.raises(ConsentInvalid):
        Wallet(SigningKey.generate()).cosign(text)


def test_a_grant_in_a_second_spelling_is_not_cosigned() -> None:
    """The same claims with a space more are other bytes: the other guardian's signature would not fit."""
    family = Family.make()
    with pytest.raises(ConsentInvalid, match="canonically"):
        family.guardians[0].cosign(family.draft.payload.replace(":", ": ", 1))


def test_a_guardian_signs_a_name_once() -> None:
    """Asked again he gives the same token; another grant of that name is refused: a withdrawal could miss."""
    family = Family.make()
    earlier = family.child.begin_grant(**TERMS)  # type: ignore[arg-type]
    family.guardians[0].cosign(earlier.payload)
    first = family.guardians[0].cosign(family.draft.payload)
    assert family.guardians[0].cosign(family.draft.payload) == first
    grant = read_grant(family.draft.payload)
    strange = grant.status.model_copy(update={"status_list": StatusRef(idx=9, uri=STATUS_URI)})
    other = grant.model_copy(update={"status": strange})
    with pytest.raises(InputError, match="another grant of this name"):
        family.guardians[0].cosign(other.payload().decode())
    assert len(family.guardians[0].grants) == 2


def test_a_guardians_wallet_holds_nobodys_face() -> None:
    """He keeps what he signed, without the credential: it cannot be presented from there."""
    family = Family.make()
    family.cosigned()
    (held,) = family.guardians[0].grants
    assert held.credential == ""
    with pytest.raises(InputError, match="another wallet"):
        held.presentation()


# Passkeys


def test_a_passkey_grants_and_withdraws() -> None:
    """The wallet drafts, the passkey signs the challenge, the wallet checks it; so for the withdrawal."""
    holder = PasskeyHolder.make()
    draft = holder.wallet.begin_grant(**TERMS)  # type: ignore[arg-type]
    assert draft.challenge == challenge(GRANT_TYP, draft.payload.encode())
    held = holder.wallet.finish_grant(draft.jti, holder.authenticator.answer(draft.challenge))
    assert holder.world.verify(held.presentation()).status is ConsentStatus.VERIFIED
    assert held.claims().jti == draft.jti
    request = holder.wallet.begin_withdrawal(held.jti, NOW)
    answer = holder.authenticator.answer(challenge(WITHDRAWAL_TYP, request.payload()))
    holder.world.issuer.status.withdraw(holder.wallet.finish_withdrawal(held.jti, request, answer))
    assert holder.world.verify(held.presentation()).status is ConsentStatus.REVOKED
    assert holder.wallet.held(held.jti).withdrawn_at() == NOW


def test_a_passkey_on_another_page_or_over_another_grant_is_not_taken_in() -> None:
    """An assertion for another origin, draft or kind of token, or by another passkey, is refused."""
    holder = PasskeyHolder.make()
    draft, other = (holder.wallet.begin_grant(**TERMS) for _ in range(2))  # type: ignore[arg-type]
    mine = holder.authenticator
    for answer in (
        mine.answer(draft.challenge, client={"origin": "https://evil.example"}),
        mine.answer(other.challenge),
        mine.answer(challenge(WITHDRAWAL_TYP, draft.payload.encode())),
        SoftAuthenticator.make().answer(draft.challenge),
    ):
        with pytest.raises(ConsentInvalid):
            holder.wallet.finish_grant(draft.jti, answer)
    with pytest.raises(InputError, match="another grant was signed"):
        token = passkey_token(other.payload.encode(), mine.answer(other.challenge), typ=GRANT_TYP)
        holder.wallet.finish_grant(draft.jti, token)
    assert holder.wallet.grants == ()


def test_a_passkeys_withdrawal_of_another_grant_is_not_taken_in() -> None:
    """The request must be for the grant named, and the assertion over that request."""
    holder = PasskeyHolder.make()
    held = []
    for _ in range(2):
        draft = holder.wallet.begin_grant(**TERMS)  # type: ignore[arg-type]
        held.append(holder.wallet.finish_grant(draft.jti, holder.authenticator.answer(draft.challenge)))
    request = holder.wallet.begin_withdrawal(held[0].jti, NOW)
    answer = holder.authenticator.answer(challenge(WITHDRAWAL_TYP, request.payload()))
    with pytest.raises(InputError, match="for another grant"):
        holder.wallet.finish_withdrawal(held[1].jti, request, answer)
    with pytest.raises(ConsentInvalid):
        later = holder.wallet.begin_withdrawal(held[0].jti, NOW + 1)
        holder.wallet.finish_withdrawal(held[0].jti, later, answer)
    assert not any(one.withdrawal for one in holder.wallet.grants)


def test_what_needs_a_key_says_so_in_a_passkeys_wallet() -> None:
    """Signing at once, proving, binding and a batch of cards need a key; the answer names the way."""
    holder = PasskeyHolder.make()
    wallet = holder.wallet
    assert wallet.card.signatory() == wallet.holder
    draft = wallet.begin_grant(**TERMS)  # type: ignore[arg-type]
    for ask in (
        lambda: wallet.grant(**TERMS),  # type: ignore[arg-type]
        lambda: wallet.prove(REQUEST, AUDIENCE, NOW),
        lambda: wallet.bind(AUDIENCE, "n" * 22, NOW),
        lambda: wallet.withdraw(draft.jti, NOW),
        lambda: wallet.cards(1),
    ):
        with pytest.raises(InputError, match="a passkey signs for this wallet"):
            ask()


def test_a_passkey_shows_who_she_is() -> None:
    """Her passkey signs the key binding's challenge, and the service knows her, her template shown or not."""
    holder = PasskeyHolder.make()
    for disclose in (False, True):
        shown = holder.wallet.begin_bind(AUDIENCE, "erase.n", NOW, disclose=disclose)
        bound = holder.wallet.finish_bind(shown, holder.authenticator.answer(shown.challenge))
        told = sd_jwt.verify_presentation(
            bound, holder.world.trust, audience=AUDIENCE, nonce="erase.n", now=NOW
        )
        assert told.holder == holder.wallet.holder
        assert ("face_template" in told.claims) is disclose
    assert holder.wallet.key_for(AUDIENCE) == holder.wallet.subject


def test_a_passkeys_showing_signed_by_another_or_for_another_nonce() -> None:
    """An assertion over anything else, or by another passkey, makes no key binding."""
    holder = PasskeyHolder.make()
    shown, other = (holder.wallet.begin_bind(AUDIENCE, nonce, NOW) for nonce in ("export.n", "erase.n"))
    for answer in (
        holder.authenticator.answer(other.challenge),
        SoftAuthenticator.make().answer(shown.challenge),
    ):
        with pytest.raises(ConsentInvalid):
            holder.wallet.finish_bind(shown, answer)
    with pytest.raises(InputError, match="no passkey signs"):
        Wallet(SigningKey.generate()).finish_bind(shown, holder.authenticator.answer(shown.challenge))


@pytest.mark.parametrize(("audience", "nonce"), [("", "n"), (AUDIENCE, ""), (AUDIENCE, "n" * 3000)])
def test_showing_of_no_form(audience: str, nonce: str) -> None:
    """What no service could read is not signed."""
    with pytest.raises(ConsentInvalid):
        ConsentWorld.make().person().wallet.bind(audience, nonce, NOW)


@pytest.mark.parametrize(
    ("nonce", "asked"),
    [
        *((f"{asked.value}.abc", asked) for asked in Asked),
        ("abc", Asked.UNKNOWN),
        ("erase", Asked.UNKNOWN),
        ("erase.", Asked.UNKNOWN),
        ("ERASE.abc", Asked.UNKNOWN),
        ("export.erase.abc", Asked.EXPORT),
        ("exporterase.abc", Asked.UNKNOWN),
    ],
)
def test_what_a_nonce_is_for(nonce: str, asked: Asked) -> None:
    """The letters before the first dot say it; anything else says nothing."""
    assert Asked.by(nonce) is asked


def test_a_guardian_with_a_passkey_cosigns() -> None:
    """A guardian's passkey signs the challenge of the same payload; another's assertion is refused."""
    world = ConsentWorld.make()
    authenticator = SoftAuthenticator.make()
    his = Signatory(authenticator.key, authenticator.passkey)
    child = Wallet(SigningKey.generate())
    named = guardian(SigningKey.generate()).model_copy(
        update={"jwk": his.key.export(), "webauthn": his.passkey}
    )
    child.accept(*enrol(world, child.holder, birthdate=MINOR_BIRTHDATE, guardians=[named]))
    draft = child.begin_grant(**TERMS)  # type: ignore[arg-type]
    wallet = Wallet(his)
    with pytest.raises(ConsentInvalid):
        wallet.cosign(draft.payload, SoftAuthenticator.make().answer(draft.challenge))
    token = wallet.cosign(draft.payload, authenticator.answer(draft.challenge))
    held = child.finish_grant(draft.jti, token)
    assert world.verify(held.presentation()).status is ConsentStatus.VERIFIED
    request = wallet.begin_withdrawal(held.jti, NOW)
    answer = authenticator.answer(challenge(WITHDRAWAL_TYP, request.payload()))
    world.issuer.status.withdraw(wallet.finish_withdrawal(held.jti, request, answer))
    assert world.verify(held.presentation()).status is ConsentStatus.REVOKED


def test_text_forms_of_what_a_wallet_holds_show_no_token() -> None:
    """Neither the wallet nor a held, pending or kept thing prints a credential, a grant or a key."""
    world, wallet = ConsentWorld.make(), Wallet(SigningKey.generate())
    wallet.accept(*enrol(world, *(card.signatory() for card in wallet.cards(2))))
    held = wallet.grant(**TERMS)  # type: ignore[arg-type]
    draft = wallet.begin_grant(**TERMS)  # type: ignore[arg-type]
    shown = repr((wallet, held, draft, wallet._keeper.read(), Person))
    for secret in (held.credential, held.token, draft.payload, wallet._keeper.read().keys[0]["d"]):
        assert secret not in shown


@pytest.mark.parametrize("asked", [{"audience": "x" * 3000}, {"images": ["nonsense"]}, {"max_uses": 10**9}])
def test_grant_that_no_verifier_would_read(asked: dict[str, object]) -> None:
    """With a value of no form nothing is signed and nothing spent."""
    person = ConsentWorld.make().person()
    with pytest.raises(InputError, match="cannot be signed"):
        person.grant(**asked)
    assert (person.wallet.grants_left, person.wallet.grants) == (32, ())
