"""Is this consent? One presentation, one query, one answer, in numbered checks.

A refusal is a value: :func:`verify_presentation` never raises for a bad presentation. Only ``VERIFIED`` is
consent; a defect nobody foresaw reads ``MALFORMED``.

The credential (a Face Binding Credential, SD-JWT VC):

 1. malformed: it is no presentation of strict parts, or a key-binding JWT hangs on it (RFC 9901 section 4).
 2. issuer_untrusted: its ``iss`` is not in the trust list, or either is not in force; malformed: it is no
    text (SD-JWT VC section 2.5).
 3. signature_invalid: none of that issuer's listed keys signed it; or malformed: its typ is not ``dc+sd-jwt``
    (RFC 7515 section 5.2, RFC 8725 sections 3.1 and 3.11).
 4. malformed: a disclosure is referred to not exactly once, or overwrites a claim (RFC 9901 section 7.1).
 5. malformed: the claims do not fit the closed schema (SD-JWT VC section 2.2.2).
 6. issuer_untrusted: the issuer may not issue this ``vct`` (SD-JWT VC section 2.2.2.1).
 7. malformed: it lasts more than 180 days; not_yet_valid, expired: now is outside its time, 60 s of skew
    allowed (RFC 7519 sections 4.1.4 to 4.1.6).
 8. malformed: a template is not finite, not of unit norm or not of its stated dimension.

The grant (a compact JWS):

 9. signature_invalid: the credential's ``cnf`` key did not sign it; or malformed: its typ is not
    ``consent-grant+jwt`` (RFC 7800 section 3, RFC 8725 section 3.11).
10. malformed: its claims do not fit the closed schema (RFC 9396 section 5).
11. signature_invalid: its ``cnf.jkt`` is not the thumbprint of that key (RFC 7638 section 3).
12. signature_invalid: its ``vc_hash`` is not the hash of this very presentation (RFC 9901 section 4.3.1).
13. not_yet_valid, expired: now is outside its time, 60 s of skew allowed (RFC 7519 sections 4.1.4 to 4.1.6).
14. wrong_audience: it was not given to this service (RFC 7519 section 4.1.3).
15. wrong_grantee: it was given to somebody else, and not to anybody.
16. wrong_purpose: it was given for another purpose (RFC 9396 section 2).
17. wrong_image: it names photos, and none of them is before us.
18. out_of_scope: its actions do not hold all that is asked, nothing is asked, or it is a minor's and holds
    more than background, object, tone and restore (RFC 9396 section 2).

Both, now:

19. revoked, status_unavailable: the credential's status entry is not valid (Token Status List section 8.3).
20. revoked, status_unavailable: the grant's status entry is not valid (the same).
21. exhausted: as many releases were made as ``max_uses`` allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import CREDENTIAL_TYP, MAX_LIFETIME, FaceBinding
from consent_edit.consent.encoding import malformed
from consent_edit.consent.grant import ANYONE, ConsentGrant, token_sha256, verify_grant
from consent_edit.consent.jose import unverified, verify_compact
from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.query import ConsentQuery, ConsentResult, Templates, use_id
from consent_edit.consent.status import StatusLists, StatusValue
from consent_edit.consent.trust import CLOCK_SKEW, TrustedIssuer, TrustList
from consent_edit.consent.wire import StatusRef, read_claims
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import (
    MINOR_OPERATIONS,
    Age,
    Assurance,
    ConsentStatus,
    Environment,
    PhotoBinding,
)

__all__ = ["ConsentQuery", "ConsentResult", "Presentation", "verify_presentation"]

_NO_TEMPLATES: Templates = {}


@dataclass(slots=True)
class _Found:
    """What has been established so far; a refusal reports this much and no more."""

    credential_sha256: str = ""
    issuer: str = ""
    subject: str = ""
    age: Age = Age.UNDETERMINED
    grant_id: str = ""
    grant_sha256: str = ""
    max_uses: int = 0


def verify_presentation(
    p: Presentation,
    *,
    trust: TrustList,
    statuses: StatusLists,
    query: ConsentQuery,
    uses: Callable[[str], int],
) -> ConsentResult:
    """Verify one person's presentation for one query; see the module's numbered list.

    Args:
        trust: A loaded trust list; keys come from nowhere else.
        statuses: The status lists at hand.
        uses: Use id (:func:`~consent_edit.consent.query.use_id`) -> releases already made under it.
    """
    found = _Found()
    try:
        credential, key, templates = _credential(p, trust, query, found)
        grant = _grant(p, key, query, found)
        _in_force_now(credential, grant, trust=trust, statuses=statuses, query=query, uses=uses)
    except ConsentInvalid as refusal:
        return _refused(refusal.status, refusal.message, p, query, found)
    except Exception as defect:  # noqa: BLE001 - fail closed: nothing unforeseen is consent
        detail = f"verification broke off: {type(defect).__name__}"
        return _refused(ConsentStatus.MALFORMED, detail, p, query, found)
    return _verified(credential, grant, templates, trust=trust, query=query, found=found)


def _credential(
    p: Presentation, trust: TrustList, query: ConsentQuery, found: _Found
) -> tuple[FaceBinding, PublicJwk, Templates]:
    """Checks 1 to 8."""
    # 1. A strict presentation.
    presented = sd_jwt.parse(p.credential)
    found.credential_sha256 = presented.sha256
    header, claims = unverified(presented.jwt)
    # 2. A trusted issuer, found by the name the token gives; the key is the list's.
    issuer = trust.issuer(_text(claims.get("iss")), query.now)
    # 3. The issuer's signature.
    _signed_by_issuer(presented.jwt, header.get("kid", ""), issuer)
    # 4. The disclosures; the claims are of the very text whose signature held.
    revealed = sd_jwt.reveal(claims, presented.disclosures)
    # 5. The closed schema.
    credential = read_claims(FaceBinding, revealed)
    key = credential.holder()
    found.issuer, found.subject = credential.iss, key.thumbprint
    found.age = Age.MINOR if credential.age_at(query.now) is Age.MINOR else Age.UNDETERMINED
    # 6. The type.
    if credential.vct not in issuer.entry.vct:
        raise ConsentInvalid(ConsentStatus.ISSUER_UNTRUSTED, "the issuer may not issue this credential type")
    # 7. The times.
    if not 0 < credential.exp - credential.iat <= MAX_LIFETIME:
        raise malformed("a credential lasts at most 180 days")
    _within("credential", max(credential.iat, credential.nbf), credential.exp, query.now)
    # 8. The templates.
    return credential, key, _templates(credential, query)


def _grant(p: Presentation, key: PublicJwk, query: ConsentQuery, found: _Found) -> ConsentGrant:
    """Checks 9 to 18."""
    # 9. and 10. The holder's signature, and the closed schema.
    grant = verify_grant(p.grant, key)
    # 11. The key it says it is signed by.
    if grant.cnf.jkt != key.thumbprint:
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the grant names another key than signed it")
    # 12. The credential it belongs to.
    if grant.vc_hash != found.credential_sha256:
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the grant was signed for another presentation")
    found.grant_id, found.max_uses = grant.jti, grant.max_uses
    found.grant_sha256 = token_sha256(p.grant)
    # 13. The times.
    _within("grant", max(grant.iat, grant.nbf), grant.exp, query.now)
    # 14. The audience.
    if query.audience not in grant.aud:
        raise ConsentInvalid(ConsentStatus.WRONG_AUDIENCE, "the grant is for another service")
    # 15. The grantee.
    if grant.grantee not in (query.grantee, ANYONE):
        raise ConsentInvalid(ConsentStatus.WRONG_GRANTEE, "the grant is for somebody else to use")
    # 16. The purpose.
    granted = grant.actions_for(query.purpose)
    if not granted:
        raise ConsentInvalid(ConsentStatus.WRONG_PURPOSE, "the grant is for another purpose")
    # 17. The photos.
    if grant.images and not query.photos & set(grant.images):
        raise ConsentInvalid(ConsentStatus.WRONG_IMAGE, "the grant is for other photos")
    # 18. The operations.
    if not query.operations or not query.operations <= granted:
        raise ConsentInvalid(ConsentStatus.OUT_OF_SCOPE, "the grant does not hold all that is asked")
    if found.age is Age.MINOR and not grant.actions() <= MINOR_OPERATIONS:
        raise ConsentInvalid(ConsentStatus.OUT_OF_SCOPE, "a minor's grant cannot hold these operations")
    return grant


def _in_force_now(
    credential: FaceBinding,
    grant: ConsentGrant,
    *,
    trust: TrustList,
    statuses: StatusLists,
    query: ConsentQuery,
    uses: Callable[[str], int],
) -> None:
    """Checks 19 to 21."""
    # 19. The credential's status.
    _not_revoked("credential", credential.status.status_list, trust, statuses, query.now)
    # 20. The grant's status.
    _not_revoked("grant", grant.status.status_list, trust, statuses, query.now)
    # 21. The uses.
    if grant.max_uses and uses(use_id(grant.cnf.jkt, grant.jti)) >= grant.max_uses:
        raise ConsentInvalid(ConsentStatus.EXHAUSTED, "the grant's uses are spent")


def _verified(
    credential: FaceBinding,
    grant: ConsentGrant,
    templates: Templates,
    *,
    trust: TrustList,
    query: ConsentQuery,
    found: _Found,
) -> ConsentResult:
    """INVARIANT: reached only when every check held."""
    named = query.photos & set(grant.images)
    photo = PhotoBinding.EXACT if named and named == query.photos else PhotoBinding.NONE
    age = credential.age_at(query.now)
    if age is Age.ADULT and photo is not PhotoBinding.EXACT:
        age = Age.UNDETERMINED  # a birthdate speaks for this photo only if the grant binds the photo
    highest = trust.issuers[credential.iss].entry.highest_assurance
    demo = trust.environment is Environment.DEMO
    return ConsentResult(
        status=ConsentStatus.VERIFIED,
        assurance=Assurance.SIMULATED if demo else credential.evidence.assurance(highest),
        age=age,
        photo=photo,
        photos=named,
        granted=grant.actions_for(query.purpose),
        templates=templates,
        grant_id=found.grant_id,
        subject=found.subject,
        issuer=found.issuer,
        credential_sha256=found.credential_sha256,
        grant_sha256=found.grant_sha256,
        max_uses=found.max_uses,
        detail="every check held",
    )


def _refused(
    status: ConsentStatus, detail: str, p: Presentation, query: ConsentQuery, found: _Found
) -> ConsentResult:
    return ConsentResult(
        status=status,
        age=found.age,
        templates=_label(p, query),
        grant_id=found.grant_id,
        subject=found.subject,
        issuer=found.issuer,
        credential_sha256=found.credential_sha256,
        grant_sha256=found.grant_sha256,
        max_uses=found.max_uses,
        detail=detail,
    )


def _label(p: Presentation, query: ConsentQuery) -> Templates:
    """The templates of a refused presentation, unverified, if they can be read at all."""
    try:
        presented = sd_jwt.parse(p.credential)
        _, claims = unverified(presented.jwt)
        revealed = sd_jwt.reveal(claims, presented.disclosures)
        return _templates(read_claims(FaceBinding, revealed), query)
    except Exception:  # noqa: BLE001 - a label is a courtesy
        return _NO_TEMPLATES


def _templates(credential: FaceBinding, query: ConsentQuery) -> Templates:
    decoded = [(entry, entry.vector()) for entry in credential.face_template]
    return {entry.model: vector for entry, vector in decoded if query.models.get(entry.model) == entry.sha256}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise malformed("a name is needed")
    return value


def _signed_by_issuer(jwt: str, kid: object, issuer: TrustedIssuer) -> None:
    """Refuses unless one of the issuer's keys (the one ``kid`` names, if it names one) verifies the token."""
    keys = [key for key in issuer.keys if kid in (key.kid, key.thumbprint)] or list(issuer.keys)
    refusal = ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the issuer has no key")
    for key in keys:
        try:
            verify_compact(jwt, key, typ=CREDENTIAL_TYP)
        except ConsentInvalid as error:
            refusal = error
        else:
            return
    raise refusal


def _within(what: str, start: int, end: int, now: int) -> None:
    if now + CLOCK_SKEW < start:
        raise ConsentInvalid(ConsentStatus.NOT_YET_VALID, f"the {what} is not valid yet")
    if now - CLOCK_SKEW >= end:
        raise ConsentInvalid(ConsentStatus.EXPIRED, f"the {what} has expired")


def _not_revoked(what: str, ref: StatusRef, trust: TrustList, statuses: StatusLists, now: int) -> None:
    match statuses.read(ref.uri, ref.idx, now, trust):
        case StatusValue.VALID:
            return
        case StatusValue.REVOKED:
            raise ConsentInvalid(ConsentStatus.REVOKED, f"the {what} was withdrawn or revoked")
        case StatusValue.UNAVAILABLE:
            raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, f"the {what}'s status cannot be read")
        case never:  # pragma: no cover - the enum has no further member
            assert_never(never)
