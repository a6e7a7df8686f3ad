"""Who signs: a key that makes JWS signatures, or a passkey that makes WebAuthn assertions. Never both."""

from __future__ import annotations

from dataclasses import dataclass

from consent_edit.consent.jose import MAX_TOKEN, verify_compact
from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.webauthn import Passkey, verify_passkey_token
from consent_edit.consent.wire import Wire, read_wire
from consent_edit.encoding import JsonValue, canonical_json


class SigningMember(Wire):
    """A public key as credentials carry it (RFC 7800 section 3.2), with what a passkey needs beside it.

    Attributes:
        jwk: The public key.
        webauthn: Absent for a key that signs JWS.
    """

    jwk: dict[str, str]
    webauthn: Passkey | None = None

    def signatory(self) -> Signatory:
        """The signatory it names.

        Raises:
            ConsentInvalid: ``MALFORMED``; the key is none that may verify.
        """
        return Signatory(PublicJwk.parse(self.jwk), self.webauthn)


@dataclass(frozen=True, slots=True)
class Signatory:
    """Somebody whose signature counts, as an issuer vouched for the key.

    Attributes:
        passkey: ``None`` for a key that signs JWS; with one, only WebAuthn assertions count.
    """

    key: PublicJwk
    passkey: Passkey | None = None

    @property
    def thumbprint(self) -> str:
        """RFC 7638 thumbprint of the key."""
        return self.key.thumbprint

    def verify(self, token: str, *, typ: str, limit: int = MAX_TOKEN) -> bytes:
        """The payload of a token this signatory signed.

        Raises:
            ConsentInvalid: ``MALFORMED`` or ``SIGNATURE_INVALID``.
        """
        if self.passkey is None:
            return verify_compact(token, self.key, typ=typ, limit=limit).payload
        return verify_passkey_token(token, self.key, self.passkey, typ=typ, limit=limit).payload

    def claim(self) -> dict[str, JsonValue]:
        """The claim that names this signatory; :class:`SigningMember` reads it."""
        claim: dict[str, JsonValue] = {"jwk": dict(self.key.export())}
        if self.passkey is not None:
            claim["webauthn"] = self.passkey.model_dump(mode="json")
        return claim

    def to_json(self) -> str:
        """The claim as canonical JSON, for a record."""
        return canonical_json(self.claim()).decode("utf-8")

    @classmethod
    def from_json(cls, text: str) -> Signatory:
        """Read :meth:`to_json`'s form.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return read_wire(SigningMember, text.encode("utf-8")).signatory()
