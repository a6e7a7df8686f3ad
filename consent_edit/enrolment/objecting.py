"""Somebody enrolled says "never": the issuer's own never-edit list, which keeps a face out of enrolment.

She shows her credential bound to a nonce of the desk, as at a renewal. The templates are the register's, so
she need disclose none. Whoever is on the list is enrolled and renewed no more, herself included, until she
has it lifted.
"""

from __future__ import annotations

from consent_edit.consent.holder.presence import Asked
from consent_edit.enrolment import renewal
from consent_edit.enrolment.audit import Attempt, Event, audited
from consent_edit.enrolment.desk import EnrolmentDesk
from consent_edit.errors import InputError
from consent_edit.nonces import spend
from consent_edit.objections import Objections
from consent_edit.vocabulary import Assurance


def object_to_enrolment(desk: EnrolmentDesk, presentation: str, nonce: str) -> str:
    """Put a person on the issuer's list.

    Args:
        presentation: Her credential with key-binding JWT, for this issuer.
        nonce: As :meth:`EnrolmentDesk.challenge` gave it for this.

    Returns:
        Thumbprint of her key.

    Raises:
        ConsentInvalid: it does not verify, is revoked, or the nonce was used before or for something else.
        EnrolmentRefused: the register does not know the credential.
        InputError: the credential is below ``low``: nobody verified whose face a self-asserted one shows.
        StoreUnavailable: not written.
    """
    with audited(desk.store, Attempt(Event.OBJECTION, desk.clock())) as attempt:
        held = _identified(desk, presentation, nonce, Asked.OBJECT, attempt)
        templates = renewal.registered(desk.register, held).face_template
        # First the list, then the log: one cut short has listed her, and can be done again.
        Objections(desk.store, desk.thresholds).add(attempt.subject, templates)
        attempt.commit(desk.store)
    return attempt.subject


def lift_objection(desk: EnrolmentDesk, presentation: str, nonce: str) -> str:
    """Take a person off the issuer's list; the key that put her there, or nobody.

    Returns:
        Thumbprint of her key.

    Raises:
        ConsentInvalid: as :func:`object_to_enrolment`.
        InputError: the credential is below ``low``.
        StoreUnavailable: not written.
    """
    with audited(desk.store, Attempt(Event.OBJECTION_LIFTED, desk.clock())) as attempt:
        _identified(desk, presentation, nonce, Asked.LIFT, attempt)
        attempt.commit(desk.store)
        Objections(desk.store, desk.thresholds).remove(attempt.subject)
    return attempt.subject


def _identified(
    desk: EnrolmentDesk, presentation: str, nonce: str, asked: Asked, attempt: Attempt
) -> renewal.Held:
    """Who is there now; the nonce is spent by it."""
    held = renewal.presented(desk.issuer, presentation, nonce=nonce, now=attempt.time)
    attempt.subject, attempt.loa = held.holder.thumbprint, held.loa
    spend(desk.store, nonce, asked, attempt.time)
    if not held.loa.at_least(Assurance.LOW):
        raise InputError(
            "a credential below low does not say whose face it shows",
            code="input.objection",
            remedy="be enrolled in person, or with a liveness check",
        )
    return held
