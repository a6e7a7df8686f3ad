"""An issuer's desk in memory, for tests: people as vectors, photos of them, keys, a clock.

``Town.make()`` gives it; ``photo(face(1))`` is a good photo of person 1; ``town.enrol(...)`` enrols.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent.binding import Evidence, Guardian
from consent_edit.consent.issuing.capture import Capture, CaptureQuality, CaptureSource
from consent_edit.consent.issuing.issue import Enrolment, Issuer
from consent_edit.consent.jose import unverified
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.sd_jwt import bind_key, join, parse
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.lists import inflate
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.enrolment.desk import EnrolmentDesk
from consent_edit.enrolment.review import Finding, ShownPhoto, decide, prepare
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.observation import (
    Box,
    CheckRun,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    ModelUse,
    PictureExposure,
)
from consent_edit.store.store import Store
from consent_edit.thresholds import Thresholds, load_thresholds
from consent_edit.vocabulary import (
    Assurance,
    CheckName,
    CheckOutcome,
    Environment,
    Exposure,
    PersonKind,
    Recognisable,
)

NOW = 1_800_000_000
REVIEW = "input.enrolment-review"
DAY = 86_400
NAME = "https://issuer.example"
STATUS_URI = "https://issuer.example/status/1"
ROLES = ("face-embedding", "face-embedding-second")
MODELS = {"face-embedding": "a" * 64, "face-embedding-second": "b" * 64}
NEW_MODELS = {"face-embedding": "c" * 64, "face-embedding-second": "d" * 64}
SEEN = Evidence(loa=Assurance.HIGH, method="passport chip, in person", liveness="supervised_session")
ADULT, CHILD = date(1990, 5, 17), date(2015, 5, 17)
GOOD = CaptureQuality(sharpness=300.0, yaw=2.0, pitch=-3.0, roll=1.0, brightness=128.0, clipped=0.0)
LIMITS: Thresholds = replace(
    load_thresholds(),
    enrol_face_embedding=0.5,
    enrol_face_embedding_second=0.9,
    enrol_face_width=64.0,
    enrol_detection=0.8,
    enrol_sharpness=100.0,
    enrol_yaw=30.0,
    enrol_pitch=25.0,
    enrol_roll=30.0,
    enrol_brightness_low=50.0,
    enrol_brightness_high=220.0,
    enrol_clipped=0.15,
)

Face = Mapping[str, NDArray[np.float32]]


def unit(seed: int, dim: int = 128) -> NDArray[np.float32]:
    """A random (dim,) float32 vector of unit norm."""
    vector = np.random.default_rng(seed).standard_normal(dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def face(seed: int) -> dict[str, NDArray[np.float32]]:
    """Somebody under both roles; other seeds are other people."""
    return {role: unit(1000 * seed + i) for i, role in enumerate(ROLES)}


def _views(vector: NDArray[np.float32], cosine: float, seed: int) -> NDArray[np.float32]:
    """Three views whose cosine with the vector is exactly ``cosine``."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(3):
        noise = rng.standard_normal(vector.size)
        noise -= noise @ vector * vector
        rows.append(cosine * vector + np.sqrt(1 - cosine**2) * noise / np.linalg.norm(noise))
    return np.stack(rows).astype(np.float32)


def photo(of: Face, cosine: float = 0.98, seed: int = 0, **changes: object) -> Capture:
    """A good photo of that person; ``changes`` are of the capture or of its quality."""
    embeddings = {role: _views(vector, cosine, seed) for role, vector in of.items()}
    content = b"".join(embeddings[role].tobytes() for role in sorted(embeddings))
    quality = {name: changes.pop(name) for name in list(changes) if name in CaptureQuality.__slots__}
    whole: dict[str, object] = {
        "digest": f"sha256:{sha256(content).hexdigest()}",
        "embeddings": embeddings,
        "faces": 1,
        "face_width": 200.0,
        "detection": 0.95,
        "quality": replace(GOOD, **quality),
        "source": CaptureSource.OWN,
        **changes,
    }
    return Capture(**whole)  # type: ignore[arg-type]


def holder(key: SigningKey) -> Signatory:
    """A key as an issuer knows its holder."""
    return Signatory(key.public)


def guardian(key: SigningKey, **changes: object) -> Guardian:
    """A parent."""
    members = {"jwk": key.public.export(), "relation": "parent", "proof_ref": "birth certificate", **changes}
    return Guardian.model_validate(members)


