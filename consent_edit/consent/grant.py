"""The consent grant: what a person depicted signs, and the request with which she withdraws it.

No field can express a sexual scope; an action, purpose or constraint this version does not know makes the
grant malformed, never wider.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, model_validator

from consent_edit.consent.signatory import Signatory
from consent_edit.consent.wire import Digest, Seconds, StatusClaim, StatusRef, Text, Wire, read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import ConsentStatus, Operation, Purpose

GRANT_TYP: Final = "consent-grant+jwt"
WITHDRAWAL_TYP: Final = "consent-withdrawal+jwt"
ANYONE: Final = "any"
"""The grantee that lets anybody use a grant; a wallet signs it only when told so expressly."""

KEY_THUMBPRINT: Final = r"^[A-Za-z0-9_-]{43}$"
"""An RFC 7638 thumbprint. A grantee of this form is a key, and whoever it is must prove that she holds it."""

TokenId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,128}$")]
"""At least 128 bits, base64url: nobody else's grant can be given the same name by chance or guess."""

KeyThumbprint: TypeAlias = Annotated[str, Field(pattern=KEY_THUMBPRINT)]


class Thumbprint(Wire):
    """The ``cnf`` claim of a grant: the depicted person's key by its RFC 7638 thumbprint."""

    jkt: KeyThumbprint


class Constraints(Wire):
    """Limits on how an action is done. None is defined yet, so any that is named is refused."""


class FaceEdit(Wire):
    """One authorization detail (RFC 9396 section 2): closed actions for one purpose."""

    type: Literal["face_edit"]
    actions: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=len(Operation))]
    purpose: Purpose
    constraints: Constraints = Constraints()


class Notice(Wire):
    """The text the person was shown before signing: where it is, its SHA-256, and its language."""

    uri: Text
    hash: Digest
    lang: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class ConsentGrant(Wire):
    """The claims of a consent grant.

    Attributes:
        jti: Its unguessable name.
        aud: Services that may act on it.
        grantee: Client id or key thumbprint of who may ask for the edit, or :data:`ANYONE`.
        cnf: Thumbprint of the key of the person whose face it is about, whoever signs for her.
        vc_hash: Hash of the very presentation it goes with, so that no disclosure can be left out or swapped.
        images: Canonical pixel digests of the only photos it is for; absent: any photo of her.
        max_uses: Releases it is good for; absent (0): no limit.
        status: Its own entry in a status list, which a withdrawal flips.
    """

    jti: TokenId
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    aud: Annotated[tuple[Text, ...], Field(min_length=1, max_length=16)]
    grantee: Text
    cnf: Thumbprint
    vc_hash: Digest
    authorization_details: Annotated[tuple[FaceEdit, ...], Field(min_length=1, max_length=8)]
    status: StatusClaim
    notice: Notice
    images: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=64)] = ()
    max_uses: Annotated[int, Field(ge=1, le=1_000_000)] = 0

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> ConsentGrant:
        if self.exp <= self.nbf:
            raise ValueError("exp must be after nbf")
        return self

    def actions_for(self, purpose: Purpose) -> frozenset[Operation]:
        """Everything granted for one purpose; empty when nothing is."""
        details = (detail for detail in self.authorization_details if detail.purpose is purpose)
        return frozenset(action for detail in details for action in detail.actions)

    def actions(self) -> frozenset[Operation]:
        """Everything granted, for whatever purpose."""
        return frozenset(action for detail in self.authorization_details for action in detail.actions)

    def payload(self) -> bytes:
        """The canonical JSON that is signed. Defaults that stand for "absent" are left out."""
        return canonical_json(json.loads(self.model_dump_json(exclude_defaults=True)))


class Withdrawal(Wire):
    """A signed wish that one status entry be flipped; valid for ever, for withdrawing is final."""

    jti: TokenId
    iat: Seconds
    status_list: StatusRef

    def payload(self) -> bytes:
        """The canonical JSON that is signed."""
        return canonical_json(json.loads(self.model_dump_json()))


def verify_grant(tokens: Sequence[str], signatories: Sequence[Signatory]) -> ConsentGrant:
    """A grant that every signatory signed, and nobody else, and whose claims fit the closed schema.

    Args:
        tokens: The grant, once per signatory: the very same claims under each one's signature.
        signatories: The person, or all her guardians.

    Raises:
        ConsentInvalid: ``SIGNATURE_INVALID`` or ``MALFORMED``.
    """
    if len(tokens) != len(signatories):
        raise ConsentInvalid(
            ConsentStatus.SIGNATURE_INVALID, "the grant is not signed by each who must, once, and nobody else"
        )
    waiting, payloads = list(signatories), set[bytes]()
    for token in tokens:
        signer, payload = _signed_by_one_of(waiting, token, GRANT_TYP)
        waiting.remove(signer)
        payloads.add(payload)
    if len(payloads) != 1:
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the signatures are not over the same grant")
    return read_wire(ConsentGrant, payloads.pop())


def verify_withdrawal(token: str, owners: Sequence[Signatory]) -> Withdrawal:
    """A withdrawal request signed by one of these: any one of them suffices.

    Raises:
        ConsentInvalid: ``SIGNATURE_INVALID`` or ``MALFORMED``.
    """
    return read_wire(Withdrawal, _signed_by_one_of(owners, token, WITHDRAWAL_TYP)[1])


def token_sha256(token: str) -> str:
    """``sha256:<hex>`` over a token as it travels."""
    return byte_digest(token.encode("ascii"))


def _signed_by_one_of(signatories: Sequence[Signatory], token: str, typ: str) -> tuple[Signatory, bytes]:
    refusal = ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "nobody's key is on record")
    for signatory in signatories:
        try:
            return signatory, signatory.verify(token, typ=typ)
        except ConsentInvalid as error:
            refusal = error
    raise refusal
