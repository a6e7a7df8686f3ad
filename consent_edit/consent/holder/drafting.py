"""Drafting a consent grant: all that is done before somebody signs it, with whatever key."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from typing import Final, Required, TypedDict, TypeVar

from pydantic import ValidationError

from consent_edit.consent import sd_jwt
from consent_edit.consent.grant import ConsentGrant, FaceEdit, Notice, Thumbprint
from consent_edit.consent.holder.held import read_credential
from consent_edit.consent.holder.notice import GUARDIAN_NOTICE_URI, NOTICE_URI, notice_text, sensible
from consent_edit.consent.holder.notice_words import Language
from consent_edit.consent.wire import StatusClaim, StatusRef, Wire
from consent_edit.errors import InputError
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Age, Operation, Purpose

DEFAULT_DAYS: Final = 30
_DAY: Final = 86_400
_UNREAD: Final = "sha256:" + "0" * 64

_Model = TypeVar("_Model", bound=Wire)


class GrantTerms(TypedDict, total=False):
    """What a person is asked to allow; the arguments of :func:`draft_grant`, for those who hand them on."""

    audience: Required[str]
    grantee: Required[str]
    operations: Required[Collection[Operation]]
    purpose: Required[Purpose]
    images: Collection[str]
    max_uses: int
    days: int
    anyone: bool
    lang: Language


def draft_grant(
    credential: str,
    entry: StatusRef,
    *,
    audience: str,
    grantee: str,
    operations: Collection[Operation],
    purpose: Purpose,
    now: int,
    images: Collection[str] = (),
    max_uses: int = 0,
    days: int = DEFAULT_DAYS,
    anyone: bool = False,
    lang: Language = Language.EN,
) -> ConsentGrant:
    """Write the grant that somebody is to sign once she has read its notice (``notice.notice_text``).

    Whoever has a passkey sign it takes ``draft.payload()``, has ``webauthn.challenge(GRANT_TYP, payload)``
    signed, and puts both together with ``webauthn.passkey_token``.

    Args:
        credential: The presentation it goes with, all disclosures included.
        entry: Its own status entry, from the stock that came with the credential.
        audience: The service it is for.
        grantee: Client id or key thumbprint of who may ask for the edit.
        operations: What may be done.
        purpose: What for; one purpose a grant.
        now: Unix seconds.
        images: Canonical pixel digests of the only photos it is for; none: any photo of her.
        max_uses: Releases it is good for; 0: no limit.
        days: How long it lasts; it never outlasts the credential.
        anyone: Must be true, beside ``grantee="any"``, to let anybody use it.
        lang: Language of the notice.

    Raises:
        InputError: the credential has expired, there is no notice in that language, or the grant makes no
            sense.
        ConsentInvalid: ``MALFORMED``; it is no credential.
    """
    binding = read_credential(credential)
    minor = binding.age_at(now) is Age.MINOR
    sensible(audience, grantee, operations, images, max_uses, days, anyone=anyone, minor=minor)
    if lang not in set(Language):
        raise InputError("there is no notice in that language", code="input.grant")
    uri = GUARDIAN_NOTICE_URI if binding.guardian else NOTICE_URI
    unread = fitted(
        ConsentGrant,
        {
            "jti": fresh_id(),
            "iat": now,
            "nbf": now,
            "exp": min(now + days * _DAY, binding.exp),
            "aud": (audience,),
            "grantee": grantee,
            "cnf": Thumbprint(jkt=binding.holder().thumbprint),
            "vc_hash": sd_jwt.presentation_hash(credential),
            "authorization_details": (
                FaceEdit(type="face_edit", actions=tuple(sorted(set(operations))), purpose=purpose),
            ),
            "status": StatusClaim(status_list=entry),
            "notice": Notice(uri=uri, hash=_UNREAD, lang=str(lang)),
            **({"images": tuple(sorted(set(images)))} if images else {}),
            **({"max_uses": max_uses} if max_uses else {}),
        },
    )
    read = byte_digest(notice_text(unread).encode("utf-8"))
    return unread.model_copy(update={"notice": Notice(uri=uri, hash=read, lang=str(lang))})


def fitted(model: type[_Model], members: Mapping[str, object]) -> _Model:
    """What is about to be signed or kept, if it fits the closed form that verifiers will read it by.

    Raises:
        InputError: it does not.
    """
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise InputError(
            "such a grant cannot be signed: the credential has expired, or a value is not of its form",
            code="input.grant",
        ) from error


def fresh_id() -> str:
    """128 random bits as a token's name; hex, so that on a command line it never looks like an option."""
    return secrets.token_hex(16)
