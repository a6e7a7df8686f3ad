"""The demo's own little world: a simulated issuer, a holder, an operator; no command that edits loads it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from consent_edit.consent.binding import Evidence
from consent_edit.consent.holder.wallet import HeldGrant, Wallet
from consent_edit.consent.issuing.capture import Capture, CaptureSource
from consent_edit.consent.issuing.issue import Issuer
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.match import MatchOutcome, Probe, match_faces
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.status.lists import StatusLists
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.consent.trust import TrustList, TrustListClaims
from consent_edit.demo.photos import astronaut, bystander
from consent_edit.enrolment import capture_of
from consent_edit.errors import EnrolmentRefused, InputError
from consent_edit.evidence.keys import create_receipt_key
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.operator import Operator, unix_now
from consent_edit.perception.observation import FaceObservation, Perception
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.store.store import Store
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance, Environment, Operation, PersonKind, Purpose

AUDIENCE: Final = "urn:consent-edit:demo:service"
OTHER_AUDIENCE: Final = "urn:consent-edit:demo:another-service"
GRANTEE: Final = "urn:consent-edit:demo:app"
STRANGER: Final = "urn:consent-edit:demo:stranger"
_ISSUER: Final = "urn:consent-edit:demo:issuer"
_STATUS: Final = "urn:consent-edit:demo:status"
_DAY: Final = 86_400
_MARK: Final = ".consent-edit-demo"
_REMADE: Final = ("operator.json", "log.sqlite*", "receipt-key.*")
_CLOSE_UP_FACE: Final = 112
"""Pixels that the face of a close-up is wide at least: the side of what the first embedder reads."""


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """Everybody the demo needs.

    Attributes:
        holder: The wallet of the person in ``photo``: simulated, she gave no consent.
        service: The simulated issuer's status service, asked in-process.
        stranger: A picture of somebody else than ``photo`` shows.
    """

    photo: CanonicalImage
    perception: Perception
    operator: Operator
    holder: Wallet
    service: IssuerStatus
    stranger: CanonicalImage
    out: Path

    @classmethod
    def create(cls, photo: CanonicalImage, perception: Perception, out: Path) -> DemoWorld:
        """Make the world anew in ``out``, the demo's own folder.

        Args:
            photo: A picture with one face; its person is enrolled, simulated, from this very picture.

        Raises:
            EnrolmentRefused: the picture does not show one clear face.
            Unavailable: a check that enrolment needs did not run.
            InputError: ``out`` holds an operator's log or keys.
        """
        now = unix_now()
        service = IssuerStatus(_STATUS, SigningKey.generate(), ":memory:")
        issuer = Issuer(name=_ISSUER, key=SigningKey.generate(), status=service, environment=Environment.DEMO)
        anchor = SigningKey.generate()
        entry, status_entry = issuer.trust_entries(now=now, lifetime=_DAY)
        claims = TrustListClaims(
            environment=Environment.DEMO,
            iat=now,
            exp=now + _DAY,
            issuers=(entry,),
            status_services=(status_entry,),
        )
        trust = TrustList.load_demo(claims.sign(anchor), anchor=anchor.public, now=now)
        _own_folder(out)
        for leftover in (file for pattern in _REMADE for file in out.glob(pattern)):
            leftover.unlink()
        operator = Operator(
            audience=AUDIENCE,
            trust=trust,
            policy=PolicyBundle.shipped("default"),
            statuses=StatusLists({_STATUS: service.source(unix_now)}),
            store=Store.open(out / "log.sqlite"),
            receipt_key=create_receipt_key(out),
        )
        holder = Wallet(SigningKey.generate())
        capture = _enrol(photo, perception, issuer, holder, now)
        return cls(photo, perception, operator, holder, service, _stranger(capture, perception), out)

    def grant(
        self,
        *,
        operations: Collection[Operation] = (Operation.TONE,),
        audience: str = AUDIENCE,
        photo: CanonicalImage | None = None,
    ) -> HeldGrant:
        """A fresh simulated grant to the demo's app, naming the photo by digest."""
        return self.holder.grant(
            audience=audience,
            grantee=GRANTEE,
            operations=operations,
            purpose=Purpose.PERSONAL,
            now=unix_now(),
            images=((photo or self.photo).digest,),
            days=1,
        )

    def consent(
        self,
        *,
        operations: Collection[Operation] = (Operation.TONE,),
        audience: str = AUDIENCE,
        photo: CanonicalImage | None = None,
    ) -> tuple[Presentation, ...]:
        """The same, as it is presented."""
        return (self.grant(operations=operations, audience=audience, photo=photo).presentation(),)

    def withdraw(self, grant: HeldGrant) -> None:
        """The holder withdraws; the status service flips the entry at once."""
        self.service.withdraw(self.holder.withdraw(grant.jti, unix_now()))


def _own_folder(out: Path) -> None:
    """A folder without a log and keys, or with an earlier demo's; nothing of anybody else's is touched."""
    mark = out / _MARK
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not mark.exists() and any(any(out.glob(pattern)) for pattern in _REMADE):
            raise InputError(
                f"{out} holds the log or keys of somebody else than the demo",
                code="input.folder",
                remedy="name a new folder with --out",
            )
        mark.touch()
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}", code="input.folder") from error


def _enrol(
    photo: CanonicalImage, perception: Perception, issuer: Issuer, holder: Wallet, now: int
) -> Capture:
    """Enrol the one person of the photo; the simulated issuer's "capture" is a close-up of it."""
    first = perception.observe_image(photo)
    capture_of(first, photo, source=CaptureSource.OWN)  # a missing check is not told as a missing face
    faces = [face for face in first.faces if face.kind is PersonKind.FACE]
    if len(faces) != 1:
        raise EnrolmentRefused(
            f"the photo shows {len(faces)} clear faces", remedy="take a photo that shows exactly one"
        )
    close_up = _close_up(photo, faces[0])
    seen = perception.observe_image(close_up)
    clear = tuple(face for face in seen.faces if face.kind is PersonKind.FACE)
    capture = capture_of(replace(seen, faces=clear), close_up, source=CaptureSource.OWN)
    enrolment = issuer.enrol(
        [capture],
        holder=holder.holder,
        models=seen.models,
        thresholds=load_thresholds(),
        evidence=Evidence(loa=Assurance.SIMULATED, method="simulated"),
        now=now,
    )
    holder.accept(enrolment)
    return capture


def _close_up(photo: CanonicalImage, face: FaceObservation) -> CanonicalImage:
    """The face with as much again on each side, enlarged where it is small."""
    box = face.box
    left, top = max(0, round(box.x - box.width)), max(0, round(box.y - box.height))
    right, bottom = round(box.x + 2 * box.width), round(box.y + 2 * box.height)
    crop = photo.pixels[top:bottom, left:right]
    scale = max(1.0, _CLOSE_UP_FACE / box.width)
    size = (round(crop.shape[1] * scale), round(crop.shape[0] * scale))
    enlarged = Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS)
    return CanonicalImage.of(np.asarray(enlarged, dtype=np.uint8))


def _stranger(enrolled: Capture, perception: Perception) -> CanonicalImage:
    """The shipped portrait of somebody else: matplotlib's, or the astronaut where that one was enrolled."""
    other = bystander()
    template = {role: views.mean(axis=0) for role, views in enrolled.embeddings.items()}
    template = {role: mean / np.linalg.norm(mean) for role, mean in template.items()}
    probes = [Probe(face.embeddings) for face in perception.observe_image(other).faces]
    known = match_faces(probes, [template], load_thresholds().matching)
    return astronaut() if any(match.outcome is MatchOutcome.MATCHED for match in known) else other
