"""The holder's side: her key, her credential, the grants she signs, and their withdrawal.

All of it works offline. Each grant takes a fresh status entry from the stock the issuer allotted to her
key; a withdrawal is a request she signs, which the issuer's status service (or whoever carries it there)
accepts for ever. A wallet opened from a folder writes itself back after each change, mode 0600.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, ValidationError

from consent_edit.consent import sd_jwt
from consent_edit.consent.encoding import malformed
from consent_edit.consent.grant import (
    ConsentGrant,
    FaceEdit,
    Notice,
    Thumbprint,
    Withdrawal,
)
from consent_edit.consent.issue import Enrolment
from consent_edit.consent.jose import MAX_TOKEN, unverified
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey, write_private
from consent_edit.consent.notice import NOTICE_URI, notice_text, sensible
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.wire import StatusClaim, StatusRef, Text, Wire, read_wire
from consent_edit.encoding import Json
from consent_edit.errors import InputError
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Operation, Purpose

DEFAULT_DAYS: Final = 30
HOLDER_KEY: Final = "holder.key.json"
WALLET_FILE: Final = "wallet.json"


_Model = TypeVar("_Model", bound=Wire)


class HeldGrant(Wire):
    """A grant as the wallet remembers it."""

    jti: Text
    token: Annotated[str, Field(max_length=MAX_TOKEN, repr=False)]
    credential: Annotated[str, Field(max_length=MAX_TOKEN, repr=False)]
    entry: StatusRef
    notice: Annotated[str, Field(max_length=8192)]

    def presentation(self) -> Presentation:
        """What she hands to the service or the grantee."""
        return Presentation(credential=self.credential, grant=self.token)


class WalletState(Wire):
    """A wallet's content, the key apart."""

    credential: Annotated[str, Field(max_length=MAX_TOKEN, repr=False)] = ""
    stock: tuple[StatusRef, ...] = ()
    grants: tuple[HeldGrant, ...] = ()


