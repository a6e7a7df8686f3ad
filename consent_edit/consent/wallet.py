"""The holder's side: her key, her credential, the grants she signs, and their withdrawal.

All of it works offline. Each grant takes a fresh status entry from the stock the issuer allotted to her
key; a withdrawal is a request she signs, which the issuer's status service (or whoever carries it there)
accepts for ever. A wallet opened from a folder writes itself back after each change, mode 0600.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from consent_edit.consent import sd_jwt
from consent_edit.consent.encoding import malformed
from consent_edit.consent.grant import (
    ANYONE,
    ConsentGrant,
    FaceEdit,
    Notice,
    Thumbprint,
    Withdrawal,
)
from consent_edit.consent.issue import Enrolment
from consent_edit.consent.jose import MAX_TOKEN, unverified
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey, write_private
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.wire import StatusClaim, StatusRef, Text, Wire, read_wire
from consent_edit.errors import InputError
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import PHOTO_BOUND_OPERATIONS, Operation, Purpose

DEFAULT_DAYS: Final = 30
HOLDER_KEY: Final = "holder.key.json"
WALLET_FILE: Final = "wallet.json"
_NOTICE_URI: Final = "urn:consent-edit:notice:grant:1"


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

        Raises:
            InputError: the credential is not bound to this wallet's key.
            ConsentInvalid: it is no credential.
        """
        _, claims = unverified(sd_jwt.parse(credential).jwt)
        match claims.get("cnf"):
            case {"jwk": dict(jwk)} if PublicJwk.parse(jwk).thumbprint == self.subject:
                pass
            case _:
                raise InputError("the credential is bound to another key", code="input.credential")
        self._keep(self._state.model_copy(update={"credential": credential, "stock": tuple(stock)}))

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
            InputError: there is no credential, the stock of status entries is used up, or the grant makes
                no sense.
        """
        _sensible(grantee, operations, images, max_uses, days, anyone=anyone)
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
        claims = ConsentGrant.model_validate(
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
                "notice": Notice(uri=_NOTICE_URI, hash=byte_digest(notice.encode("utf-8")), lang="en"),
                **optional,
                **({"max_uses": max_uses} if max_uses else {}),
            }
        )
        held = HeldGrant(
            jti=claims.jti, token=claims.sign(self._key), credential=credential, entry=entry, notice=notice
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


def notice_text(
    audience: str, grantee: str, detail: FaceEdit, images: Collection[str], *, max_uses: int, days: int
) -> str:
    """What a person reads before she signs; its hash goes into the grant."""
    who = "ANYBODY" if grantee == ANYONE else grantee
    which = f"{len(images)} photo(s) named by digest" if images else "any photo of you"
    often = f"at most {max_uses} time(s)" if max_uses else "any number of times"
    lines = [
        f"You allow {who} to have pictures of your face edited by {audience}.",
        f"What may be done: {', '.join(detail.actions)}. What for: {detail.purpose}.",
        f"Which photos: {which}. How often: {often}. For how long: {days} day(s).",
        "You may withdraw this at any time, without giving a reason.",
        *images,
    ]
    return "\n".join(lines) + "\n"


def _fresh_id() -> str:
    """128 random bits as a token's name; hex, so that on a command line it never looks like an option."""
    return secrets.token_hex(16)


def _sensible(
    grantee: str,
    operations: Collection[Operation],
    images: Collection[str],
    max_uses: int,
    days: int,
    *,
    anyone: bool,
) -> None:
    if (grantee == ANYONE) is not anyone:
        raise InputError("a grant to anybody must be asked for expressly, and only then", code="input.grant")
    if not operations or max_uses < 0 or days < 1:
        raise InputError(
            "a grant needs an operation, a limit of uses >= 0 and a day at least", code="input.grant"
        )
    unbound = PHOTO_BOUND_OPERATIONS & set(operations)
    if unbound and not images:
        raise InputError(
            f"{', '.join(sorted(unbound))}: such a grant must name its photos",
            code="input.grant",
            remedy="name each photo the grant is for",
        )


def _expiry(credential: str) -> int:
    _, claims = unverified(sd_jwt.parse(credential).jwt)
    match claims.get("exp"):
        case int(exp):
            return exp
        case _:
            raise malformed("the credential does not say when it ends")
