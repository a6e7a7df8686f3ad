"""What travels in files: a credential to its holder, and her credential with a grant to a service."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

from consent_edit.consent.encoding import malformed
from consent_edit.consent.jose import MAX_TOKEN, sign_compact
from consent_edit.consent.jwe import OpeningKey, SealingJwk, open_sealed, seal
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.signatory import Signatory, SigningMember
from consent_edit.consent.wire import StatusRef, Text, Wire, read_wire
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

PRESENTATION_TYP: Final = "consent-presentation+jwe"
HOLDER_TYP: Final = "holder-presentation+jwe"
PACKAGE_TYP: Final = "credential-package+jwe"
CARD_TYP: Final = "holder-card+jwt"

MAX_PRESENTATION: Final = 1024 * 1024
"""Bytes of the longest presentation read in the clear; a credential and eight signatures stay below it."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """One person's consent, nothing of it verified.

    Attributes:
        credential: SD-JWT VC with its disclosures, no key-binding JWT.
        grant: The grant, ``typ: consent-grant+jwt``, signed by the credential's ``cnf`` key or a guardian's.
        cosigned: The same grant as each further guardian signed it.
    """

    credential: str = field(repr=False)
    grant: str = field(repr=False)
    cosigned: tuple[str, ...] = field(default=(), repr=False)

    def to_json(self) -> str:
        """The form that is sealed to a service, or kept where nobody else reads."""
        wire = {"credential": self.credential, "grant": self.grant, "cosigned": list(self.cosigned)}
        return canonical_json(wire).decode("utf-8")

    @classmethod
    def from_json(cls, text: str) -> Presentation:
        """Read :meth:`to_json`'s form. That it can be read says nothing of its worth.

        Raises:
            ConsentInvalid: ``MALFORMED``; also beyond :data:`MAX_PRESENTATION`.
        """
        data = text.encode("utf-8", "replace")
        if len(data) > MAX_PRESENTATION:
            raise malformed("the presentation is beyond the size bound")
        wire = read_wire(_PresentationFile, data)
        return cls(credential=wire.credential, grant=wire.grant, cosigned=wire.cosigned)

    def seal(self, to: SealingJwk) -> str:
        """The presentation encrypted to a service: who carries it there cannot read the template (JWE)."""
        return seal(self.to_json().encode("utf-8"), to, typ=PRESENTATION_TYP)

    @classmethod
    def opened(cls, text: str, keys: Sequence[OpeningKey]) -> Presentation:
        """Read what :meth:`seal` made, or the clear form.

        Raises:
            ConsentInvalid: ``MALFORMED``; it is for another service, or nothing of the kind.
        """
        if text.startswith("{"):
            return cls.from_json(text)
        return cls.from_json(open_sealed(text, keys, typ=PRESENTATION_TYP).decode("utf-8", "replace"))


def seal_holder(presentation: str, to: SealingJwk) -> str:
    """A credential with its holder's key-binding JWT, encrypted to a service (JWE)."""
    return seal(presentation.encode("ascii"), to, typ=HOLDER_TYP)


def open_holder(sealed: str, keys: Sequence[OpeningKey]) -> str:
    """Open what :func:`seal_holder` made.

    Raises:
        ConsentInvalid: ``MALFORMED``; it is for another service, or nothing of the kind.
    """
    return open_sealed(sealed, keys, typ=HOLDER_TYP).decode("ascii", "replace")


class _PresentationFile(Wire):
    credential: Annotated[str, Field(max_length=MAX_TOKEN)]
    grant: Annotated[str, Field(max_length=MAX_TOKEN)]
    cosigned: Annotated[tuple[Annotated[str, Field(max_length=MAX_TOKEN)], ...], Field(max_length=7)] = ()


