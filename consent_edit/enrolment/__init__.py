"""Enrolment: an issuer's desk, its register and its reviews."""

from consent_edit.enrolment.capture import capture_of

__all__ = ["capture_of"]