@dataclass
class Clock:
    """A clock that stands until moved."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Town:
    """An issuer, its store and its desk."""

    clock: Clock
    issuer: Issuer
    store: Store
    desk: EnrolmentDesk
    reviewer: SigningKey = field(default_factory=SigningKey.generate)

    @classmethod
    def make(
        cls, *, environment: Environment = Environment.PRODUCTION, store: Store | None = None, **desk: object
    ) -> Town:
        """A fresh town; ``desk`` are more members of the desk."""
        clock, reviewer = Clock(), SigningKey.generate()
        status = IssuerStatus(STATUS_URI, SigningKey.generate(), size=1 << 13)
        issuer = Issuer(NAME, SigningKey.generate(), status, environment)
        store = store or Store.open(":memory:")
        members = {"thresholds": LIMITS, "clock": clock, "reviewers": (reviewer.public,), **desk}
        return cls(clock, issuer, store, EnrolmentDesk(issuer, store, **members), reviewer)  # type: ignore[arg-type]

    def enrol(self, captures: list[Capture], key: SigningKey, **changes: object) -> Enrolment:
        """Enrol under one key: seen in person, an adult's birthdate."""
        asked: dict[str, object] = {
            "holders": (holder(key),),
            "models": MODELS,
            "evidence": SEEN,
            "birthdate": ADULT,
            **changes,
        }
        return self.desk.enrol(captures, **asked)[0]  # type: ignore[arg-type]

    def bound(self, enrolment: Enrolment, key: SigningKey, nonce: str, **changes: object) -> str:
        """The credential as its holder presents it to the issuer."""
        asked: dict[str, object] = {"audience": NAME, "nonce": nonce, "now": self.clock(), **changes}
        bare = join(parse(enrolment.credential).jwt, ())  # as wallets do it: nothing disclosed
        return bind_key(bare, key, **asked)  # type: ignore[arg-type]

    def renew(
        self, enrolment: Enrolment, key: SigningKey, captures: list[Capture], **changes: object
    ) -> Enrolment:
        """Renew: she proves her key over a fresh nonce."""
        nonce = str(changes.pop("nonce", "")) or self.desk.challenge()
        asked: dict[str, object] = {"nonce": nonce, "models": MODELS, "evidence": SEEN, **changes}
        presentation = str(asked.pop("presentation", "")) or self.bound(enrolment, key, nonce)
        return self.desk.renew(presentation, captures, **asked)[0]  # type: ignore[arg-type]


HER_SEEN: Face = photo(face(1)).embeddings


def observed(image: CanonicalImage, *kinds: PersonKind) -> ImageObservation:
    """An observation of a picture: one frontal face a kind, by default one clear one."""
    boxes = tuple(
        FaceObservation(
            box=Box(50, 50, 100, 100),
            kind=kind,
            recognisable=Recognisable.YES,
            score=0.9,
            passes=("640",),
            landmarks=np.array([[80, 80], [120, 80], [100, 101], [84, 123], [116, 123]], np.float32),
            embeddings=HER_SEEN,
        )
        for kind in kinds or (PersonKind.FACE,)
    )
    models = tuple(ModelUse(role, sha, 0.5, True) for role, sha in MODELS.items())
    names = (CheckName.FACE_DETECTION, CheckName.FACE_EMBEDDING, CheckName.FACE_EMBEDDING_SECOND)
    checks = tuple(CheckRun(name, CheckOutcome.RAN, models) for name in names)
    nothing = ExposureReading(Exposure.NONE)
    shown = PictureExposure(nothing, (nothing,) * len(boxes), nothing)
    return ImageObservation(image.digest, image.width, image.height, boxes, (), shown, checks)


def flipped(town: Town) -> set[int]:
    """Status entries that are revoked or withdrawn."""
    claims = unverified(town.issuer.status.token(town.clock()), limit=1 << 20)[1]
    bits = inflate(claims["status_list"]["lst"])  # type: ignore[index, call-overload, arg-type]
    return {idx for idx in range(len(bits) * 8) if bits[idx // 8] >> (idx % 8) & 1}


def leaves(town: Town) -> list[dict[str, object]]:
    """Every entry of the issuer's log."""
    return [json.loads(town.store.leaf(index)) for index in range(town.store.log_state().size)]


def reviewed(
    town: Town, captures: list, *keys: SigningKey, by: SigningKey | None = None, **decision: object
) -> str:
    """A reviewer's decision that these captures may be enrolled under these keys."""
    images = [CanonicalImage.of(np.full((8, 8, 3), 10 + n, np.uint8)) for n in range(len(captures) + 1)]
    document, *shown = (
        ShownPhoto(image, replace(capture, digest=image.digest))
        for image, capture in zip(images, [captures[0], *captures], strict=True)
    )
    named = [key.public.thumbprint for key in keys]
    case = prepare(
        document,
        shown,
        issuer=decision.pop("issuer", NAME),
        keys=named,
        guardians=[key.public.thumbprint for key in decision.pop("guardians", ())],  # type: ignore[attr-defined]
        roles=LIMITS.enrolment,
        now=town.clock(),
    )
    case = case.model_copy(update={"photos": tuple(capture.digest for capture in captures)})
    asked: dict[str, object] = {
        "accepted": True,
        "liveness": "supervised_session",
        "now": town.clock(),
        "finding": Finding.SAME_PERSON,
        **decision,
    }
    return decide(case, by or town.reviewer, **asked)  # type: ignore[arg-type]


def refused(town: Town, code: str = REVIEW) -> str:
    """That the last log entry is a refusal of that code; why, as the private record has it."""
    last = leaves(town)[-1]
    assert (last["outcome"], last["code"]) == ("refused", code)
    assert set(last["commitments"]) <= {"subject", "review"}  # type: ignore[arg-type]
    return str(town.store.decision(str(last["decision"]))["cause"])
