"""SD-JWT VC credentials as presented: taken apart, verified, and bound to an audience by their holder.

:func:`verify_credential` makes these checks; :func:`verify_presentation` makes them and, first to last, the
key-binding ones:

1. malformed: no presentation of strict parts (RFC 9901 section 4).
2. issuer_untrusted: its ``iss`` is not in the trust list, or either is not in force; malformed: it is no
   text (SD-JWT VC section 2.5).
3. signature_invalid: none of that issuer's keys signed it: the listed ones, or that of a certificate chain
   to a listed anchor; or malformed: its typ is not ``dc+sd-jwt`` (RFC 7515 section 5.2, RFC 8725 sections
   3.1 and 3.11).
4. malformed: a disclosure is referred to not exactly once, or overwrites a claim (RFC 9901 section 7.1).
5. issuer_untrusted: the issuer may not issue this ``vct`` (SD-JWT VC section 2.2.2.1).
6. not_yet_valid, expired: now is outside its time, 60 s of skew allowed (RFC 7519 sections 4.1.4 to 4.1.6).
7. malformed: no key-binding JWT of typ ``kb+jwt`` and closed claims; signature_invalid: the ``cnf`` key did
   not sign it (RFC 9901 section 4.3).
8. wrong_audience: it is for another service.
9. replayed: its nonce is not the one that was given out.
10. signature_invalid: its ``sd_hash`` is of another presentation (RFC 9901 section 4.3.1).
11. not_yet_valid, expired: it was not signed within the last :data:`BINDING_WINDOW` seconds.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from consent_edit.consent.binding import CREDENTIAL_TYP
from consent_edit.consent.disclosure import Disclosure, conceal, read_disclosure, reveal
from consent_edit.consent.encoding import malformed
from consent_edit.consent.jose import MAX_TOKEN, sign_compact, unverified, verify_compact
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.signatory import Signatory, SigningMember
from consent_edit.consent.trust import CLOCK_SKEW, TrustList
from consent_edit.consent.wire import Seconds, Text, Wire, read_claims, read_wire
from consent_edit.encoding import Json, b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import ConsentStatus

__all__ = [
    "BINDING_WINDOW",
    "Disclosure",
    "SdJwt",
    "VerifiedSdJwt",
    "bind_key",
    "binding_payload",
    "conceal",
    "join",
    "parse",
    "presentation_hash",
    "reveal",
    "verify_credential",
    "verify_presentation",
    "within",
]

BINDING_TYP: Final = "kb+jwt"
BINDING_WINDOW: Final = 300
"""Seconds for which a key-binding JWT counts; the nonce is what makes it good for one time only."""

_NEVER: Final = 2**53
"""A second that no clock reads."""

MAX_DISCLOSURES: Final = 64
"""Disclosures a presentation may hold; ours hold three."""


@dataclass(frozen=True, slots=True)
class SdJwt:
    """A presentation taken apart, nothing of it verified yet.

    Attributes:
        jwt: The issuer-signed part.
        sha256: ``sha256:<hex>`` over the presentation as RFC 9901 section 4.3.1 hashes it.
    """

    jwt: str = field(repr=False)
    disclosures: tuple[Disclosure, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class VerifiedSdJwt:
    """A credential whose issuer is trusted, whose signature held and whose time is now.

    Attributes:
        issuer: Its ``iss``.
        claims: All its claims, disclosures put in place; their schema is the caller's to check.
        sha256: As of :class:`SdJwt`.
    """

    issuer: str
    claims: Mapping[str, Json] = field(repr=False)
    sha256: str

    @property
    def holder(self) -> Signatory:
        """Whose credential it is, by its ``cnf`` claim.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        cnf = self.claims.get("cnf")
        if not isinstance(cnf, dict):
            raise malformed("cnf must be an object")
        return read_claims(SigningMember, cnf).signatory()


class _KeyBinding(Wire):
    """The claims of a key-binding JWT (RFC 9901 section 4.3)."""

    iat: Seconds
    aud: Text
    nonce: Text
    sd_hash: Text


def parse(text: str) -> SdJwt:
    """Take a presentation ``<jwt>~<disclosure>~…~`` apart (RFC 9901 section 4).

    Raises:
        ConsentInvalid: ``MALFORMED``; also when a key-binding JWT hangs at its end.
    """
    if not isinstance(text, str) or len(text) > MAX_TOKEN or not text.isascii():
        raise malformed("not a presentation, or one beyond the size bound")
    jwt, *disclosures = text.split("~")
    if not disclosures or disclosures.pop() != "":
        raise malformed("a presentation ends with ~ and carries no key-binding JWT")
    if len(disclosures) > MAX_DISCLOSURES:
        raise malformed("too many disclosures")
    return SdJwt(
        jwt=jwt, disclosures=tuple(map(read_disclosure, disclosures)), sha256=presentation_hash(text)
    )


def presentation_hash(text: str) -> str:
    """``sha256:<hex>`` over the presentation; a grant's ``vc_hash`` names it."""
    return byte_digest(text.encode("ascii"))


def join(jwt: str, disclosures: Collection[str]) -> str:
    """A presentation without key-binding JWT."""
    return "~".join((jwt, *disclosures, ""))


