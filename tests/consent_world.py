"""A whole small world of consent in memory, for tests: issuer, status service, trust list, holders, grants.

``ConsentWorld.make()`` gives it; ``person(templates)`` enrols somebody; ``person.grant(...)`` signs a grant;
``world.verify(presentation, ...)`` asks. Forgeries are made with ``person.recredential(...)`` and
``person.regrant(...)``, which sign whatever claims they are told to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import CREDENTIAL_TYP, Evidence, Guardian, grown_up
from consent_edit.consent.grant import GRANT_TYP
from consent_edit.consent.holder.wallet import HeldGrant, Wallet
from consent_edit.consent.issuing.capture import Capture, CaptureQuality, CaptureSource
from consent_edit.consent.issuing.folder import trust_list
from consent_edit.consent.issuing.issue import Enrolment, Issuer
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import Algorithm, SigningKey
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.query import ConsentQuery, ConsentResult
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import StatusLists
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.consent.trust import TrustList
from consent_edit.consent.verify import verify_presentation
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance, Environment, Operation, Purpose

NOW = 1_800_000_000
AUDIENCE = "https://editor.example"
GRANTEE = "client-1"
STATUS_URI = "https://issuer.example/status/1"
LIST_SIZE = 1 << 13
ROLES = ("face-embedding", "face-embedding-second")
MODELS = {"face-embedding": "a" * 64, "face-embedding-second": "b" * 64}
STRICT = {"face-embedding": 0.5, "face-embedding-second": 0.9}
PHOTO = "sha256:" + "1" * 64
OTHER_PHOTO = "sha256:" + "2" * 64
LIVENESS = Evidence(loa=Assurance.HIGH, method="passport chip, in person", liveness="supervised_session")
ADULT_BIRTHDATE = date(1990, 5, 17)
MINOR_BIRTHDATE = date(2015, 5, 17)

Templates = Mapping[str, NDArray[np.float32]]


def unit(seed: int, dim: int = 128) -> NDArray[np.float32]:
    """A random (dim,) float32 vector of unit norm."""
    vector = np.random.default_rng(seed).standard_normal(dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def face(seed: int) -> dict[str, NDArray[np.float32]]:
    """Somebody's templates under both roles; other seeds are other people."""
    return {role: unit(1000 * seed + i) for i, role in enumerate(ROLES)}


