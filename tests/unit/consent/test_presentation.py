"""What travels in files: cards that a courier altered, and presentations longer than any is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from consent_world import ConsentWorld
from soft_authenticator import SoftAuthenticator

from consent_edit.consent import encoding
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.presentation import (
    CARD_TYP,
    MAX_PRESENTATION,
    AudienceCard,
    HolderCard,
    Presentation,
    open_holder,
    seal_holder,
)
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.wire import read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

S = ConsentStatus


def read(card: HolderCard) -> HolderCard:
    """The card as it comes out of a file."""
    return read_wire(HolderCard, canonical_json(card.model_dump(mode="json", exclude_none=True)))


def refused(card: HolderCard, **said: str) -> ConsentStatus:
    """What a card that is none comes to."""
    with pytest.raises(ConsentInvalid) as refusal:
        read(card).verified(**said)
    return refusal.value.status


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_card_proves_its_key(algorithm: Algorithm) -> None:
    """A card as the wallet made it is known by itself, and by the thumbprint its holder reads out."""
    card = Wallet(SigningKey.generate(algorithm)).card
    assert read(card).verified() == card
    assert read(card).verified(thumbprint=card.thumbprint) == card
    assert len(card.thumbprint) == 43


def _sealing_key_of_a_courier(card: HolderCard, _: SigningKey) -> HolderCard:
    return card.model_copy(update={"seal": OpeningKey.generate().public.export()})


def _key_of_a_courier(card: HolderCard, _: SigningKey) -> HolderCard:
    return card.model_copy(update={"jwk": SigningKey.generate().public.export()})


def _proof_of_her_other_card(card: HolderCard, key: SigningKey) -> HolderCard:
    return card.model_copy(update={"proof": Wallet(key).card.proof})


def _proof_left_out(card: HolderCard, _: SigningKey) -> HolderCard:
    return card.model_copy(update={"proof": ""})


def _other_token_of_hers_for_a_proof(card: HolderCard, key: SigningKey) -> HolderCard:
    bare = card.model_dump(mode="json", exclude={"proof"}, exclude_none=True)
    return card.model_copy(update={"proof": sign_compact(canonical_json(bare), key, typ="JWT")})


def _key_made_a_passkey(card: HolderCard, _: SigningKey) -> HolderCard:
    return card.model_copy(update={"webauthn": SoftAuthenticator.make().passkey})


@pytest.mark.parametrize(
    ("attack", "status"),
    [
        (_sealing_key_of_a_courier, S.SIGNATURE_INVALID),
        (_key_of_a_courier, S.SIGNATURE_INVALID),
        (_proof_of_her_other_card, S.SIGNATURE_INVALID),
        (_proof_left_out, S.SIGNATURE_INVALID),
        (_other_token_of_hers_for_a_proof, S.MALFORMED),
        (_key_made_a_passkey, S.MALFORMED),
    ],
)
def test_card_altered_on_the_way(
    attack: Callable[[HolderCard, SigningKey], HolderCard], status: ConsentStatus
) -> None:
    """No part of a card is exchanged without its proof showing it."""
    key = SigningKey.generate()
    assert refused(attack(Wallet(key).card, key)) is status


def test_a_passkeys_card_needs_its_holders_word() -> None:
    """It proves nothing by itself; the thumbprint she gives by another way covers the sealing key too."""
    authenticator = SoftAuthenticator.make()
    card = Wallet(Signatory(authenticator.key, authenticator.passkey)).card
    assert refused(card) is S.SIGNATURE_INVALID
    assert read(card).verified(thumbprint=card.thumbprint) == card
    swapped = card.model_copy(update={"seal": OpeningKey.generate().public.export()})
    assert refused(swapped, thumbprint=card.thumbprint) is S.SIGNATURE_INVALID


def test_a_card_that_its_holder_does_not_know() -> None:
    """A proof by itself is the courier's where the whole card is: the thumbprint she gives decides."""
    card, couriers = (Wallet(SigningKey.generate()).card for _ in range(2))
    assert refused(couriers, thumbprint=card.thumbprint) is S.SIGNATURE_INVALID


@pytest.mark.parametrize("part", ["jwk", "seal"])
def test_a_card_without_keys(part: str) -> None:
    """What is no key is refused before any proof is looked at."""
    card = Wallet(SigningKey.generate()).card
    assert refused(card.model_copy(update={part: {"kty": "EC"}})) is S.MALFORMED


def test_cards_of_a_batch_each_prove_their_own_key() -> None:
    """Each card of a batch is signed by the key it names."""
    cards = Wallet(SigningKey.generate()).cards(3)
    assert len({read(card).verified().thumbprint for card in cards}) == 3


def test_a_cards_proof_is_of_its_own_type() -> None:
    """The type keeps a proof from passing for anything else she signs."""
    key = SigningKey.generate()
    assert Signatory(key.public).verify(Wallet(key).card.proof, typ=CARD_TYP)


@pytest.mark.parametrize("letter", ["x", "€"])
def test_presentation_beyond_any(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes beyond the bound are refused before anything parses them; at the bound they are read."""
    parsed: list[int] = []
    genuine = encoding.parse_json
    monkeypatch.setattr(encoding, "parse_json", lambda data: parsed.append(len(data)) or genuine(data))
    size = len(letter.encode())
    with pytest.raises(ConsentInvalid):
        Presentation.from_json("{" + letter * (MAX_PRESENTATION // size + 1))
    assert parsed == []
    with pytest.raises(ConsentInvalid):
        Presentation.from_json("{" + letter * ((MAX_PRESENTATION - 1) // size))
    assert len(parsed) == 1


def test_the_longest_true_presentation_is_read() -> None:
    """The bound is above a presentation whose every part is as long as a token may be."""
    longest = Presentation("c" * 65_536, "g" * 65_536, ("g" * 65_536,) * 7)
    assert Presentation.from_json(longest.to_json()) == longest
    good = ConsentWorld.make().person().present()
    assert Presentation.from_json(good.to_json()) == good


def test_what_is_sealed_to_a_service_is_read_by_it_alone() -> None:
    """A presentation, and a credential with its key binding, open with the key of the service's card."""
    opening = OpeningKey.generate()
    to = AudienceCard(audience="https://editor.example", key=opening.public.export()).sealing_key()
    good = ConsentWorld.make().person().present()
    assert Presentation.opened(good.seal(to), [opening]) == good
    assert Presentation.opened(good.to_json(), []) == good
    assert open_holder(seal_holder("a~b", to), [opening]) == "a~b"
    for sealed in (good.seal(to), seal_holder("a~b", to)):
        for opened in (Presentation.opened, open_holder):
            with pytest.raises(ConsentInvalid):
                opened(sealed, [OpeningKey.generate()])
    with pytest.raises(ConsentInvalid):
        open_holder(good.seal(to), [opening])
    with pytest.raises(ConsentInvalid):
        Presentation.opened(seal_holder("a~b", to), [opening])
