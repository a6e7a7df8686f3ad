"""A passkey in software: makes the assertions a phone or security key makes, and such as they never would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.webauthn import Assertion, Passkey, challenge, passkey_token
from consent_edit.encoding import b64url_encode

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""Flags of authenticator data, by their names in Web Authentication Level 3, section 6.1."""

PRESENT = UP | UV
SYNCED = UP | UV | BE | BS
"""What a passkey that is backed up to a cloud says."""

RP_ID = "wallet.example"
ORIGIN = "https://wallet.example"


@dataclass(frozen=True)
class SoftAuthenticator:
    """One passkey and the browser in front of it."""

    secret: SigningKey
    passkey: Passkey = field(default_factory=lambda: Passkey(rp_id=RP_ID, origins=(ORIGIN,)))

    @classmethod
    def make(
        cls,
        algorithm: Algorithm = Algorithm.ES256,
        *,
        rp_id: str = RP_ID,
        origins: tuple[str, ...] = (ORIGIN,),
    ) -> SoftAuthenticator:
        """A fresh passkey."""
        return cls(SigningKey.generate(algorithm), Passkey(rp_id=rp_id, origins=origins))

    @property
    def key(self) -> PublicJwk:
        """Its public key."""
        return self.secret.public

    def client_data(self, asked: bytes, changes: Mapping[str, object] | None = None) -> bytes:
        """What the browser writes (section 5.8.1.1); a change to ``...`` leaves the member out."""
        members = {
            "type": "webauthn.get",
            "challenge": b64url_encode(asked),
            "origin": self.passkey.origins[0],
            "crossOrigin": False,
            **(changes or {}),
        }
        told = {name: value for name, value in members.items() if value is not ...}
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()

    def authenticator_data(
        self, *, rp_id: str = "", flags: int = PRESENT, count: int = 0, rest: bytes = b""
    ) -> bytes:
        """What the authenticator writes (section 6.1), with anything at all behind the 37 bytes."""
        rp_hash = hashlib.sha256((rp_id or self.passkey.rp_id).encode()).digest()
        return rp_hash + bytes([flags]) + count.to_bytes(4, "big") + rest

    def over(self, client_data: bytes, authenticator_data: bytes) -> Assertion:
        """The assertion over these two, rightly signed (section 6.3.3)."""
        raw = self.secret.sign(authenticator_data + hashlib.sha256(client_data).digest())
        if self.key.algorithm is Algorithm.ES256:
            raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        return Assertion(authenticator_data=authenticator_data, client_data_json=client_data, signature=raw)

    def answer(
        self,
        asked: bytes,
        *,
        client: Mapping[str, object] | None = None,
        rp_id: str = "",
        flags: int = PRESENT,
        count: int = 0,
        rest: bytes = b"",
    ) -> Assertion:
        """What ``navigator.credentials.get`` answers to a challenge, or would if it were bent."""
        data = self.authenticator_data(rp_id=rp_id, flags=flags, count=count, rest=rest)
        return self.over(self.client_data(asked, client), data)

    def sign(
        self,
        payload: bytes,
        *,
        typ: str,
        client: Mapping[str, object] | None = None,
        rp_id: str = "",
        flags: int = PRESENT,
        count: int = 0,
        rest: bytes = b"",
    ) -> str:
        """A passkey token over a payload."""
        asked = challenge(typ, payload)
        assertion = self.answer(asked, client=client, rp_id=rp_id, flags=flags, count=count, rest=rest)
        return passkey_token(payload, assertion, typ=typ)