class AudienceCard(Wire):
    """What a service publishes for those who grant it something.

    Attributes:
        audience: What grants name in ``aud``.
        key: The public JWK that presentations are sealed to.
    """

    audience: Text
    key: dict[str, str]

    def sealing_key(self) -> SealingJwk:
        """The key that presentations are sealed to.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return SealingJwk.parse(self.key)


class HolderCard(SigningMember):
    """What a person gives the issuer: her key, or her passkey, and the key her package is sealed to.

    Attributes:
        seal: Public JWK, for encrypting.
        proof: The rest of the card as ``jwk`` signed it (compact JWS, ``typ: holder-card+jwt``): whoever
            carries it cannot put another key to seal to on it, and ``jwk`` is held by who made it. Absent
            (empty) where a passkey signs, which no wallet can use without her.
    """

    seal: dict[str, str]
    proof: Annotated[str, Field(max_length=MAX_TOKEN)] = ""

    @classmethod
    def made(cls, signs: SigningKey | Signatory, seal: SealingJwk) -> HolderCard:
        """The card of a key, with its proof; or of a passkey, without."""
        if isinstance(signs, Signatory):
            return cls(jwk=signs.key.export(), webauthn=signs.passkey, seal=seal.export())
        bare = cls(jwk=signs.public.export(), seal=seal.export())
        return bare.model_copy(update={"proof": sign_compact(bare._signed(), signs, typ=CARD_TYP)})

    @property
    def thumbprint(self) -> str:
        """Base64url SHA-256 over the card without proof: what a person reads out to have her card known.

        It covers the key she signs with and the key her package is sealed to.
        """
        return b64url_encode(hashlib.sha256(self._signed()).digest())

    def verified(self, *, thumbprint: str = "") -> HolderCard:
        """The card, once it is known to be as its holder made it.

        Args:
            thumbprint: The card's :attr:`thumbprint` as its holder herself gave it, by another way than the
                card came; needed where a passkey signs, checked wherever it is given.

        Raises:
            ConsentInvalid: ``MALFORMED``, a key on it is none, or it has a proof where a passkey signs;
                ``SIGNATURE_INVALID``, the proof is missing or of another card, or the thumbprint is missing
                or another's.
        """
        holder = self.signatory()
        self.sealing_key()
        if thumbprint and thumbprint != self.thumbprint:
            raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the holder confirmed another card")
        if holder.passkey is not None:
            if self.proof:
                raise malformed("a passkey's card carries no proof")
            if not thumbprint:
                raise ConsentInvalid(
                    ConsentStatus.SIGNATURE_INVALID,
                    "a passkey's card proves nothing: have its holder confirm its thumbprint",
                )
        elif not self.proof:
            raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the card carries no proof of its key")
        elif holder.verify(self.proof, typ=CARD_TYP) != self._signed():
            raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the proof is of another card")
        return self

    def sealing_key(self) -> SealingJwk:
        """The key that the credential package is sealed to.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return SealingJwk.parse(self.seal)

    def _signed(self) -> bytes:
        """The canonical card without proof."""
        return canonical_json(self.model_dump(mode="json", exclude={"proof"}, exclude_none=True))


class CredentialPackage(Wire):
    """What an issuer gives a person to take home, sealed to her.

    Attributes:
        credential: SD-JWT VC with all its disclosures.
        stock: Status entries for her grants.
    """

    credential: Annotated[str, Field(max_length=MAX_TOKEN, repr=False)]
    stock: Annotated[tuple[StatusRef, ...], Field(max_length=4096)]

    def sealed(self, to: SealingJwk) -> str:
        """The package encrypted to its holder (JWE)."""
        return seal(self.model_dump_json().encode("utf-8"), to, typ=PACKAGE_TYP)

    @classmethod
    def opened(cls, sealed: str, key: OpeningKey) -> CredentialPackage:
        """Open what :meth:`sealed` made.

        Raises:
            ConsentInvalid: ``MALFORMED``; it is somebody else's, or nothing of the kind.
        """
        return read_wire(cls, open_sealed(sealed, (key,), typ=PACKAGE_TYP))