class Wallet:
    """One person's wallet.

    Args:
        key: Her private key.
        state: What it holds.
        folder: Where it writes itself back; without one it lives in memory.
    """

    def __init__(self, key: SigningKey, state: WalletState | None = None, folder: Path | None = None) -> None:
        self._key = key
        self._state = state or WalletState()
        self._folder = folder

    @classmethod
    def create(cls, folder: Path, algorithm: Algorithm = Algorithm.ES256) -> Wallet:
        """Make a new wallet with a fresh key, in a folder of mode 0700.

        Raises:
            InputError: there is one already, or the folder cannot be written.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder.name}", code="input.wallet") from error
        key = SigningKey.generate(algorithm)
        key.save(folder / HOLDER_KEY)
        wallet = cls(key, folder=folder)
        wallet._keep(wallet._state)
        return wallet

    @classmethod
    def open(cls, folder: Path) -> Wallet:
        """Open a wallet's folder.

        Raises:
            InputError: there is no wallet.
            ConsentInvalid: a file in it is malformed.
        """
        key = SigningKey.load(folder / HOLDER_KEY)
        try:
            data = (folder / WALLET_FILE).read_bytes()
        except OSError as error:
            raise InputError(f"no wallet in {folder.name}", code="input.wallet") from error
        return cls(key, read_wire(WalletState, data), folder)

    @property
    def public(self) -> PublicJwk:
        """The public key that an issuer binds to her face."""
        return self._key.public

    @property
    def subject(self) -> str:
        """Thumbprint of her key; the grantee of a self-edit."""
        return self._key.public.thumbprint

    @property
    def grants(self) -> tuple[HeldGrant, ...]:
        """Every grant she signed, oldest first."""
        return self._state.grants

    def receive(self, credential: str, stock: Collection[StatusRef]) -> None:
        """Store a credential and the stock of status entries that came with it, in place of earlier ones.

        An entry that a grant of hers has taken already is left out: each grant is withdrawn by itself.

        Raises:
            InputError: the credential is not bound to this wallet's key, or the stock is not of its status
                list: whoever carried it here could have put entries there that she cannot withdraw.
            ConsentInvalid: it is no credential.
        """
        _, claims = unverified(sd_jwt.parse(credential).jwt)
        match claims.get("cnf"):
            case {"jwk": dict(jwk)} if PublicJwk.parse(jwk).thumbprint == self.subject:
                pass
            case _:
                raise InputError("the credential is bound to another key", code="input.credential")
        if _strays(claims, stock):
            raise InputError("the status entries are not for grants", code="input.credential")
        taken = {held.entry for held in self._state.grants}
        fresh = tuple(entry for entry in dict.fromkeys(stock) if entry not in taken)
        self._keep(self._state.model_copy(update={"credential": credential, "stock": fresh}))

    def accept(self, enrolment: Enrolment) -> None:
        """Store what an issuer in the same process gave.

        Raises:
            InputError: as :meth:`receive`.
        """
        self.receive(enrolment.credential, enrolment.stock)

    def grant(
        self,
        *,
        audience: str,
        grantee: str,
        operations: Collection[Operation],
        purpose: Purpose,
        now: int,
        images: Collection[str] = (),
        max_uses: int = 0,
        days: int = DEFAULT_DAYS,
        anyone: bool = False,
    ) -> HeldGrant:
        """Sign a consent grant.

        Args:
            audience: The service it is for.
            grantee: Client id or key thumbprint of who may ask for the edit.
            operations: What may be done.
            purpose: What for; one purpose a grant.
            now: Unix seconds.
            images: Canonical pixel digests of the only photos it is for; none: any photo of her.
            max_uses: Releases it is good for; 0: no limit.
            days: How long it lasts; it never outlasts the credential.
            anyone: Must be true, beside ``grantee="any"``, to let anybody use it.

        Raises:
            InputError: there is no credential or it has expired, the stock of status entries is used up, or
                the grant makes no sense.
        """
        sensible(audience, grantee, operations, images, max_uses, days, anyone=anyone)
        credential, stock = self._state.credential, self._state.stock
        if not credential or not stock:
            raise InputError(
                "the wallet has no credential, or no status entry left for a grant",
                code="input.wallet",
                remedy="enrol (again) with the issuer and receive the new credential",
            )
        entry, *left = stock
        detail = FaceEdit(type="face_edit", actions=tuple(sorted(set(operations))), purpose=purpose)
        notice = notice_text(audience, grantee, detail, sorted(images), max_uses=max_uses, days=days)
        optional = {"images": tuple(sorted(set(images)))} if images else {}
        claims = _fitted(
            ConsentGrant,
            {
                "jti": _fresh_id(),
                "iat": now,
                "nbf": now,
                "exp": min(now + days * 86_400, _expiry(credential)),
                "aud": (audience,),
                "grantee": grantee,
                "cnf": Thumbprint(jkt=self.subject),
                "vc_hash": sd_jwt.presentation_hash(credential),
                "authorization_details": (detail,),
                "status": StatusClaim(status_list=entry),
                "notice": Notice(uri=NOTICE_URI, hash=byte_digest(notice.encode("utf-8")), lang="en"),
                **optional,
                **({"max_uses": max_uses} if max_uses else {}),
            },
        )
        token = claims.sign(self._key)
        held = _fitted(
            HeldGrant,
            {"jti": claims.jti, "token": token, "credential": credential, "entry": entry, "notice": notice},
        )
        grants = (*self._state.grants, held)
        self._keep(self._state.model_copy(update={"stock": tuple(left), "grants": grants}))
        return held

    def grant_self(
        self,
        *,
        audience: str,
        operations: Collection[Operation],
        now: int,
        images: Collection[str] = (),
        days: int = 30,
    ) -> HeldGrant:
        """The commonest case in one call: she herself edits her own photos, for herself.

        Raises:
            InputError: as :meth:`grant`.
        """
        return self.grant(
            audience=audience,
            grantee=self.subject,
            operations=operations,
            purpose=Purpose.PERSONAL,
            now=now,
            images=images,
            days=days,
        )

    def withdraw(self, jti: str, now: int) -> str:
        """Sign the request that withdraws a grant; hand it to the issuer's status service, by any way.

        Raises:
            InputError: no such grant in this wallet.
        """
        entries = [held.entry for held in self._state.grants if held.jti == jti]
        if not entries:
            raise InputError("no such grant in this wallet", code="input.grant")
        request = Withdrawal(jti=_fresh_id(), iat=now, status_list=entries[0])
        return request.sign(self._key)

    def _keep(self, state: WalletState) -> None:
        if self._folder is not None:
            write_private(self._folder / WALLET_FILE, state.model_dump_json().encode("utf-8"))
        self._state = state


def _fitted(model: type[_Model], members: Mapping[str, object]) -> _Model:
    """What is about to be signed or kept, if it fits the closed form that verifiers will read it by."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise InputError(
            "such a grant cannot be signed: the credential has expired, or a value is not of its form",
            code="input.grant",
        ) from error


def _fresh_id() -> str:
    """128 random bits as a token's name; hex, so that on a command line it never looks like an option."""
    return secrets.token_hex(16)


def _strays(claims: Mapping[str, Json], stock: Collection[StatusRef]) -> bool:
    """Whether an entry stands in another list than the credential's, or is the credential's own."""
    match claims.get("status"):
        case {"status_list": {"uri": str(uri), "idx": int(own)}}:
            return any(entry.uri != uri or entry.idx == own for entry in stock)
        case _:
            return False  # such a credential verifies nowhere, and no grant under it


def _expiry(credential: str) -> int:
    _, claims = unverified(sd_jwt.parse(credential).jwt)
    match claims.get("exp"):
        case int(exp):
            return exp
        case _:
            raise malformed("the credential does not say when it ends")
