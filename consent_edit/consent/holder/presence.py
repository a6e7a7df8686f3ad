"""She shows that she is there, now: her credential over a nonce that a service or the issuer gave her.

Where a key signs, ``Wallet.bind`` does it in one call; where a passkey does, ``Wallet.begin_bind`` gives the
:class:`Showing` whose ``challenge`` the passkey signs, and ``Wallet.finish_bind`` takes the assertion in.
"""

from __future__ import annotations

from enum import StrEnum

from consent_edit.consent import sd_jwt
from consent_edit.consent.holder.held import Token
from consent_edit.consent.sd_jwt import BINDING_TYP
from consent_edit.consent.webauthn import challenge
from consent_edit.consent.wire import Wire


class Asked(StrEnum):
    """What a nonce was given out for: the letters before its first dot say so."""

    EXPORT = "export"
    ERASE = "erase"
    OBJECT = "object"
    LIFT = "lift"
    RENEW = "renew"
    UNKNOWN = "unknown"

    @classmethod
    def by(cls, nonce: str) -> Asked:
        """What this nonce is for; ``UNKNOWN`` where it does not say."""
        named, dot, random = nonce.partition(".")
        known = dot and random and named in set(cls)
        return cls(named) if known else cls.UNKNOWN


class Showing(Wire):
    """A credential shown for one nonce, not signed yet.

    Attributes:
        presented: The credential with what is disclosed of it.
        payload: The canonical JSON to be signed, ``typ: kb+jwt`` (RFC 9901 section 4.3).
    """

    presented: Token
    payload: Token

    @property
    def challenge(self) -> bytes:
        """The 32 bytes that a passkey signs."""
        return challenge(BINDING_TYP, self.payload.encode("utf-8"))


def showing(credential: str, *, audience: str, nonce: str, now: int, disclose: bool) -> Showing:
    """Draft the key binding of a credential.

    Args:
        audience: The service, or the issuer.
        nonce: The one it gave out.
        now: Unix seconds.
        disclose: Whether all is disclosed; else nothing is.

    Raises:
        ConsentInvalid: ``MALFORMED``; an argument is not of its form.
    """
    presented = credential if disclose else sd_jwt.join(sd_jwt.parse(credential).jwt, ())
    payload = sd_jwt.binding_payload(presented, audience=audience, nonce=nonce, now=now)
    return Showing(presented=presented, payload=payload.decode("utf-8"))
