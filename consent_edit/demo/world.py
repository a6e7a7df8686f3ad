"""The demo's own little world: a simulated issuer, a holder, an operator; no command that edits loads it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent_edit.consent.binding import Evidence
from consent_edit.consent.issue import Issuer
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.status import StatusLists
from consent_edit.consent.status_service import IssuerStatus
from consent_edit.consent.trust import TrustList, TrustListClaims
from consent_edit.consent.wallet import HeldGrant, Wallet
from consent_edit.enrolment import capture_of, models_of
from consent_edit.evidence.keys import create_receipt_key
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.operator import Operator, unix_now
from consent_edit.perception.observation import Perception
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.store.sqlite import Store
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Assurance, Environment, Operation, Purpose

AUDIENCE: Final = "urn:consent-edit:demo:service"
OTHER_AUDIENCE: Final = "urn:consent-edit:demo:another-service"
GRANTEE: Final = "urn:consent-edit:demo:app"
STRANGER: Final = "urn:consent-edit:demo:stranger"
_ISSUER: Final = "urn:consent-edit:demo:issuer"
_STATUS: Final = "urn:consent-edit:demo:status"
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """Everybody the demo needs.

    Attributes:
        holder: The wallet of the person in ``photo``: simulated, she gave no consent.
        service: The simulated issuer's status service, asked in-process.
    """

    photo: CanonicalImage
    perception: Perception
    operator: Operator
    holder: Wallet
    service: IssuerStatus
    out: Path

    @classmethod
    def create(cls, photo: CanonicalImage, perception: Perception, out: Path) -> DemoWorld:
        """Make the world anew in ``out``, the demo's own folder.

        Args:
            photo: A picture with one face; its person is enrolled, simulated, from this very picture.

        Raises:
            EnrolmentRefused: the picture does not show one clear face.
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
        out.mkdir(parents=True, exist_ok=True)
        for leftover in (*out.glob("log.sqlite*"), *out.glob("receipt-key.*")):
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
        _enrol(photo, perception, issuer, holder, now)
        return cls(photo, perception, operator, holder, service, out)

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


def _enrol(photo: CanonicalImage, perception: Perception, issuer: Issuer, holder: Wallet, now: int) -> None:
    seen = perception.observe_image(photo)
    capture = capture_of(seen)
    enrolment = issuer.enrol(
        [capture],
        holder=holder.public,
        models=models_of(seen),
        thresholds=load_thresholds().matching,
        evidence=Evidence(loa=Assurance.SIMULATED, method="simulated", liveness="none"),
        now=now,
    )
    holder.accept(enrolment)