def verify_credential(presented: SdJwt, trust: TrustList, *, now: int, lapsed: bool = False) -> VerifiedSdJwt:
    """Verify the issuer's part; checks 2 to 6 of the module's list.

    Args:
        trust: A loaded trust list; keys come from nowhere else.
        now: Unix seconds.
        lapsed: Whether one that has ended is taken too. It is no consent, and still says whose key it is.

    Raises:
        ConsentInvalid: so says the list.
    """
    # 2. A trusted issuer, found by the name the token gives; its keys are the list's.
    header, claims = unverified(presented.jwt, chain=True)
    issuer = trust.issuer(_text(claims.get("iss")), now)
    # 3. The issuer's signature.
    refusal = ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the issuer has no key")
    for key in issuer.keys_for(header, now):
        try:
            verify_compact(presented.jwt, key, typ=CREDENTIAL_TYP, chain=True)
            break
        except ConsentInvalid as error:
            refusal = error
    else:
        raise refusal
    # 4. The disclosures; the claims are of the very text whose signature held.
    revealed = reveal(claims, presented.disclosures)
    # 5. The type.
    if revealed.get("vct") not in issuer.entry.vct:
        raise ConsentInvalid(ConsentStatus.ISSUER_UNTRUSTED, "the issuer may not issue this credential type")
    # 6. The times.
    start = max(_seconds(revealed, "iat"), _seconds(revealed, "nbf"))
    end = _seconds(revealed, "exp")
    within("credential", start, _NEVER if lapsed else end, now)
    return VerifiedSdJwt(issuer=issuer.entry.id, claims=revealed, sha256=presented.sha256)


def verify_presentation(
    presentation: str,
    trust: TrustList,
    *,
    audience: str,
    nonce: str,
    now: int,
    lapsed: bool = False,
) -> VerifiedSdJwt:
    """Verify a credential whose holder is there now: it ends with her key-binding JWT.

    That the nonce was given out, and is used once, is for the caller's nonce store to say.

    Args:
        presentation: ``<jwt>~<disclosure>~…~<kb-jwt>``.
        audience: This service, as the key-binding JWT must name it.
        nonce: The one given to her.
        now: Unix seconds.
        lapsed: As of :func:`verify_credential`.

    Raises:
        ConsentInvalid: as the module's list says.
    """
    # 1. A strict presentation.
    if not isinstance(presentation, str) or "~" not in presentation:
        raise malformed("not a presentation")
    unbound, _, binding = presentation.rpartition("~")
    presented = parse(f"{unbound}~")
    # 2. to 6. The issuer's part.
    verified = verify_credential(presented, trust, now=now, lapsed=lapsed)
    # 7. The holder's part.
    bound = read_wire(_KeyBinding, verified.holder.verify(binding, typ=BINDING_TYP))
    # 8. The audience.
    if bound.aud != audience:
        raise ConsentInvalid(ConsentStatus.WRONG_AUDIENCE, "the presentation is for another service")
    # 9. The nonce.
    if not nonce or not secrets.compare_digest(bound.nonce.encode(), nonce.encode()):
        raise ConsentInvalid(ConsentStatus.REPLAYED, "the presentation answers another nonce")
    # 10. The presentation it was signed for.
    if bound.sd_hash != _sd_hash(f"{unbound}~"):
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the key binding is of another presentation")
    # 11. Signed just now.
    within("key binding", bound.iat, bound.iat + BINDING_WINDOW, now)
    return verified


def bind_key(credential: str, key: SigningKey, *, audience: str, nonce: str, now: int) -> str:
    """Add the holder's key-binding JWT to a credential: she is there, now, for this audience.

    Args:
        credential: ``<jwt>~<disclosure>~…~``.
        now: Unix seconds.

    Raises:
        ConsentInvalid: ``MALFORMED``; it is no presentation, or an argument is not of its form.
    """
    claims = binding_payload(credential, audience=audience, nonce=nonce, now=now)
    return credential + sign_compact(claims, key, typ=BINDING_TYP)


def binding_payload(credential: str, *, audience: str, nonce: str, now: int) -> bytes:
    """The canonical JSON that a key binding signs, by whatever key or passkey.

    Raises:
        ConsentInvalid: as :func:`bind_key`.
    """
    parse(credential)
    try:
        claims = _KeyBinding(iat=now, aud=audience, nonce=nonce, sd_hash=_sd_hash(credential))
    except ValidationError as error:
        raise malformed("the audience or the nonce is not of its form") from error
    return canonical_json(claims.model_dump())


def within(what: str, start: int, end: int, now: int) -> None:
    """Refuses a time that has not come or is over, :data:`CLOCK_SKEW` allowed both ways.

    Raises:
        ConsentInvalid: ``NOT_YET_VALID`` or ``EXPIRED``.
    """
    if now + CLOCK_SKEW < start:
        raise ConsentInvalid(ConsentStatus.NOT_YET_VALID, f"the {what} is not valid yet")
    if now - CLOCK_SKEW >= end:
        raise ConsentInvalid(ConsentStatus.EXPIRED, f"the {what} has expired")


def _sd_hash(presentation: str) -> str:
    return b64url_encode(hashlib.sha256(presentation.encode("ascii")).digest())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise malformed("a name is needed")
    return value


def _seconds(claims: Mapping[str, Json], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise malformed(f"{name} must be whole seconds")
    return value
