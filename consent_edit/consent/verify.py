"""Is this consent? One presentation, one query, one answer, in numbered checks.

A refusal is a value: :func:`verify_presentation` never raises for a bad presentation. Only ``VERIFIED`` is
consent; a defect nobody foresaw reads ``MALFORMED``.

The credential (a Face Binding Credential, SD-JWT VC):

 1. malformed: it is no presentation of strict parts, or a key-binding JWT hangs on it (RFC 9901 section 4).
 2. issuer_untrusted: its ``iss`` is not in the trust list, or either is not in force; malformed: it is no
    text (SD-JWT VC section 2.5).
 3. signature_invalid: none of that issuer's keys signed it; or malformed: its typ is not ``dc+sd-jwt``
    (RFC 7515 section 5.2, RFC 8725 sections 3.1 and 3.11).
 4. malformed: a disclosure is referred to not exactly once, or overwrites a claim (RFC 9901 section 7.1).
 5. issuer_untrusted: the issuer may not issue this ``vct`` (SD-JWT VC section 2.2.2.1).
 6. not_yet_valid, expired: now is outside its time, 60 s of skew allowed (RFC 7519 sections 4.1.4 to 4.1.6).
 7. malformed: the claims do not fit the closed schema (SD-JWT VC section 2.2.2).
 8. malformed: it lasts more than 180 days, or a minor's outlasts the eighteenth birthday.
 9. malformed: a minor's names no guardian, a guardian stands twice or is the person.
10. malformed: a template is not finite, not of unit norm or not of its stated dimension.

The grant (a compact JWS, or a passkey's assertion):

11. signature_invalid: not each of those who must signed it, once, and nobody else: the credential's ``cnf``
    key, or every guardian it names; or malformed: its typ is not ``consent-grant+jwt`` (RFC 7800 section 3,
    RFC 8725 section 3.11, WebAuthn section 7.2).
12. malformed: its claims do not fit the closed schema (RFC 9396 section 5).
13. signature_invalid: its ``cnf.jkt`` is not the thumbprint of the credential's key (RFC 7638 section 3).
14. signature_invalid: its ``vc_hash`` is not the hash of this very presentation (RFC 9901 section 4.3.1).
15. not_yet_valid, expired: now is outside its time, 60 s of skew allowed (RFC 7519 sections 4.1.4 to 4.1.6).
16. wrong_audience: it was not given to this service (RFC 7519 section 4.1.3).
17. wrong_grantee: it was given to somebody else, and not to anybody; a key it was given to did not sign a
    proof over this request (RFC 9449 section 4 does the like).
18. wrong_purpose: it was given for another purpose (RFC 9396 section 2).
19. wrong_image: it names photos, and not all of those before us.
20. out_of_scope: its actions do not hold all that is asked, nothing is asked, or it is a minor's and holds
    more than background, object, tone and restore (RFC 9396 section 2).

Both, now:

21. revoked, status_unavailable: the credential's status entry is not valid (Token Status List section 8.3).
22. status_unavailable: the grant's status entry is none of those its credential names in ``grant_entries``,
    so that who signed might not be able to flip it; revoked, status_unavailable: it is not valid (the same).
23. exhausted: as many releases were made as ``max_uses`` allows.
24. replayed: the proof of 17 was used for a release before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import MAX_LIFETIME, FaceBinding, majority
from consent_edit.consent.disclosure import reveal
from consent_edit.consent.encoding import malformed
from consent_edit.consent.grant import ANYONE, KEY_THUMBPRINT, ConsentGrant, token_sha256, verify_grant
from consent_edit.consent.jose import unverified
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.query import ConsentQuery, ConsentResult, Templates, use_id
from consent_edit.consent.sd_jwt import within
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import StatusLists, StatusValue
from consent_edit.consent.trust import TrustList
from consent_edit.consent.wire import StatusRef, read_claims
from consent_edit.encoding import Json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import (
    MINOR_OPERATIONS,
    Age,
    Assurance,
    ConsentStatus,
    Environment,
    PhotoBinding,
)

__all__ = ["ConsentQuery", "ConsentResult", "Presentation", "UseRecord", "verify_presentation"]

_NO_TEMPLATES: Templates = {}
_KEY: Final = re.compile(KEY_THUMBPRINT)


class UseRecord(Protocol):
    """What was released before."""

    def uses(self, use_id: str) -> int:
        """Releases made under a grant (:func:`~consent_edit.consent.query.use_id`)."""

    def nonce_spent(self, nonce: str) -> bool:
        """Whether a proof's nonce went into a release."""


@dataclass(slots=True)
class _Found:
    """What has been established so far; a refusal reports this much and no more."""

    credential_sha256: str = ""
    issuer: str = ""
    subject: str = ""
    age: Age = Age.UNDETERMINED
    signatories: tuple[Signatory, ...] = field(default=())
    grant_id: str = ""
    grant_sha256: str = ""
    max_uses: int = 0


def verify_presentation(
    p: Presentation,
    *,
    trust: TrustList,
    statuses: StatusLists,
    query: ConsentQuery,
    record: UseRecord,
) -> ConsentResult:
    """Verify one person's presentation for one query; see the module's numbered list.

    Args:
        trust: A loaded trust list; keys come from nowhere else.
        statuses: The status lists at hand.
        record: What was released before.
    """
    found = _Found()
    try:
        credential, templates = _credential(p, trust, query, found)
        grant = _grant(p, query, found)
        _in_force_now(credential, grant, trust=trust, statuses=statuses, query=query, record=record)
    except ConsentInvalid as refusal:
        return _refused(refusal.status, refusal.message, p, query, found)
    except Exception as defect:  # noqa: BLE001 - fail closed: nothing unforeseen is consent
        detail = f"verification broke off: {type(defect).__name__}"
        return _refused(ConsentStatus.MALFORMED, detail, p, query, found)
    return _verified(credential, grant, templates, trust=trust, query=query, found=found)