def views(
    template: NDArray[np.float32], cosine: float = 0.98, count: int = 3, seed: int = 0
) -> NDArray[np.float32]:
    """(count, dim) views whose cosine with ``template`` is exactly ``cosine``."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        noise = rng.standard_normal(template.size)
        noise -= noise @ template * template
        noise /= np.linalg.norm(noise)
        rows.append(cosine * template + np.sqrt(1 - cosine**2) * noise)
    return np.stack(rows).astype(np.float32)


GOOD = CaptureQuality(sharpness=2000.0, yaw=0.0, pitch=0.0, roll=0.0, brightness=128.0, clipped=0.0)


def capture(templates: Templates, cosine: float = 0.98, seed: int = 0, **changes: object) -> Capture:
    """A good photo of that person."""
    embeddings = {role: views(vector, cosine, seed=seed) for role, vector in templates.items()}
    return taken(embeddings, **changes)


def taken(embeddings: Templates, **changes: object) -> Capture:
    """A good photo that was read so, one row a view."""
    said: dict[str, object] = {
        "digest": PHOTO,
        "faces": 1,
        "face_width": 200.0,
        "detection": 0.95,
        "quality": GOOD,
        "source": CaptureSource.OWN,
        **changes,
    }
    return Capture(embeddings=embeddings, **said)  # type: ignore[arg-type]


@dataclass
class Clock:
    """A clock that stands until moved."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Person:
    """Somebody enrolled, with her wallet; a minor has two guardians, who sign for her."""

    world: ConsentWorld
    wallet: Wallet
    key: SigningKey
    enrolment: Enrolment
    templates: Templates
    guardians: tuple[SigningKey, ...] = ()

    def grant(self, **changes: object) -> HeldGrant:
        """A grant by the real wallet, or all guardians: tone and background, for AUDIENCE and GRANTEE."""
        asked: dict[str, object] = {
            "audience": AUDIENCE,
            "grantee": GRANTEE,
            "operations": {Operation.TONE, Operation.BACKGROUND},
            "purpose": Purpose.PERSONAL,
            "now": self.world.clock(),
            **changes,
        }
        if not self.guardians:
            return self.wallet.grant(**asked)  # type: ignore[arg-type]
        draft = self.wallet.begin_grant(**asked)  # type: ignore[arg-type]
        tokens = [sign_compact(draft.payload.encode(), key, typ=GRANT_TYP) for key in self.guardians]
        return self.wallet.finish_grant(draft.jti, *tokens)

    def present(self, **changes: object) -> Presentation:
        """A grant's presentation."""
        return self.grant(**changes).presentation()

    def grant_claims(self, presentation: Presentation) -> dict[str, object]:
        """The claims of a grant, to be changed and signed again."""
        return dict(unverified(presentation.grant)[1])

    def grant_token(
        self, claims: Mapping[str, object] | bytes, typ: str = GRANT_TYP, key: SigningKey | None = None
    ) -> str:
        """Claims of any kind, signed as a grant by her key or another."""
        return sign_compact(claims, key or self.key, typ=typ)

    def regrant(self, presentation: Presentation, **changes: object) -> Presentation:
        """The same grant with some claims changed and signed again; a value of ``...`` drops the claim."""
        claims = {k: v for k, v in {**self.grant_claims(presentation), **changes}.items() if v is not ...}
        first, *others = (self.grant_token(claims, key=key) for key in self.guardians or (self.key,))
        return Presentation(presentation.credential, first, tuple(others))

    def recredential(
        self,
        presentation: Presentation,
        *,
        key: SigningKey | None = None,
        typ: str = CREDENTIAL_TYP,
        hidden: frozenset[str] = frozenset({"face_template"}),
        **changes: object,
    ) -> Presentation:
        """The same credential with claims changed and signed again by the issuer (or ``key``)."""
        presented = sd_jwt.parse(presentation.credential)
        claims = {**sd_jwt.reveal(unverified(presented.jwt)[1], presented.disclosures), **changes}
        claims = {name: value for name, value in claims.items() if value is not ...}
        payload, disclosures = sd_jwt.conceal(claims, hidden & claims.keys())
        token = sign_compact(payload, key or self.world.issuer.key, typ=typ)
        text = sd_jwt.join(token, disclosures)
        return self.rebind(Presentation(text, presentation.grant))

    def rebind(self, presentation: Presentation) -> Presentation:
        """A grant signed again for whatever credential text is presented."""
        return self.regrant(presentation, vc_hash=sd_jwt.presentation_hash(presentation.credential))

    def withdraw(self, held: HeldGrant) -> None:
        """Withdraw a grant and have the status service take it."""
        self.world.issuer.status.withdraw(self.wallet.withdraw(held.jti, self.world.clock()))