def _credential(
    p: Presentation, trust: TrustList, query: ConsentQuery, found: _Found
) -> tuple[FaceBinding, Templates]:
    """Checks 1 to 10."""
    # 1. A strict presentation.
    presented = sd_jwt.parse(p.credential)
    found.credential_sha256 = presented.sha256
    # 2. A trusted issuer, 3. its signature, 4. the disclosures, 5. the type, 6. the time.
    verified = sd_jwt.verify_credential(presented, trust, now=query.now)
    # 7. The closed schema.
    credential = read_claims(FaceBinding, verified.claims)
    holder = credential.holder()
    found.issuer, found.subject = verified.issuer, holder.thumbprint
    minor = credential.age_at(query.now) is Age.MINOR
    found.age = Age.MINOR if minor else Age.UNDETERMINED
    # 8. How long it lasts.
    if not 0 < credential.exp - credential.iat <= MAX_LIFETIME:
        raise malformed("a credential lasts at most 180 days")
    if (
        minor
        and "birthdate" in credential.model_fields_set
        and credential.exp > majority(credential.birthdate)
    ):
        raise malformed("a minor's credential ends on the eighteenth birthday at the latest")
    # 9. Who signs.
    found.signatories = credential.signatories(holder)
    if minor and not credential.guardian:
        raise malformed("a minor's credential names a guardian")
    # 10. The templates.
    return credential, _templates(credential, query)


def _grant(p: Presentation, query: ConsentQuery, found: _Found) -> ConsentGrant:
    """Checks 11 to 20."""
    # 11. and 12. Every signature there must be, and the closed schema.
    grant = verify_grant((p.grant, *p.cosigned), found.signatories)
    # 13. The key it is about.
    if grant.cnf.jkt != found.subject:
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the grant is about another key")
    # 14. The credential it belongs to.
    if grant.vc_hash != found.credential_sha256:
        raise ConsentInvalid(ConsentStatus.SIGNATURE_INVALID, "the grant was signed for another presentation")
    found.grant_id, found.max_uses = grant.jti, grant.max_uses
    found.grant_sha256 = token_sha256(p.grant)
    # 15. The times.
    within("grant", max(grant.iat, grant.nbf), grant.exp, query.now)
    # 16. The audience.
    if query.audience not in grant.aud:
        raise ConsentInvalid(ConsentStatus.WRONG_AUDIENCE, "the grant is for another service")
    # 17. The grantee: a key by its proof, a client by its id, anybody if she said so.
    who = query.proven if _KEY.match(grant.grantee) else query.grantee
    if grant.grantee not in (who, ANYONE):
        raise ConsentInvalid(ConsentStatus.WRONG_GRANTEE, "the grant is for somebody else to use")
    # 18. The purpose.
    granted = grant.actions_for(query.purpose)
    if not granted:
        raise ConsentInvalid(ConsentStatus.WRONG_PURPOSE, "the grant is for another purpose")
    # 19. The photos.
    if grant.images and not (query.photos and query.photos <= set(grant.images)):
        raise ConsentInvalid(ConsentStatus.WRONG_IMAGE, "the grant is for other photos")
    # 20. The operations.
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
    record: UseRecord,
) -> None:
    """Checks 21 to 24."""
    # 21. The credential's status.
    _not_revoked("credential", credential.status.status_list, trust, statuses, query.now)
    # 22. The grant's status, at an entry that its signers can flip.
    if not credential.hands_out(grant.status.status_list):
        raise ConsentInvalid(
            ConsentStatus.STATUS_UNAVAILABLE, "the grant's status entry is none of its credential's"
        )
    _not_revoked("grant", grant.status.status_list, trust, statuses, query.now)
    # 23. The uses.
    if grant.max_uses and record.uses(use_id(grant.cnf.jkt, grant.jti)) >= grant.max_uses:
        raise ConsentInvalid(ConsentStatus.EXHAUSTED, "the grant's uses are spent")
    # 24. The proof.
    if _KEY.match(grant.grantee) and (not query.nonce or record.nonce_spent(query.nonce)):
        raise ConsentInvalid(ConsentStatus.REPLAYED, "the grantee's proof was used before")


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
    photo = PhotoBinding.EXACT if grant.images else PhotoBinding.NONE
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
        photos=query.photos & set(grant.images),
        granted=grant.actions_for(query.purpose),
        templates=templates,
        grant_id=found.grant_id,
        subject=found.subject,
        issuer=found.issuer,
        credential_sha256=found.credential_sha256,
        grant_sha256=found.grant_sha256,
        max_uses=found.max_uses,
        statuses=(credential.status.status_list, grant.status.status_list),
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
        claims: Mapping[str, Json] = unverified(presented.jwt, chain=True)[1]
        return _templates(read_claims(FaceBinding, reveal(claims, presented.disclosures)), query)
    except Exception:  # noqa: BLE001 - a label is a courtesy
        return _NO_TEMPLATES


def _templates(credential: FaceBinding, query: ConsentQuery) -> Templates:
    decoded = [(entry, entry.vector()) for entry in credential.face_template]
    return {entry.model: vector for entry, vector in decoded if query.models.get(entry.model) == entry.sha256}


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