@dataclass
class ConsentWorld:
    """Issuer, trust, statuses and clock."""

    clock: Clock
    anchor: SigningKey
    issuer: Issuer
    trust: TrustList
    statuses: StatusLists
    used: dict[str, int] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)

    @classmethod
    def make(
        cls,
        *,
        environment: Environment = Environment.PRODUCTION,
        algorithm: Algorithm = Algorithm.ES256,
        highest: Assurance = Assurance.SUBSTANTIAL,
        name: str = "https://issuer.example",
    ) -> ConsentWorld:
        """A fresh world with fresh keys."""
        clock = Clock()
        anchor = SigningKey.generate(algorithm)
        status = IssuerStatus(STATUS_URI, SigningKey.generate(algorithm), size=LIST_SIZE)
        issuer = Issuer(name, SigningKey.generate(algorithm), status, environment, highest)
        world = cls(clock, anchor, issuer, _trust(issuer, anchor, clock()), StatusLists())
        world.statuses = StatusLists({STATUS_URI: status.source(clock)})
        return world

    def person(
        self,
        templates: Templates | None = None,
        *,
        evidence: Evidence = LIVENESS,
        birthdate: date = ADULT_BIRTHDATE,
        algorithm: Algorithm = Algorithm.ES256,
        models: Mapping[str, str] = MODELS,
    ) -> Person:
        """Enrol somebody with exactly these templates (default ``face(1)``); ``date.min``: no birthdate."""
        own = templates or face(1)
        exact = taken({role: np.stack([vector]) for role, vector in own.items()})
        key = SigningKey.generate(algorithm)
        wallet = Wallet(key)
        minor = birthdate != date.min and not grown_up(birthdate, self.clock())
        guardians = tuple(SigningKey.generate(algorithm) for _ in range(2 if minor else 0))
        enrolment = self.issuer.enrol(
            [exact],
            holder=Signatory(key.public),
            guardians=[guardian(one) for one in guardians],
            models=models,
            thresholds=load_thresholds(),
            evidence=evidence,
            now=self.clock(),
            birthdate=birthdate,
        )
        wallet.accept(enrolment)
        return Person(self, wallet, key, enrolment, own, guardians)

    def query(self, **changes: object) -> ConsentQuery:
        """Tone, personal, AUDIENCE, GRANTEE, PHOTO, now."""
        asked: dict[str, object] = {
            "audience": AUDIENCE,
            "grantee": GRANTEE,
            "operations": frozenset({Operation.TONE}),
            "purpose": Purpose.PERSONAL,
            "photos": frozenset({PHOTO}),
            "now": self.clock(),
            "models": MODELS,
            **changes,
        }
        return ConsentQuery(**asked)  # type: ignore[arg-type]

    def verify(
        self,
        presentation: Presentation,
        *,
        trust: TrustList | None = None,
        statuses: StatusLists | None = None,
        uses: Callable[[str], int] | None = None,
        **query: object,
    ) -> ConsentResult:
        """The verifier's answer."""
        return verify_presentation(
            presentation,
            trust=trust or self.trust,
            statuses=statuses or self.statuses,
            query=self.query(**query),
            record=_Record(uses or (lambda name: self.used.get(name, 0)), self.spent),
        )


@dataclass
class _Record:
    """What was released before, as tests say it."""

    uses: Callable[[str], int]
    spent: set[str]

    def nonce_spent(self, nonce: str) -> bool:
        return nonce in self.spent


def guardian(key: SigningKey) -> Guardian:
    """A guardian as the issuer writes her into a credential."""
    return Guardian(jwk=key.public.export(), relation="parent", proof_ref="family register 1")


def make_trust_token(world: ConsentWorld) -> str:
    """A signed trust list that names the world's issuer and status service."""
    return _trust_token(world.issuer, world.anchor, NOW)


def resign_trust(world: ConsentWorld) -> None:
    """A new trust list, as an operator makes it after an issuer or its status service changed keys."""
    world.trust = _trust(world.issuer, world.anchor, world.clock())


def _trust_token(issuer: Issuer, anchor: SigningKey, now: int) -> str:
    since = {"nbf": now - 3600}
    entry, service = issuer.trust_entries(now=now, lifetime=400 * 86_400)
    entries = [(entry.model_copy(update=since), service.model_copy(update=since))]
    claims = trust_list(entries, environment=issuer.environment, now=now, lifetime=300 * 86_400)
    return claims.sign(anchor)


def _trust(issuer: Issuer, anchor: SigningKey, now: int) -> TrustList:
    load = TrustList.load_demo if issuer.environment is Environment.DEMO else TrustList.load
    return load(_trust_token(issuer, anchor, now), anchor=anchor.public, now=now)
